package ingest

import (
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// A source may say of itself that its log was switched off (Item.Ends). From then on
// reading it to the end proves nothing, until it logs something newer: that time is
// not granted as coverage. Who makes covers of other things than reads (of objects,
// of a path that is alive) sees to it in the same way: nothing is granted from the
// time of such an event until the source is heard of again.
//
// A worker keeps in memory what it knows of this. Time that is not granted stays
// missing, so after a restart it is read again, and the event with it.

// forever is the end of what has none yet.
var forever = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// spoken is when a turn found events, and which of them said that the log ends. A
// minute is exact enough: the log counts as off until the end of the first later one
// that has an event.
type spoken struct {
	ends    []time.Time
	minutes map[int64]bool
}

func (s *spoken) hear(items []Item) {
	if s.minutes == nil {
		s.minutes = make(map[int64]bool)
	}
	for i := range items {
		at := items[i].Event.Time
		s.minutes[minute(at)] = true
		if items[i].Ends {
			s.ends = append(s.ends, at)
		}
	}
}

func minute(t time.Time) int64 { return t.Unix() / 60 }

// after returns when the log was on again that was switched off at t.
func (s *spoken) after(t time.Time) time.Time {
	on := forever
	for m := range s.minutes {
		if end := time.Unix(60*(m+1), 0).UTC(); m > minute(t) && end.Before(on) {
			on = end
		}
	}
	return on
}

// withoutOff takes the time out of covers in which the log was off, and remembers
// that this time was read.
func (w *Worker) withoutOff(missing coverage.Set, s *spoken, covers []ledger.Cover) []ledger.Cover {
	off := slices.Clone(w.off)
	for i := range off {
		if off[i].To.Equal(forever) {
			off[i].To = s.after(off[i].From)
		}
	}
	for _, t := range s.ends {
		// One of covered time is known, or too late to be minded.
		if missing.Contains(t) {
			off = append(off, coverage.Interval{From: t, To: s.after(t)})
		}
	}
	w.off = coverage.Of(off...)
	if len(w.off) == 0 {
		return covers
	}
	read := coverage.Of(intervals(covers)...)
	for _, i := range w.off {
		w.unlogged = w.unlogged.Union(read.Intersect(i)...)
	}
	return coversOf(read.Subtract(w.off...))
}

func coversOf(set coverage.Set) []ledger.Cover {
	var covers []ledger.Cover
	for _, i := range set {
		covers = append(covers, ledger.Cover{From: i.From, To: i.To, Method: ledger.Read})
	}
	return covers
}
