package store

import (
	"context"
	"fmt"
	"time"

	"exhibit/internal/event"
)

// A StateRow is one state of a schedule, a run or a delivery. States are added, never
// changed; the one with the highest number holds. Of two with the same number, which
// two processes wrote at once, the later one holds.
type StateRow struct {
	Key    [2]string // schedule and ""; schedule and run; run and target
	Number uint64
	At     time.Time
	State  string
	Body   string // JSON
}

// AddSchedule adds a version of a schedule. It is on the disk when nil is returned.
func (db *DB) AddSchedule(ctx context.Context, row StateRow) error {
	return db.addState(ctx, "schedules", "schedule", row, row.Key[0])
}

// AddRun adds a state of a run.
func (db *DB) AddRun(ctx context.Context, row StateRow) error {
	return db.addState(ctx, "schedule_runs", "schedule, run", row, row.Key[0], row.Key[1])
}

// AddDelivery adds a state of a delivery.
func (db *DB) AddDelivery(ctx context.Context, row StateRow) error {
	return db.addState(ctx, "deliveries", "run, target", row, row.Key[0], row.Key[1])
}

func (db *DB) addState(ctx context.Context, table, keys string, row StateRow, values ...any) error {
	if !event.InRange(row.At) {
		return fmt.Errorf("store: add to %s: time %s is out of range", table, row.At)
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table(table)+" ("+keys+", number, at, state, body)")
	if err != nil {
		return fmt.Errorf("store: prepare row of %s: %w", table, err)
	}
	defer insert.Close()
	if err := insert.Append(append(values, row.Number, row.At.UTC(), row.State, row.Body)...); err != nil {
		return fmt.Errorf("store: append row of %s: %w", table, err)
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert row of %s: %w", table, err)
	}
	return nil
}

// Schedules returns all versions of all schedules, those of one in order.
func (db *DB) Schedules(ctx context.Context) ([]StateRow, error) {
	return db.states(ctx, "SELECT schedule, '', number, at, state, body FROM "+db.table("schedules")+" ORDER BY schedule, number, at, body")
}

// Runs returns the newest state of each run that has changed, or one of whose
// deliveries has, since an instant.
func (db *DB) Runs(ctx context.Context, since time.Time) ([]StateRow, error) {
	since = atLeast(since)
	return db.states(ctx, runColumns+db.table("schedule_runs")+
		" WHERE at >= $1 OR concat(schedule, '/', run) IN (SELECT run FROM "+db.table("deliveries")+" WHERE at >= $2)"+
		newestOfRun, since, since)
}

