package schedule

import (
	"context"
	"time"
)

// A Health says how schedules are doing, for who watches over the installation.
type Health struct {
	Deliveries map[DeliveryState]int // those that changed in the last 35 days, by newest state
	Late       int                   // periods that should have been made by now and are not
}

// lateAfter is how long a run may take beyond its grace before it is called late.
const lateAfter = time.Hour

// Look reads how schedules are doing.
func Look(ctx context.Context, records Records, now time.Time) (Health, error) {
	book, err := Read(ctx, records, now.Add(-remember))
	if err != nil {
		return Health{}, err
	}
	ids, err := records.RunIDs(ctx)
	if err != nil {
		return Health{}, err
	}
	ran := make(map[string]bool, len(ids))
	for _, id := range ids {
		ran[id] = true
	}
	h := Health{Deliveries: map[DeliveryState]int{Queued: 0, Sending: 0, Sent: 0, Deferred: 0, Failed: 0, Skipped: 0}}
	for _, d := range book.deliveries {
		if now.Sub(d.At) < failingFor {
			h.Deliveries[d.State]++
		}
	}
	for _, history := range book.Histories {
		for _, o := range Due(history, now) {
			grace := time.Duration(o.Schedule.Grace)*time.Hour + lateAfter
			if !ran[runID(o.Schedule.ID, o.Key())] && now.Sub(o.At) > grace {
				h.Late++
			}
		}
	}
	for _, r := range book.Runs {
		if r.State != Made && now.Sub(r.First) > lateAfter {
			h.Late++
		}
	}
	return h, nil
}
