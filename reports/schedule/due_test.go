package schedule

import (
	"strings"
	"testing"
	"time"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	x, err := time.Parse("2006-01-02T15:04Z07:00", text)
	if err != nil {
		t.Fatal(err)
	}
	return x.UTC()
}

func TestDue(t *testing.T) {
	cron := func(text string) Recurrence { return Recurrence{Kind: "cron", Cron: text} }
	for _, tt := range []struct {
		name, zone, period string
		every              Recurrence
		from, now          string
		want               string // key and instant of each
	}{
		{"monthly", "Europe/Berlin", "last month", Recurrence{Kind: "monthly", Day: 2, Hour: 7}, "2026-03-01T00:00Z", "2026-04-02T05:00Z",
			"2026-02-01_2026-02-28 2026-03-02T06:00Z, 2026-03-01_2026-03-31 2026-04-02T05:00Z"},
		{"not before its time", "Europe/Berlin", "last month", Recurrence{Kind: "monthly", Day: 2, Hour: 7}, "2026-04-01T00:00Z", "2026-04-02T04:59Z", ""},
		{"the last day of short months", "UTC", "last month", Recurrence{Kind: "monthly", Day: 31, Hour: 1}, "2028-01-31T02:00Z", "2028-05-01T00:00Z",
			"2028-01-01_2028-01-31 2028-02-29T01:00Z, 2028-02-01_2028-02-29 2028-03-31T01:00Z, 2028-03-01_2028-03-31 2028-04-30T01:00Z"},
		{"a time that does not exist", "Europe/Berlin", "yesterday", Recurrence{Kind: "daily", Hour: 2, Minute: 30}, "2026-03-28T12:00Z", "2026-03-30T12:00Z",
			"2026-03-28_2026-03-28 2026-03-29T01:00Z, 2026-03-29_2026-03-29 2026-03-30T00:30Z"},
		{"a time that comes twice", "Europe/Berlin", "yesterday", Recurrence{Kind: "daily", Hour: 2, Minute: 30}, "2026-10-24T12:00Z", "2026-10-26T12:00Z",
			"2026-10-24_2026-10-24 2026-10-25T00:30Z, 2026-10-25_2026-10-25 2026-10-26T01:30Z"},
		{"half an hour of summer", "Australia/Lord_Howe", "yesterday", Recurrence{Kind: "daily", Hour: 2, Minute: 15}, "2026-10-02T12:00Z", "2026-10-04T20:00Z",
			"2026-10-02_2026-10-02 2026-10-02T15:45Z, 2026-10-03_2026-10-03 2026-10-03T15:30Z, 2026-10-04_2026-10-04 2026-10-04T15:15Z"},
		{"weekly", "America/New_York", "last week", Recurrence{Kind: "weekly", Weekday: time.Monday, Hour: 9}, "2026-01-01T00:00Z", "2026-01-13T00:00Z",
			"2025-12-29_2026-01-04 2026-01-05T14:00Z, 2026-01-05_2026-01-11 2026-01-12T14:00Z"},
		{"quarterly over the year", "UTC", "last quarter", Recurrence{Kind: "quarterly", Day: 5, Hour: 9}, "2025-12-31T00:00Z", "2026-04-30T00:00Z",
			"2025-10-01_2025-12-31 2026-01-05T09:00Z, 2026-01-01_2026-03-31 2026-04-05T09:00Z"},
		{"leap day", "UTC", "last year", Recurrence{Kind: "yearly", Month: 2, Day: 29}, "2027-01-01T00:00Z", "2028-12-01T00:00Z",
			"2026-01-01_2026-12-31 2027-02-28T00:00Z, 2027-01-01_2027-12-31 2028-02-29T00:00Z"},
		{"cron: 13th or Friday", "UTC", "yesterday", cron("0 6 13 * fri"), "2026-02-01T00:00Z", "2026-02-14T00:00Z",
			"2026-02-05_2026-02-05 2026-02-06T06:00Z, 2026-02-12_2026-02-12 2026-02-13T06:00Z"},
		{"cron: twice a day", "UTC", "yesterday", cron("15 7,19 * * *"), "2026-02-01T12:00Z", "2026-02-02T20:00Z",
			"2026-01-31_2026-01-31 2026-02-01T19:15Z, 2026-02-01_2026-02-01 2026-02-02T07:15Z"},
		{"cron: the other time of a day that skips the first", "Europe/Berlin", "yesterday", cron("30 2,3 29 3 *"), "2026-03-28T12:00Z", "2026-03-30T12:00Z",
			"2026-03-28_2026-03-28 2026-03-29T01:00Z"},
		{"cron: last week, on weekdays", "UTC", "last week", cron("0 8 * * mon-fri"), "2026-01-07T00:00Z", "2026-01-20T00:00Z",
			"2025-12-29_2026-01-04 2026-01-07T08:00Z, 2026-01-05_2026-01-11 2026-01-12T08:00Z, 2026-01-12_2026-01-18 2026-01-19T08:00Z"},
		{"cron: a period once", "UTC", "last month", cron("0 6 1-7/2 3 *"), "2026-02-01T00:00Z", "2026-04-14T00:00Z", "2026-02-01_2026-02-28 2026-03-01T06:00Z"},
		{"last 90 days", "UTC", "last 90 days", Recurrence{Kind: "monthly", Day: 1}, "2026-03-15T00:00Z", "2026-04-14T00:00Z", "2026-01-01_2026-03-31 2026-04-01T00:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Schedule{ID: "s", Version: 1, State: Active, Zone: tt.zone, Period: tt.period, Every: tt.every, At: at(t, tt.from)}
			var got []string
			for _, o := range Due([]Schedule{s}, at(t, tt.now)) {
				got = append(got, o.Key()+" "+o.At.UTC().Format("2006-01-02T15:04Z07:00"))
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), tt.want)
			}
		})
	}
}

