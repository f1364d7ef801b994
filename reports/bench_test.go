package reports

import (
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/reports/framework"
)

// A year of a source that is read every minute and has something every time: what
// a page works out from the ledger.
func BenchmarkAssemble(b *testing.B) {
	var state ledger.State
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	s := source("a", "logged")
	s.Since = start
	state.Sources = append(state.Sources, ledger.SourceAt{Place: ledger.Place{At: start}, Source: s})
	const minutes = 365 * 24 * 60
	for n := range uint64(minutes) {
		at := start.Add(time.Duration(n) * time.Minute)
		place := ledger.Place{Seq: n + 1, At: at.Add(11 * time.Minute)}
		for _, section := range []event.Section{event.Logins, event.DataAccess} {
			state.Segments = append(state.Segments, ledger.SegmentAt{Seq: n + 1, Source: "a", Segment: ledger.Segment{Day: at.Format(time.DateOnly), Section: section, Count: 10}})
		}
		state.Covers = append(state.Covers, ledger.CoverAt{Place: place, Source: "a", Cover: ledger.Cover{From: at, To: at.Add(time.Minute), Method: ledger.Read}})
		state.Batches = append(state.Batches, ledger.BatchAt{Place: place, Batch: ledger.Batch{Source: "a", Fetched: 20, Events: 20}})
		state.Size, state.At = n+2, place.At
	}
	all, err := framework.Load()
	if err != nil {
		b.Fatal(err)
	}
	f, err := framework.Find(all, "soc2")
	if err != nil {
		b.Fatal(err)
	}
	p, err := Days(start.AddDate(0, 9, 0), start.AddDate(1, 0, -1), time.UTC, state.At)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		state := compact(&state, []string{"a"})
		r := &Report{Framework: f, Period: p, Now: state.At, Head: store.Head{State: state}, Sources: []string{"a"}}
		r.tally = newTally(&state, r.Sources, p.Interval)
		r.tally.addDays(coverage.Whole(p.Interval))
		r.assemble(Input{Framework: f, Period: p})
	}
}
