package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
)

var march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// evidenceAt makes evidence at now over a log with a source "hcp" of March.
func evidenceAt(t *testing.T, l *reporttest.Log, now time.Time) *FromReports {
	t.Helper()
	l.Source(march, ledger.Source{Name: "hcp", Kind: "hcp-terraform", Since: march.AddDate(0, -1, 0), Keeps: 90 * 86400, Settle: 600})
	frameworks, err := framework.Load()
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	return &FromReports{Maker: &reports.Maker{DB: l.DB, Reader: l.Reader, Key: l.Key, Frameworks: frameworks, Now: clock}, Base: "https://x.example", Now: clock}
}

func writeLetter(t *testing.T, f *FromReports) *Letter {
	t.Helper()
	s := Schedule{ID: "s", Name: "PCI", Framework: "pci", Zone: "UTC", Period: "last month"}
	letter, err := f.Letter(t.Context(), s, Run{Schedule: "s", Span: Span{From: march, To: march.AddDate(0, 1, 0), Zone: "UTC"}})
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

func contains(list []string, part string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
}

// What a restored store lost is no deletion by policy.
func TestLetterOfRestoredStore(t *testing.T) {
	l := reporttest.New(t)
	now := march.AddDate(0, 1, 1)
	f := evidenceAt(t, l, now)
	l.Batch(now.Add(-time.Hour), "hcp", []*event.Event{reporttest.Event("hcp", "1", march.Add(time.Hour), event.AdminChanges, "x"),
		reporttest.Event("hcp", "2", march.Add(26*time.Hour), event.Logins, "y")}, nil,
		ledger.Cover{From: march.AddDate(0, -1, 0), To: now.Add(-2 * time.Hour), Method: ledger.Read})
	var lost, expired []ledger.SegmentRef
	for _, segment := range l.Head().State.Segments {
		if segment.Section == event.Logins {
			expired = append(expired, segment.Ref())
		} else {
			lost = append(lost, segment.Ref())
		}
	}
	l.Add(now.Add(-30*time.Minute), ledger.Record{Kind: ledger.KindExpire, Expire: &ledger.Expire{Rule: "after 1 month", Segments: expired}})
	l.Add(now.Add(-20*time.Minute), ledger.Record{Kind: ledger.KindRollback, Rollback: &ledger.Rollback{By: "Ada", Segments: lost}})
	letter := writeLetter(t, f)
	if len(letter.Deleted) != 1 || !strings.Contains(letter.Deleted[0], "after 1 month") {
		t.Errorf("deleted by policy: %q", letter.Deleted)
	}
	if !contains(letter.Needs, "hcp: 1 record lost (the store was restored; accepted by Ada, ledger record 3)") {
		t.Errorf("needs %q", letter.Needs)
	}
	if letter.Good || !strings.HasSuffix(letter.Verdict, ": 1 record lost when the store was restored") {
		t.Errorf("good %v: %q", letter.Good, letter.Verdict)
	}
}
