package reports

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// Nothing that is asked of covers changes when they are joined.
func TestCompactKeepsWhatCoversSay(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		var state ledger.State
		s := source("a", "logged")
		s.Since = on(1)
		state.Sources = []ledger.SourceAt{{Place: ledger.Place{At: on(1)}, Source: s}}
		at, to := on(2), on(1)
		for range r.IntN(40) {
			at = at.Add(time.Duration(r.IntN(300)) * time.Minute)
			from := to.Add(time.Duration(r.IntN(3)-1) * time.Duration(r.IntN(90)) * time.Minute)
			to = from.Add(time.Duration(1+r.IntN(300)) * time.Minute)
			if to.After(at) {
				at = to
			}
			state.Covers = append(state.Covers, ledger.CoverAt{Place: ledger.Place{At: at}, Source: []string{"a", "a", "b"}[r.IntN(3)],
				Cover: ledger.Cover{From: from, To: to, Method: []string{ledger.Read, ledger.Read, ledger.Heard, ledger.Stated}[r.IntN(4)], Basis: []string{"", "digests"}[r.IntN(2)]}})
		}
		short := compact(&state, []string{"a"})
		now := at.Add(time.Duration(r.IntN(30*24)) * time.Hour)
		window := coverage.Interval{From: on(1).AddDate(0, 0, -2), To: now}
		if got, want := short.Spans("a", window, now), state.Spans("a", window, now); !slices.Equal(got, want) {
			t.Fatalf("spans %v, want %v", got, want)
		}
		for _, method := range []string{ledger.Read, ledger.Heard, ledger.Stated} {
			if got, want := short.Coverage("a", method), state.Coverage("a", method); !slices.Equal(got, want) {
				t.Fatalf("%s: %v, want %v", method, got, want)
			}
		}
		for _, basis := range []string{"", "digests"} {
			if got, want := readBy(&short, basis), readBy(&state, basis); !slices.Equal(got, want) {
				t.Fatalf("known by %q: %v, want %v", basis, got, want)
			}
		}
		if len(short.Coverage("b")) > 0 {
			t.Fatal("a source that nobody asked for is there")
		}
	}
}

// readBy is what was read of a in one way.
func readBy(s *ledger.State, basis string) coverage.Set {
	var list []coverage.Interval
	for _, c := range s.Covers {
		if c.Source == "a" && c.Method == ledger.Read && c.Basis == basis {
			list = append(list, c.Interval())
		}
	}
	return coverage.Of(list...)
}
