package ledger

import (
	"slices"
	"time"

	"exhibit/internal/coverage"
)

// States of a stretch of a source's time.
const (
	Covered     = "covered"           // collected, by Span.Method
	Pending     = "pending"           // not due yet: younger than the settle time, or the future
	Backfilling = "backfilling"       // the first history is still being read
	Recoverable = "gap, recoverable"  // not collected; the source can still give it, until Span.Until
	Lost        = "gap, lost"         // not collected and beyond what the source keeps; an import can fill it
	Onboarding  = "before onboarding" // older than the source's since
	Unconnected = "not connected"     // the ledger knows no such source, or it was removed before
)

// A Span is a stretch of a source's time that has one state.
type Span struct {
	coverage.Interval
	State  string
	Method string    // Covered: the strongest method that covers it
	Until  time.Time // Recoverable: from then on the first of it is lost
}

// Gap reports whether the span is required time without coverage.
func (s Span) Gap() bool {
	return s.State == Recoverable || s.State == Lost || s.State == Backfilling || s.State == Unconnected
}

// Since returns the start of a source's required time: its configured since,
// else the time of its first record less what the vendor keeps.
func (s *State) Since(source string) (time.Time, bool) {
	first, ok := s.First(source)
	if !ok {
		return time.Time{}, false
	}
	since := first.At.Add(-time.Duration(first.Keeps) * time.Second)
	for _, r := range s.Sources {
		if r.Name == source && !r.Since.IsZero() {
			since = r.Since
		}
	}
	return since, true
}

// Spans cuts the window into stretches of one state each, in order, as they were
// known at now. Together they are the whole window.
func (s *State) Spans(source string, window coverage.Interval, now time.Time) []Span {
	if window.Empty() {
		return nil
	}
	since, known := s.Since(source)
	if !known {
		return []Span{{Interval: window, State: Unconnected}}
	}
	latest := s.latest(source)
	settled := s.settled(source, now)
	kept := now.Add(-time.Duration(latest.Keeps) * time.Second)

	var spans []Span
	left := coverage.Of(window)
	take := func(set coverage.Set, span Span) {
		for _, part := range set {
			for _, i := range left.Intersect(part) {
				span.Interval = i
				spans = append(spans, span)
			}
		}
		left = left.Subtract(set...)
	}
	for _, method := range []string{Read, Heard, Stated} {
		take(s.Coverage(source, method), Span{State: Covered, Method: method})
	}
	take(until(since), Span{State: Onboarding})
	if latest.Change == "removed" {
		take(from(latest.At), Span{State: Unconnected})
	}
	take(from(settled), Span{State: Pending})
	if latest.Keeps > 0 {
		take(until(kept), Span{State: Lost})
	}
	reachable := Recoverable
	if !latest.Pushed && !s.caughtUp(source) {
		reachable = Backfilling
	}
	for _, i := range left {
		span := Span{Interval: i, State: reachable}
		if latest.Keeps > 0 {
			span.Until = i.From.Add(time.Duration(latest.Keeps) * time.Second)
		}
		spans = append(spans, span)
	}
	slices.SortFunc(spans, func(a, b Span) int { return a.From.Compare(b.From) })
	return spans
}

func (s *State) latest(source string) SourceAt {
	for _, r := range slices.Backward(s.Sources) {
		if r.Name == source {
			return r
		}
	}
	return SourceAt{}
}

// settled returns up to when coverage is due: the settle time before now. Coverage
// is not committed at once, though (an idle source's waits for an hour), so what
// follows a recent end of coverage is not missing yet.
func (s *State) settled(source string, now time.Time) time.Time {
	due := now.Add(-time.Duration(s.latest(source).Settle) * time.Second)
	var end time.Time
	for _, c := range s.Covers {
		if c.Source == source && c.Method != Stated && c.To.After(end) {
			end = c.To
		}
	}
	if end.Before(due) && !end.Before(due.Add(-uncommitted)) {
		return end
	}
	return due
}

// uncommitted is how long coverage may wait until it is committed, and a while.
const uncommitted = 2 * time.Hour

// ContinuedBy reports whether b goes on where c ends, or later within it, and is known in
// the same way: the two may be kept as one, with the end and the place of b. How far
// collection was behind the present is not lost by it: Spans tells from the least
// distance whether a source had ever caught up.
func (c *CoverAt) ContinuedBy(b *CoverAt) bool {
	if c.Method == Stated || c.Method != b.Method || c.Basis != b.Basis || b.From.After(c.To) || b.From.Before(c.From) || b.To.Before(c.To) {
		return false
	}
	behind := b.At.Sub(b.To)
	return behind <= uncommitted || behind <= c.At.Sub(c.To)
}

// caughtUp reports whether collection of the source ever reached its present:
// until then what is missing is its first history.
func (s *State) caughtUp(source string) bool {
	settle := time.Duration(s.latest(source).Settle) * time.Second
	for _, c := range s.Covers {
		if c.Source == source && c.Method != Stated && !c.To.Before(c.At.Add(-settle-uncommitted)) {
			return true
		}
	}
	return false
}

func until(t time.Time) coverage.Set { return coverage.Of(coverage.Interval{From: time.Time{}, To: t}) }

func from(t time.Time) coverage.Set {
	return coverage.Of(coverage.Interval{From: t, To: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)})
}
