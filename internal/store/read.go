package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// EachEvent calls each with the events of the sources on the UTC days of the
// interval, in the order of section, day, batch, source, time and id. Texts are
// compared byte by byte. The event is only valid during the call.
func (db *DB) EachEvent(ctx context.Context, snap Snapshot, sources []string, days coverage.Interval, each func(batch uint64, e *event.Event) error) error {
	if len(sources) == 0 || days.Empty() {
		return nil
	}
	return db.eachEvent(ctx, each, "SELECT "+eventColumns(true)+" FROM "+db.table("events")+
		" WHERE source IN $1 AND time >= fromUnixTimestamp64Nano($2) AND time < fromUnixTimestamp64Nano($3) AND "+snap.where()+
		" ORDER BY section, toDate(time), batch, source, time, id"+smallBlocks, sources, nanos(days.From), nanos(days.To))
}

// smallBlocks ends a statement whose answer is many whole events: the driver keeps
// several blocks of it in memory, each of this many rows.
const smallBlocks = " SETTINGS max_block_size = 2048"

// EachReject calls each with the rejects of the sources that were received on the
// UTC days of the interval, in the order of day, batch, source, receipt and hash.
func (db *DB) EachReject(ctx context.Context, snap Snapshot, sources []string, days coverage.Interval, each func(batch uint64, r *event.Reject) error) error {
	if len(sources) == 0 || days.Empty() {
		return nil
	}
	return db.eachReject(ctx, each, " WHERE source IN $1 AND received >= fromUnixTimestamp64Nano($2) AND received < fromUnixTimestamp64Nano($3) AND "+
		snap.where()+" ORDER BY toDate(received), batch, source, received, sha256, reason", sources, nanos(days.From), nanos(days.To))
}

func (db *DB) eachReject(ctx context.Context, each func(batch uint64, r *event.Reject) error, where string, args ...any) error {
	rows, err := db.conn.Query(ctx, "SELECT source, sha256, reason, received, transport, batch, salt, size, raw FROM "+db.table("rejects")+where, args...)
	if err != nil {
		return fmt.Errorf("store: read rejects: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var r event.Reject
		var batch uint64
		var sum, salt string
		if err := rows.Scan(&r.Source, &sum, &r.Reason, &r.Received, &r.Transport, &batch, &salt, &r.Size, &r.Raw); err != nil {
			return fmt.Errorf("store: read rejects: %w", err)
		}
		copy(r.SHA256[:], sum)
		copy(r.Salt[:], salt)
		r.Received, r.Transport = r.Received.UTC(), carriedOf(r.Transport)
		if err := each(batch, &r); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read rejects: %w", err)
	}
	return nil
}

// EachBatchEvent calls each with the events of one batch, in the order of source,
// day, section, time and id: segment by segment.
func (db *DB) EachBatchEvent(ctx context.Context, batch uint64, each func(e *event.Event) error) error {
	return db.eachEvent(ctx, func(_ uint64, e *event.Event) error { return each(e) },
		"SELECT "+eventColumns(true)+" FROM "+db.table("events")+" WHERE batch = $1 ORDER BY source, toDate(time), section, time, id"+smallBlocks, batch)
}

// EachBatchReject is EachBatchEvent for rejects.
func (db *DB) EachBatchReject(ctx context.Context, batch uint64, each func(r *event.Reject) error) error {
	return db.eachReject(ctx, func(_ uint64, r *event.Reject) error { return each(r) },
		" WHERE batch = $1 ORDER BY source, toDate(received), received, sha256, reason", batch)
}

// A Filter says which events a list shows. Empty members do not restrict it.
type Filter struct {
	Sources []string
	Section event.Section
	Actor   string // a part of the id, name or e-mail address, in any case
	Action  string
	Outcome string
	ID      string
	Period  coverage.Interval
	// Before continues a list: only events that sort before this one, newest first.
	Before struct {
		Time   time.Time
		Source string
		ID     string
	}
}

// List returns events, newest first, without Raw.
func (db *DB) List(ctx context.Context, snap Snapshot, f Filter, limit int) ([]event.Event, error) {
	where := []string{snap.where()}
	var args []any
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, condition)
	}
	if len(f.Sources) > 0 {
		add("source IN ?", f.Sources)
	}
	if f.Section != "" {
		add("section = ?", string(f.Section))
	}
	if f.Actor != "" {
		add("(positionCaseInsensitiveUTF8(actor_id, ?) > 0 OR positionCaseInsensitiveUTF8(actor_name, ?) > 0 OR positionCaseInsensitiveUTF8(actor_email, ?) > 0)",
			f.Actor, f.Actor, f.Actor)
	}
	if f.Action != "" {
		add("action = ?", f.Action)
	}
	if f.Outcome != "" {
		add("outcome = ?", f.Outcome)
	}
	if f.ID != "" {
		add("id = ?", f.ID)
	}
	if !f.Period.Empty() {
		add("time >= fromUnixTimestamp64Nano(?) AND time < fromUnixTimestamp64Nano(?)", nanos(f.Period.From), nanos(f.Period.To))
	}
	if b := f.Before; !b.Time.IsZero() {
		add("(time < fromUnixTimestamp64Nano(?) OR (time = fromUnixTimestamp64Nano(?) AND (source, id) < (?, ?)))", nanos(b.Time), nanos(b.Time), b.Source, b.ID)
	}
	var list []event.Event
	err := db.eachEvent(ctx, func(_ uint64, e *event.Event) error {
		list = append(list, *e)
		return nil
	}, "SELECT "+eventColumns(false)+" FROM "+db.table("events")+" WHERE "+strings.Join(where, " AND ")+
		fmt.Sprintf(" ORDER BY time DESC, source DESC, id DESC LIMIT %d", limit), args...)
	return list, err
}

