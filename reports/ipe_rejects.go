package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"exhibit/internal/pack"
)

// What the IPE sheet says of records that are no events, and of events of unknown types.

// namedTypes is how many types a line names; the table has all of them.
const namedTypes = 8

func (r *Report) unmappedText() string {
	var names []string
	for _, u := range r.Unmapped[:min(len(r.Unmapped), namedTypes)] {
		names = append(names, u.Source+": "+u.Action+" ("+Number(u.Count)+")")
	}
	if more := len(r.Unmapped) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return cmp.Or(strings.Join(names, "; "), "none in the period")
}

func (r *Report) rejectText() string {
	var all, resolved uint64
	for _, name := range r.Sources {
		all += r.tally.sources[name].counts.Rejects
	}
	for _, n := range r.resolved() {
		resolved += n
	}
	if all == 0 {
		return "none"
	}
	return fmt.Sprintf("%s open, %s resolved by trying them again after a fix", Number(all-min(all, resolved)), Number(resolved))
}

// resolved counts the rejects of the report's sources that are dealt with.
func (r *Report) resolved() map[string]uint64 {
	resolved := map[string]uint64{}
	for _, fate := range r.Head.State.Fates() {
		if slices.Contains(r.Sources, fate.Source) {
			resolved[fate.Source]++
		}
	}
	return resolved
}

// rejectTable says what became of rejects. A pack counts those of its days by their
// lines; a page has what the ledger says of all that ever came.
func (r *Report) rejectTable(s *pack.Summary) Table {
	if s != nil {
		t := Table{Title: "Rejects of the days in this pack", Count: 1, None: "None: every record could be normalised.",
			Note: "records that could not become events, kept with their bytes; open as of the checkpoint unless a later record says what they became",
			Head: []string{"Source", "Reason", "State", "By record", "Rejects"}}
		for _, g := range s.Counts.Groups {
			state, by := "open", ""
			if g.Outcome != "" {
				state, by = "resolved: "+pack.Became(g.Outcome), fmt.Sprint(g.By)
			}
			t.Rows = append(t.Rows, []string{g.Source, g.Reason, state, by, Number(g.Count)})
		}
		return t
	}
	t := Table{Title: "Rejects, over all records of the ledger", Count: 3, None: "None: every record could be normalised.",
		Note: "records that could not become events, kept with their bytes; resolved ones were tried again after a fix", Head: []string{"Source", "Rejects", "Resolved", "Open"}}
	resolved := r.resolved()
	for _, name := range r.Sources {
		if n := r.tally.sources[name].counts.Rejects; n > 0 {
			t.Rows = append(t.Rows, []string{name, Number(n), Number(resolved[name]), Number(n - min(n, resolved[name]))})
		}
	}
	return t
}
