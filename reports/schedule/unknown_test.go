package schedule

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
)

var march = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// evidenceAt makes evidence at now over a log with a source "hcp".
func evidenceAt(t *testing.T, l *reporttest.Log, now time.Time) *FromReports {
	t.Helper()
	if l.Head().State.Size == 0 {
		l.Source(march.AddDate(0, -1, 0), ledger.Source{Name: "hcp", Kind: "hcp-terraform", Since: march.AddDate(0, -1, 0), Keeps: 90 * 86400, Settle: 600,
			Abilities: map[event.Section]string{event.AdminChanges: "logged", event.Logins: "logged"}})
	}
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

// Rows that the audit found altered are the first that a letter says, and nothing is
// good beside them.
func TestLetterOfAlteredRows(t *testing.T) {
	l := reporttest.New(t)
	now := march.AddDate(0, 1, 1)
	f := evidenceAt(t, l, now)
	l.Batch(now.Add(-time.Hour), "hcp", []*event.Event{reporttest.Event("hcp", "1", march.Add(time.Hour), event.Logins, "y")}, nil,
		ledger.Cover{From: march.AddDate(0, -1, 0), To: march.AddDate(0, 0, 20), Method: ledger.Read}, ledger.Cover{From: march.AddDate(0, 0, 20).Add(time.Hour), To: now.Add(-2 * time.Hour), Method: ledger.Read})
	for name, tt := range map[string]struct {
		outside             reports.Outside
		verdict, need, note string
	}{
		"of the period": {reports.Outside{Audit: &pack.Audit{At: now, Segments: 9, Altered: 1}, Altered: []ledger.SegmentRef{{Source: "hcp", Day: "2026-03-01", Section: event.Logins}}},
			"Evidence for March 2026: stored rows no longer match the ledger; 1 h missing", "(1 segment, hcp on 2026-03-01 among them)", "stored rows no longer match the ledger"},
		"of another": {reports.Outside{Audit: &pack.Audit{At: now, Segments: 9, Altered: 1}, Altered: []ledger.SegmentRef{{Source: "hcp", Day: "2026-02-01", Section: event.Logins}}},
			"Evidence for March 2026: stored rows of another period or source no longer match the ledger; 1 h missing", "(1 segment)", "of the required time"},
		"not told which": {reports.Outside{Audit: &pack.Audit{At: now, Segments: 9, Altered: 2}},
			"Evidence for March 2026: stored rows of another period or source no longer match the ledger; 1 h missing", "(2 segments)", "of the required time"},
		"none": {reports.Outside{Audit: &pack.Audit{At: now, Segments: 9}}, "Evidence for March 2026: 1 h missing", "may still be collected", "of the required time"},
	} {
		f.Maker.Outside = func(context.Context) (reports.Outside, error) { return tt.outside, nil }
		letter := writeLetter(t, f)
		if letter.Good || !strings.HasPrefix(letter.Verdict, tt.verdict) || !strings.HasPrefix(letter.Text(""), tt.verdict) {
			t.Errorf("%s: good %v: %q", name, letter.Good, letter.Verdict)
		}
		if !strings.Contains(letter.Needs[0], tt.need) {
			t.Errorf("%s: needs %q", name, letter.Needs)
		}
		if letter.Sources[0].Note != tt.note {
			t.Errorf("%s: coverage %+v", name, letter.Sources[0])
		}
	}
	// Nothing else is wrong: the verdict is not good for it.
	l.Batch(now.Add(-time.Minute), "hcp", nil, nil, ledger.Cover{From: march.AddDate(0, 0, 20), To: now.Add(-time.Hour), Method: ledger.Read})
	f.Maker.Outside = func(context.Context) (reports.Outside, error) {
		return reports.Outside{Audit: &pack.Audit{At: now, Segments: 9, Altered: 1}, Altered: []ledger.SegmentRef{{Source: "hcp", Day: "2026-03-01", Section: event.Logins}}}, nil
	}
	if letter := writeLetter(t, f); letter.Good || letter.Verdict != "Evidence for March 2026: stored rows no longer match the ledger" || strings.Contains(letter.Text(""), "Nothing to do") || letter.Sources[0].Good {
		t.Errorf("good %v: %q, %+v", letter.Good, letter.Verdict, letter.Sources)
	}
}

// Time that may still be collected is no gap, and not collected either.
func TestLetterOfPendingTime(t *testing.T) {
	l := reporttest.New(t)
	to := march.AddDate(0, 1, 0)
	f := evidenceAt(t, l, to.Add(5*time.Minute))
	l.Batch(to.Add(-time.Hour), "hcp", []*event.Event{reporttest.Event("hcp", "1", march.Add(time.Hour), event.Logins, "y")}, nil,
		ledger.Cover{From: march.AddDate(0, -1, 0), To: to.Add(-time.Hour), Method: ledger.Read})
	letter := writeLetter(t, f)
	if letter.Good || !strings.HasSuffix(letter.Verdict, ": 1 h not settled yet") {
		t.Errorf("good %v: %q", letter.Good, letter.Verdict)
	}
	if !contains(letter.Needs, "1 h may still be collected") {
		t.Errorf("needs %q", letter.Needs)
	}
	if got := letter.Sources[0]; got.Good || got.Note != "1 h not settled yet" {
		t.Errorf("coverage %+v", got)
	}
	if got := line(letter, "Admin changes"); got.Now != "" || got.Change != "none up to 2026-03-31 23:00:00 UTC; later is not settled yet" {
		t.Errorf("admin changes %+v", got)
	}
	if strings.Contains(letter.Text(""), "Nothing to do") {
		t.Error("there is nothing to do")
	}
	// The rest of a month that still runs is unknown too.
	f = evidenceAt(t, l, to.Add(-13*time.Hour))
	if letter := writeLetter(t, f); letter.Good || !strings.HasSuffix(letter.Verdict, ": 13 h not settled yet") {
		t.Errorf("the running month: good %v: %q", letter.Good, letter.Verdict)
	}
}

// Nothing was required yet of a source whose time is all pending: 0 % is no answer.
func TestLetterOfSourceWithNothingDue(t *testing.T) {
	l := reporttest.New(t)
	f := evidenceAt(t, l, march.Add(5*time.Minute))
	l.Batch(march.Add(-time.Minute), "hcp", nil, nil, ledger.Cover{From: march.AddDate(0, -1, 0), To: march.Add(-2 * time.Minute), Method: ledger.Read})
	if got := writeLetter(t, f).Sources[0]; got.Share != "unknown" || got.Good {
		t.Errorf("coverage %+v", got)
	}
}

// What is missing is said even where all of it is explained.
func TestLetterOfExplainedGap(t *testing.T) {
	if got := (&Letter{Kind: "evidence"}).todo(); got == "Nothing to do." {
		t.Errorf("a letter that is not good says %q", got)
	}
}

func line(l *Letter, section string) CountLn {
	for _, c := range l.Counts {
		if c.Section == section {
			return c
		}
	}
	return CountLn{}
}

// A month whose records all became rejects is not empty, whenever they came.
func TestLetterOfRejects(t *testing.T) {
	for name, received := range map[string]time.Time{"polled": march.AddDate(0, 0, 9), "imported after its end": march.AddDate(0, 1, 0).Add(3 * time.Hour)} {
		t.Run(name, func(t *testing.T) {
			l := reporttest.New(t)
			now := march.AddDate(0, 1, 1)
			f := evidenceAt(t, l, now)
			february := march.AddDate(0, 0, -10)
			l.Batch(march, "hcp", []*event.Event{reporttest.Event("hcp", "1", february, event.AdminChanges, "x")}, nil)
			l.Batch(now.Add(-time.Hour), "hcp", nil, []*event.Reject{reporttest.Reject("hcp", "not json", "not JSON", received), reporttest.Reject("hcp", "{}", "no event type", received)},
				ledger.Cover{From: march.AddDate(0, -1, 0), To: now.Add(-2 * time.Hour), Method: ledger.Read})
			letter := writeLetter(t, f)
			if letter.Good || !strings.HasSuffix(letter.Verdict, ": 2 records could not be read") {
				t.Errorf("good %v: %q", letter.Good, letter.Verdict)
			}
			if !contains(letter.Needs, "2 records of hcp could not be read: see Rejects") {
				t.Errorf("needs %q", letter.Needs)
			}
			if got := letter.Sources[0]; got.Good || got.Note != "2 records could not be read" {
				t.Errorf("coverage %+v", got)
			}
			if got := line(letter, "Admin changes"); got != (CountLn{Section: "Admin changes", Change: "unknown: 2 records could not be read"}) {
				t.Errorf("admin changes %+v", got)
			}
		})
	}
}

// Rejects that came before the period are not of it, and those that were dealt with
// are read.
func TestLetterWithoutOpenRejects(t *testing.T) {
	l := reporttest.New(t)
	now := march.AddDate(0, 1, 1)
	f := evidenceAt(t, l, now)
	l.Batch(march, "hcp", nil, []*event.Reject{reporttest.Reject("hcp", "old", "not JSON", march.Add(-time.Hour))})
	later := reporttest.Reject("hcp", "{}", "no event type", march.Add(50*time.Hour))
	l.Batch(march.Add(50*time.Hour), "hcp", nil, []*event.Reject{later})
	seq := l.Batch(now.Add(-time.Hour), "hcp", []*event.Event{reporttest.Event("hcp", "1", march.Add(time.Hour), event.Logins, "y")}, nil,
		ledger.Cover{From: march.AddDate(0, -1, 0), To: now.Add(-2 * time.Hour), Method: ledger.Read})
	resolved := store.Resolution{RejectKey: store.Key(later), Outcome: ledger.ResolvedEvent, ID: "1", Batch: seq}
	if err := l.DB.InsertResolved(t.Context(), seq, []store.Resolution{resolved}); err != nil {
		t.Fatal(err)
	}
	letter := writeLetter(t, f)
	if !letter.Good || !strings.HasSuffix(letter.Verdict, ": collected without gaps") {
		t.Errorf("good %v: %q", letter.Good, letter.Verdict)
	}
	if got := line(letter, "Admin changes"); got.Now != "0" || got.Before != "" {
		t.Errorf("admin changes %+v", got)
	}
}
