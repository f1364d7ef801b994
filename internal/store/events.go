package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A textColumn is a column of the events table that holds one text of an event.
type textColumn struct {
	name string
	of   func(*event.Event) *string
}

// textColumns lists them in the order of the table. raw is the last one.
func textColumns() []textColumn {
	return []textColumn{
		{"source", func(e *event.Event) *string { return &e.Source }},
		{"id", func(e *event.Event) *string { return &e.ID }},
		{"time_basis", func(e *event.Event) *string { return &e.TimeBasis }},
		{"claimed", func(e *event.Event) *string { return &e.Claimed }},
		{"section", func(e *event.Event) *string { return (*string)(&e.Section) }},
		{"ocsf", func(e *event.Event) *string { return &e.OCSF }},
		{"action", func(e *event.Event) *string { return &e.Action }},
		{"outcome", func(e *event.Event) *string { return &e.Outcome }},
		{"actor_id", func(e *event.Event) *string { return &e.Actor.ID }},
		{"actor_name", func(e *event.Event) *string { return &e.Actor.Name }},
		{"actor_email", func(e *event.Event) *string { return &e.Actor.Email }},
		{"actor_type", func(e *event.Event) *string { return &e.Actor.Type }},
		{"actor_impersonator", func(e *event.Event) *string { return &e.Actor.Impersonator }},
		{"target_type", func(e *event.Event) *string { return &e.Target.Type }},
		{"target_id", func(e *event.Event) *string { return &e.Target.ID }},
		{"target_name", func(e *event.Event) *string { return &e.Target.Name }},
		{"ip", func(e *event.Event) *string { return &e.IP }},
		{"user_agent", func(e *event.Event) *string { return &e.UserAgent }},
		{"request_id", func(e *event.Event) *string { return &e.RequestID }},
		{"session_id", func(e *event.Event) *string { return &e.SessionID }},
		{"organisation", func(e *event.Event) *string { return &e.Organisation }},
		{"workspace", func(e *event.Event) *string { return &e.Scope.Workspace }},
		{"project", func(e *event.Event) *string { return &e.Scope.Project }},
		{"account", func(e *event.Event) *string { return &e.Scope.Account }},
		{"changes", func(e *event.Event) *string { return &e.Changes }},
		{"masked", func(e *event.Event) *string { return &e.Masked }},
		{"raw", func(e *event.Event) *string { return &e.Raw }},
	}
}

// empty reports whether no event has the text: then the column need not be sent, for
// the server fills it with nothing faster.
func (c textColumn) empty(events []*event.Event) bool {
	return !slices.ContainsFunc(events, func(e *event.Event) bool { return *c.of(e) != "" })
}

