package views

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

func date(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestWords(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, got, want string }{
		{"number", number(41_208_113), "41,208,113"}, {"number", number(999), "999"}, {"number", number(-1000), "−1,000"},
		{"percent of all", percent(1), "100 %"}, {"percent of nearly all", percent(0.99999), "99.9 %"}, {"percent of none", percent(0), "0 %"},
		{"percent of little", percent(0.00001), "under 0.1 %"}, {"percent", percent(0.5), "50.0 %"},
		{"span", span(5*24*time.Hour + 6*time.Hour), "5 d 6 h"}, {"span", span(88*24*time.Hour + 6*time.Hour), "88 d"}, {"span", span(90 * time.Minute), "1 h 30 min"},
		{"span", span(20 * time.Second), "20 s"}, {"span", span(-time.Hour), "0 s"}, {"span", span(3 * time.Hour), "3 h"},
		{"size", size(1), "1 byte"}, {"size", size(999_999), "1000.0 kB"}, {"size", size(88_000), "88.0 kB"}, {"size", size(3_200_000_000), "3.2 GB"},
		{"period", Period{From: date("2026-01-01T00:00:00Z"), To: date("2026-04-22T00:00:00Z")}.Words(), "January 1 through April 22, 2026"},
		{"period over a year", Period{From: date("2025-12-30T00:00:00Z"), To: date("2026-01-02T00:00:00Z")}.Words(), "December 30, 2025 through January 2, 2026"},
		{"period of a day", Period{From: date("2026-01-01T00:00:00Z"), To: date("2026-01-01T00:00:00Z")}.Words(), "January 1, 2026"},
		{"local on another day", local(date("2026-01-01T23:30:00Z"), berlin), "2026-01-02 00:30"}, {"local on the same day", local(date("2026-07-01T10:00:00Z"), berlin), "12:00"},
		{"local of UTC", local(date("2026-07-01T10:00:00Z"), time.UTC), ""},
		{"left", left(date("2026-07-01T10:00:00Z"), date("2026-07-01T09:00:00Z")), "passed"},
		{"anchor", anchor("164.312(a)(2)(iv)"), "c-164.312_a__2__iv_"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestEveryStateHasWords(t *testing.T) {
	for _, s := range states() {
		if s.title() == "" {
			t.Errorf("state %q has no title", s)
		}
		if s.explain() == "" {
			t.Errorf("state %q has no explanation", s)
		}
	}
}

func TestMonths(t *testing.T) {
	var days []Day
	for i := range 35 { // January 30 through March 5, not a leap year
		days = append(days, Day{Day: date("2026-01-30T00:00:00Z").AddDate(0, 0, i), State: Read, Share: 1, Events: 2})
	}
	got := months(days)
	if len(got) != 3 || got[0].name != "Jan 2026" || got[1].last != 28 || got[1].found != 56 || got[2].cells[4] == nil || got[2].cells[5] != nil || got[0].cells[28] != nil {
		t.Errorf("months: %+v", got)
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	const hostile = `"><script>alert(1)</script>`
	day := Day{Day: date("2026-01-01T00:00:00Z"), State: DayState(hostile)}
	source := SourceDays{Source: hostile, Title: hostile, Days: []Day{day}}
	var page bytes.Buffer
	ctx := context.Background()
	for _, err := range []error{
		OverviewPage(Overview{Sources: []OverviewSource{{SourceDays: source, Health: Health(hostile)}}, Tasks: []Task{{Title: hostile, Link: &Link{Path: "javascript:alert(1)"}}}}).Render(ctx, &page),
		CoveragePage(Coverage{Sources: []SourceDays{source}, Names: []string{hostile}, Gaps: []Gap{{Source: hostile, Note: hostile}}}).Render(ctx, &page),
		EventPage(Event{Action: hostile, Pretty: hostile, Raw: hostile, Source: hostile}).Render(ctx, &page),
		SourcePage(Source{Name: hostile, Problem: hostile, Docs: "javascript:alert(1)"}).Render(ctx, &page),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if text := page.String(); strings.Contains(text, "<script>") || strings.Contains(text, `="javascript:`) {
		i := max(strings.Index(text, "<script>"), strings.Index(text, `="javascript:`))
		t.Errorf("hostile text is markup on a page: …%s", text[max(0, i-80):i+40])
	}
}
