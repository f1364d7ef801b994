package schedule

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/store"

	"github.com/go-json-experiment/json"
)

// Stored keeps records in the store.
type Stored struct{ DB *store.DB }

var _ Archive = Stored{}

// Schedules implements Records.
func (s Stored) Schedules(ctx context.Context) ([]Schedule, error) {
	rows, err := s.DB.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	return decode[Schedule](rows)
}

// Runs implements Records.
func (s Stored) Runs(ctx context.Context, since time.Time) ([]Run, error) {
	return runs(s.DB.Runs(ctx, since))
}

// runs decodes runs and brings them into the order of First.
func runs(rows []store.StateRow, err error) ([]Run, error) {
	if err != nil {
		return nil, err
	}
	list, err := decode[Run](rows)
	slices.SortFunc(list, func(a, b Run) int { return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.ID(), b.ID())) })
	return list, err
}

// Versions implements Lookup.
func (s Stored) Versions(ctx context.Context, schedule string) ([]Schedule, error) {
	rows, err := s.DB.ScheduleVersions(ctx, schedule)
	if err != nil {
		return nil, err
	}
	return decode[Schedule](rows)
}

// RunsOf implements Lookup.
func (s Stored) RunsOf(ctx context.Context, schedule string, n int) ([]Run, error) {
	return runs(s.DB.RunsOf(ctx, schedule, n))
}

// LastRuns implements Lookup.
func (s Stored) LastRuns(ctx context.Context) ([]Run, error) { return runs(s.DB.LastRuns(ctx)) }

// RunsNamed implements Lookup.
func (s Stored) RunsNamed(ctx context.Context, ids ...string) ([]Run, error) {
	names := make([][2]string, len(ids))
	for i, id := range ids {
		names[i][0], names[i][1], _ = strings.Cut(id, "/") // no id of a schedule has one
	}
	return runs(s.DB.RunsNamed(ctx, names))
}

// DeliveriesOf implements Lookup.
func (s Stored) DeliveriesOf(ctx context.Context, runs ...string) ([]Delivery, error) {
	rows, err := s.DB.DeliveriesOf(ctx, runs)
	if err != nil {
		return nil, err
	}
	return decode[Delivery](rows)
}

// DeliveriesIn implements Lookup.
func (s Stored) DeliveriesIn(ctx context.Context, states []DeliveryState, since time.Time) ([]Delivery, error) {
	names := make([]string, len(states))
	for i, state := range states {
		names[i] = string(state)
	}
	rows, err := s.DB.DeliveriesIn(ctx, names, since)
	if err != nil {
		return nil, err
	}
	return decode[Delivery](rows)
}

// RunIDs implements Records.
func (s Stored) RunIDs(ctx context.Context) ([]string, error) {
	keys, err := s.DB.RunKeys(ctx)
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = runID(k[0], k[1])
	}
	return ids, err
}

// Deliveries implements Records.
func (s Stored) Deliveries(ctx context.Context, since time.Time) ([]Delivery, error) {
	rows, err := s.DB.Deliveries(ctx, since)
	if err != nil {
		return nil, err
	}
	return decode[Delivery](rows)
}

// DeliveryStates returns all states of the deliveries of a run, those of one in order.
func (s Stored) DeliveryStates(ctx context.Context, run string) ([]Delivery, error) {
	rows, err := s.DB.DeliveryStates(ctx, run)
	if err != nil {
		return nil, err
	}
	return decode[Delivery](rows)
}

// AddSchedule implements Records.
func (s Stored) AddSchedule(ctx context.Context, v Schedule) error {
	row, err := encode(v, store.StateRow{Key: [2]string{v.ID}, Number: uint64(v.Version), At: v.At, State: string(v.State)})
	if err != nil {
		return err
	}
	return s.DB.AddSchedule(ctx, row)
}

// AddRun implements Records.
func (s Stored) AddRun(ctx context.Context, r Run) error {
	row, err := encode(r, store.StateRow{Key: [2]string{r.Schedule, r.Key}, Number: uint64(r.Number), At: r.At, State: string(r.State)})
	if err != nil {
		return err
	}
	return s.DB.AddRun(ctx, row)
}

// AddDelivery implements Records.
func (s Stored) AddDelivery(ctx context.Context, d Delivery) error {
	row, err := encode(d, store.StateRow{Key: [2]string{d.Run, d.Target}, Number: uint64(d.Number), At: d.At, State: string(d.State)})
	if err != nil {
		return err
	}
	return s.DB.AddDelivery(ctx, row)
}

func encode(v any, row store.StateRow) (store.StateRow, error) {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return row, fmt.Errorf("schedule: encode %v: %w", row.Key, err)
	}
	row.Body = string(b)
	return row, nil
}

func decode[T any](rows []store.StateRow) ([]T, error) {
	out := make([]T, len(rows))
	for i, row := range rows {
		if err := json.Unmarshal([]byte(row.Body), &out[i]); err != nil {
			return nil, fmt.Errorf("schedule: decode %v, state %d: %w", row.Key, row.Number, err)
		}
	}
	return out, nil
}
