package pack

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// A rejectKey is what rejects.csv groups by.
type rejectKey struct {
	source, reason string
	fate           ledger.Fate
}

// rejectGroups collects the rows of rejects.csv from lines in any order.
type rejectGroups struct {
	fates map[tlog.Hash]ledger.Fate
	rows  map[rejectKey]RejectGroup
}

func newRejectGroups(r *reading) rejectGroups {
	return rejectGroups{r.state.Fates(), map[rejectKey]RejectGroup{}}
}

// add counts a reject by its line's leaf.
func (g rejectGroups) add(r *event.Reject, leaf tlog.Hash) {
	key := rejectKey{r.Source, r.Reason, g.fates[leaf]}
	if key.fate.Source != r.Source {
		key.fate = ledger.Fate{} // a batch speaks of its own source
	}
	group, ok := g.rows[key]
	if !ok {
		key.source, key.reason = strings.Clone(r.Source), strings.Clone(r.Reason) // r may share memory with a buffer
		group = RejectGroup{Source: key.source, Reason: key.reason, Outcome: key.fate.Outcome, By: key.fate.Seq, First: r.Received, Last: r.Received}
	}
	if r.Received.Before(group.First) {
		group.First = r.Received
	}
	if r.Received.After(group.Last) {
		group.Last = r.Received
	}
	group.Count++
	g.rows[key] = group
}

func (g rejectGroups) list() []RejectGroup {
	return slices.SortedFunc(maps.Values(g.rows), func(a, b RejectGroup) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.By, b.By), cmp.Compare(a.Outcome, b.Outcome))
	})
}

// Became says in words what rejects became that were tried again.
func Became(outcome string) string {
	switch outcome {
	case ledger.ResolvedEvent:
		return "became an event"
	case ledger.ResolvedDuplicate:
		return "its event was stored already"
	case ledger.ResolvedSkipped:
		return "known now to hold no event"
	case ledger.ResolvedConflict:
		return "contradicts a stored event: a reject for that now"
	}
	return outcome
}

// rejects is rejects.csv.
func rejects(groups []RejectGroup, z zone) table {
	var t table
	t.row("source", "reason", "state", "became", "by_record", "first_utc", "first ["+z.Name+"]", "last_utc", "last ["+z.Name+"]", "count")
	for _, g := range groups {
		t.text(g.Source)
		t.text(g.Reason)
		state, by := "open", ""
		if g.Outcome != "" {
			state, by = "resolved", number(g.By)
		}
		t.text(state)
		t.text(Became(g.Outcome))
		t.plain(by)
		t.instant(z, g.First)
		t.instant(z, g.Last)
		t.plain(number(g.Count))
		t.end()
	}
	return t
}
