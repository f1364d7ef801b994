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
	got, err := Read(t.Context(), stored, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Read(t.Context(), m, time.Time{})
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

// What is read since an instant is whole: a run comes with all of its deliveries when
// one of them has changed.
func TestStoredSince(t *testing.T) {
	l := reporttest.New(t)
	stored, m := Stored{l.DB}, &memory{}
	early, late := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, records := range []Records{stored, m} {
		for key, at := range map[string]time.Time{"old": early, "touched": early, "new": late} {
			if err := records.AddRun(t.Context(), Run{Schedule: "one", Key: key, State: Made, At: at, First: at}); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range []Delivery{{Run: "one/old", Target: "a", At: early, State: Sent}, {Run: "one/touched", Target: "a", At: early, State: Sent},
			{Run: "one/touched", Target: "b", At: early, State: Deferred}, {Run: "one/touched", Target: "b", Number: 1, At: late, State: Failed}} {
			if err := records.AddDelivery(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, records := range map[string]Records{"store": stored, "memory": m} {
		book, err := Read(t.Context(), records, late.Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		a, _ := book.Delivery("one/touched", "a")
		b, _ := book.Delivery("one/touched", "b")
		ids, err := records.RunIDs(t.Context())
		if len(book.Runs) != 2 || len(book.deliveries) != 2 || a.State != Sent || b.State != Failed || len(ids) != 3 || err != nil {
			t.Errorf("%s: %d runs, deliveries %+v, ids %v, %v", name, len(book.Runs), book.deliveries, ids, err)
		}
		if all, err := Read(t.Context(), records, time.Time{}); err != nil || len(all.Runs) != 3 || len(all.deliveries) != 3 {
			t.Errorf("%s: all are %d runs, %d deliveries, %v", name, len(all.Runs), len(all.deliveries), err)
		}
	}
}

// What is looked up is a part of all that there is, in the store as in memory.
func TestLookup(t *testing.T) {
	l := reporttest.New(t)
	stored, m := Stored{l.DB}, &memory{}
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, records := range []Archive{stored, m} {
		for _, s := range []Schedule{monthly("one", "UTC", 2, 7, 0, start), monthly("two", "UTC", 2, 7, 0, start)} {
			second := s
			second.Version, second.Name = 2, "Changed"
			for _, version := range []Schedule{s, second} {
				if err := records.AddSchedule(t.Context(), version); err != nil {
					t.Fatal(err)
				}
			}
			for i, key := range []string{"c", "a", "b"} {
				at := start.Add(time.Duration(i) * time.Hour)
				for number, state := range []RunState{Begun, Made} {
					// The oldest changes last: that does not make it the newest.
					if err := records.AddRun(t.Context(), Run{Schedule: s.ID, Key: key, Number: number, State: state, First: at, At: at.Add(time.Duration(number*(10-i)) * time.Hour), Targets: []string{"x"}}); err != nil {
						t.Fatal(err)
					}
				}
				for number, state := range []DeliveryState{Deferred, map[bool]DeliveryState{true: Failed, false: Sent}[key == "a"]} {
					if err := records.AddDelivery(t.Context(), Delivery{Run: s.ID + "/" + key, Target: "x", Number: number, State: state, At: at}); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	for name, archive := range map[string]Archive{"store": stored, "memory": m} {
		one, err := ReadOne(t.Context(), archive, "one", 2)
		if err != nil || len(one.Histories) != 1 || len(one.Histories[0]) != 2 || len(one.Runs) != 2 || len(one.deliveries) != 2 {
			t.Errorf("%s: one has %+v, %v", name, one, err)
		} else if list := one.RunsOf("one"); list[0].Key != "b" || list[1].Key != "a" || list[0].State != Made {
			t.Errorf("%s: the newest are %+v", name, list)
		}
		none, err := ReadOne(t.Context(), archive, "three", 2)
		if err != nil || none.History("three") != nil || len(none.Runs) != 0 {
			t.Errorf("%s: of none there is %+v, %v", name, none, err)
		}
		newest, err := ReadNewest(t.Context(), archive, start)
		if err != nil || len(newest.Newest()) != 2 || len(newest.RunsOf("two")) != 2 || newest.RunsOf("two")[0].Key != "b" || len(newest.Failing()) != 2 {
			t.Errorf("%s: the newest are %+v, %v", name, newest, err)
		} else if r, ok := newest.Run(newest.Failing()[0].Run); !ok || r.Key != "a" {
			t.Errorf("%s: what failed is of %+v", name, r)
		}
		if late, err := ReadNewest(t.Context(), archive, start.AddDate(0, 1, 0)); err != nil || len(late.Failing()) != 0 || len(late.Runs) != 2 {
			t.Errorf("%s: a month later %+v, %v", name, late, err)
		}
	}
}
