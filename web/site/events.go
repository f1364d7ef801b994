package site

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/views"
	"exhibit/web"
)

// List implements web.Events. It asks the store for a few days at a time, newest
// first, until the page is full: how many days those are, the ledger knows. So a
// page costs the same in a store of any size.
func (e Events) List(ctx context.Context, q web.EventQuery) ([]views.EventRow, error) {
	head, err := e.Reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	f := filter(q)
	if len(f.Sources) == 0 {
		f.Sources = e.sources(&head.State)
	}
	if len(f.Sources) == 0 {
		return nil, nil
	}
	budget := uint64(q.Limit)
	if q.Actor != "" || q.Action != "" || q.Outcome != "" || q.ID != "" {
		budget = firstLook // most of what is read will not match
	}
	days := daysOf(&head.State, f)
	var rows []views.EventRow
	for len(days) > 0 && len(rows) < q.Limit {
		window := f
		window.Period.From, days = take(days, budget, f)
		window.Period.From = later(window.Period.From, f.Period.From)
		list, err := e.DB.List(ctx, head.Snapshot(), window, q.Limit-len(rows))
		if err != nil {
			return nil, err
		}
		for i := range list {
			rows = append(rows, row(&list[i]))
		}
		f.Period.To = window.Period.From
		budget *= growth
	}
	return rows, nil
}

// A search for what most events are not begins with firstLook events, and looks at
// growth times as many in each further step.
const (
	firstLook = 50_000
	growth    = 16
)

