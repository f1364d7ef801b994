package objects

import (
	"fmt"
	"slices"
	"strings"
	"time"

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
	off     time.Time // when the source said that its log was switched off; zero: it did not
}

// offSince begins the note of an object in which the source says that its log was
// switched off: coverage of the day ends then.
const offSince = "the log was switched off at "

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
	if text, ok := strings.CutPrefix(o.Note, offSince); ok {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && (d.off.IsZero() || at.Before(d.off)) {
			d.off = at
		}
	}
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
// may have been off, and nothing tells which.
func (t *turn) closedDays() []ledger.Cover {
	layout := t.feed.Kind.Layout
	if t.feed.Closed == 0 {
		return nil
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
		if !d.off.IsZero() && d.off.Before(end) {
			end = d.off
		}
		if closed && start.Before(end) {
			covers = append(covers, ledger.Cover{From: start, To: end, Method: ledger.Read, Basis: basis})
		}
	}
	slices.SortFunc(covers, func(a, b ledger.Cover) int { return a.From.Compare(b.From) })
	return covers
}