// InsertEvents writes the rows of a batch. Rows whose time is not their source's
// own are noted in the filed table first: without its note such an event could be
// stored twice, while a note without its row does nothing. An error says nothing
// about whether the rows are or will be there.
func (db *DB) InsertEvents(ctx context.Context, batch uint64, events []*event.Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := db.insertFiled(ctx, batch, events); err != nil {
		return err
	}
	texts := slices.DeleteFunc(textColumns(), func(c textColumn) bool { return c.empty(events) })
	names := make([]string, len(texts))
	for i, c := range texts {
		names[i] = c.name
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("events")+" ("+strings.Join(names, ", ")+
		", time, received, batch, salt, class, activity, mapping)")
	if err != nil {
		return fmt.Errorf("store: prepare %d events of batch %d: %w", len(events), batch, err)
	}
	defer insert.Close()
	rows := newColumns(texts)
	for piece := range slices.Chunk(events, pieceRows) {
		err := rows.fill(insert, batch, piece)
		if err == nil {
			err = insert.Flush()
		}
		if err != nil {
			return fmt.Errorf("store: send %d events of batch %d: %w", len(events), batch, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert %d events of batch %d: %w", len(events), batch, err)
	}
	return nil
}

// pieceRows is how many rows go to the server at a time: it unpacks them while the
// next ones are filled in, and memory is needed for these only. It puts them
// together again before it writes.
const pieceRows = 1024

// columns hold the values of the rows that are sent next, column by column: the
// driver takes whole slices much faster than rows.
type columns struct {
	texts   []textColumn
	text    []string
	times   []time.Time
	batches []uint64
	numbers []uint32
}

func newColumns(texts []textColumn) *columns {
	return &columns{texts, make([]string, 0, pieceRows), make([]time.Time, 0, pieceRows), make([]uint64, 0, pieceRows), make([]uint32, 0, pieceRows)}
}

// fill adds the events to the insert, in the order of its columns.
func (c *columns) fill(insert driver.Batch, batch uint64, events []*event.Event) error {
	column := 0
	put := func(values any) error {
		column++
		return insert.Column(column - 1).Append(values)
	}
	for _, t := range c.texts {
		c.text = c.text[:0]
		for _, e := range events {
			c.text = append(c.text, *t.of(e))
		}
		if err := put(c.text); err != nil {
			return fmt.Errorf("column %s: %w", t.name, err)
		}
	}
	for _, of := range []func(*event.Event) time.Time{ // the driver takes an int64 for milliseconds
		func(e *event.Event) time.Time { return e.Time },
		func(e *event.Event) time.Time { return e.Received },
	} {
		c.times = c.times[:0]
		for _, e := range events {
			c.times = append(c.times, of(e))
		}
		if err := put(c.times); err != nil {
			return fmt.Errorf("times: %w", err)
		}
	}
	c.batches, c.text = c.batches[:0], c.text[:0]
	for _, e := range events {
		c.batches = append(c.batches, batch)
		c.text = append(c.text, string(e.Salt[:]))
	}
	if err := put(c.batches); err != nil {
		return fmt.Errorf("column batch: %w", err)
	}
	if err := put(c.text); err != nil {
		return fmt.Errorf("column salt: %w", err)
	}
	for _, of := range []func(*event.Event) uint32{
		func(e *event.Event) uint32 { return e.Class },
		func(e *event.Event) uint32 { return e.Activity },
		func(e *event.Event) uint32 { return e.Mapping },
	} {
		c.numbers = c.numbers[:0]
		for _, e := range events {
			c.numbers = append(c.numbers, of(e))
		}
		if err := put(c.numbers); err != nil {
			return fmt.Errorf("numbers: %w", err)
		}
	}
	return nil
}

func (db *DB) insertFiled(ctx context.Context, batch uint64, events []*event.Event) error {
	var sources, ids []string
	var times []time.Time
	for _, e := range events {
		if e.TimeBasis != "" {
			sources, ids, times = append(sources, e.Source), append(ids, e.ID), append(times, e.Time)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("filed")+" (source, id, batch, time)")
	if err != nil {
		return fmt.Errorf("store: prepare filed ids of batch %d: %w", batch, err)
	}
	defer insert.Close()
	batches := make([]uint64, len(ids))
	for i := range batches {
		batches[i] = batch
	}
	for i, values := range []any{sources, ids, batches, times} {
		if err := insert.Column(i).Append(values); err != nil {
			return fmt.Errorf("store: append filed ids of batch %d: %w", batch, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert filed ids of batch %d: %w", batch, err)
	}
	return nil
}

// InsertRejects writes the rejects of a batch, like InsertEvents.
func (db *DB) InsertRejects(ctx context.Context, batch uint64, rejects []*event.Reject) error {
	if len(rejects) == 0 {
		return nil
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("rejects")+" (source, sha256, reason, received, transport, batch, salt, size, raw)")
	if err != nil {
		return fmt.Errorf("store: prepare %d rejects of batch %d: %w", len(rejects), batch, err)
	}
	defer insert.Close()
	for _, r := range rejects {
		err := insert.Append(r.Source, string(r.SHA256[:]), r.Reason, r.Received, carried(r.Transport), batch, string(r.Salt[:]), r.Size, r.Raw)
		if err != nil {
			return fmt.Errorf("store: append reject of batch %d: %w", batch, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert %d rejects of batch %d: %w", len(rejects), batch, err)
	}
	return nil
}

// CountBatch returns how many events and rejects carry the number of a batch.
func (db *DB) CountBatch(ctx context.Context, batch uint64) (events, rejects uint64, err error) {
	err = db.conn.QueryRow(ctx, "SELECT (SELECT count() FROM "+db.table("events")+" WHERE batch = $1), "+
		"(SELECT count() FROM "+db.table("rejects")+" WHERE batch = $1)", batch).Scan(&events, &rejects)
	if err != nil {
		return 0, 0, fmt.Errorf("store: count rows of batch %d: %w", batch, err)
	}
	return events, rejects, nil
}

// DeleteBatch removes the rows of a void batch. Nothing depends on it.
func (db *DB) DeleteBatch(ctx context.Context, batch uint64) error {
	for _, table := range []string{"events", "filed", "rejects", "objects", "resolved", "unmapped"} {
		if err := db.conn.Exec(ctx, "ALTER TABLE "+db.table(table)+" DELETE WHERE batch = $1", batch); err != nil {
			return fmt.Errorf("store: delete rows of void batch %d from %s: %w", batch, table, err)
		}
	}
	return nil
}

// DeleteSegment removes what is left of a segment that lost rows, so that no reader
// meets rows that no segment names.
func (db *DB) DeleteSegment(ctx context.Context, seg ledger.SegmentRef) error {
	table, column, section := "events", "time", " AND section = $4"
	if seg.Section == event.Rejects {
		table, column, section = "rejects", "received", " AND $4 = $4"
	}
	err := db.conn.Exec(ctx, "ALTER TABLE "+db.table(table)+" DELETE WHERE batch = $1 AND source = $2 AND toString(toDate("+column+")) = $3"+section,
		seg.Seq, seg.Source, seg.Day, string(seg.Section))
	if err != nil {
		return fmt.Errorf("store: delete the rest of segment %s %s %s of batch %d: %w", seg.Source, seg.Day, seg.Section, seg.Seq, err)
	}
	// What was told of its rows does not hold any more, and rejects are open again as the
	// ledger has it: all that were resolved since, which may repeat what was lost.
	for table, batches := range map[string]string{"resolved": "batch >= $1", "unmapped": "batch = $1"} {
		if err := db.conn.Exec(ctx, "ALTER TABLE "+db.table(table)+" DELETE WHERE "+batches+" AND source = $2", seg.Seq, seg.Source); err != nil {
			return fmt.Errorf("store: delete from %s of batch %d: %w", table, seg.Seq, err)
		}
	}
	return nil
}
