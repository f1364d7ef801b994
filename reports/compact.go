package reports

import (
	"slices"
	"time"

	"exhibit/internal/ledger"
)

// compact returns the state with the covers of the sources alone, joined where one
// continues the one before: a source that is read every minute has half a million
// a year, and every question about coverage goes through all of them. What follows
// from the covers stays the same.
func compact(state *ledger.State, sources []string) ledger.State {
	out := *state
	out.Covers = nil
	last := map[string]int{} // source → index of its newest cover in out.Covers
	for i := range state.Covers {
		c := &state.Covers[i]
		n, there := last[c.Source]
		if !there {
			if !slices.Contains(sources, c.Source) {
				continue
			}
		} else if joins(&out.Covers[n], c) {
			out.Covers[n].To, out.Covers[n].Place = c.To, c.Place
			continue
		}
		last[c.Source] = len(out.Covers)
		out.Covers = append(out.Covers, *c)
	}
	return out
}

// joins reports whether b continues a. How far collection was behind the present is
// not lost by it: State.Spans tells from the least distance whether a source had
// ever caught up.
func joins(a, b *ledger.CoverAt) bool {
	if a.Method == ledger.Stated || a.Method != b.Method || b.From.After(a.To) || b.From.Before(a.From) || b.To.Before(a.To) {
		return false
	}
	behind := b.At.Sub(b.To)
	return behind <= 2*time.Hour || behind <= a.At.Sub(a.To)
}
