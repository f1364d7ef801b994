package store

import (
	"context"
	"fmt"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// A TypeCount is a number of events of one type of one source.
type TypeCount struct {
	Source      string
	Action      string
	Events      uint64
	First, Last time.Time
	Example     string // id of the newest that is known
}

// An UnmappedCount is how many events of a type that no rule knows one batch has of
// one UTC day. ID is that of the first.
type UnmappedCount struct {
	Source, Action string
	Day            time.Time
	Events         uint64
	First, Last    time.Time
	ID             string
}

// InsertUnmapped writes the counts of a batch, like InsertEvents.
func (db *DB) InsertUnmapped(ctx context.Context, batch uint64, counts []UnmappedCount) error {
	if len(counts) == 0 {
		return nil
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("unmapped")+" (source, action, day, batch, events, first, last, id)")
	if err != nil {
		return fmt.Errorf("store: prepare counts of batch %d: %w", batch, err)
	}
	defer insert.Close()
	for i := range counts {
		c := &counts[i]
		if err := insert.Append(c.Source, c.Action, c.Day, batch, c.Events, c.First, c.Last, c.ID); err != nil {
			return fmt.Errorf("store: append counts of batch %d: %w", batch, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert counts of batch %d: %w", batch, err)
	}
	return nil
}

// ofUnmapped finds the events whose type no rule knew. 99 is what OCSF calls an
// activity that none of its classes has: only the last of the classification rules,
// which takes what no other knows, files an event under event.Other with it.
const ofUnmapped = "section = '" + string(event.Other) + "' AND activity = 99"

// FillUnmapped counts the unmapped events of the batches that have no counts yet:
// those from before they were kept. batches are the ones that hold such events.
func (db *DB) FillUnmapped(ctx context.Context, batches []uint64) error {
	have := make(map[uint64]bool)
	rows, err := db.conn.Query(ctx, "SELECT DISTINCT batch FROM "+db.table("unmapped"))
	if err != nil {
		return fmt.Errorf("store: read counts of unmapped types: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var batch uint64
		if err := rows.Scan(&batch); err != nil {
			return fmt.Errorf("store: read counts of unmapped types: %w", err)
		}
		have[batch] = true
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read counts of unmapped types: %w", err)
	}
	for _, batch := range batches {
		if have[batch] {
			continue
		}
		// The rows of a batch are one block, so a crash leaves all of them or none.
		err := db.conn.Exec(ctx, "INSERT INTO "+db.table("unmapped")+" (source, action, day, batch, events, first, last, id)"+
			" SELECT source, action, toDate32(time) AS day, batch, count(), min(time), max(time), argMin(id, (time, id)) FROM "+db.table("events")+
			" WHERE batch = $1 AND "+ofUnmapped+" GROUP BY source, action, day, batch", batch)
		if err != nil {
			return fmt.Errorf("store: count unmapped types of batch %d: %w", batch, err)
		}
	}
	return nil
}

// Unmapped counts the events of the interval whose type the classification rules
// did not know, by source and action, most frequent first. Whole UTC days are read
// from counts, which takes as long as there are batches with such events; only the
// ends of the interval are read from the events themselves.
func (db *DB) Unmapped(ctx context.Context, snap Snapshot, sources []string, period coverage.Interval) ([]TypeCount, error) {
	if len(sources) == 0 || period.Empty() {
		return nil, nil
	}
	days := coverage.Interval{From: event.Day(period.From.Add(24*time.Hour - 1)), To: event.Day(period.To)}
	ends := []coverage.Interval{{From: period.From, To: days.From}, {From: days.To, To: period.To}}
	if days.Empty() {
		days, ends = coverage.Interval{From: event.Day(period.From), To: event.Day(period.From)}, []coverage.Interval{period, {}}
	}
	rows, err := db.conn.Query(ctx, "SELECT source, action, sum(n) AS total, min(a), max(b), argMax(example, b) FROM ("+
		"SELECT source, action, events AS n, first AS a, last AS b, id AS example FROM "+db.table("unmapped")+
		" WHERE source IN $1 AND day >= toDate32(fromUnixTimestamp64Nano($2, 'UTC')) AND day < toDate32(fromUnixTimestamp64Nano($3, 'UTC')) AND "+snap.where()+
		" UNION ALL SELECT source, action, toUInt64(1), time, time, id FROM "+db.table("events")+
		" WHERE source IN $1 AND "+ofUnmapped+" AND "+snap.where()+
		" AND ((time >= fromUnixTimestamp64Nano($4) AND time < fromUnixTimestamp64Nano($5)) OR (time >= fromUnixTimestamp64Nano($6) AND time < fromUnixTimestamp64Nano($7)))"+
		") GROUP BY source, action ORDER BY total DESC, source, action",
		sources, nanos(days.From), nanos(days.To), nanosOf(ends[0].From), nanosOf(ends[0].To), nanosOf(ends[1].From), nanosOf(ends[1].To))
	if err != nil {
		return nil, fmt.Errorf("store: count unmapped types: %w", err)
	}
	defer rows.Close()
	var list []TypeCount
	for rows.Next() {
		var c TypeCount
		if err := rows.Scan(&c.Source, &c.Action, &c.Events, &c.First, &c.Last, &c.Example); err != nil {
			return nil, fmt.Errorf("store: count unmapped types: %w", err)
		}
		c.First, c.Last = c.First.UTC(), c.Last.UTC()
		list = append(list, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: count unmapped types: %w", err)
	}
	return list, nil
}

// nanosOf is nanos for an instant that may be none.
func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return nanos(t)
}
