package reports_test

import (
	"slices"
	"testing"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/reporttest"

	"golang.org/x/mod/sumdb/tlog"
)

// The IPE sheet says which rejects are open: of the ledger on a page, of the days with
// the records that resolved them in a pack.
func TestRejectsOnTheSheet(t *testing.T) {
	l := reporttest.New(t)
	l.Source(today().Add(-3*day), hcp())
	one := reporttest.Reject("hcp-prod", "one", "not JSON", today().Add(-2*day))
	two := reporttest.Reject("hcp-prod", "two", "not JSON", today().Add(-2*day))
	l.Batch(today().Add(-2*day), "hcp-prod", nil, []*event.Reject{one, two})
	l.Commit(today().Add(-day), ledger.Batch{Source: "hcp-prod", Fetched: 1, Redriven: 1, Skipped: 1,
		Resolved: []ledger.Resolved{{Outcome: ledger.ResolvedSkipped, Leaves: []tlog.Hash{event.Leaf(one.AppendLine(nil))}}}}, nil, nil)
	// Of a store that was restored it is said again: that hides no other.
	l.Commit(today().Add(-day), ledger.Batch{Source: "hcp-prod", Fetched: 1, Redriven: 1, Skipped: 1,
		Resolved: []ledger.Resolved{{Outcome: ledger.ResolvedSkipped, Leaves: []tlog.Hash{event.Leaf(one.AppendLine(nil))}}}}, nil, nil)
	r, _, err := maker(t, l).Report(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-04-19", "2026-04-22", "")})
	if err != nil {
		t.Fatal(err)
	}
	find := func(m reports.Made, title string) [][]string {
		tables := r.IPE(m).Tables
		i := slices.IndexFunc(tables, func(table reports.Table) bool { return table.Title == title })
		if i < 0 {
			t.Fatalf("no table %q", title)
		}
		return tables[i].Rows
	}
	facts := r.IPE(reports.Made{}).Facts
	if i := slices.IndexFunc(facts, func(f reports.Fact) bool { return f.Label == "Rejects" }); i < 0 || facts[i].Value != "1 open, 1 resolved by trying them again after a fix" {
		t.Errorf("facts: %+v", facts)
	}
	rows := find(reports.Made{}, "Rejects, over all records of the ledger")
	if len(rows) != 1 || !slices.Equal(rows[0], []string{"hcp-prod", "2", "1", "1"}) {
		t.Errorf("page: %q", rows)
	}
	s := &pack.Summary{Counts: pack.Counts{Groups: []pack.RejectGroup{{Source: "hcp-prod", Reason: "not JSON", Count: 1},
		{Source: "hcp-prod", Reason: "not JSON", Outcome: ledger.ResolvedSkipped, By: 2, Count: 1}}}}
	rows = find(reports.Made{Summary: s}, "Rejects of the days in this pack")
	want := [][]string{{"hcp-prod", "not JSON", "open", "", "1"}, {"hcp-prod", "not JSON", "resolved: known now to hold no event", "2", "1"}}
	if len(rows) != 2 || !slices.Equal(rows[0], want[0]) || !slices.Equal(rows[1], want[1]) {
		t.Errorf("pack: %q", rows)
	}
}