func filter(q web.EventQuery) store.Filter {
	f := store.Filter{Sources: q.Sources, Section: event.Section(q.Section), Actor: q.Actor, Action: q.Action, Outcome: q.Outcome, ID: q.ID,
		Period: coverage.Interval{From: q.From, To: q.To}}
	if f.Period.From.IsZero() {
		f.Period.From = time.Unix(0, 0).UTC()
	}
	if f.Period.To.IsZero() {
		f.Period.To = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if q.Before != nil {
		f.Before.Time, f.Before.Source, f.Before.ID = q.Before.Time, q.Before.Source, q.Before.ID
		if end := q.Before.Time.Add(1); end.Before(f.Period.To) { // the position may be within an instant
			f.Period.To = end
		}
	}
	return f
}

type dayCount struct {
	day    time.Time
	events uint64
}

// daysOf lists the UTC days on which the ledger has events for a filter, newest
// first.
func daysOf(state *ledger.State, f store.Filter) []dayCount {
	first := f.Period.From.UTC().Format(ledger.DayFormat)
	last := f.Period.To.Add(-1).UTC().Format(ledger.DayFormat)
	counts := map[string]uint64{}
	for i := range state.Segments {
		s := &state.Segments[i]
		if s.Day < first || s.Day > last || s.Section == event.Rejects || f.Section != "" && s.Section != f.Section || !slices.Contains(f.Sources, s.Source) {
			continue
		}
		counts[s.Day] += s.Count
	}
	var out []dayCount
	for text, n := range counts {
		if day, err := time.Parse(ledger.DayFormat, text); err == nil {
			out = append(out, dayCount{day, n})
		}
	}
	slices.SortFunc(out, func(a, b dayCount) int { return b.day.Compare(a.day) })
	return out
}

// take returns the start of the newest days that together have at least as many
// events as the budget, and the days that are left. A day that the list may have
// begun on does not count: it is unknown how much of it is left.
func take(days []dayCount, budget uint64, f store.Filter) (from time.Time, left []dayCount) {
	var sum uint64
	for i, d := range days {
		if partial := d.day.Add(24 * time.Hour).After(f.Period.To); !partial {
			sum += d.events
		}
		if sum >= budget {
			return d.day, days[i+1:]
		}
	}
	return f.Period.From, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func row(e *event.Event) views.EventRow {
	return views.EventRow{Time: e.Time, Source: e.Source, ID: e.ID, Section: string(e.Section), Action: e.Action, Actor: actor(e.Actor),
		Target: target(e.Target), Outcome: e.Outcome}
}

func actor(a event.Actor) string { return cmp.Or(a.Name, a.Email, a.ID) }

func target(t event.Target) string {
	name := cmp.Or(t.Name, t.ID)
	if t.Type != "" && name != "" {
		return t.Type + " " + name
	}
	return cmp.Or(name, t.Type)
}

// Event implements web.Events.
func (e Events) Event(ctx context.Context, source, id string, at time.Time) (views.Event, error) {
	head, err := e.Reader.Head(ctx)
	if err != nil {
		return views.Event{}, err
	}
	if _, known := head.State.First(source); !known {
		return views.Event{}, fmt.Errorf("%w: source %q", web.ErrNotFound, source)
	}
	one, batch, found, err := e.find(ctx, head, source, id, at)
	if err != nil {
		return views.Event{}, err
	}
	if !found {
		return views.Event{}, fmt.Errorf("%w: event %q of %q", web.ErrNotFound, id, source)
	}
	v := detail(&one)
	v.Zone = e.Zone
	if v.Proof, err = e.proof(ctx, head, batch, &one); err != nil {
		return views.Event{}, err
	}
	return v, nil
}

// find looks for an event at the time that its address has, then from the newest
// days on: those are looked at most.
func (e Events) find(ctx context.Context, head store.Head, source, id string, at time.Time) (one event.Event, batch uint64, found bool, err error) {
	if event.InRange(at) {
		one, batch, found, err = e.DB.EventIn(ctx, head.Snapshot(), source, id, coverage.Interval{From: at, To: at.Add(1)})
		if found || err != nil {
			return one, batch, found, err
		}
	}
	f := filter(web.EventQuery{Sources: []string{source}})
	days, budget := daysOf(&head.State, f), uint64(firstLook)
	for len(days) > 0 && !found && err == nil {
		window := f.Period
		window.From, days = take(days, budget, f)
		one, batch, found, err = e.DB.EventIn(ctx, head.Snapshot(), source, id, window)
		f.Period.To = window.From
		budget *= growth
	}
	return one, batch, found, err
}

// proof places an event in the ledger.
func (e Events) proof(ctx context.Context, head store.Head, batch uint64, one *event.Event) (views.Proof, error) {
	line := one.AppendLine(nil)
	p := views.Proof{Batch: int64(batch), Day: event.Day(one.Time), Section: string(one.Section), Line: string(line), Leaf: event.Leaf(line).String()}
	day := p.Day.Format(ledger.DayFormat)
	// Segments come by seq.
	i, _ := slices.BinarySearchFunc(head.State.Segments, batch, func(s ledger.SegmentAt, seq uint64) int { return cmp.Compare(s.Seq, seq) })
	for ; i < len(head.State.Segments) && head.State.Segments[i].Seq == batch; i++ {
		if s := head.State.Segments[i]; s.Source == one.Source && s.Day == day && s.Section == one.Section {
			p.Count, p.Root = int64(s.Count), s.Root.String()
		}
	}
	i, found := slices.BinarySearchFunc(head.State.Batches, batch, func(b ledger.BatchAt, seq uint64) int { return cmp.Compare(b.Seq, seq) })
	if found {
		p.At = head.State.Batches[i].At
	}
	outside, err := e.outside(ctx)
	if err != nil {
		return p, err
	}
	p.Checked = checked(outside.Audit, p)
	return p, nil
}

// checked is when a segment was last compared for certain: every audit takes all of
// the last 35 days; of older ones only a part, and it is not kept which.
func checked(a *pack.Audit, p views.Proof) time.Time {
	const always = 34 * 24 * time.Hour
	if a == nil || a.At.Before(p.At) || a.At.Sub(p.Day) > always {
		return time.Time{}
	}
	return a.At
}
