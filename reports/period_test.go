package reports_test

import (
	"strings"
	"testing"
	"time"

	"exhibit/reports"
)

func TestParsePeriod(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	tests := []struct {
		name, from, to, zone string
		wantFrom, wantTo     string
		hours                float64
	}{
		{"both included", "2026-01-01", "2026-04-22", "", "2026-01-01T00:00:00Z", "2026-04-23T00:00:00Z", 112 * 24},
		{"one day", "2026-03-01", "2026-03-01", "UTC", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", 24},
		{"a leap day", "2024-02-29", "2024-02-29", "", "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z", 24},
		{"month end", "2026-01-31", "2026-01-31", "Asia/Kolkata", "2026-01-30T18:30:00Z", "2026-01-31T18:30:00Z", 24},
		{"short day of Berlin", "2026-03-29", "2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23},
		{"long day of New York", "2026-11-01", "2026-11-01", "America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 25},
		{"half an hour", "2026-04-05", "2026-04-05", "Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 24.5},
		{"no midnight: Beirut", "2022-03-27", "2022-03-27", "Asia/Beirut", "2022-03-26T22:00:00Z", "2022-03-27T21:00:00Z", 23},
		{"midnight twice: Havana", "2025-11-02", "2025-11-02", "America/Havana", "2025-11-02T04:00:00Z", "2025-11-03T05:00:00Z", 25},
		{"the day before ends twice: São Paulo", "2018-02-17", "2018-02-17", "America/Sao_Paulo", "2018-02-17T02:00:00Z", "2018-02-18T03:00:00Z", 25},
		{"around a skipped day: Apia", "2011-12-29", "2011-12-31", "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", 48},
		{"instants", "2026-01-01T00:00:00+01:00", "2026-01-01T12:00:00.5Z", "", "2025-12-31T23:00:00Z", "2026-01-01T12:00:00.5Z", 13 + 0.5/3600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zone, err := reports.LoadZone(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			p, err := reports.ParsePeriod(tt.from, tt.to, zone, now)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.From.Format(time.RFC3339Nano); got != tt.wantFrom {
				t.Errorf("from %s, want %s", got, tt.wantFrom)
			}
			if got := p.To.Format(time.RFC3339Nano); got != tt.wantTo {
				t.Errorf("to %s, want %s", got, tt.wantTo)
			}
			if got := p.Length().Hours(); got-tt.hours > 1e-9 || tt.hours-got > 1e-9 {
				t.Errorf("%v hours, want %v", got, tt.hours)
			}
			if p.CutNote() != "" {
				t.Errorf("a period that has ended is cut: %s", p.CutNote())
			}
		})
	}
}

func TestParsePeriodSaysWhatIsWrong(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	tests := []struct{ name, from, to, zone, want string }{
		{"no such day", "2026-02-30", "2026-03-01", "", `the first day "2026-02-30" is not a day of the calendar`},
		{"other order", "01/02/2026", "2026-03-01", "", "write it like 2026-01-31"},
		{"missing", "2026-01-01", "", "", "the last day is missing"},
		{"swapped", "2026-03-01", "2026-02-01", "", "swap them"},
		{"mixed", "2026-03-01", "2026-03-01T00:00:00Z", "", "give two days"},
		{"no offset", "2026-03-01T00:00:00", "2026-03-02T00:00:00", "", "RFC 3339"},
		{"empty", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "", "is empty"},
		{"future", "2026-12-01", "2026-12-31", "", "begins after now"},
		{"year 1", "0001-01-01", "2026-01-01", "", "1970"},
		{"year 9999", "2026-01-01", "9999-12-31", "", "2199"},
		{"skipped", "2011-12-30", "2011-12-30", "Pacific/Apia", "the clocks skipped it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zone, err := reports.LoadZone(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			p, err := reports.ParsePeriod(tt.from, tt.to, zone, now)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v; want an error with %q", p, err, tt.want)
			}
		})
	}
	for _, name := range []string{"Local", "local", "Mars/Olympus", "../etc/passwd"} {
		if zone, err := reports.LoadZone(name); err == nil {
			t.Errorf("zone %q was taken as %v", name, zone)
		}
	}
}

func TestPeriodIsCutAtNow(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	p, err := reports.ParsePeriod("2026-11-01", "2026-11-30", nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if want := "the period goes on after 2026-11-21 08:00:00 UTC: coverage is shown up to then"; p.CutNote() != want {
		t.Errorf("note %q, want %q", p.CutNote(), want)
	}
	if w := p.Window(); !w.To.Equal(now) || !p.To.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("window %v of %v", w, p.Interval)
	}
}
