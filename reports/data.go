package reports

import (
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
)

// chunk is how many events one statement reads: enough that statements cost
// nothing, few enough that the server sorts them in memory.
const chunk = 200_000

// data gives a pack its content out of the store, as it is at a head.
type data struct {
	db   *store.DB
	head store.Head
	gone map[segmentKey]bool // whose rows are not read, if they are still there
}

type segmentKey struct {
	seq         uint64
	source, day string
	section     event.Section
}

func newData(db *store.DB, head store.Head) *data {
	d := &data{db: db, head: head, gone: map[segmentKey]bool{}}
	add := func(refs []ledger.SegmentRef) {
		for _, r := range refs {
			d.gone[segmentKey{r.Seq, r.Source, r.Day, r.Section}] = true
		}
	}
	for _, e := range head.State.Expires {
		add(e.Segments)
	}
	for _, r := range head.State.Rollbacks {
		add(r.Segments)
	}
	return d
}

var _ pack.Data = (*data)(nil)

func (d *data) Records(ctx context.Context, from, to uint64, each func(line []byte) error) error {
	next := from
	err := d.db.LedgerRows(ctx, from, to, func(row store.LedgerRow) error {
		if row.Seq < next { // the same row twice, as the reader of the head has checked
			return nil
		}
		if row.Seq > next {
			return fmt.Errorf("reports: record %d is missing from the store", next)
		}
		next++
		return each([]byte(row.Record))
	})
	if err == nil && next != to {
		err = fmt.Errorf("reports: records from %d to %d are missing from the store", next, to-1)
	}
	return err
}

func (d *data) KeyCheckpoints(ctx context.Context, before uint64, each func(signed string) error) error {
	for _, key := range d.head.State.Keys {
		if key.Seq >= before {
			continue
		}
		found := false
		err := d.db.LedgerRows(ctx, key.Seq, key.Seq+1, func(row store.LedgerRow) error {
			if found {
				return nil
			}
			found = true
			return each(row.Checkpoint)
		})
		if err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("reports: key record %d is missing from the store", key.Seq)
		}
	}
	return nil
}

func (d *data) Events(ctx context.Context, q pack.Query, each func(seq uint64, e *event.Event, erased *event.Erased) error) error {
	snap := store.Snapshot{Size: q.Before, Voids: q.Voids}
	for _, days := range d.chunks(q) {
		err := d.db.EachEvent(ctx, snap, q.Sources, days, func(seq uint64, e *event.Event) error {
			if len(d.gone) > 0 && d.gone[segmentKey{seq, e.Source, e.Time.Format(ledger.DayFormat), e.Section}] {
				return nil
			}
			return each(seq, e, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *data) Rejects(ctx context.Context, q pack.Query, each func(seq uint64, r *event.Reject) error) error {
	return d.db.EachReject(ctx, store.Snapshot{Size: q.Before, Voids: q.Voids}, q.Sources, q.Days, func(seq uint64, r *event.Reject) error {
		if len(d.gone) > 0 && d.gone[segmentKey{seq, r.Source, r.Received.Format(ledger.DayFormat), event.Rejects}] {
			return nil
		}
		return each(seq, r)
	})
}

// chunks cuts the days into runs that hold about as many events as a statement is
// to read, by what the ledger says of them. A run is never less than a day.
func (d *data) chunks(q pack.Query) []coverage.Interval {
	n := int(q.Days.Length() / day)
	perDay := make([]uint64, n)
	var text string
	index := -1
	for i := range d.head.State.Segments {
		s := &d.head.State.Segments[i]
		if s.Seq >= q.Before || !slices.Contains(q.Sources, s.Source) {
			continue
		}
		if s.Day != text {
			text, index = s.Day, -1
			if t, err := time.Parse(ledger.DayFormat, s.Day); err == nil && q.Days.Contains(t) {
				index = int(t.Sub(q.Days.From) / day)
			}
		}
		if index >= 0 && index < n {
			perDay[index] += s.Count
		}
	}
	var out []coverage.Interval
	start, events := 0, uint64(0)
	cut := func(end int) {
		if start < end {
			out = append(out, coverage.Interval{From: q.Days.From.Add(time.Duration(start) * day), To: q.Days.From.Add(time.Duration(end) * day)})
		}
		start, events = end, 0
	}
	for i, count := range perDay {
		if events > 0 && events+count > chunk {
			cut(i)
		}
		events += count
	}
	cut(n)
	return out
}
