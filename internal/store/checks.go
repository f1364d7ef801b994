package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// An OutcomeCount is a number of events that share section, action and outcome.
type OutcomeCount struct {
	Section     event.Section
	Action      string
	Outcome     string
	Events      uint64
	First, Last time.Time
}

// Outcomes counts the events of the interval in the sections by section, action
// and outcome, which is what checks are answered from.
func (db *DB) Outcomes(ctx context.Context, snap Snapshot, sources []string, sections []event.Section, period coverage.Interval) ([]OutcomeCount, error) {
	if len(sources) == 0 || len(sections) == 0 || period.Empty() {
		return nil, nil
	}
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = string(s)
	}
	rows, err := db.conn.Query(ctx, "SELECT section, action, outcome, count(), min(time), max(time) FROM "+db.table("events")+
		" WHERE source IN $1 AND section IN $2 AND time >= fromUnixTimestamp64Nano($3) AND time < fromUnixTimestamp64Nano($4) AND "+snap.where()+
		" GROUP BY section, action, outcome ORDER BY section, action, outcome", sources, names, nanos(period.From), nanos(period.To))
	if err != nil {
		return nil, fmt.Errorf("store: count outcomes: %w", err)
	}
	defer rows.Close()
	var list []OutcomeCount
	for rows.Next() {
		var c OutcomeCount
		if err := rows.Scan((*string)(&c.Section), &c.Action, &c.Outcome, &c.Events, &c.First, &c.Last); err != nil {
			return nil, fmt.Errorf("store: count outcomes: %w", err)
		}
		c.First, c.Last = c.First.UTC(), c.Last.UTC()
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: count outcomes: %w", err)
	}
	return list, nil
}

// QueryText returns the statement that a report's events are read with, with its
// values in place, as a person reads it. A report has no other filter and no limit.
func (db *DB) QueryText(snap Snapshot, sources []string, period coverage.Interval) string {
	quoted := make([]string, len(sources))
	for i, s := range sources {
		quoted[i] = "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
	}
	return "SELECT " + eventColumns(true) + "\nFROM events\nWHERE source IN (" + strings.Join(quoted, ", ") + ")\n" +
		"  AND time >= toDateTime64('" + period.From.UTC().Format("2006-01-02 15:04:05.000000000") + "', 9, 'UTC')\n" +
		"  AND time <  toDateTime64('" + period.To.UTC().Format("2006-01-02 15:04:05.000000000") + "', 9, 'UTC')\n" +
		"  AND " + snap.where() + "\n" +
		"ORDER BY section, toDate(time), batch, source, time, id"
}

// EventIn is Event for an event that is filed within the interval: a look at a few
// days instead of at all of them.
func (db *DB) EventIn(ctx context.Context, snap Snapshot, source, id string, in coverage.Interval) (e event.Event, batch uint64, found bool, err error) {
	err = db.eachEvent(ctx, func(b uint64, row *event.Event) error {
		e, batch, found = *row, b, true
		return nil
	}, "SELECT "+eventColumns(true)+" FROM "+db.table("events")+
		" WHERE source = $1 AND time >= fromUnixTimestamp64Nano($2) AND time < fromUnixTimestamp64Nano($3) AND id = $4 AND "+snap.where()+" LIMIT 1",
		source, nanos(in.From), nanos(in.To), id)
	return e, batch, found, err
}
