package reports

import (
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// days fills Days from Spans.
func (s *SourceCoverage) days(t *tally, days coverage.Interval, usual func(time.Time) uint64, gone []Gone, altered []ledger.SegmentRef) {
	spans := s.Spans
	for d := days.From; d.Before(days.To); d = d.Add(day) {
		one := coverage.Interval{From: d, To: d.Add(day)}
		out := Day{Day: d, State: Read}
		for len(spans) > 0 && !spans[0].To.After(d) {
			spans = spans[1:]
		}
		var covered, within time.Duration
		for _, span := range spans {
			part := span.Intersect(one)
			if part.Empty() {
				break
			}
			within += part.Length()
			if span.State == ledger.Covered {
				covered += part.Length()
				if out.Method == "" || rank(StateOf(span)) > rank(out.Method) {
					out.Method = StateOf(span)
				}
			}
			if state := StateOf(span); rank(state) > rank(out.State) {
				out.State = state
			}
			if span.State == ledger.Recoverable && (out.Until.IsZero() || span.Until.Before(out.Until)) {
				// Only the part on this day counts: its first instant goes first.
				out.Until = span.Until.Add(part.From.Sub(span.From))
			}
		}
		out.Share = share(covered, within)
		out.counts, out.Rejects = t.on(s.Source.Name, d)
		out.Events = out.counts.sum()
		if covered == day && out.Events == 0 && usual(d) >= usualEvents {
			out.State = Silent
		}
		name, on := s.Source.Name, d.Format(ledger.DayFormat)
		if slices.ContainsFunc(gone, func(g Gone) bool { return g.Source == name && g.Day == on }) && rank(out.State) < rank(Expired) {
			out.State = Expired
		}
		if slices.ContainsFunc(altered, func(r ledger.SegmentRef) bool { return r.Source == name && r.Day == on }) {
			out.State = Altered
		}
		s.Events += out.Events
		s.Days = append(s.Days, out)
	}
}

func rank(s DayState) int { return slices.Index(DayStates(), s) }

const (
	// usualEvents is how many events a weekday must usually have before a day
	// without any is worth a look.
	usualEvents = 5
	// usualDays is how many of the eight weeks before must have been collected
	// before anything is called usual.
	usualDays = 3
)

// usual returns how many events a source usually has on the weekday of a day: the
// median over the eight weeks before it, of the days that were collected.
func usual(state *ledger.State, t *tally, source string, days coverage.Interval, now time.Time) func(time.Time) uint64 {
	collected := state.Coverage(source).Intersect(coverage.Interval{From: days.From.Add(-lookBack * day), To: days.To})
	return func(d time.Time) uint64 {
		var seen []uint64
		for week := 1; week <= lookBack/7; week++ {
			before := d.Add(-time.Duration(7*week) * day)
			if !collected.Contains(before.Add(12 * time.Hour)) {
				continue
			}
			n, _ := t.on(source, before)
			seen = append(seen, n.sum())
		}
		if len(seen) < usualDays {
			return 0
		}
		slices.Sort(seen)
		return seen[(len(seen)-1)/2]
	}
}
