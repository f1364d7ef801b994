package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
	"exhibit/reports/schedule"
)

// written is a diary in memory, which may take nothing.
type written struct {
	acts []source.Act
	fail error
}

func (w *written) Write(_ context.Context, a source.Act) error {
	if w.fail == nil {
		w.acts = append(w.acts, a)
	}
	return w.fail
}

// A schedule is paused, resumed and shown; what was not recorded is not done.
func TestScheduleCommands(t *testing.T) {
	records := schedule.Stored{DB: reporttest.New(t).DB}
	now := time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)
	desk := &schedule.Desk{Records: records, Frameworks: []framework.Framework{{ID: "pci"}}, Now: func() time.Time { return now }}
	one, err := desk.Create(t.Context(), schedule.Schedule{ID: "k1", Name: "PCI monthly", Framework: "pci", Period: "last month", Zone: "UTC",
		Every: schedule.Recurrence{Kind: "monthly", Day: 2, Hour: 7}, Recipients: []string{"ada@example.com"}}, "Rita")
	if err != nil {
		t.Fatal(err)
	}
	d, by := &written{}, source.Party{ID: "uid:0", Name: "root"}
	state := func(want schedule.State) {
		t.Helper()
		if s, err := desk.Find(t.Context(), "k1"); err != nil || s.State != want {
			t.Errorf("it is %s, %v; want %s", s.State, err, want)
		}
	}
	d.fail = errors.New("ledger stopped")
	if err := changeState(t.Context(), desk, d, by, "k1", schedule.Paused); !errors.Is(err, d.fail) {
		t.Errorf("got %v", err)
	}
	state(schedule.Active)
	d.fail = nil
	for _, to := range []schedule.State{schedule.Paused, schedule.Paused, schedule.Active} {
		if err := changeState(t.Context(), desk, d, by, "k1", to); err != nil {
			t.Fatal(err)
		}
		state(to)
	}
	if len(d.acts) != 2 || d.acts[0].Action != "schedule.pause" || d.acts[1].Action != "schedule.resume" || d.acts[0].Target.ID != "k1" || d.acts[0].Actor != by {
		t.Errorf("recorded %+v", d.acts)
	}
	for id, want := range map[string]error{"k2": schedule.ErrNone, schedule.Checkpoint: schedule.ErrNone} {
		if err := changeState(t.Context(), desk, d, by, id, schedule.Paused); !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if err := desk.BuiltIn(t.Context(), []string{"witness@example.com"}, "UTC"); err != nil {
		t.Fatal(err)
	}
	if err := changeState(t.Context(), desk, d, by, schedule.Checkpoint, schedule.Paused); !errors.Is(err, schedule.ErrBuiltIn) || len(d.acts) != 2 {
		t.Errorf("the built-in one: %v, %+v", err, d.acts)
	}
	run := schedule.Run{Schedule: one.ID, Key: "2026-02-01_2026-02-28", State: schedule.Made, At: now, First: now, Targets: one.Targets(), Letter: &schedule.Letter{Verdict: "Evidence for February 2026: 3 h missing"}}
	if err := errors.Join(records.AddRun(t.Context(), run), records.AddDelivery(t.Context(), schedule.Delivery{Run: run.ID(), Target: "ada@example.com", State: schedule.Failed, At: now, Reply: "550 no such user"})); err != nil {
		t.Fatal(err)
	}
	book, err := schedule.ReadOne(t.Context(), records, "k1", shownRuns)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := showSchedule(&out, book, "k1", now); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"PCI monthly", "active", "2026-04-02T07:00:00Z", "3 by root", "3 h missing", "ada@example.com", "failed 2026-03-10T08:00:00Z 550 no such user"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, out.String())
		}
	}
	if err := showSchedule(&out, book, "k2", now); !errors.Is(err, schedule.ErrNone) {
		t.Errorf("one that is not there: %v", err)
	}
}
