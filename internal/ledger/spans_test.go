package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	. "exhibit/internal/ledger"
)

// One source, 14 days kept, since 1 January, looked at on 1 March 12:00.
func TestSpans(t *testing.T) {
	const day = 24 * 60 * 60
	now := at("2026-03-01T12:00:00Z")
	source := Source{Name: "hcp", Kind: "hcp-terraform", Change: "added", Keeps: 14 * day, Settle: 600, Since: at("2026-01-01T00:00:00Z")}
	state := func(covers ...Cover) *State {
		s := new(State)
		for _, r := range []Record{
			{Kind: KindSource, Source: &source},
			{Kind: KindBatch, Batch: []Batch{{Source: "hcp", Covers: covers}}},
		} {
			if err := s.Add(s.Next(now, r)); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	pushed := func() *State {
		s := state()
		sent := source
		sent.Change, sent.Pushed = "changed", true
		if err := s.Add(s.Next(now, Record{Kind: KindSource, Source: &sent})); err != nil {
			t.Fatal(err)
		}
		return s
	}
	cover := func(from, to, method string) Cover {
		return Cover{From: at(from + ":00Z"), To: at(to + ":00Z"), Method: method}
	}
	tests := []struct {
		name   string
		state  *State
		source string
		want   string
	}{
		{"unknown source", state(), "other", "12-30T00 not connected"},
		{"nothing read yet", state(), "hcp", "12-30T00 before onboarding; 01-01T00 gap, lost; 02-15T12 backfilling until 03-01T12; 03-01T11 pending"},
		{"nothing sent yet", pushed(), "hcp", "12-30T00 before onboarding; 01-01T00 gap, lost; 02-15T12 gap, recoverable until 03-01T12; 03-01T11 pending"},
		{"imports and an outage", state(
			cover("2026-01-01T00:00", "2026-01-20T00:00", Stated),
			cover("2026-01-21T00:00", "2026-02-20T00:00", Stated),
			cover("2026-02-15T12:00", "2026-02-18T00:00", Read),
			cover("2026-02-20T06:00", "2026-03-01T11:50", Read)), "hcp",
			"12-30T00 before onboarding; 01-01T00 covered stated; 01-20T00 gap, lost; 01-21T00 covered stated; 02-15T12 covered read; " +
				"02-18T00 covered stated; 02-20T00 gap, recoverable until 03-06T00; 02-20T06 covered read; 03-01T11 pending"},
		{"coverage of an idle hour is not committed yet", state(cover("2026-01-01T00:00", "2026-03-01T10:30", Read)), "hcp",
			"12-30T00 before onboarding; 01-01T00 covered read; 03-01T10 pending"},
		{"nothing was read for hours", state(cover("2026-01-01T00:00", "2026-03-01T09:30", Read)), "hcp",
			"12-30T00 before onboarding; 01-01T00 covered read; 03-01T09 backfilling until 03-15T09; 03-01T11 pending"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			window := coverage.Interval{From: at("2025-12-30T00:00:00Z"), To: at("2026-03-02T00:00:00Z")}
			var got []string
			end := window.From
			for _, s := range tt.state.Spans(tt.source, window, now) {
				if !s.From.Equal(end) {
					t.Errorf("span begins at %s, the one before ended at %s", s.From, end)
				}
				end = s.To
				text := fmt.Sprintf("%s %s %s", s.From.Format("01-02T15"), s.State, s.Method)
				if !s.Until.IsZero() {
					text += "until " + s.Until.Format("01-02T15")
				}
				got = append(got, strings.TrimSpace(text))
			}
			if !end.Equal(window.To) {
				t.Errorf("spans end at %s, not at %s", end, window.To)
			}
			if text := strings.Join(got, "; "); text != tt.want {
				t.Errorf("\ngot  %s\nwant %s", text, tt.want)
			}
		})
	}
	if got, ok := state().Since("hcp"); !ok || !got.Equal(source.Since) {
		t.Errorf("since %v, %v", got, ok)
	}
	source.Since = time.Time{}
	if got, _ := state().Since("hcp"); !got.Equal(now.Add(-14 * 24 * time.Hour)) {
		t.Errorf("since without a setting: %v", got)
	}
}