func TestChangesNeitherSkipNorDouble(t *testing.T) {
	base := Schedule{ID: "s", Version: 1, State: Active, Zone: "Europe/Berlin", Period: "last month", Every: Recurrence{Kind: "monthly", Day: 5, Hour: 7}, At: at(t, "2026-01-10T00:00Z")}
	edit := func(when string, to func(*Schedule)) Schedule {
		s := base
		s.Version, s.At = 2, at(t, when)
		to(&s)
		return s
	}
	for _, tt := range []struct {
		name string
		v    Schedule
		want string
	}{
		{"earlier, after the new day", edit("2026-02-03T00:00Z", func(s *Schedule) { s.Every.Day = 2 }), "2026-01 2026-02"},
		{"earlier, before the new day", edit("2026-02-01T00:00Z", func(s *Schedule) { s.Every.Day = 2 }), "2026-01 2026-02"},
		{"later, after the run", edit("2026-02-06T00:00Z", func(s *Schedule) { s.Every.Day = 9 }), "2026-01 2026-02"},
		{"another zone, between the two times", edit("2026-02-05T00:00Z", func(s *Schedule) { s.Zone = "Asia/Tokyo" }), "2026-01 2026-02"},
		{"paused over one", edit("2026-02-03T00:00Z", func(s *Schedule) { s.State = Paused }), ""},
		{"another period", edit("2026-02-03T00:00Z", func(s *Schedule) { s.Every.Day, s.Period = 2, "last year" }), "2025-01"},
	} {
		var got []string
		for _, o := range Due([]Schedule{base, tt.v}, at(t, "2026-03-20T00:00Z")) {
			got = append(got, o.Span.From.Format("2006-01"))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, got, tt.want)
		}
	}
	// Longer histories: each step is when it is made and what it changes.
	type step struct {
		when  string
		state State
		day   int
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"edited while paused", []step{{"2026-01-10T00:00Z", Active, 5}, {"2026-02-03T00:00Z", Paused, 5}, {"2026-02-03T00:05Z", Paused, 2}, {"2026-02-03T00:10Z", Active, 2}}, "2026-01 2026-02"},
		{"paused over one, and resumed", []step{{"2026-01-10T00:00Z", Active, 5}, {"2026-02-03T00:00Z", Paused, 5}, {"2026-02-10T00:00Z", Active, 5}}, "2026-02"},
		{"paused over one, edited and resumed", []step{{"2026-01-10T00:00Z", Active, 5}, {"2026-02-03T00:00Z", Paused, 5}, {"2026-02-10T00:00Z", Active, 8}}, "2026-02"},
		{"nothing was promised", []step{{"2026-02-10T00:00Z", Active, 5}, {"2026-02-11T00:00Z", Active, 8}}, "2026-02"},
		{"removed after an edit by a clock ahead", []step{{"2026-01-10T00:00Z", Active, 5}, {"2026-12-01T00:00Z", Active, 6}, {"2026-02-03T00:00Z", Removed, 6}}, ""},
		{"edited again after an edit by a clock ahead", []step{{"2026-01-10T00:00Z", Active, 5}, {"2026-03-18T00:00Z", Active, 2}, {"2026-02-03T00:00Z", Active, 2}}, "2026-01 2026-02"},
		{"an edit by a clock ahead, before it holds", []step{{"2026-01-10T00:00Z", Active, 25}, {"2026-03-23T00:00Z", Active, 22}}, "2025-12 2026-01"},
	} {
		var history []Schedule
		for i, x := range tt.steps {
			s := base
			s.Version, s.At, s.State, s.Every.Day = i+1, at(t, x.when), x.state, x.day
			history = append(history, s)
		}
		var got []string
		for _, o := range Due(history, at(t, "2026-03-20T00:00Z")) {
			got = append(got, o.Span.From.Format("2006-01"))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, got, tt.want)
		}
	}
}

