package pack

import (
	"strconv"

	"exhibit/internal/event"
)

// sectionHead appends the head of sections/*.csv.
func (t *table) sectionHead(z zone) {
	t.row("time_utc", "time ["+z.Name+"]", "source", "section", "id", "action", "outcome",
		"actor_id", "actor_name", "actor_email", "actor_type", "impersonator",
		"target_type", "target_id", "target_name", "ip", "user_agent", "request_id", "session_id",
		"organisation", "workspace", "project", "account", "time_basis", "claimed_time", "changes", "batch", "note")
}

// columns between section and batch that an erased event leaves empty.
const erasedColumns = 21

// event appends an event as a row of its section.
func (t *table) event(z zone, seq uint64, e *event.Event) {
	t.instant(z, e.Time)
	t.text(e.Source)
	t.text(string(e.Section))
	t.text(e.ID)
	t.text(e.Action)
	t.text(e.Outcome)
	t.text(e.Actor.ID)
	t.text(e.Actor.Name)
	t.text(e.Actor.Email)
	t.text(e.Actor.Type)
	t.text(e.Actor.Impersonator)
	t.text(e.Target.Type)
	t.text(e.Target.ID)
	t.text(e.Target.Name)
	t.text(e.IP)
	t.text(e.UserAgent)
	t.text(e.RequestID)
	t.text(e.SessionID)
	t.text(e.Organisation)
	t.text(e.Scope.Workspace)
	t.text(e.Scope.Project)
	t.text(e.Scope.Account)
	t.text(e.TimeBasis)
	t.text(e.Claimed)
	t.text(e.Changes)
	t.comma()
	t.b = strconv.AppendUint(t.b, seq, 10)
	t.text("")
	t.end()
}

// erased appends the row of an event that was erased by law: that it was there
// belongs to the population. Refiled events have no row: their new form has.
func (t *table) erased(z zone, seq uint64, e *event.Erased) {
	t.instant(z, e.Time)
	t.text(e.Source)
	t.text(string(e.Section))
	t.text(e.ID)
	for range erasedColumns {
		t.text("")
	}
	t.comma()
	t.b = strconv.AppendUint(t.b, seq, 10)
	t.text("erased by ledger record " + strconv.FormatUint(e.By, 10))
	t.end()
}
