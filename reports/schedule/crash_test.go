package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A crash before and after each row, and in the middle of each conversation: at the
// end every recipient has got the mail, twice only where nobody could know.
func TestCrashes(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for after := 0; ; after++ {
		for _, written := range []bool{false, true} {
			m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, start)}}
			now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
			accepted := map[string]int{}
			server := post(func(p Parcel) Outcome { accepted[p.To]++; return Outcome{State: Sent, Reply: "250 OK"} })
			n, crashed := 0, false
			m.fail = func() error {
				n++
				if n == after+1 && !crashed {
					crashed = true
					return errCrash
				}
				return nil
			}
			r, _ := newRunner(t, m, &invented{}, server, &now)
			r.Records = &crashing{memory: m, written: written}
			if err := r.Tick(t.Context()); crashed != errors.Is(err, errCrash) {
				t.Fatalf("crash %d: %v", after, err)
			}
			if !crashed {
				if after < 9 {
					t.Fatalf("only %d rows were written", after)
				}
				return
			}
			m.fail = nil
			for range 3 {
				now = now.Add(10 * time.Minute)
				r, _ := newRunner(t, m, &invented{}, server, &now)
				if err := r.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			twice := 0
			for _, d := range deliveriesOf(t, m) {
				if d.State != Sent || accepted[d.Target] < 1 || accepted[d.Target] > 1 && !d.Unsure {
					t.Errorf("crash %d (written %v): %+v, taken %d times", after, written, d, accepted[d.Target])
				}
				twice += accepted[d.Target] - 1
			}
			if len(deliveriesOf(t, m)) != 3 || len(runsOf(t, m)) != 1 || twice > 1 {
				t.Errorf("crash %d (written %v): %d deliveries, %d runs, %d mails twice", after, written, len(deliveriesOf(t, m)), len(runsOf(t, m)), twice)
			}
		}
	}
}

// crashing writes a row and then crashes, or crashes and does not write it.
type crashing struct {
	*memory
	written bool
}

func (c *crashing) AddRun(ctx context.Context, r Run) error {
	return c.around(func() error { return c.memory.AddRun(ctx, r) })
}

func (c *crashing) AddDelivery(ctx context.Context, d Delivery) error {
	return c.around(func() error { return c.memory.AddDelivery(ctx, d) })
}

func (c *crashing) around(add func() error) error {
	if !c.written {
		return add()
	}
	err := c.memory.add()
	fail := c.memory.fail
	c.memory.fail = nil
	defer func() { c.memory.fail = fail }()
	return errors.Join(add(), err)
}

// A broken run is tried again each hour, and after a day says that it is broken.
func TestBrokenRunSaysSo(t *testing.T) {
	m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}
	now, tries := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), 0
	evidence := &invented{make: func() error { tries++; return errors.New("disk full") }}
	var subjects []string
	server := post(func(p Parcel) Outcome { subjects = append(subjects, p.Letter.Subject); return Outcome{State: Sent} })
	for range 60 * 30 {
		r, _ := newRunner(t, m, evidence, server, &now)
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
	}
	if tries < 24 || tries > 26 || len(subjects) != 3 || subjects[0] != "Evidence for February 2026 could not be made" {
		t.Errorf("%d tries, subjects %q", tries, subjects)
	}
}

// A run waits for its coverage up to the grace, and says which it was.
func TestWaits(t *testing.T) {
	for _, settles := range []bool{true, false} {
		m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}
		now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		evidence := &invented{ready: func(Schedule, Span) bool { return settles && now.Hour() >= 12 }}
		server := post(func(Parcel) Outcome { return Outcome{State: Sent} })
		for range 30 {
			r, _ := newRunner(t, m, evidence, server, &now)
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = now.Add(time.Hour)
		}
		runs := runsOf(t, m)
		want := map[bool]string{true: "2026-03-02 12:00 The coverage of the period is settled.",
			false: "2026-03-03 07:00 Sent after waiting 24 h for coverage that is still open: hcp-prod: 3 h can still be fetched."}[settles]
		if len(runs) != 1 || runs[0].First.Format("2006-01-02 15:04 ")+runs[0].Waited != want {
			t.Errorf("got %+v, want %s", runs, want)
		}
	}
}

// What the configuration no longer allows is skipped, with the reason; what fails is
// told in the next mail.
func TestSkippedAndTold(t *testing.T) {
	m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}
	m.schedules[0].Recipients[2] = "c@elsewhere.example"
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	var told []string
	server := post(func(p Parcel) Outcome {
		told = append(told, fmt.Sprint(p.Letter.Failing))
		if p.To == "a@example.com" {
			return Outcome{State: Failed, Reply: "RCPT: 550 no such user"}
		}
		return Outcome{State: Sent}
	})
	for range 2 {
		r, _ := newRunner(t, m, &invented{}, server, &now)
		r.Domains = []string{"example.com"}
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.AddDate(0, 1, 0)
	}
	d := deliveriesOf(t, m)
	if d[2].State != Skipped || d[2].Note == "" || len(told) != 4 || told[3] != "[February 2026 to a@example.com: failed. RCPT: 550 no such user]" {
		t.Errorf("got %+v, told %q", d, told)
	}
}

// A machine that slept has not tried: a mail is given up only after days and tries.
func TestSleptIsNotGivenUp(t *testing.T) {
	m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}
	now, tries := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), 0
	server := post(func(Parcel) Outcome { tries++; return Outcome{State: Deferred, Reply: "connection refused"} })
	m.schedules[0].Recipients = []string{"a@example.com"}
	state := func() Delivery {
		t.Helper()
		r, _ := newRunner(t, m, &invented{}, server, &now)
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		return deliveriesOf(t, m)[0]
	}
	for range 11 {
		if d := state(); d.State != Deferred || d.Next.Sub(now) > maxWait {
			t.Fatalf("after %d tries: %+v", tries, d)
		}
		now = now.AddDate(0, 0, 2)
	}
	if d := state(); d.State != Failed || tries != 12 || d.Note != "Given up after two days and 12 tries." {
		t.Errorf("after %d tries: %+v", tries, d)
	}
}

// That a mail may have been sent is said in every state from then on.
func TestDoubtIsKept(t *testing.T) {
	outcomes := []Outcome{{State: Deferred, Reply: "EOF", Lost: true}, {State: Deferred, Reply: "451 later"}, {State: Failed, Reply: "550 no such user"}}
	for _, removed := range []bool{false, true} {
		m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}
		m.schedules[0].Recipients = []string{"a@example.com"}
		now, n := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), 0
		doubt := func(when string) {
			t.Helper()
			if d := deliveriesOf(t, m)[0]; !d.Unsure || !strings.Contains(d.Note, "may have been sent") {
				t.Errorf("%s: %+v", when, d)
			}
		}
		server := post(func(Parcel) Outcome {
			if n > 0 {
				doubt("sending")
			}
			n++
			return outcomes[n-1]
		})
		for range outcomes {
			r, _ := newRunner(t, m, &invented{}, server, &now)
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			doubt(string(deliveriesOf(t, m)[0].State))
			now = now.Add(5 * time.Hour)
			if removed && n == 2 {
				last := m.schedules[0]
				last.Version, last.State, last.At = 2, Removed, now
				m.schedules = append(m.schedules, last)
			}
		}
		if d, want := deliveriesOf(t, m)[0], map[bool]DeliveryState{false: Failed, true: Skipped}[removed]; d.State != want {
			t.Errorf("got %+v, want %s", d, want)
		}
	}
}
