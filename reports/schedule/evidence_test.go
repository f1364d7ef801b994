package schedule

import (
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
)

// A source that only people import into has nothing that could still arrive by itself:
// a run does not wait for it, and its mail says that a file is missing.
func TestImportedSourcesAreNotWaitedFor(t *testing.T) {
	l := reporttest.New(t)
	now := time.Date(2026, 4, 2, 7, 0, 0, 0, time.UTC)
	march := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"files", "polled"} {
		l.Source(march, ledger.Source{Name: name, Kind: "hcp-terraform", Since: march, Keeps: 14 * 86400, Settle: 600})
	}
	to := march.AddDate(0, 0, 30)
	l.Batch(to.Add(time.Hour), "files", []*event.Event{reporttest.Event("files", "1", march, event.AdminChanges, "x")}, nil,
		ledger.Cover{From: march, To: to, Method: ledger.Stated, By: "Ada", File: "march.jsonl"})
	l.Batch(now.Add(-time.Minute), "polled", nil, nil, ledger.Cover{From: march, To: now.Add(-20 * time.Minute), Method: ledger.Read})
	frameworks, err := framework.Load()
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	f := &FromReports{Maker: &reports.Maker{DB: l.DB, Reader: l.Reader, Key: l.Key, Frameworks: frameworks, Now: clock}, Base: "https://x.example", Now: clock}
	s := Schedule{ID: "s", Name: "PCI", Framework: "pci", Zone: "UTC", Period: "last month"}
	span := Span{From: march, To: march.AddDate(0, 1, 0), Zone: "UTC"}
	if settled, waits, err := f.Ready(t.Context(), s, span); settled || waits != "1 d of files" || err != nil {
		t.Errorf("with both collected: settled %v, waits for %q, %v", settled, waits, err)
	}
	f.Collected = func(name string) bool { return name == "polled" }
	if settled, waits, err := f.Ready(t.Context(), s, span); !settled || waits != "" || err != nil {
		t.Errorf("with one imported: settled %v, waits for %q, %v", settled, waits, err)
	}
	letter, err := f.Letter(t.Context(), s, Run{Schedule: "s", Span: span})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(letter.Gaps, "; "); got != "files: 1 d, 31 March 00:00 to 1 April 00:00 UTC, no file was imported for it" {
		t.Errorf("the mail says %q", got)
	}
	// The month that still runs is not settled for anybody.
	april := Span{From: span.To, To: span.To.AddDate(0, 1, 0), Zone: "UTC"}
	if settled, _, err := f.Ready(t.Context(), s, april); settled || err != nil {
		t.Errorf("the running month: settled %v, %v", settled, err)
	}
	l.Batch(now, "files", nil, nil, ledger.Cover{From: to, To: to.Add(time.Hour), Method: ledger.Heard})
	if settled, _, err := f.Ready(t.Context(), s, span); settled || err != nil {
		t.Errorf("a source that was pushed to: settled %v, %v", settled, err)
	}
}
