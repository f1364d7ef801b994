package schedule

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"exhibit/reports"
)

// wanted finds what is due by another way than Due does: it looks at the clock on the
// wall of the zone minute by minute, and takes in what the wall shows for the first time
// or has jumped over. Each period comes once.
func wanted(t *testing.T, history []Schedule, until time.Time, on func(Schedule) func(date time.Time, minute int) bool) []string {
	t.Helper()
	var keys []string
	for i, v := range history {
		if v.State != Active {
			continue
		}
		end := until
		if i+1 < len(history) && history[i+1].At.Before(end) {
			end = history[i+1].At
		}
		zone, err := reports.LoadZone(v.Zone)
		if err != nil {
			t.Fatal(err)
		}
		words, err := parseWords(v.Period)
		if err != nil {
			t.Fatal(err)
		}
		due := on(v)
		now := v.At.Add(-24 * time.Hour).Truncate(time.Minute)
		offset, changes := time.Duration(0), now // the wall is the clock and an offset, up to a change of that
		wall := func(now time.Time) time.Time {
			if !changes.IsZero() && !now.Before(changes) {
				_, seconds := now.In(zone).Zone()
				offset = time.Duration(seconds) * time.Second
				_, changes = now.In(zone).ZoneBounds()
			}
			return now.Add(offset)
		}
		for shown := wall(now); now.Before(end); now = now.Add(time.Minute) {
			for until := wall(now); !shown.After(until); shown = shown.Add(time.Minute) {
				date := shown.Truncate(24 * time.Hour)
				if now.Before(v.At) || !due(date, shown.Hour()*60+shown.Minute()) {
					continue
				}
				from, to := words(date)
				if key := (Span{from, to, v.Zone}).key(); !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys
}

// byCron asks the recurrence itself on which days and at which minutes it is.
func byCron(s Schedule) func(date time.Time, minute int) bool {
	c, err := s.Every.cron()
	return func(date time.Time, minute int) bool {
		return err == nil && slices.Contains(c.times, minute) && c.on(date)
	}
}

// TestTwoYears runs schedules in three zones for two years with restarts in the middle
// of anything, outages of the mail server, answers that get lost, coverage that settles
// late, a pause and edits. Every due period has exactly one run, every recipient exactly
// one delivery or a recorded failure.
func TestTwoYears(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { t.Parallel(); twoYears(t, seed) })
	}
}

func twoYears(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 7))
	start := time.Date(2027, 1, 10, 9, 0, 0, 0, time.UTC) // 2028 has a leap day
	end := start.AddDate(2, 0, 0)
	edit := func(s Schedule, at time.Time, to func(*Schedule)) Schedule {
		s.Version, s.At = s.Version+1, at
		to(&s)
		return s
	}
	berlin := monthly("berlin", "Europe/Berlin", 31, 2, 30, start)
	york := monthly("york", "America/New_York", 2, 1, 30, start)
	york.Every = Recurrence{Kind: "cron", Cron: "30 1,2,14 * * *"}
	york.Period = "yesterday"
	howe := monthly("howe", "Australia/Lord_Howe", 1, 2, 15, start)
	howe.Every = Recurrence{Kind: "weekly", Weekday: time.Sunday, Hour: 2, Minute: 15}
	howe.Period = "last week"
	leap := monthly("leap", "Europe/Berlin", 29, 7, 0, start)
	leap.Every = Recurrence{Kind: "yearly", Month: time.February, Day: 29, Hour: 7}
	leap.Period = "last 365 days"
	quarter := monthly("quarter", "America/New_York", 5, 7, 0, start)
	quarter.Every.Kind, quarter.Period = "quarterly", "last quarter"
	paused := edit(york, start.AddDate(0, 5, 0), func(s *Schedule) { s.State = Paused })
	resumed := edit(paused, start.AddDate(0, 6, 3), func(s *Schedule) { s.State = Active })
	// From the 31st to the 2nd, on September 20: the old version would have sent August on
	// September 30, the new one begins with September on October 2. August is due at the change.
	moved := edit(berlin, time.Date(2027, 9, 20, 12, 0, 0, 0, time.UTC), func(s *Schedule) { s.Every.Day, s.Zone = 2, "America/New_York" })
	planned := []Schedule{berlin, york, howe, leap, quarter, paused, resumed, moved}

	m := &memory{}
	now := start
	evidence := &invented{ready: func(_ Schedule, span Span) bool {
		return now.After(span.To.Add(time.Duration(random.IntN(60)) * time.Hour))
	}}
	evidence.make = func() error {
		if random.IntN(10) == 0 {
			return errors.New("store away")
		}
		return nil
	}
	accepted := map[string]int{}
	down := time.Time{}
	server := post(func(p Parcel) Outcome {
		switch n := random.IntN(30); {
		case now.Before(down):
			return Outcome{State: Deferred, Reply: "connection refused"}
		case n == 0:
			return Outcome{State: Failed, Reply: "550 no such user"}
		case n < 4:
			return Outcome{State: Deferred, Reply: "451 greylisted"}
		case n == 4:
			accepted[p.MessageID]++
			return Outcome{State: Deferred, Reply: "EOF", Lost: true}
		}
		accepted[p.MessageID]++
		return Outcome{State: Sent, Reply: "250 OK"}
	})
	crash := func() error {
		if random.IntN(40) == 0 {
			return errCrash
		}
		return nil
	}
	ticks, crashes, starts := 0, 0, 0
	var r *Runner
	for ; now.Before(end); now = now.Add(time.Duration(1+random.IntN(20*60)) * time.Minute) {
		for len(planned) > 0 && !planned[0].At.After(now) {
			m.schedules = append(m.schedules, planned[0])
			planned = planned[1:]
		}
		slices.SortStableFunc(planned, func(a, b Schedule) int { return a.At.Compare(b.At) })
		if random.IntN(200) == 0 {
			down = now.Add(time.Duration(random.IntN(80)) * time.Hour)
		}
		if random.IntN(150) == 0 {
			now = now.Add(time.Duration(random.IntN(10*24)) * time.Hour) // the machine slept
		}
		m.fail = crash
		if r == nil || random.IntN(20) == 0 { // a new process
			r, _ = newRunner(t, m, evidence, server, &now)
			starts++
		}
		ticks++
		if err := r.Tick(t.Context()); errors.Is(err, errCrash) {
			crashes++
			r = nil
		} else if err != nil {
			t.Fatal(err)
		}
	}
	settle(t, m, evidence, server, &now, &down)
	t.Logf("%d ticks of %d processes, %d crashes, %d runs, %d deliveries, %d rows", ticks, starts, crashes, len(runsOf(t, m)), len(deliveriesOf(t, m)), m.rows)
	check(t, m, end, accepted)
}

