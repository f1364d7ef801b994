package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// ReasonConflict is the reason of a reject that has the id of a stored event and
// says something else. The first stays.
const ReasonConflict = "conflict with a stored event of the same id"

// dedupe is the only place where something that a source delivered is not stored,
// and it counts it: the same content again is a duplicate, other content under a
// known id is a reject.
func (l *Log) dedupe(ctx context.Context, head store.Head, parcels []Parcel) (*batch, error) {
	b := new(batch)
	bySource := make(map[string]*sourceBatch)
	offered := make(map[string][]*Item)
	for i := range parcels {
		p := &parcels[i]
		s := bySource[p.Source]
		if s == nil {
			s = &sourceBatch{Batch: ledger.Batch{Source: p.Source}}
			bySource[p.Source] = s
			b.sources = append(b.sources, s)
		}
		s.Fetched += p.Fetched
		s.Extra += p.Extra
		s.Skipped += p.Skipped
		s.Duplicates += p.Known
		s.Redriven += uint64(len(p.retried))
		s.retried = append(s.retried, p.retried...)
		s.Covers = append(s.Covers, p.Covers...)
		s.earlier = s.earlier.Union(p.Earlier...)
		if p.Cursor != "" {
			s.Cursor = p.Cursor
		}
		if p.Told != nil {
			s.Told = p.Told
		}
		for j := range p.Items {
			offered[p.Source] = append(offered[p.Source], &p.Items[j])
		}
		for j := range p.Rejects {
			s.rejects = append(s.rejects, &p.Rejects[j])
		}
		for j := range p.Objects {
			s.objects = append(s.objects, &p.Objects[j])
		}
	}
	if len(b.sources) == 0 {
		return nil, errNoParcels
	}
	snap := head.Snapshot()
	now := later(l.Now().UTC(), head.State.At)
	for _, s := range b.sources {
		if err := l.dedupeEvents(ctx, snap, s, offered[s.Source]); err != nil {
			return nil, err
		}
		if err := l.dedupeRejects(ctx, snap, s); err != nil {
			return nil, err
		}
		if err := l.dedupeObjects(ctx, snap, s); err != nil {
			return nil, err
		}
		b.objects = append(b.objects, s.objects...)
		b.resolved = append(b.resolved, s.resolve()...)
		countItems(head, s)
		s.sort()
		for _, item := range s.items {
			b.events = append(b.events, item.Event)
			b.latest = later(b.latest, item.Event.Received)
		}
		for _, r := range s.rejects {
			b.latest = later(b.latest, r.Received)
		}
		b.rejects = append(b.rejects, s.rejects...)
		s.Events, s.Rejects = uint64(len(s.items)), uint64(len(s.rejects))
		s.Covers = until(s.Covers, now)
		for _, c := range s.Covers {
			b.latest = later(b.latest, c.To)
		}
	}
	return b, nil
}

