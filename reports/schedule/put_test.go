package schedule

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A bucket that hangs holds up no mail, of its own run or of another. A stop in the
// middle leaves a delivery that the next process ends, and no mail goes out twice.
func TestHangingBucketHoldsUpNoMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		m := &memory{schedules: []Schedule{monthly("one", "UTC", start.Day()+1, 7, 0, start)}}
		m.schedules[0].Bucket = "audit"
		mails, now, wake := map[string]int{}, time.Time{}, make(chan struct{}, 1)
		server := post(func(p Parcel) Outcome { mails[p.MessageID]++; return Outcome{State: Sent} })
		r, _ := newRunner(t, m, &invented{}, server, &now)
		released := make(chan struct{})
		r.Buckets = post(func(Parcel) Outcome { <-released; return Outcome{State: Deferred, Reply: "gave up"} })
		r.Now, r.After, r.Wake = time.Now, time.After, wake
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if len(mails) != 3 {
			t.Fatalf("%d mails of the run, want 3", len(mails))
		}
		desk := &Desk{Records: m, Now: time.Now, Wake: func() { wake <- struct{}{} }}
		if _, err := desk.RunNow(t.Context(), "one", "Rita"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(mails) != 6 {
			t.Errorf("%d mails with those of the other run, want 6", len(mails))
		}
		// The process dies here: what it has written is what there is.
		left := &memory{schedules: m.schedules, runs: slices.Clone(m.runs), deliveries: slices.Clone(m.deliveries), at: m.at, rows: m.rows}
		stop()
		close(released)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d := storedOf(t, left); len(d) != 2 || d[0].State != Sending || d[1].State != Queued {
			t.Errorf("the stop leaves %+v", d)
		}
		now = time.Now()
		put := map[string]int{}
		next, _ := newRunner(t, left, &invented{}, server, &now)
		next.Buckets = post(func(p Parcel) Outcome { put[p.MessageID]++; return Outcome{State: Sent, Reply: "written"} })
		for range 2 {
			if err := errors.Join(next.Tick(t.Context()), next.Put(t.Context())); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range storedOf(t, left) {
			if d.State != Sent || put[d.MessageID] != 1 || d.Unsure {
				t.Errorf("%+v, put there %d times", d, put[d.MessageID])
			}
		}
		for id, n := range mails {
			if n != 1 {
				t.Errorf("the mail %s went out %d times", id, n)
			}
		}
	})
}

func storedOf(t *testing.T, m *memory) []Delivery {
	return slices.DeleteFunc(deliveriesOf(t, m), func(d Delivery) bool { return !stored(d.Target) })
}

// What a clock that was ahead has kept holds from when the clock is right again: a
// schedule that was removed or paused makes no run, one that was changed follows.
func TestClockThatWasAhead(t *testing.T) {
	start := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	for state, want := range map[State]string{Removed: "", Paused: "", Active: "2026-01-01_2026-01-31 2026-02-01_2026-02-28"} {
		m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, start)}}
		now := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC) // it is January 20
		changed := m.schedules[0]
		changed.Version, changed.State, changed.At, changed.Every.Day = 2, state, now, 5
		m.schedules = append(m.schedules, changed)
		server := post(func(Parcel) Outcome { return Outcome{State: Sent} })
		for now = time.Date(2026, 1, 20, 0, 0, 0, 0, time.UTC); now.Month() < time.April; now = now.Add(6 * time.Hour) {
			r, entries := newRunner(t, m, &invented{}, server, &now)
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			if now.Day() == 20 && now.Month() == time.January && now.Hour() == 0 && (len(*entries) != 1 || (*entries)[0].Action != "schedule.redate") {
				t.Errorf("%s: the diary says %+v", state, *entries)
			}
		}
		var got []string
		for _, run := range runsOf(t, m) {
			got = append(got, run.Key)
			if run.Due.Day() != 5 {
				t.Errorf("%s: %s was due on %s, want the day of the change", state, run.Key, run.Due)
			}
		}
		if strings.Join(got, " ") != want || len(m.schedules) != 3 {
			t.Errorf("%s: ran %v, want %s; %d versions", state, got, want, len(m.schedules))
		}
	}
}
