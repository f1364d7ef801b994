package reports_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/reporttest"
)

// The counts of a report are those of counting every row, wherever the period
// begins and ends, although all but its edges come from the ledger.
func TestCountsAreThoseOfTheRows(t *testing.T) {
	l := story(t)
	m := maker(t, l)
	for _, tt := range []struct{ name, from, to, zone string }{
		{"whole days", "2026-01-01", "2026-04-22", "UTC"},
		{"a zone ahead", "2026-01-01", "2026-04-22", "Pacific/Auckland"},
		{"a zone behind, over a change of clocks", "2026-03-07", "2026-03-09", "America/New_York"},
		{"half an hour", "2026-02-10", "2026-02-10", "Asia/Kolkata"},
		{"less than a day", "2026-02-10T03:00:00Z", "2026-02-10T17:30:00.000001Z", "UTC"},
		{"over one midnight", "2026-02-10T13:00:00Z", "2026-02-11T11:00:00Z", "UTC"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := period(t, tt.from, tt.to, tt.zone)
			r, _, err := m.Report(t.Context(), reports.Request{Framework: "pci", Period: p})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]uint64{}
			var total uint64
			everything := interval(time.Unix(0, 0), today().AddDate(1, 0, 0))
			if err := l.DB.EachEvent(t.Context(), r.Head.Snapshot(), r.Sources, everything, func(_ uint64, e *event.Event) error {
				if p.Contains(e.Time) {
					want[string(e.Section)]++
					total++
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			for _, s := range event.Sections() {
				if got, _ := r.SectionNamed(string(s)); got.Events != want[string(s)] {
					t.Errorf("%s: %d events, want %d", s, got.Events, want[string(s)])
				}
			}
			if r.Events != total || total == 0 {
				t.Errorf("%d events, want %d", r.Events, total)
			}
		})
	}
}

// The answers that an auditor reads first, over the real store.
func TestReportOfStory(t *testing.T) {
	l := story(t)
	r, _, err := maker(t, l).Report(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-01-01", "2026-04-22", "")})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]reports.Meaning{"logins": reports.NotEvidenced, "failed-auth": reports.NotEvidenced, "mfa": reports.NotCollected,
		"admin-changes": reports.Listed, "audit-log-config": reports.NotCollected, "retention-coverage": reports.Computed, "log-review": reports.NotYet} {
		if s, ok := r.SectionNamed(name); !ok || s.Meaning != want {
			t.Errorf("%s: %s (%s), want %s", name, s.Meaning, s.Text, want)
		}
	}
	if len(r.Unmapped) != 1 || r.Unmapped[0].Action != "brand_new.thing" || r.Unmapped[0].Count == 0 {
		t.Errorf("unmapped: %+v", r.Unmapped)
	}
	if len(r.Missing) != 1 || len(r.Coverage.Gaps) != 3 || len(r.Coverage.Gaps[0].Notes) != 1 {
		t.Errorf("missing %v, gaps %+v", r.Missing, r.Coverage.Gaps)
	}
	silent := 0
	for _, d := range r.Coverage.Sources[0].Days {
		if d.State == reports.Silent {
			silent++
		}
	}
	if silent != 2 {
		t.Errorf("%d silent days, want the quiet weekend", silent)
	}
	for _, c := range r.Checks {
		if c.ID == "policy-overrides" && (c.Answer != reports.FoundExceptions || c.Count == 0) {
			t.Errorf("policy overrides: %s (%d)", c.Answer, c.Count)
		}
	}
}

func TestUnknownSource(t *testing.T) {
	l := reporttest.New(t)
	l.Source(today().Add(-day), hcp())
	m := maker(t, l)
	_, _, err := m.Report(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-04-21", "2026-04-21", ""), Sources: []string{"okta"}})
	var unknown *reports.UnknownSourceError
	if !errors.As(err, &unknown) || err.Error() != `there is no source "okta": use one of hcp-prod` {
		t.Errorf("got %v", err)
	}
	if _, _, err := m.Report(t.Context(), reports.Request{Framework: "iso", Period: period(t, "2026-04-21", "2026-04-21", "")}); err == nil {
		t.Error("an unknown framework was taken")
	}
	empty := maker(t, reporttest.New(t))
	if _, _, err := empty.Report(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-04-21", "2026-04-21", "")}); !errors.Is(err, reports.ErrEmpty) {
		t.Errorf("an empty ledger: got %v", err)
	}
}

// No pack comes out of a store whose rows are not those of its ledger, and nothing
// is left of the attempt.
func TestNoPackOfChangedRows(t *testing.T) {
	l := story(t)
	stray := reporttest.Event("hcp-prod", "stray", today().Add(-5*day), event.DataAccess, "state_version.show")
	if err := l.DB.InsertEvents(t.Context(), 5, []*event.Event{stray}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, err := maker(t, l).Make(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-01-01", "2026-04-22", "")}, filepath.Join(dir, "p.zip"), nil)
	if !errors.Is(err, pack.ErrMismatch) {
		t.Errorf("got %v, want ErrMismatch", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A source that was removed leads the sheet.
func TestRemovedSource(t *testing.T) {
	l := reporttest.New(t)
	l.Source(today().Add(-9*day), hcp())
	gone := hcp()
	gone.Change = "removed"
	l.Source(today().Add(-2*day), gone)
	l.Batch(today(), "hcp-prod", nil, nil, ledger.Cover{From: today().Add(-9 * day), To: today().Add(-3 * day), Method: ledger.Read})
	r, _, err := maker(t, l).Report(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-04-12", "2026-04-22", "")})
	if err != nil {
		t.Fatal(err)
	}
	first := r.IPE(reports.Made{}).Facts[0]
	if first.Label != "Systems without a source" || first.Value != "GitHub: no source is connected (planned for May); hcp-prod: removed on 2026-04-20 10:00:00 UTC by record 1; nothing is collected since" {
		t.Errorf("the first line is %+v", first)
	}
}

// What a page remembers of the store is never older than the ledger.
func TestReportsFollowTheLedger(t *testing.T) {
	l := story(t)
	m := maker(t, l)
	request := reports.Request{Framework: "soc2", Period: period(t, "2026-01-01", "2026-04-22", "")}
	overrides := func() uint64 {
		t.Helper()
		r, _, err := m.Report(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := reports.Build(t.Context(), l.DB, reports.Input{Framework: r.Framework, Period: request.Period, Head: l.Head(), Now: today()})
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range r.Checks {
			if f := fresh.Checks[i]; f.Count != c.Count || !f.Last.Equal(c.Last) || len(f.Matches) != len(c.Matches) {
				t.Errorf("%s: remembered %d of %s, asked %d of %s", c.ID, c.Count, c.Last, f.Count, f.Last)
			}
			if c.ID == "policy-overrides" {
				return c.Count
			}
		}
		return 0
	}
	before := overrides()
	if again := overrides(); again != before {
		t.Errorf("asked again: %d, before %d", again, before)
	}
	for n, at := range []time.Time{today().Add(-time.Hour), today().Add(-60 * day), today().Add(-time.Hour)} {
		e := reporttest.Event("hcp-prod", "new-"+at.String()+string(rune('a'+n)), at, event.ChangeManagement, "policy_check.override")
		l.Batch(today(), "hcp-prod", []*event.Event{e}, nil)
		if after := overrides(); after != before+uint64(n)+1 {
			t.Errorf("after %d more: %d, before %d", n+1, after, before)
		}
	}
}