// settle lets what is under way come to its end, without faults.
func settle(t *testing.T, m *memory, e *invented, server post, now, down *time.Time) {
	t.Helper()
	m.fail, e.make, e.ready = nil, nil, nil
	for range 40 {
		*now = now.Add(2 * time.Hour)
		r, _ := newRunner(t, m, e, server, now)
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	*down = time.Time{}
}

func runsOf(t *testing.T, m *memory) []Run {
	runs, err := m.Runs(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func deliveriesOf(t *testing.T, m *memory) []Delivery {
	list, err := m.Deliveries(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func check(t *testing.T, m *memory, end time.Time, accepted map[string]int) {
	t.Helper()
	book, err := Read(t.Context(), m, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range book.Histories {
		want := wanted(t, h, end, byCron)
		if h[0].ID == "berlin" {
			want = append(want, "2027-08-01_2027-08-31")
		}
		var got []string
		for _, r := range runsOf(t, m) {
			if r.Schedule == h[0].ID && !r.Due.After(end) {
				got = append(got, r.Key)
			}
			if r.State != Made && !r.Due.After(end) {
				t.Errorf("run %s is still %s", r.ID(), r.State)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: ran %d periods, want %d\nonly run: %v\nonly due: %v", h[0].ID, len(got), len(want), without(got, want), without(want, got))
		}
	}
	for _, r := range book.Runs {
		if r.Due.After(end) {
			continue // begun while the others came to their end
		}
		for _, target := range r.Targets {
			d, ok := book.Delivery(r.ID(), target)
			switch n := accepted[d.MessageID]; {
			case !ok || !d.State.Settled():
				t.Errorf("%s to %s is %q", r.ID(), target, d.State)
			case d.State == Sent && n != 1 && !d.Unsure:
				t.Errorf("%s to %s: the server took it %d times and the record does not say why", r.ID(), target, n)
			case d.State == Sent && n == 0:
				t.Errorf("%s to %s is on record as sent and was not", r.ID(), target)
			case d.State != Sent && d.Reply+d.Note == "":
				t.Errorf("%s to %s failed without a reason", r.ID(), target)
			}
		}
	}
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}
