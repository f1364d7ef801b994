package reports

import (
	"slices"

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
		} else if out.Covers[n].ContinuedBy(c) {
			out.Covers[n].To, out.Covers[n].Place = c.To, c.Place
			continue
		}
		last[c.Source] = len(out.Covers)
		out.Covers = append(out.Covers, *c)
	}
	return out
}
