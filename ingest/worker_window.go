package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
)

// How the settle time of a source with the shape Window is read again: its last
// minutes each turn, the rest less often. Coverage grows with the rest, so together
// with the time that coverage is held back it stays within what State.Spans waits.
const (
	tailShort = 15 * time.Minute
	tailEvery = 45 * time.Minute
)

// readPieces reads the missing windows piece by piece, oldest first. The coverage
// of a piece is in the parcel with its last events, so that a long history is kept
// as far as it was read. After a failure only the present is tried: one stretch
// that the source cannot give must not cost the others. (The next turn begins with
// the stretch that failed.)
func (w *Worker) readPieces(ctx context.Context, now time.Time, missing coverage.Set) error {
	ask, whole := w.ask(now, missing)
	back := w.lookBack(now, ask[0].From)
	looked := back.Before(ask[0].From) || w.looked.IsZero()
	if back.Before(ask[0].From) {
		ask = ask.Union(coverage.Interval{From: back, To: now})
	}
	pieces := cut(ask, w.feed.Kind.Piece)
	requests := 0
	var failed error
	for i, piece := range pieces {
		if failed != nil && i < len(pieces)-1 {
			continue
		}
		n, err := w.readPiece(ctx, piece, missing)
		requests += n
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s to %s: %w", piece.From.Format(time.RFC3339), piece.To.Format(time.RFC3339), err))
			if ctx.Err() != nil || errors.Is(err, source.ErrToken) || errors.Is(err, source.ErrPlan) {
				break
			}
		}
	}
	w.set(func(s *Status) { s.Requests = requests })
	if failed != nil {
		return failed
	}
	if whole {
		w.tailed = now
	}
	if looked {
		w.looked = now
	}
	w.set(func(s *Status) { s.Read = now })
	return nil
}

// readPiece reads one piece and returns how many requests that took.
func (w *Worker) readPiece(ctx context.Context, piece coverage.Interval, missing coverage.Set) (int, error) {
	now := w.now().UTC().Round(0)
	turn := w.turn()
	answer, err := turn.pull(ctx, source.Ask{Window: piece})
	if err != nil {
		return answer.Requests, err
	}
	covers := granted(missing.Intersect(piece), w.proven(now, answer))
	if err := turn.finish(ctx, now, covers, nil); err != nil {
		return answer.Requests, err
	}
	left := w.missing(now)
	w.set(func(s *Status) { s.Missing = left })
	return answer.Requests, nil
}

// ask returns what to ask for, of what is missing, and whether all of the settle
// time is in it.
func (w *Worker) ask(now time.Time, missing coverage.Set) (set coverage.Set, whole bool) {
	last := missing[len(missing)-1]
	due := now.Sub(w.tailed) >= tailEvery || last.From.Before(now.Add(-w.feed.Settle-tailEvery))
	if due || last.Length() <= tailShort {
		return missing, true
	}
	last.From = now.Add(-tailShort)
	return missing[:len(missing)-1].Union(last), false
}

// cut cuts a set into pieces no longer than longest, oldest first; 0: any length.
func cut(set coverage.Set, longest time.Duration) []coverage.Interval {
	var pieces []coverage.Interval
	for _, i := range set {
		for longest > 0 && i.Length() > longest {
			pieces = append(pieces, coverage.Interval{From: i.From, To: i.From.Add(longest)})
			i.From = i.From.Add(longest)
		}
		pieces = append(pieces, i)
	}
	return pieces
}
