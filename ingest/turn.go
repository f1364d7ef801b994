package ingest

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// A turn is one read under way.
type turn struct {
	worker   *Worker
	preparer *Preparer
	missing  coverage.Set // what it is for
	position position     // Follow: behind the pages that were handed over
	spoken   spoken
}

func (w *Worker) turn(missing coverage.Set) *turn {
	return &turn{worker: w, missing: missing, preparer: NewPreparer(w.feed.Name, w.feed.Kind, w.secret, rand.Reader)}
}

// pull asks the source. After an error it commits what came so far: that is right
// and is kept, but grants no coverage.
func (t *turn) pull(ctx context.Context, ask source.Ask) (source.Answer, error) {
	answer, err := t.worker.feed.Puller.Pull(ctx, ask, func(p source.Page) error { return t.page(ctx, p) })
	if err != nil {
		err = errors.Join(err, t.commit(ctx))
	}
	return answer, err
}

func (t *turn) page(ctx context.Context, p source.Page) error {
	for _, raw := range p.Records {
		if err := t.preparer.AddOrReject(source.Record{Raw: raw, Received: p.Received}); err != nil {
			return err
		}
	}
	if p.Cursor != "" {
		t.position.cursor = p.Cursor
	}
	if records, bytes := t.preparer.Pending(); records >= maxEvents || bytes >= maxBytes {
		return t.commit(ctx)
	}
	return nil
}

// commit commits what was prepared so far, without coverage.
func (t *turn) commit(ctx context.Context) error {
	p := t.take()
	if p.Fetched == 0 {
		return nil
	}
	p.Cursor = t.position.String()
	t.worker.withoutOff(t.missing, &t.spoken, nil) // a cursor does not lead here again
	return t.worker.commit(ctx, p)
}

func (t *turn) take() Parcel {
	p := t.preparer.Take()
	t.spoken.hear(p.Items)
	return p
}

func (w *Worker) commit(ctx context.Context, p Parcel) error {
	if _, err := w.committer.Commit(ctx, p); err != nil {
		return err
	}
	w.cursor = cmp.Or(p.Cursor, w.cursor)
	return nil
}

// finish commits the rest of the read with its coverage, or holds both back when
// nothing new is in it: a source that is idle does not need a record a minute.
// proven is the time of which everything was read. Who calls it calls release at
// the end of the turn.
func (t *turn) finish(ctx context.Context, now time.Time, proven coverage.Interval, told *ledger.Told) error {
	w := t.worker
	p := t.take()
	covers := w.withoutOff(t.missing, &t.spoken, coversOf(t.missing.Intersect(proven)))
	items := p.Items[:0:0]
	tail := make(map[string][sha256.Size]byte, len(p.Items))
	for _, item := range p.Items {
		sum := sha256.Sum256([]byte(item.Event.Raw))
		if stored, ok := w.settled[item.Event.ID]; ok && stored == sum {
			p.Known++
		} else {
			items = append(items, item)
		}
		tail[item.Event.ID] = sum
	}
	rejects := p.Rejects[:0:0]
	for _, r := range p.Rejects {
		id := "reject\x00" + r.Reason // no source has such an id
		if stored, ok := w.settled[id+string(r.SHA256[:])]; ok && stored == r.SHA256 {
			p.Known++
		} else {
			rejects = append(rejects, r)
		}
		tail[id+string(r.SHA256[:])] = r.SHA256
	}
	p.Items, p.Rejects, p.Covers, p.Told, p.Cursor = items, rejects, covers, told, t.position.String()
	if len(p.Items) == 0 && len(p.Rejects) == 0 {
		w.hold(p, now)
		return nil
	}
	if err := w.commit(ctx, w.merge(p)); err != nil {
		return err
	}
	w.released()
	w.settled = tail
	return nil
}

// holdFor is how long coverage without events gathers before it is committed.
const holdFor = time.Hour

// release commits what was held back when it waited for long enough, or closes more
// than the last minutes: a gap that ended is worth a record of its own.
func (w *Worker) release(ctx context.Context, now time.Time) error {
	if w.since.IsZero() {
		return nil
	}
	heals := slices.ContainsFunc(w.held.Covers, func(c ledger.Cover) bool { return c.From.Before(now.Add(-w.feed.Settle - holdFor)) })
	if now.Sub(w.since) < holdFor && !heals {
		return nil
	}
	return w.flush(ctx)
}

// hold keeps a parcel without events back.
func (w *Worker) hold(p Parcel, now time.Time) {
	if w.since.IsZero() {
		w.since, w.held = now, Parcel{Source: w.feed.Name}
	}
	w.held = join(w.held, p)
	w.cursor = cmp.Or(p.Cursor, w.cursor)
	w.set(func(s *Status) { s.Uncommitted = coverage.Of(intervals(w.held.Covers)...) })
}

// merge puts what was held back in front of a parcel.
func (w *Worker) merge(p Parcel) Parcel {
	if w.since.IsZero() {
		return p
	}
	return join(w.held, p)
}

// join adds parcel b to a, which holds no items. Neighbouring covers become one.
func join(a, b Parcel) Parcel {
	b.Fetched += a.Fetched
	b.Extra += a.Extra
	b.Skipped += a.Skipped
	b.Known += a.Known
	b.Earlier = coverage.Of(intervals(a.Covers)...)
	if b.Told == nil {
		b.Told = a.Told
	}
	if b.Cursor == "" {
		b.Cursor = a.Cursor
	}
	b.Covers = coversOf(coverage.Of(append(intervals(a.Covers), intervals(b.Covers)...)...))
	return b
}

func intervals(covers []ledger.Cover) []coverage.Interval {
	list := make([]coverage.Interval, len(covers))
	for i, c := range covers {
		list[i] = c.Interval()
	}
	return list
}

// flush commits what was held back.
func (w *Worker) flush(ctx context.Context) error {
	if w.since.IsZero() {
		return nil
	}
	p := w.held
	p.Urgent = true
	if _, err := w.committer.Commit(ctx, p); err != nil {
		return fmt.Errorf("ingest: commit the coverage of %s: %w", w.feed.Name, err)
	}
	w.released()
	return nil
}

func (w *Worker) released() {
	w.since, w.held = time.Time{}, Parcel{}
	w.set(func(s *Status) { s.Uncommitted = nil })
}
