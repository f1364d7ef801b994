package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// A turn is one read under way.
type turn struct {
	worker   *Worker
	preparer *Preparer
}

func (t *turn) page(ctx context.Context, p source.Page) error {
	for _, raw := range p.Records {
		if err := t.preparer.Add(source.Record{Raw: raw, Received: p.Received}); err != nil {
			return err
		}
	}
	if events, bytes := t.preparer.Pending(); events >= maxEvents || bytes >= maxBytes {
		return t.commit(ctx)
	}
	return nil
}

// commit commits what was prepared so far, without coverage.
func (t *turn) commit(ctx context.Context) error {
	p := t.preparer.Take()
	if p.Empty() {
		return nil
	}
	_, err := t.worker.committer.Commit(ctx, p)
	return err
}

// finish commits the rest of the read with its coverage, or holds both back when
// nothing new is in it: a source that is idle does not need a record a minute.
func (t *turn) finish(ctx context.Context, now time.Time, covers []ledger.Cover, told *ledger.Told) error {
	w := t.worker
	p := t.preparer.Take()
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
	p.Items, p.Rejects, p.Covers, p.Told = items, rejects, covers, told
	if len(p.Items) == 0 && len(p.Rejects) == 0 {
		w.hold(p, now)
		if now.Sub(w.since) < holdFor && !heals(covers, now, w.feed) {
			return nil
		}
		return w.flush(ctx)
	}
	p = w.merge(p)
	if _, err := w.committer.Commit(ctx, p); err != nil {
		return err
	}
	w.released()
	w.settled = tail
	return nil
}

// holdFor is how long coverage without events gathers before it is committed.
const holdFor = time.Hour

// heals reports whether the coverage closes more than the last minutes: a gap that
// ended is worth a record of its own.
func heals(covers []ledger.Cover, now time.Time, f Feed) bool {
	for _, c := range covers {
		if c.From.Before(now.Add(-f.Settle - holdFor)) {
			return true
		}
	}
	return false
}

// hold keeps a parcel without events back.
func (w *Worker) hold(p Parcel, now time.Time) {
	if w.since.IsZero() {
		w.since, w.held = now, Parcel{Source: w.feed.Name}
	}
	w.held = join(w.held, p)
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
	var covers []ledger.Cover
	for _, i := range coverage.Of(append(intervals(a.Covers), intervals(b.Covers)...)...) {
		covers = append(covers, ledger.Cover{From: i.From, To: i.To, Method: ledger.Read})
	}
	b.Covers = covers
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
