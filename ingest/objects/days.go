package objects

import (
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A day is what a turn saw of the objects of a UTC day.
type day struct {
	objects int
	bad     bool      // one could not be read, or is damaged
	unseen  bool      // one was not looked at in this turn
	written time.Time // when the last one was written
	strays  string    // key of an object that holds events of other days
}

func (t *turn) dayOf(e entry) *day {
	d := t.days[e.day]
	if d == nil {
		d = new(day)
		t.days[e.day] = d
	}
	return d
}

// seen notes an object that was read, now or before.
func (t *turn) seen(e entry, o *event.Object) {
	t.files++
	d := t.dayOf(e)
	d.objects++
	d.bad = d.bad || o.Damaged
	if e.Modified.After(d.written) {
		d.written = e.Modified
	}
	t.past.off(o.Note)
	outside := !o.First.IsZero() && (o.First.Before(e.day) || !o.Last.Before(e.day.AddDate(0, 0, 1)))
	if outside && d.strays == "" {
		d.strays = o.Key
	}
}

// closedDays returns the days that the rule of the layout closes. A day counts when
// it has objects, all of them were read to their end, and
//
//   - of exports that hold a whole day: the export was written after the day had
//     ended, holds events of that day only, and a later day's export is there or the
//     time for it has passed;
//   - of archives that are written bit by bit: objects of a later day are there, so the
//     archive was still being written, and the time has passed in which it may be
//     written again.
//
// A day without an object is never closed: it may have had no events, or the export
// may have been off, and nothing tells which. A day ends when the source says that its
// log was switched off, and another one begins when it is heard of again.
func (t *turn) closedDays(ctx context.Context) ([]ledger.Cover, error) {
	layout := t.feed.Kind.Layout
	if t.feed.Closed == 0 {
		return nil, nil
	}
	var covers []ledger.Cover
	for start, d := range t.days {
		end := start.AddDate(0, 0, 1)
		if start.IsZero() || d.objects == 0 || d.bad || d.unseen || !t.full && start.Before(t.from) || end.After(t.at) {
			continue
		}
		later, passed := t.newest.After(start), !t.at.Before(end.Add(t.feed.Closed))
		closed, basis := later && passed, "archive of the day, closed"
		if layout.Whole {
			basis = "export of the day"
			closed = (later || passed) && !d.written.Before(end)
			if closed && d.strays != "" {
				t.alarms = append(t.alarms, alarm{start, fmt.Sprintf("%s holds events of other UTC days than %s, so no day counts as complete by it", d.strays, start.Format(time.DateOnly))})
				closed = false
			}
		}
		if !closed {
			continue
		}
		on, err := t.logged(ctx, coverage.Interval{From: start, To: end})
		if err != nil {
			return nil, err
		}
		if !on.Empty() {
			covers = append(covers, ledger.Cover{From: on.From, To: on.To, Method: ledger.Read, Basis: basis})
		}
	}
	slices.SortFunc(covers, func(a, b ledger.Cover) int { return a.From.Compare(b.From) })
	return covers, nil
}

// logged returns the part of a day in which the log was not switched off: until it was
// first, and, when it was on a day before, from the first event of a later day on. What
// happened in between on the day itself is not looked at. All events are in the store.
func (t *turn) logged(ctx context.Context, day coverage.Interval) (coverage.Interval, error) {
	var last time.Time
	on := day
	for _, off := range offTimes(t.offs, "") {
		switch {
		case !off.From.Before(day.From):
			if off.From.Before(on.To) {
				on.To = off.From
			}
		case !off.To.Before(day.From):
			return coverage.Interval{}, nil // an object tells of several days
		default:
			last = off.To // they are sorted
		}
	}
	if last.IsZero() {
		return on, nil
	}
	head := t.log.Head()
	first, err := t.db.FirstEvent(ctx, head.Snapshot(), t.feed.Name, day0(last).AddDate(0, 0, 1))
	if err != nil || first.IsZero() {
		return coverage.Interval{}, err
	}
	if first.After(on.From) {
		on.From = first
	}
	return on, nil
}