func TestCheck(t *testing.T) {
	good := Schedule{ID: "s", Name: "PCI", Framework: "pci", Zone: "Europe/Berlin", Period: "last month", Every: Recurrence{Kind: "monthly", Day: 2, Hour: 7}, Recipients: []string{"a@example.com"}}
	if err := good.Check([]string{"example.com"}); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Schedule){
		"name":                         func(s *Schedule) { s.Name = " " },
		"one line":                     func(s *Schedule) { s.Name = "a\r\nBcc: x" },
		"unknown zone":                 func(s *Schedule) { s.Zone = "Europe/Bonn" },
		"not a period":                 func(s *Schedule) { s.Period = "last fortnight" },
		"last N days":                  func(s *Schedule) { s.Period = "last 0 days" },
		"not a day of a month":         func(s *Schedule) { s.Every.Day = 32 },
		"not a time of the day":        func(s *Schedule) { s.Every.Hour = 24 },
		"not how often":                func(s *Schedule) { s.Every.Kind = "hourly" },
		"five fields":                  func(s *Schedule) { s.Every = Recurrence{Kind: "cron", Cron: "* * *"} },
		"is not a number from 0 to 59": func(s *Schedule) { s.Every = Recurrence{Kind: "cron", Cron: "60 7 * * *"} },
		"a day that no month has":      func(s *Schedule) { s.Every = Recurrence{Kind: "cron", Cron: "0 7 31 2 *"} },
		"is not a number from 1 to 12": func(s *Schedule) { s.Every = Recurrence{Kind: "cron", Cron: "0 7 1 13 *"} },
		"at least one address":         func(s *Schedule) { s.Recipients = nil },
		"there twice":                  func(s *Schedule) { s.Recipients = []string{"a@example.com", "a@example.com"} },
		"the configuration allows":     func(s *Schedule) { s.Recipients = []string{"a@elsewhere.example"} },
		"may wait for coverage":        func(s *Schedule) { s.Grace = -1 },
	} {
		s := good
		change(&s)
		if err := s.Check([]string{"example.com"}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want it to say %q", err, name)
		}
	}
}

func TestBuiltInSendsOne(t *testing.T) {
	s := Schedule{ID: Checkpoint, Version: 1, State: Active, Zone: "UTC", Period: "yesterday", Every: Recurrence{Kind: "daily", Hour: 6}, At: at(t, "2026-01-01T00:00Z")}
	if got := Due([]Schedule{s}, at(t, "2026-01-20T12:00Z")); len(got) != 1 || got[0].Key() != "2026-01-19_2026-01-19" {
		t.Errorf("got %v", got)
	}
}

func TestWords(t *testing.T) {
	d := func(s string) time.Time { return at(t, s+"T00:00Z") }
	for want, s := range map[string]Span{"March 2026": {From: d("2026-03-01"), To: d("2026-04-01")}, "Q4 2025": {From: d("2025-10-01"), To: d("2026-01-01")},
		"2025": {From: d("2025-01-01"), To: d("2026-01-01")}, "2 March 2026": {From: d("2026-03-02"), To: d("2026-03-03")},
		"2 to 8 March 2026": {From: d("2026-03-02"), To: d("2026-03-09")}, "22 December 2025 to 21 March 2026": {From: d("2025-12-22"), To: d("2026-03-22")}} {
		if got := s.Words(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for want, s := range map[string]Span{"February 2028": {From: d("2028-03-01"), To: d("2028-04-01")}, "Q4 2025": {From: d("2026-01-01"), To: d("2026-04-01")},
		"29 December 2025 to 4 January 2026": {From: d("2026-01-05"), To: d("2026-01-12")}} {
		if got := s.before().Words(); got != want {
			t.Errorf("before: got %q, want %q", got, want)
		}
	}
}
