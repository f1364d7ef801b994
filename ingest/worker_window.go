package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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

// readPieces reads the missing windows piece by piece, oldest first, and then now
// and then what is covered again. The coverage of a piece is in the parcel with its
// last events, so that a long history is kept as far as it was read.
func (w *Worker) readPieces(ctx context.Context, now time.Time, missing coverage.Set) error {
	w.stuck = slices.DeleteFunc(w.stuck, func(s coverage.Interval) bool { return s.To.Before(w.oldest(now)) })
	ask, whole := w.ask(now, missing)
	back := w.lookBack(now, ask[0].From)
	requests, err := w.readInTurn(ctx, cut(ask, w.feed.Kind.Piece), missing)
	if err == nil && w.lookDue(now) {
		again := coverage.Gaps(coverage.Interval{From: back, To: now}, ask)
		var more int
		if more, err = w.readInTurn(ctx, cut(again, w.feed.Kind.Piece), missing); err == nil {
			w.lookedAt(now)
		}
		requests += more
	}
	w.set(func(s *Status) { s.Requests = requests })
	if err != nil {
		return err
	}
	if whole {
		w.tailed = now
	}
	w.set(func(s *Status) { s.Read = now })
	return nil
}

// readInTurn reads pieces until one fails, and returns how many requests that took. A
// stretch that the source cannot give must not cost the others: those that failed
// before come last, the one that failed last at the end.
func (w *Worker) readInTurn(ctx context.Context, pieces []coverage.Interval, missing coverage.Set) (requests int, err error) {
	slices.SortStableFunc(pieces, func(a, b coverage.Interval) int { return cmp.Compare(w.failed(a), w.failed(b)) })
	for _, piece := range pieces {
		n, err := w.readPiece(ctx, piece, missing)
		requests += n
		w.stuck = slices.DeleteFunc(w.stuck, func(s coverage.Interval) bool { return !s.Intersect(piece).Empty() })
		if err != nil {
			w.stuck = append(w.stuck, piece)
			return requests, fmt.Errorf("%s to %s: %w", piece.From.Format(time.RFC3339), piece.To.Format(time.RFC3339), err)
		}
	}
	return requests, nil
}

// failed is 0 for a piece that never failed, and the higher the later it did.
func (w *Worker) failed(piece coverage.Interval) int {
	return 1 + slices.IndexFunc(w.stuck, func(s coverage.Interval) bool { return !s.Intersect(piece).Empty() })
}

// readPiece reads one piece and returns how many requests that took.
func (w *Worker) readPiece(ctx context.Context, piece coverage.Interval, missing coverage.Set) (int, error) {
	now := w.now().UTC().Round(0)
	turn := w.turn(missing.Intersect(piece))
	answer, err := turn.pull(ctx, source.Ask{Window: piece})
	if err != nil {
		return answer.Requests, err
	}
	if err := turn.finish(ctx, now, w.proven(now, answer), nil); err != nil {
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
