package schedule

import (
	"testing"
	"time"

	"exhibit/reports/reporttest"
)

// What the store gives back is what was added, in the order that a runner needs, and a
// runner over it does what one over memory does.
func TestStored(t *testing.T) {
	l := reporttest.New(t)
	stored, m := Stored{l.DB}, &memory{}
	start := time.Date(2026, 3, 1, 0, 0, 0, 123, time.UTC)
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	first := monthly("one", "Europe/Berlin", 2, 7, 0, start)
	second := first
	second.Version, second.At, second.Name = 2, start.Add(time.Hour), "Zwei „Namen“"
	n := 0
	server := post(func(p Parcel) Outcome {
		n++
		if n%2 == 0 {
			return Outcome{State: Deferred, Reply: "451 later"}
		}
		return Outcome{State: Sent, Reply: "250 OK"}
	})
	for _, records := range []Records{stored, m} {
		n, now = 0, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
		for _, s := range []Schedule{first, second} {
			if err := records.AddSchedule(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			r, _ := newRunner(t, m, &invented{}, server, &now)
			r.Records = records
			if err := r.Tick(t.Context()); err != nil {
				t.Fatal(err)
			}
			now = now.Add(10 * time.Minute)
		}
	}
	got, err := Read(t.Context(), stored)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Histories) != 1 || len(got.Histories[0]) != 2 || got.Histories[0][1].Name != second.Name || !got.Histories[0][0].At.Equal(start) {
		t.Errorf("schedules: %+v", got.Histories)
	}
	if len(got.Runs) != 1 || got.Runs[0].ID() != want.Runs[0].ID() || got.Runs[0].State != Made || got.Runs[0].Letter.Subject != want.Runs[0].Letter.Subject {
		t.Errorf("runs: %+v, want %+v", got.Runs, want.Runs)
	}
	for key, d := range want.deliveries {
		if g := got.deliveries[key]; g.State != d.State || g.Number != d.Number || g.MessageID != d.MessageID || !g.At.Equal(d.At) {
			t.Errorf("delivery %q: %+v, want %+v", key, g, d)
		}
	}
	states, err := stored.DeliveryStates(t.Context(), got.Runs[0].ID())
	if err != nil || len(states) < 9 || states[0].State != Queued || states[1].State != Sending || states[2].State != Sent {
		t.Errorf("states: %+v, %v", states, err)
	}
}
