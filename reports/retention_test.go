package reports

import (
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/reports/framework"
)

func TestRetention(t *testing.T) {
	row := framework.Retention{ID: "x.logs", Kind: framework.Hard, AppliesTo: framework.Events, Days: 30, ImmediateDays: 10}
	now := on(31).Add(12 * time.Hour)
	full := ledger.Cover{From: on(1).AddDate(0, -1, 0), To: now.Add(-10 * time.Minute), Method: ledger.Read}
	tests := []struct {
		name    string
		since   time.Time
		covers  []ledger.Cover
		deletes time.Duration
		want    RetentionState
		text    string
	}{
		{"continuous", on(1).AddDate(0, -1, 0), []ledger.Cover{full}, 0, Held, "30 days without a break; the latest 10 days are at hand"},
		{"young", on(20), []ledger.Cover{{From: on(20), To: now, Method: ledger.Read}}, 0, Immature, "collecting since 2026-01-20: 11 days of 30 days"},
		{"one stray old day", on(1).AddDate(0, -1, 0), []ledger.Cover{{From: on(1), To: on(2), Method: ledger.Read}, {From: on(25), To: now, Method: ledger.Read}}, 0, Broken, "without a break since 2026-01-25"},
		{"a hole in the latest days", on(1).AddDate(0, -1, 0), []ledger.Cover{{From: full.From, To: on(27), Method: ledger.Read}, {From: on(28), To: now, Method: ledger.Read}}, 0, Broken, "a gap is in the latest 10 days"},
		{"stopped", on(1).AddDate(0, -1, 0), []ledger.Cover{{From: full.From, To: on(20), Method: ledger.Read}}, 0, Broken, "not collected up to now"},
		{"nothing", on(1).AddDate(0, -1, 0), nil, 0, Broken, "nothing was collected"},
		{"a rule deletes too early", on(1).AddDate(0, -1, 0), []ledger.Cover{full}, 20 * day, AtRisk, "a retention rule deletes after 20 days"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{t: t}
			s := source("a", "logged")
			s.Since = tt.since
			b.source(on(1), s)
			b.events(on(3), "a", "2020-01-01", event.Logins, 1) // an old row proves nothing
			b.covers(now, "a", tt.covers...)
			got := retention(&b.state, framework.Framework{Retention: []framework.Retention{row}}, []string{"a"}, now, tt.deletes)
			if len(got) != 1 || got[0].State != tt.want || !strings.Contains(got[0].Text, tt.text) {
				t.Fatalf("got %s, %q; want %s with %q", got[0].State, got[0].Text, tt.want, tt.text)
			}
			if got[0].Short() == (tt.want == Held) || got[0].Weight != "exception" {
				t.Errorf("short %v, weight %s", got[0].Short(), got[0].Weight)
			}
		})
	}
}

func TestRetentionOfPacks(t *testing.T) {
	b := &book{t: t}
	b.source(on(1), source("a", "logged"))
	f := framework.Framework{Retention: []framework.Retention{{Kind: framework.Hard, AppliesTo: framework.Packs, Days: 2192}}}
	if got := retention(&b.state, f, []string{"a"}, on(5), 0); len(got) != 1 || got[0].State != NotShown || got[0].Source != "" {
		t.Errorf("got %+v", got)
	}
}

// Each day carries the state that most needs a person.
func TestDayStates(t *testing.T) {
	b := &book{t: t}
	s := source("a", "logged")
	s.Since = on(1).AddDate(0, -2, 0)
	b.source(on(1), s)
	for n := range 70 {
		d := on(1).AddDate(0, -2, n)
		if d.Equal(on(8)) || d.Equal(on(9)) {
			continue
		}
		if d.Before(on(12)) {
			b.events(on(20), "a", d.Format(ledger.DayFormat), event.Logins, 9)
		}
	}
	b.covers(on(20), "a", ledger.Cover{From: s.Since, To: on(4), Method: ledger.Stated, By: "Ada"}, span(5, 10, ledger.Read),
		ledger.Cover{From: on(10), To: on(10).Add(9 * time.Hour), Method: ledger.Heard}, span(11, 12, ledger.Heard),
		ledger.Cover{From: on(12), To: on(20).Add(-time.Hour), Method: ledger.Read})
	look := LookAt(&b.state, []string{"a"}, span(2, 21, "").Interval(), on(20).Add(6*time.Hour),
		[]ledger.SegmentRef{{Source: "a", Day: "2026-01-11"}})
	want := map[int]DayState{2: Stated, 3: Stated, 4: Lost, 5: Read, 8: Silent, 9: Silent, 10: Recoverable, 11: Altered, 12: Silent, 20: Recoverable}
	for _, d := range look.Coverage.Sources[0].Days {
		if state, ok := want[d.Day.Day()]; ok && d.State != state {
			t.Errorf("%s is %s, want %s", d.Day.Format(time.DateOnly), d.State, state)
		}
	}
	ten := look.Coverage.Sources[0].Days[8]
	if ten.Share != 0.375 || ten.Method != Heard || !ten.Until.Equal(on(24).Add(9*time.Hour)) {
		t.Errorf("the tenth: %+v", ten)
	}
	if n := len(look.Coverage.Gaps); n != 3 {
		t.Errorf("%d gaps: %+v", n, look.Coverage.Gaps)
	}
}

// Coverage without events gathers for an hour before it is committed: until then
// its time is pending, and only after that a gap.
func TestTailIsPending(t *testing.T) {
	for _, tt := range []struct {
		behind time.Duration
		gaps   int
	}{{30 * time.Minute, 0}, {2 * time.Hour, 0}, {3 * time.Hour, 1}} {
		b := &book{t: t}
		b.source(on(1), source("a", "logged"))
		now := on(20)
		b.covers(now, "a", ledger.Cover{From: on(1), To: now.Add(-tt.behind), Method: ledger.Read})
		for _, from := range []time.Time{on(18), now.Add(-20 * time.Minute)} {
			look := LookAt(&b.state, []string{"a"}, coverage.Interval{From: from, To: now}, now, nil)
			if n := len(look.Coverage.Gaps); n != tt.gaps {
				t.Errorf("%s behind, seen from %s: %d gaps, want %d", tt.behind, from, n, tt.gaps)
			}
		}
	}
}
