package reports

import (
	"context"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
)

const (
	day = 24 * time.Hour
	// lookBack is how many days before the period are counted too: they tell what
	// is usual for a source.
	lookBack = 56
)

// perSection has a number for each of event.Sections().
type perSection [10]uint64

func (n *perSection) sum() (total uint64) {
	for _, v := range n {
		total += v
	}
	return total
}

// of returns the number of a section; the empty section is all of them.
func (n *perSection) of(s event.Section) uint64 {
	if s == "" {
		return n.sum()
	}
	if i := sectionIndex(s); i >= 0 {
		return n[i]
	}
	return 0
}

func sectionIndex(s event.Section) int { return slices.Index(event.Sections(), s) }

// exact has numbers of events per source and section.
type exact map[string]*perSection

// events returns a number; an empty section is all of them. An empty source is all
// but pack.Own: what people do in Exhibit never evidences another system's controls.
func (x exact) events(source string, s event.Section) (total uint64) {
	for name, n := range x {
		if source == name || source == "" && name != pack.Own {
			total += n.of(s)
		}
	}
	return total
}

func (x exact) at(source string) *perSection {
	if x[source] == nil {
		x[source] = new(perSection)
	}
	return x[source]
}

// A tally is what the ledger says about the sources of a report: its segments are
// events counted per source, UTC day and section when they were committed. Only
// the parts of days at the ends of a period are counted in the store.
type tally struct {
	from    time.Time // first UTC day that is counted
	days    coverage.Interval
	sources map[string]*sourceTally
	exact   exact // over the period exactly
}

type sourceTally struct {
	events   []perSection // per UTC day from tally.from on
	rejects  []uint64     // by day of receipt
	last     [10]string   // the last UTC day that each section was seen on, ever
	counts   ledger.Batch // sums over all records; no segments, covers, cursor
	told     *ledger.Told // the newest
	toldAt   time.Time
	segments []uint64 // per UTC day
}

// count makes the tally of a period.
func count(ctx context.Context, db *store.DB, head store.Head, sources []string, period coverage.Interval) (*tally, error) {
	t := newTally(&head.State, sources, period)
	whole := coverage.Whole(period)
	t.addDays(whole)
	for _, edge := range coverage.Of(period).Subtract(whole) {
		if t.empty(coverage.Touched(edge)) {
			continue
		}
		counts, err := db.Counts(ctx, head.Snapshot(), sources, edge)
		if err != nil {
			return nil, err
		}
		for _, c := range counts {
			if i := sectionIndex(c.Section); i >= 0 {
				t.exact.at(c.Source)[i] += c.Events
			}
		}
	}
	return t, nil
}

// newTally adds up the ledger; exact stays empty.
func newTally(state *ledger.State, sources []string, period coverage.Interval) *tally {
	t := &tally{days: coverage.Touched(period), sources: map[string]*sourceTally{}, exact: exact{}}
	t.from = t.days.From.Add(-lookBack * day)
	n := int(t.days.To.Sub(t.from) / day)
	for _, s := range sources {
		t.sources[s] = &sourceTally{events: make([]perSection, n), rejects: make([]uint64, n), segments: make([]uint64, n)}
	}
	t.addSegments(state.Segments)
	t.addRefiled(state.Refiles)
	for _, b := range state.Batches {
		if s := t.sources[b.Source]; s != nil {
			s.addBatch(b)
		}
	}
	return t
}

func (t *tally) addSegments(segments []ledger.SegmentAt) {
	var text string // segments of one day come together: parse each day once
	index := -1
	for i := range segments {
		seg := &segments[i]
		s := t.sources[seg.Source]
		if s == nil {
			continue
		}
		if seg.Day != text {
			text, index = seg.Day, t.index(seg.Day)
		}
		section := sectionIndex(seg.Section)
		if section >= 0 && seg.Day > s.last[section] {
			s.last[section] = seg.Day
		}
		if index < 0 || index >= len(s.events) {
			continue
		}
		if seg.Section == event.Rejects {
			s.rejects[index] += seg.Count
		} else if section >= 0 {
			s.events[index][section] += seg.Count
		}
		s.segments[index]++
	}
}

// addRefiled takes out events that stand in a later batch in their corrected form.
func (t *tally) addRefiled(refiles []ledger.RefileAt) {
	for _, r := range refiles {
		for _, e := range r.Events {
			s, index, section := t.sources[e.Source], t.index(e.Day), sectionIndex(e.Section)
			if s == nil || index < 0 || index >= len(s.events) || section < 0 || s.events[index][section] == 0 {
				continue
			}
			s.events[index][section]--
		}
	}
}

func (s *sourceTally) addBatch(b ledger.BatchAt) {
	c := &s.counts
	c.Fetched += b.Fetched
	c.Extra += b.Extra
	c.Events += b.Events
	c.Duplicates += b.Duplicates
	c.Skipped += b.Skipped
	c.Rejects += b.Rejects
	c.Expired += b.Expired
	c.Late += b.Late
	c.ClockAhead += b.ClockAhead
	c.Unmapped += b.Unmapped
	c.Redriven += b.Redriven
	if b.Told != nil {
		s.told, s.toldAt = b.Told, b.At
	}
}

// index returns the place of a day in the lists of days; it may lie outside.
func (t *tally) index(text string) int {
	d, err := time.Parse(ledger.DayFormat, text)
	if err != nil {
		return -1
	}
	if d.Before(t.from) {
		return -1
	}
	return int(d.Sub(t.from) / day)
}

// addDays adds whole days to the exact numbers.
func (t *tally) addDays(whole coverage.Interval) {
	for name, s := range t.sources {
		sum := t.exact.at(name)
		for d := whole.From; d.Before(whole.To); d = d.Add(day) {
			for i, n := range s.events[int(d.Sub(t.from)/day)] {
				sum[i] += n
			}
		}
	}
}

// empty reports whether no source has events on the days.
func (t *tally) empty(days coverage.Interval) bool {
	for _, s := range t.sources {
		for d := days.From; d.Before(days.To); d = d.Add(day) {
			if s.events[int(d.Sub(t.from)/day)].sum() > 0 {
				return false
			}
		}
	}
	return true
}

// on returns the counts of a source on a UTC day.
func (t *tally) on(source string, d time.Time) (events perSection, rejects uint64) {
	s := t.sources[source]
	i := int(d.Sub(t.from) / day)
	if s == nil || i < 0 || i >= len(s.events) {
		return perSection{}, 0
	}
	return s.events[i], s.rejects[i]
}

func (t *tally) unmapped() (n uint64) {
	for _, s := range t.sources {
		n += s.counts.Unmapped
	}
	return n
}

// segmentsIn counts the segments of all sources on the days that an interval touches.
func (t *tally) segmentsIn(i coverage.Interval) (n uint64) {
	touched := coverage.Touched(i)
	for _, s := range t.sources {
		for d := touched.From; d.Before(touched.To); d = d.Add(day) {
			n += s.segments[int(d.Sub(t.from)/day)]
		}
	}
	return n
}

// rejected reports whether any source ever had rejects.
func (t *tally) rejected() bool {
	for _, s := range t.sources {
		if s.counts.Rejects > 0 {
			return true
		}
	}
	return false
}
