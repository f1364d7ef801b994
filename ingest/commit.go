package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// Commit writes parcels under one ledger record. The order of writes, and what a
// crash leaves at each point:
//
//  1. Drop what is stored already. Nothing was written yet.
//  2. Insert the rows with batch = seq, once, and count them. A crash leaves rows
//     of a batch that has no record; the next start writes a void record at that
//     seq, and rows of a void batch are never read.
//  3. Swap the ledger row in. This is the commit: before it nothing of the batch
//     exists, after it everything does.
//  4. Append the record to ledger.jsonl. A crash before that leaves a record that
//     only the store has; the next start appends it.
//
// An attempt that fails in 2 is not repeated under its seq, because its insert may
// still land: a void record takes the seq, the rows go again under the next.
func (l *Log) Commit(ctx context.Context, parcels []Parcel) ([]ledger.Batch, error) {
	if err := l.begin(ctx); err != nil {
		return nil, err
	}
	defer l.end()
	if err := l.checkFree(ctx); err != nil {
		return nil, err
	}
	b, err := l.dedupeAgain(ctx, parcels)
	if err != nil {
		return nil, err
	}
	if err := l.insertAgain(ctx, b); err != nil {
		return nil, err
	}
	record := b.record()
	if err := l.append(ctx, record, b.latest); err != nil {
		return nil, err
	}
	l.Trace("done")
	return record.Batch, nil
}

// checkFree refuses a batch when the disk has little room left, before ClickHouse
// meets the end of it in the middle of a merge.
func (l *Log) checkFree(ctx context.Context) error {
	if l.MinFree == 0 {
		return nil
	}
	free, err := l.Free(ctx)
	if err != nil {
		return fmt.Errorf("ingest: look for room on the disk: %w", err)
	}
	if free < l.MinFree {
		return fmt.Errorf("%w: %d MiB left, %d MiB are kept free; nothing is lost yet: make room, and collection goes on by itself", ErrFull, free>>20, l.MinFree>>20)
	}
	return nil
}

func (l *Log) dedupeAgain(ctx context.Context, parcels []Parcel) (*batch, error) {
	for attempt := 0; ; attempt++ {
		l.Trace("dedupe")
		b, err := l.dedupe(ctx, l.head, parcels)
		if err == nil || !transient(err) || attempt >= maxAttempts {
			return b, err
		}
		l.Log.Warn("dedupe failed, asking again", "error", err)
		if err := l.Wait(ctx, attempt); err != nil {
			return nil, err
		}
	}
}

// insertAgain sends the rows of a batch until they have arrived under the next seq.
func (l *Log) insertAgain(ctx context.Context, b *batch) error {
	for attempt := 0; ; attempt++ {
		err := l.insert(ctx, l.head.State.Size, b)
		if store.Full(err) {
			return fmt.Errorf("%w: the database has no room: %w", ErrFull, err)
		}
		if err == nil || attempt >= maxAttempts || ctx.Err() != nil {
			return err // the seq stays spoiled: see heal
		}
		l.Log.Warn("rows did not arrive as they were sent; their batch is void", "seq", l.head.State.Size, "error", err)
		if err := l.void(ctx, "rows did not arrive"); err != nil {
			return err
		}
		if err := l.Wait(ctx, attempt); err != nil {
			return err
		}
	}
}

// maxAttempts bounds how often rows are sent before the error goes up. The caller
// keeps its parcels and may try again.
const maxAttempts = 20

// insert sends the rows of a batch and counts them.
func (l *Log) insert(ctx context.Context, seq uint64, b *batch) error {
	if len(b.events)+len(b.rejects)+len(b.objects)+len(b.resolved) == 0 {
		return nil
	}
	l.Trace("insert")
	l.spoiled = true
	if err := l.DB.InsertEvents(ctx, seq, b.events); err != nil {
		return err
	}
	if err := l.DB.InsertRejects(ctx, seq, b.rejects); err != nil {
		return err
	}
	if err := l.insertObjects(ctx, seq, b.objects); err != nil {
		return err
	}
	if err := l.DB.InsertUnmapped(ctx, seq, b.unmapped()); err != nil {
		return err
	}
	if err := l.insertResolved(ctx, seq, b.resolved); err != nil {
		return err
	}
	l.Trace("count")
	events, rejects, err := l.DB.CountBatch(ctx, seq)
	if err != nil {
		return err
	}
	if events != uint64(len(b.events)) || rejects != uint64(len(b.rejects)) {
		return fmt.Errorf("ingest: batch %d: %d events and %d rejects arrived of %d and %d", seq, events, rejects, len(b.events), len(b.rejects))
	}
	return nil
}

// A batch is what is left of parcels after dedupe: the rows to write and, per
// source, what the record says.
type batch struct {
	events   []*event.Event
	rejects  []*event.Reject
	objects  []*event.Object
	resolved []store.Resolution
	sources  []*sourceBatch
	latest   time.Time // latest receipt: the record is not older than what it holds
}

type sourceBatch struct {
	ledger.Batch
	items     []*Item
	rejects   []*event.Reject
	objects   []*event.Object
	retried   []*retried
	conflicts map[*retried]bool  // those of which an event contradicts a stored one
	firsts    map[*retried]*Item // the first new item of each
	earlier   coverage.Set       // covered before what is in items was read
}

func (b *batch) record() ledger.Record {
	r := ledger.Record{Kind: ledger.KindBatch}
	for _, s := range b.sources {
		s.Segments = s.segments()
		r.Batch = append(r.Batch, s.Batch)
	}
	return r
}

// sort brings items and rejects into the order of their segments' lines, which is
// also the order that the store keeps rows in: it has nothing left to sort.
func (s *sourceBatch) sort() {
	slices.SortFunc(s.items, func(a, b *Item) int {
		if c := a.Event.Time.Compare(b.Event.Time); c != 0 {
			return c
		}
		return cmp.Compare(a.Event.ID, b.Event.ID)
	})
	slices.SortFunc(s.rejects, func(a, b *event.Reject) int {
		return cmp.Or(a.Received.Compare(b.Received), slices.Compare(a.SHA256[:], b.SHA256[:]), cmp.Compare(a.Reason, b.Reason))
	})
}

// segments computes the roots of the segments that the sorted items and rejects of
// a source make.
func (s *sourceBatch) segments() []ledger.Segment {
	type key struct {
		day     time.Time
		section event.Section
	}
	roots := make(map[key]*ledger.Root)
	add := func(k key) *ledger.Root {
		if roots[k] == nil {
			roots[k] = new(ledger.Root)
		}
		return roots[k]
	}
	for _, item := range s.items {
		add(key{event.Day(item.Event.Time), item.Event.Section}).Add(item.Leaf)
	}
	var line []byte
	for _, r := range s.rejects {
		line = r.AppendLine(line[:0])
		add(key{event.Day(r.Received), event.Rejects}).Add(event.Leaf(line))
	}
	var segments []ledger.Segment
	for k, root := range roots {
		segments = append(segments, ledger.Segment{Day: k.day.Format(ledger.DayFormat), Section: k.section, Count: root.Count(), Root: root.Hash()})
	}
	slices.SortFunc(segments, func(a, b ledger.Segment) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Section, b.Section))
	})
	return segments
}

var errNoParcels = errors.New("ingest: nothing to commit")
