package reports

import (
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A DayState says what is known about one source on one UTC day.
type DayState string

// The states of a day.
const (
	Read         DayState = "read"          // collected: polled to the end
	Heard        DayState = "heard"         // collected: pushed, the path was alive
	Stated       DayState = "stated"        // collected: an import whose period a person stated
	Silent       DayState = "silent"        // collected, no events, though the source usually has some
	Pending      DayState = "pending"       // too recent to be settled
	Before       DayState = "before"        // before onboarding
	Backfilling  DayState = "backfilling"   // first history still being read
	NotConnected DayState = "not-connected" // no such source is connected
	Expired      DayState = "expired"       // deleted by a retention rule that the ledger recorded
	Recoverable  DayState = "recoverable"   // gap; the source can still give it
	Lost         DayState = "lost"          // gap; the source no longer has it
	Altered      DayState = "altered"       // rows no longer match the ledger
)

// DayStates lists the states from the one that needs nobody to the one that most
// needs a person: a day that is partly in one and partly in another carries the
// later one.
func DayStates() []DayState {
	return []DayState{Read, Heard, Stated, Silent, Pending, Before, Backfilling, NotConnected, Expired, Recoverable, Lost, Altered}
}

// StateOf is the state of a day that is wholly in the span.
func StateOf(s ledger.Span) DayState {
	switch s.State {
	case ledger.Covered:
		return DayState(s.Method)
	case ledger.Pending:
		return Pending
	case ledger.Backfilling:
		return Backfilling
	case ledger.Recoverable:
		return Recoverable
	case ledger.Lost:
		return Lost
	case ledger.Onboarding:
		return Before
	}
	return NotConnected
}

// A Day is one source on one UTC day, as far as the window holds it.
type Day struct {
	Day     time.Time // start of the UTC day
	State   DayState
	Method  DayState  // weakest by which a part of the day was collected; empty: none was
	Share   float64   // of the part of the day that is in the window
	Until   time.Time // Recoverable: from then on the first of it is lost
	Events  uint64    // filed on the whole day
	Rejects uint64    // received on the whole day
	counts  perSection
}

// Section returns the events of a section on the whole day.
func (d Day) Section(s event.Section) uint64 { return d.counts.of(s) }

// SourceCoverage is one source over a window.
type SourceCoverage struct {
	Source  ledger.SourceAt // its newest configuration
	Known   bool            // the ledger knows it
	Since   time.Time       // from here on it is required
	Share   float64         // of the window that was collected
	Methods map[string]float64
	By      []string // who stated periods that nothing better covers
	Spans   []ledger.Span
	Days    []Day
	Events  uint64 // on whole UTC days
}

// Required is the share of the required time that was collected: what lies before
// onboarding or is not due yet does not count.
func (s SourceCoverage) Required() float64 {
	var covered, required time.Duration
	for _, span := range s.Spans {
		switch span.State {
		case ledger.Onboarding, ledger.Pending:
			continue
		case ledger.Covered:
			covered += span.Length()
		}
		required += span.Length()
	}
	return share(covered, required)
}

// A Gap is time of the window without coverage, or what was there and is gone.
type Gap struct {
	Source string
	ledger.Span
	Notes []ledger.GapAt
}

// Coverage is what was collected of each source over a window.
type Coverage struct {
	Window  coverage.Interval
	Days    coverage.Interval // the UTC days that it touches
	Now     time.Time
	Sources []SourceCoverage
	Gaps    []Gap // by source and time; what is only pending is not among them
	Matrix  []AbilityRow
	Expired []Gone
}

// Gone is a group of events that lawful deletion or a rollback took.
type Gone struct {
	ledger.SegmentRef
	By  uint64 // record
	Why string
	// Restored tells that it was lost with rows that a restored store no longer had;
	// else a retention rule deleted it.
	Restored bool
}

// cover makes the coverage of a window as it was known at now.
func cover(state *ledger.State, t *tally, sources []string, window coverage.Interval, now time.Time, altered []ledger.SegmentRef) Coverage {
	c := Coverage{Window: window, Days: coverage.Touched(window), Now: now}
	c.Expired = gone(state, sources, c.Days)
	latest := state.Latest()
	for _, name := range sources {
		s := SourceCoverage{Spans: spans(state, name, window, now), Methods: map[string]float64{}}
		s.Source.Name = name
		if i := slices.IndexFunc(latest, func(l ledger.SourceAt) bool { return l.Name == name }); i >= 0 {
			s.Source, s.Known = latest[i], true
			s.Since, _ = state.Since(name)
		}
		var covered time.Duration
		for _, span := range s.Spans {
			if span.State != ledger.Covered {
				continue
			}
			covered += span.Length()
			s.Methods[span.Method] += share(span.Length(), window.Length())
		}
		s.Share = share(covered, window.Length())
		s.By = stated(state, name, s.Spans)
		s.days(t, c.Days, usual(state, t, name, c.Days, now), c.Expired, altered)
		c.Gaps = append(c.Gaps, s.gaps(state)...)
		c.Sources = append(c.Sources, s)
	}
	c.Matrix = matrix(t, c.Sources)
	return c
}

// slack is how much of a source's time may be collected and not yet be committed:
// coverage without events waits for an hour to gather.
const slack = 2 * time.Hour

// spans is State.Spans, but that the time since the last coverage is pending for as
// long as it may be read already and not be in the ledger yet.
func spans(state *ledger.State, source string, window coverage.Interval, now time.Time) []ledger.Span {
	list := state.Spans(source, window, now)
	set := state.Coverage(source)
	settled := now
	for _, s := range state.Sources {
		if s.Name == source {
			settled = now.Add(-time.Duration(s.Settle) * time.Second)
		}
	}
	if len(set) == 0 || set[len(set)-1].To.Before(settled.Add(-slack)) {
		return list
	}
	for i, span := range list {
		if span.State == ledger.Recoverable && !span.From.Before(set[len(set)-1].To) {
			list[i].State, list[i].Until = ledger.Pending, time.Time{}
		}
	}
	return list
}

// stated names the people on whose word spans rest.
func stated(state *ledger.State, source string, spans []ledger.Span) []string {
	var by []string
	for _, span := range spans {
		if span.State != ledger.Covered || span.Method != ledger.Stated {
			continue
		}
		for _, c := range state.Covers {
			if c.Source == source && c.Method == ledger.Stated && !c.Interval().Intersect(span.Interval).Empty() && !slices.Contains(by, c.By) {
				by = append(by, c.By)
			}
		}
	}
	slices.Sort(by)
	return by
}

// gaps lists what is not covered and not merely pending.
func (s *SourceCoverage) gaps(state *ledger.State) []Gap {
	var out []Gap
	for _, span := range s.Spans {
		if span.State == ledger.Covered || span.State == ledger.Pending {
			continue
		}
		g := Gap{Source: s.Source.Name, Span: span}
		for _, note := range state.Gaps {
			if note.Source == g.Source && !span.Intersect(coverage.Interval{From: note.From, To: note.To}).Empty() {
				g.Notes = append(g.Notes, note)
			}
		}
		out = append(out, g)
	}
	return out
}

// gone lists the segments of the days that are no longer there.
func gone(state *ledger.State, sources []string, days coverage.Interval) []Gone {
	var out []Gone
	add := func(by uint64, why string, restored bool, refs []ledger.SegmentRef) {
		for _, ref := range refs {
			d, err := time.Parse(ledger.DayFormat, ref.Day)
			if err == nil && days.Contains(d) && slices.Contains(sources, ref.Source) {
				out = append(out, Gone{SegmentRef: ref, By: by, Why: why, Restored: restored})
			}
		}
	}
	for _, e := range state.Expires {
		add(e.Seq, e.Rule, false, e.Segments)
	}
	for _, r := range state.Rollbacks {
		add(r.Seq, "the store was restored; accepted by "+r.By, true, r.Segments)
	}
	return out
}

// A Look is the sources over a window, without a framework: what the pages about
// coverage and sources show.
type Look struct {
	Coverage Coverage
	tally    *tally
}

// LookAt makes it from the ledger alone. Altered are segments that the last audit
// found to differ.
func LookAt(state *ledger.State, sources []string, window coverage.Interval, now time.Time, altered []ledger.SegmentRef) Look {
	short := compact(state, sources)
	state = &short
	t := newTally(state, sources, window)
	return Look{Coverage: cover(state, t, sources, window, now, altered), tally: t}
}

// Counts returns the sums of a source over all records of the ledger, the newest
// total that it told, and the last UTC day that it has events on; "" for none.
func (l Look) Counts(source string) (counts ledger.Batch, told *ledger.Told, lastDay string) {
	s := l.tally.sources[source]
	if s == nil {
		return ledger.Batch{}, nil, ""
	}
	for _, d := range s.last {
		lastDay = max(lastDay, d)
	}
	return s.counts, s.told, lastDay
}
