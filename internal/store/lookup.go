package store

import (
	"context"
	"fmt"
	"time"

	"exhibit/internal/event"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
)

// Stored returns which of the ids of a source are stored already, by id. The
// events come without Raw: see RawOf. from and to are the span of the times of
// the events that the ids belong to, both included; an event that is filed at a
// time that is not its own is found at any time.
func (db *DB) Stored(ctx context.Context, snap Snapshot, source string, ids []string, from, to time.Time) (map[string]event.Event, error) {
	fail := func(err error) (map[string]event.Event, error) {
		return nil, fmt.Errorf("store: look up %d ids of %s: %w", len(ids), source, err)
	}
	inSpan, filed, err := db.any(ctx, source, from, to)
	if err != nil {
		return fail(err)
	}
	if !inSpan && !filed { // as nearly all new events find it
		return nil, nil
	}
	table, err := ext.NewTable("wanted", ext.Column("id", "String"))
	if err != nil {
		return fail(err)
	}
	for _, id := range ids {
		if err := table.Append(id); err != nil {
			return fail(err)
		}
	}
	found := make(map[string]event.Event)
	keep := func(_ uint64, e *event.Event) error {
		found[e.ID] = *e
		return nil
	}
	with := clickhouse.Context(ctx, clickhouse.WithExternalTable(table))
	if inSpan {
		err := db.eachEvent(with, keep, "SELECT "+eventColumns(false)+" FROM "+db.table("events")+
			" WHERE source = $1 AND time >= fromUnixTimestamp64Nano($2) AND time <= fromUnixTimestamp64Nano($3)"+
			" AND id IN (SELECT id FROM wanted) AND "+snap.where()+smallBlocks, source, nanos(from), nanos(to))
		if err != nil {
			return fail(err)
		}
	}
	if filed {
		err := db.eachEvent(with, keep, "SELECT "+eventColumns(false)+" FROM "+db.table("events")+
			" WHERE source = $1 AND (time, id) IN (SELECT time, id FROM "+db.table("filed")+
			" WHERE source = $1 AND id IN (SELECT id FROM wanted) AND "+snap.where()+") AND "+snap.where(), source)
		if err != nil {
			return fail(err)
		}
	}
	return found, nil
}

// any reports whether a source has rows within a span, both ends included, and
// whether it has any that are filed at a time not their own, in any batch.
func (db *DB) any(ctx context.Context, source string, from, to time.Time) (inSpan, filed bool, err error) {
	err = db.conn.QueryRow(ctx, "SELECT (SELECT count() > 0 FROM (SELECT 1 FROM "+db.table("events")+
		" WHERE source = $1 AND time >= fromUnixTimestamp64Nano($2) AND time <= fromUnixTimestamp64Nano($3) LIMIT 1)) = 1,"+
		" (SELECT count() > 0 FROM (SELECT 1 FROM "+db.table("filed")+" WHERE source = $1 LIMIT 1)) = 1", source, nanos(from), nanos(to)).Scan(&inSpan, &filed)
	return inSpan, filed, err
}

// Event returns one event with its batch. It is not found when the snapshot does
// not hold it.
func (db *DB) Event(ctx context.Context, snap Snapshot, source, id string) (e event.Event, batch uint64, found bool, err error) {
	err = db.eachEvent(ctx, func(b uint64, row *event.Event) error {
		e, batch, found = *row, b, true
		return nil
	}, "SELECT "+eventColumns(true)+" FROM "+db.table("events")+" WHERE source = $1 AND id = $2 AND "+snap.where()+" LIMIT 1", source, id)
	return e, batch, found, err
}

// RawOf returns the raw record of a stored event.
func (db *DB) RawOf(ctx context.Context, snap Snapshot, e *event.Event) (string, error) {
	var raw string
	err := db.conn.QueryRow(ctx, "SELECT raw FROM "+db.table("events")+
		" WHERE source = $1 AND time = fromUnixTimestamp64Nano($2) AND id = $3 AND "+snap.where()+" LIMIT 1",
		e.Source, nanos(e.Time), e.ID).Scan(&raw)
	if err != nil {
		return "", fmt.Errorf("store: read the record of %s %s: %w", e.Source, e.ID, err)
	}
	return raw, nil
}
