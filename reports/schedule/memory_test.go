package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"
)

// memory keeps records for tests of what a runner does. It answers as the store does.
type memory struct {
	mu         sync.Mutex // protects all of it where a runner runs
	schedules  []Schedule
	runs       []Run // newest states
	deliveries []Delivery
	at         map[string]int // where in them
	rows       int
	fail       func() error // asked before anything is added
}

func (m *memory) Schedules(context.Context) ([]Schedule, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.schedules), nil
}

func (m *memory) Runs(_ context.Context, since time.Time) ([]Run, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched := m.touched(since)
	return slices.DeleteFunc(slices.Clone(m.runs), func(r Run) bool { return r.At.Before(since) && !touched[r.ID()] }), nil
}

func (m *memory) RunIDs(context.Context) (ids []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.runs {
		ids = append(ids, r.ID())
	}
	return ids, nil
}

func (m *memory) Deliveries(_ context.Context, since time.Time) ([]Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	touched := m.touched(since)
	return slices.DeleteFunc(slices.Clone(m.deliveries), func(d Delivery) bool { return !touched[d.Run] }), nil
}

func (m *memory) Versions(ctx context.Context, schedule string) ([]Schedule, error) {
	all, err := m.Schedules(ctx)
	return slices.DeleteFunc(all, func(s Schedule) bool { return s.ID != schedule }), err
}

func (m *memory) RunsOf(ctx context.Context, schedule string, n int) ([]Run, error) {
	all, err := m.Runs(ctx, time.Time{})
	all = slices.DeleteFunc(all, func(r Run) bool { return r.Schedule != schedule })
	slices.SortFunc(all, func(a, b Run) int { return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Key, b.Key)) })
	return all[max(0, len(all)-n):], err
}

func (m *memory) LastRuns(ctx context.Context) (out []Run, err error) {
	all, err := m.Runs(ctx, time.Time{})
	seen := map[string]bool{}
	for _, r := range all {
		if seen[r.Schedule] {
			continue
		}
		seen[r.Schedule] = true
		last, err := m.RunsOf(ctx, r.Schedule, 1)
		if err != nil {
			return nil, err
		}
		out = append(out, last...)
	}
	return out, err
}

func (m *memory) RunsNamed(ctx context.Context, ids ...string) ([]Run, error) {
	all, err := m.Runs(ctx, time.Time{})
	return slices.DeleteFunc(all, func(r Run) bool { return !slices.Contains(ids, r.ID()) }), err
}

func (m *memory) DeliveriesOf(ctx context.Context, runs ...string) ([]Delivery, error) {
	all, err := m.Deliveries(ctx, time.Time{})
	return slices.DeleteFunc(all, func(d Delivery) bool { return !slices.Contains(runs, d.Run) }), err
}

func (m *memory) DeliveriesIn(ctx context.Context, states []DeliveryState, since time.Time) ([]Delivery, error) {
	all, err := m.Deliveries(ctx, time.Time{})
	return slices.DeleteFunc(all, func(d Delivery) bool { return !slices.Contains(states, d.State) || d.At.Before(since) }), err
}

// touched names the runs one of whose deliveries has changed.
func (m *memory) touched(since time.Time) map[string]bool {
	out := map[string]bool{}
	for _, d := range m.deliveries {
		out[d.Run] = out[d.Run] || !d.At.Before(since)
	}
	return out
}

// put adds a row or puts it in the place of its older state.
func put[T any](m *memory, list *[]T, key string, row T) {
	if m.at == nil {
		m.at = map[string]int{}
	}
	m.rows++
	if i, ok := m.at[key]; ok {
		(*list)[i] = row
		return
	}
	m.at[key] = len(*list)
	*list = append(*list, row)
}

func (m *memory) add() error {
	if m.fail != nil {
		return m.fail()
	}
	return nil
}

func (m *memory) AddSchedule(_ context.Context, s Schedule) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.schedules = append(m.schedules, s)
	return nil
}

func (m *memory) AddRun(_ context.Context, r Run) error {
	if err := m.add(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	put(m, &m.runs, r.ID(), r)
	return nil
}

func (m *memory) AddDelivery(_ context.Context, d Delivery) error {
	if err := m.add(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	put(m, &m.deliveries, d.Run+"\x00"+d.Target, d)
	return nil
}

// invented makes letters out of nothing.
type invented struct {
	ready func(s Schedule, span Span) bool
	make  func() error
	made  int
	// letter is what all runs say; nil: an invented one.
	letter *Letter
}

func (e *invented) Ready(_ context.Context, s Schedule, span Span) (bool, string, error) {
	if e.ready == nil {
		return true, "", nil
	}
	return e.ready(s, span), "hcp-prod: 3 h can still be fetched", nil
}

func (e *invented) Make(_ context.Context, s Schedule, r Run) (string, *Letter, error) {
	if e.make != nil {
		if err := e.make(); err != nil {
			return "", nil, err
		}
	}
	e.made++
	if e.letter != nil {
		letter := *e.letter
		return fmt.Sprintf("pack-%d", e.made), &letter, nil
	}
	return fmt.Sprintf("pack-%d", e.made), &Letter{Kind: "evidence", Subject: "Evidence for " + r.Span.Words()}, nil
}

func (e *invented) Checkpoint(context.Context, Schedule, Run) (*Letter, error) {
	return &Letter{Kind: "checkpoint", Subject: "Checkpoint"}, nil
}

func (e *invented) Problem(err error) string { return "It broke: " + err.Error() }

// post gives parcels to a function.
type post func(Parcel) Outcome

func (p post) Send(_ context.Context, parcel Parcel) Outcome { return p(parcel) }

var errCrash = errors.New("crash")

func monthly(id, zone string, day, hour, minute int, at time.Time) Schedule {
	return Schedule{ID: id, Version: 1, Name: "PCI " + id, State: Active, Framework: "pci", Period: "last month", Zone: zone, At: at, Grace: 24,
		Every: Recurrence{Kind: "monthly", Day: day, Hour: hour, Minute: minute}, Recipients: []string{"a@example.com", "b@example.com", "c@example.com"}}
}

// newRunner makes a runner over memory at the time that now points to.
func newRunner(t *testing.T, m *memory, e *invented, p post, now *time.Time) (*Runner, *[]Entry) {
	t.Helper()
	entries := new([]Entry)
	return &Runner{Records: m, Evidence: e, Post: p, Directories: p, Buckets: p, MailDomain: "example.com", Now: func() time.Time { return *now }, Slog: slog.New(slog.DiscardHandler),
		Diary: func(_ context.Context, x Entry) error { *entries = append(*entries, x); return nil }}, entries
}
