package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// A position is where a source that is followed was read to. The ledger keeps it in
// the record that committed what the cursor led to, as "FROM CURSOR".
type position struct {
	// from: the store has, or the cursor leads to, every event of from and later.
	from   time.Time
	cursor string // the source's own; empty: nowhere
}

// String returns the position as the ledger keeps it; empty when there is none.
func (p position) String() string {
	if p.cursor == "" {
		return ""
	}
	return p.from.UTC().Format(event.TimeFormat) + " " + p.cursor
}

func parsePosition(text string) position {
	from, cursor, _ := strings.Cut(text, " ")
	at, err := time.Parse(event.TimeFormat, from)
	if err != nil {
		return position{} // nobody writes such a cursor: begin anew, which is harmless
	}
	return position{at, cursor}
}

// last returns where the source was read to.
func (w *Worker) last() position {
	if w.cursor == "" {
		head := w.log.Head()
		w.cursor = head.State.Cursor(w.feed.Name)
	}
	return parsePosition(w.cursor)
}

// follow goes on from the last cursor until the source has nothing more. On a long
// way the cursor is committed with every full parcel, so that a restart loses none
// of it. Coverage is only granted at the end: before it nobody knows what is still
// to come.
//
// It begins anew where the cursor does not lead: when time is missing from before
// the cursor's, or when the source does not know the cursor any more.
func (w *Worker) follow(ctx context.Context, now time.Time, missing coverage.Set) error {
	turn := w.turn(missing)
	turn.position = w.last()
	if missing[0].From.Before(turn.position.from) {
		turn.position.cursor = ""
	}
	if turn.position.cursor == "" {
		turn.position.from = missing[0].From
	}
	answer, err := turn.pull(ctx, source.Ask{Window: coverage.Interval{From: turn.position.from, To: now}, Cursor: turn.position.cursor})
	if errors.Is(err, source.ErrCursor) {
		note := fmt.Sprintf("%s: the source did not know its cursor any more, so everything since %s was asked for again; what was there already counts as duplicate",
			now.Format(time.RFC3339), missing[0].From.Format(time.RFC3339))
		w.slog.Warn("cursor refused", "error", err, "from", missing[0].From)
		w.set(func(s *Status) { s.Note = note })
		turn = w.turn(missing)
		turn.position.from = missing[0].From
		answer, err = turn.pull(ctx, source.Ask{Window: coverage.Interval{From: turn.position.from, To: now}})
	}
	if err != nil {
		return err
	}
	proven := w.proven(now, answer)
	proven.From = later(proven.From, turn.position.from)
	// What is in front of proven.To is stored now; what comes is behind it.
	turn.position.from = later(turn.position.from, proven.To)
	w.set(func(s *Status) { s.Read, s.Requests = now, answer.Requests })
	return turn.finish(ctx, now, proven, nil)
}