// RunKeys returns the schedule and the run of every run.
func (db *DB) RunKeys(ctx context.Context) (keys [][2]string, err error) {
	rows, err := db.conn.Query(ctx, "SELECT DISTINCT schedule, run FROM "+db.table("schedule_runs"))
	if err != nil {
		return nil, fmt.Errorf("store: read keys of runs: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var key [2]string
		if err := rows.Scan(&key[0], &key[1]); err != nil {
			return nil, fmt.Errorf("store: read keys of runs: %w", err)
		}
		keys = append(keys, key)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read keys of runs: %w", err)
	}
	return keys, nil
}

// Deliveries returns the newest state of all deliveries of each run one of whose
// deliveries has changed since an instant.
func (db *DB) Deliveries(ctx context.Context, since time.Time) ([]StateRow, error) {
	return db.states(ctx, deliveryColumns+db.table("deliveries")+
		" WHERE run IN (SELECT run FROM "+db.table("deliveries")+" WHERE at >= $1)"+newestOfDelivery, atLeast(since))
}

// Columns and order of the newest state of each run, and of each delivery.
const (
	runColumns       = "SELECT schedule, run, number, at, state, body FROM "
	newestOfRun      = " ORDER BY schedule, run, number DESC, at DESC, body LIMIT 1 BY schedule, run"
	deliveryColumns  = "SELECT run, target, number, at, state, body FROM "
	newestOfDelivery = " ORDER BY run, target, number DESC, at DESC, body LIMIT 1 BY run, target"
)

// ScheduleVersions returns the versions of a schedule, in order.
func (db *DB) ScheduleVersions(ctx context.Context, schedule string) ([]StateRow, error) {
	return db.states(ctx, "SELECT schedule, '', number, at, state, body FROM "+db.table("schedules")+" WHERE schedule = $1 ORDER BY number, at, body", schedule)
}

// RunsOf returns the newest states of the n runs of a schedule that began last.
func (db *DB) RunsOf(ctx context.Context, schedule string, n int) ([]StateRow, error) {
	return db.states(ctx, runColumns+db.table("schedule_runs")+" WHERE schedule = $1 AND run IN (SELECT run FROM "+db.table("schedule_runs")+
		" WHERE schedule = $1 GROUP BY run ORDER BY min(at) DESC, run DESC LIMIT $2)"+newestOfRun, schedule, n)
}

// LastRuns returns of each schedule the newest state of the run that began last.
func (db *DB) LastRuns(ctx context.Context) ([]StateRow, error) {
	return db.states(ctx, runColumns+db.table("schedule_runs")+" WHERE (schedule, run) IN (SELECT schedule, argMax(run, (first, run)) FROM"+
		" (SELECT schedule, run, min(at) AS first FROM "+db.table("schedule_runs")+" GROUP BY schedule, run) GROUP BY schedule)"+newestOfRun)
}

// RunsNamed returns the newest states of runs, each of which is named by its schedule and
// its key. A name that is not there is left out.
func (db *DB) RunsNamed(ctx context.Context, names [][2]string) ([]StateRow, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var schedules, runs, both []string
	for _, n := range names {
		schedules, runs, both = append(schedules, n[0]), append(runs, n[1]), append(both, n[0]+"/"+n[1])
	}
	// The first two are in the key of the table, the third says which of them belong together.
	return db.states(ctx, runColumns+db.table("schedule_runs")+" WHERE schedule IN $1 AND run IN $2 AND concat(schedule, '/', run) IN $3"+newestOfRun, schedules, runs, both)
}

// DeliveriesOf returns the newest states of all deliveries of runs.
func (db *DB) DeliveriesOf(ctx context.Context, runs []string) ([]StateRow, error) {
	if len(runs) == 0 {
		return nil, nil
	}
	return db.states(ctx, deliveryColumns+db.table("deliveries")+" WHERE run IN $1"+newestOfDelivery, runs)
}

// DeliveriesIn returns the newest states of deliveries that are in one of some states
// since an instant.
func (db *DB) DeliveriesIn(ctx context.Context, states []string, since time.Time) ([]StateRow, error) {
	return db.states(ctx, deliveryColumns+"("+deliveryColumns+db.table("deliveries")+" WHERE run IN (SELECT run FROM "+db.table("deliveries")+
		" WHERE at >= $1 AND state IN $2)"+newestOfDelivery+") WHERE at >= $1 AND state IN $2 ORDER BY at DESC, run, target", atLeast(since), states)
}

// atLeast keeps a time within what the server can compare with.
func atLeast(t time.Time) time.Time {
	if t.Before(time.Unix(0, 0)) {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

// DeliveryStates returns all states of the deliveries of a run, in order.
func (db *DB) DeliveryStates(ctx context.Context, run string) ([]StateRow, error) {
	return db.states(ctx, deliveryColumns+db.table("deliveries")+
		" WHERE run = $1 ORDER BY target, number, at, body", run)
}

func (db *DB) states(ctx context.Context, query string, args ...any) ([]StateRow, error) {
	rows, err := db.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: read states: %w", err)
	}
	defer rows.Close()
	var list []StateRow
	for rows.Next() {
		var row StateRow
		if err := rows.Scan(&row.Key[0], &row.Key[1], &row.Number, &row.At, &row.State, &row.Body); err != nil {
			return nil, fmt.Errorf("store: read states: %w", err)
		}
		row.At = row.At.UTC()
		list = append(list, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read states: %w", err)
	}
	return list, nil
}