// A Count is a number of events.
type Count struct {
	Source  string
	Section event.Section
	Events  uint64
}

// Counts returns how many events of each source and section lie in the interval.
func (db *DB) Counts(ctx context.Context, snap Snapshot, sources []string, period coverage.Interval) ([]Count, error) {
	if len(sources) == 0 || period.Empty() {
		return nil, nil
	}
	rows, err := db.conn.Query(ctx, "SELECT source, section, count() FROM "+db.table("events")+
		" WHERE source IN $1 AND time >= fromUnixTimestamp64Nano($2) AND time < fromUnixTimestamp64Nano($3) AND "+snap.where()+
		" GROUP BY source, section ORDER BY source, section", sources, nanos(period.From), nanos(period.To))
	if err != nil {
		return nil, fmt.Errorf("store: count events: %w", err)
	}
	defer rows.Close()
	var list []Count
	for rows.Next() {
		var c Count
		if err := rows.Scan(&c.Source, (*string)(&c.Section), &c.Events); err != nil {
			return nil, fmt.Errorf("store: count events: %w", err)
		}
		list = append(list, c)
	}
	return list, rows.Err()
}

// An ActionCount is a number of events of one action, and when it was last seen.
type ActionCount struct {
	Action string
	Events uint64
	Last   time.Time
}

// Actions counts the events of a source in a section by action, most frequent first.
func (db *DB) Actions(ctx context.Context, snap Snapshot, source string, section event.Section) ([]ActionCount, error) {
	rows, err := db.conn.Query(ctx, "SELECT action, count() AS n, max(time) FROM "+db.table("events")+
		" WHERE source = $1 AND section = $2 AND "+snap.where()+" GROUP BY action ORDER BY n DESC, action", source, string(section))
	if err != nil {
		return nil, fmt.Errorf("store: count actions of %s: %w", source, err)
	}
	defer rows.Close()
	var list []ActionCount
	for rows.Next() {
		var c ActionCount
		if err := rows.Scan(&c.Action, &c.Events, &c.Last); err != nil {
			return nil, fmt.Errorf("store: count actions of %s: %w", source, err)
		}
		c.Last = c.Last.UTC()
		list = append(list, c)
	}
	return list, rows.Err()
}

// A ReasonCount is a number of rejects of one reason.
type ReasonCount struct {
	Reason      string
	Rejects     uint64
	First, Last time.Time
}

// Reasons counts the rejects of a source by reason, most frequent first.
func (db *DB) Reasons(ctx context.Context, snap Snapshot, source string) ([]ReasonCount, error) {
	rows, err := db.conn.Query(ctx, "SELECT reason, count() AS n, min(received), max(received) FROM "+db.table("rejects")+
		" WHERE source = $1 AND "+snap.where()+" GROUP BY reason ORDER BY n DESC, reason", source)
	if err != nil {
		return nil, fmt.Errorf("store: count rejects of %s: %w", source, err)
	}
	defer rows.Close()
	var list []ReasonCount
	for rows.Next() {
		var c ReasonCount
		if err := rows.Scan(&c.Reason, &c.Rejects, &c.First, &c.Last); err != nil {
			return nil, fmt.Errorf("store: count rejects of %s: %w", source, err)
		}
		c.First, c.Last = c.First.UTC(), c.Last.UTC()
		list = append(list, c)
	}
	return list, rows.Err()
}

// Batches returns the batch numbers in the range that rows of events and rejects
// carry, void ones too, with the number of these rows.
func (db *DB) Batches(ctx context.Context, from, to uint64) (map[uint64]uint64, error) {
	rows, err := db.conn.Query(ctx, "SELECT batch, sum(n) FROM ("+
		"SELECT batch, count() AS n FROM "+db.table("events")+" WHERE batch >= $1 AND batch < $2 GROUP BY batch UNION ALL "+
		"SELECT batch, count() AS n FROM "+db.table("rejects")+" WHERE batch >= $1 AND batch < $2 GROUP BY batch) GROUP BY batch", from, to)
	if err != nil {
		return nil, fmt.Errorf("store: count batches: %w", err)
	}
	defer rows.Close()
	counts := make(map[uint64]uint64)
	for rows.Next() {
		var batch, n uint64
		if err := rows.Scan(&batch, &n); err != nil {
			return nil, fmt.Errorf("store: count batches: %w", err)
		}
		counts[batch] = n
	}
	return counts, rows.Err()
}