// until cuts coverage at now: what has not come yet was not collected.
func until(covers []ledger.Cover, now time.Time) []ledger.Cover {
	for i := range covers {
		if covers[i].To.After(now) {
			covers[i].To = now
		}
	}
	return slices.DeleteFunc(covers, func(c ledger.Cover) bool { return c.Interval().Empty() })
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lookUp is how many events are looked up at a time: enough that statements cost
// little, few enough that the answer, when all of them are stored, takes little memory.
const lookUp = 8192

// dedupeEvents keeps of the offered items those that are new.
func (l *Log) dedupeEvents(ctx context.Context, snap store.Snapshot, s *sourceBatch, offered []*Item) error {
	first := make(map[string]*Item, len(offered))
	for piece := range slices.Chunk(offered, lookUp) {
		stored, err := l.stored(ctx, snap, s.Source, piece)
		if err != nil {
			return err
		}
		for _, item := range piece {
			if err := l.dedupeEvent(ctx, snap, s, item, stored, first); err != nil {
				return err
			}
		}
	}
	return nil
}

// stored returns what the store has under the ids of the items.
func (l *Log) stored(ctx context.Context, snap store.Snapshot, source string, items []*Item) (map[string]event.Event, error) {
	ids := make([]string, 0, len(items))
	from, to := items[0].Event.Time, items[0].Event.Time
	for _, item := range items {
		if t := item.Event.Time; t.Before(from) {
			from = t
		}
		to = later(to, item.Event.Time)
		ids = append(ids, item.Event.ID)
	}
	return l.DB.Stored(ctx, snap, source, ids, from, to)
}

// dedupeEvent keeps an item when it is new: its id is neither stored nor among the
// first ones that were offered with theirs.
func (l *Log) dedupeEvent(ctx context.Context, snap store.Snapshot, s *sourceBatch, item *Item, stored map[string]event.Event, first map[string]*Item) error {
	if before, again := stored[item.Event.ID]; again {
		if before.Mapping != item.Event.Mapping || !event.SameContent(item.Event, &before) {
			// Other rules may have made the stored event: ours of another version, or
			// the site's. Whether the record changed is told by the record.
			var err error
			if before, err = l.asNow(ctx, snap, before, item); err != nil {
				return err
			}
		}
		return l.settle(s, item, &before)
	}
	// The first of the offered ones stays, as it would have in two batches.
	if earlier := first[item.Event.ID]; earlier != nil {
		return l.settle(s, item, earlier.Event)
	}
	first[item.Event.ID] = item
	s.items = append(s.items, item)
	return nil
}

// asNow returns the stored event as the present rules would have made it.
func (l *Log) asNow(ctx context.Context, snap store.Snapshot, stored event.Event, item *Item) (event.Event, error) {
	raw, err := l.DB.RawOf(ctx, snap, &stored)
	if err != nil {
		return event.Event{}, err
	}
	if raw == item.Event.Raw {
		return *item.Event, nil
	}
	if l.Renormalize == nil {
		return stored, nil
	}
	return l.Renormalize(stored, raw)
}

// settle counts an item whose id is known: a duplicate when it says the same, else
// a reject that keeps its record.
func (l *Log) settle(s *sourceBatch, item *Item, before *event.Event) error {
	e := item.Event
	if event.SameContent(e, before) {
		s.Duplicates++
		return nil
	}
	s.conflict(item)
	reject := &event.Reject{Source: e.Source, Received: e.Received, Reason: ReasonConflict, Size: uint64(len(e.Raw)), SHA256: sha256.Sum256([]byte(e.Raw)), Raw: e.Raw}
	if e.TimeBasis == event.BasisTransport {
		reject.Transport = e.Time
	}
	if _, err := io.ReadFull(l.Random, reject.Salt[:]); err != nil {
		return fmt.Errorf("ingest: draw salt: %w", err)
	}
	s.rejects = append(s.rejects, reject)
	return nil
}

// dedupeRejects keeps each distinct reject once.
func (l *Log) dedupeRejects(ctx context.Context, snap store.Snapshot, s *sourceBatch) error {
	if len(s.rejects) == 0 {
		return nil
	}
	keyOf := func(r *event.Reject) store.RejectKey {
		return store.RejectKey{Source: r.Source, Reason: r.Reason, SHA256: r.SHA256}
	}
	keys := make([]store.RejectKey, len(s.rejects))
	for i, r := range s.rejects {
		keys[i] = keyOf(r)
	}
	known, err := l.DB.StoredRejects(ctx, snap, keys)
	if err != nil {
		return err
	}
	kept := s.rejects[:0]
	for _, r := range s.rejects {
		if known[keyOf(r)] {
			s.Duplicates++
			continue
		}
		known[keyOf(r)] = true
		kept = append(kept, r)
	}
	s.rejects = kept
	return nil
}

// countItems counts what is worth knowing of the events that will be stored.
func countItems(head store.Head, s *sourceBatch) {
	covered := head.State.Coverage(s.Source, ledger.Read, ledger.Heard).Union(s.earlier...)
	for _, item := range s.items {
		if item.ClockAhead {
			s.ClockAhead++
		}
		if item.Unmapped {
			s.Unmapped++
		}
		if item.from == nil && inside(covered, item.Event.Time) {
			s.Late++
		}
	}
}

func inside(set coverage.Set, t time.Time) bool { return len(set) > 0 && set.Contains(t) }

// Renormalizer returns the function that makes a stored record into an event by
// the present rules of its source's kind.
func Renormalizer(kindOf func(name string) (source.Kind, bool)) func(stored event.Event, raw string) (event.Event, error) {
	return func(stored event.Event, raw string) (event.Event, error) {
		kind, ok := kindOf(stored.Source)
		if !ok {
			return stored, nil
		}
		results, err := kind.Normalize(source.Record{Raw: []byte(raw), Received: stored.Received})
		if err != nil && !errors.Is(err, source.ErrSkip) {
			return stored, nil // the present rules reject it: what is stored stands
		}
		for i := range results {
			e := &results[i].Event
			e.Source, e.Received = stored.Source, stored.Received
			if e.ID == "" {
				e.ID = stored.ID
			}
			e.File(results[i].Claimed)
			e.Clean()
			if e.ID == stored.ID {
				return *e, nil
			}
		}
		return stored, nil
	}
}
