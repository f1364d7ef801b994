package store

import (
	"context"
	"fmt"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
)

const objectColumns = "source, key, etag, size, sha256, plain, replaces, records, first, last, damaged, note"

// InsertObjects writes the objects of a batch, like InsertEvents.
func (db *DB) InsertObjects(ctx context.Context, batch uint64, objects []*event.Object) error {
	if len(objects) == 0 {
		return nil
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("objects")+" ("+objectColumns+", batch)")
	if err != nil {
		return fmt.Errorf("store: prepare %d objects of batch %d: %w", len(objects), batch, err)
	}
	defer insert.Close()
	for _, o := range objects {
		err := insert.Append(o.Source, o.Key, o.ETag, o.Size, string(o.SHA256[:]), string(o.Plain[:]), string(o.Replaces[:]), o.Records,
			orEpoch(o.First), orEpoch(o.Last), o.Damaged, o.Note, batch)
		if err != nil {
			return fmt.Errorf("store: append object of batch %d: %w", batch, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert %d objects of batch %d: %w", len(objects), batch, err)
	}
	return nil
}

// orEpoch is how no time is kept: the driver would take the year 1 for 1970 too.
func orEpoch(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

// CountObjects returns how many objects carry the number of a batch.
func (db *DB) CountObjects(ctx context.Context, batch uint64) (n uint64, err error) {
	err = db.conn.QueryRow(ctx, "SELECT count() FROM "+db.table("objects")+" WHERE batch = $1", batch).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("store: count objects of batch %d: %w", batch, err)
	}
	return n, nil
}

// StoredObjects returns what the store has of the keys of a source, by key, the
// contents of each in the order in which they were read.
func (db *DB) StoredObjects(ctx context.Context, snap Snapshot, source string, keys []string) (map[string][]event.Object, error) {
	found := make(map[string][]event.Object)
	if len(keys) == 0 {
		return found, nil
	}
	table, err := ext.NewTable("wanted", ext.Column("key", "String"))
	if err != nil {
		return nil, fmt.Errorf("store: look up objects: %w", err)
	}
	for _, key := range keys {
		if err := table.Append(key); err != nil {
			return nil, fmt.Errorf("store: look up objects: %w", err)
		}
	}
	err = db.eachObject(clickhouse.Context(ctx, clickhouse.WithExternalTable(table)), func(o *event.Object) error {
		found[o.Key] = append(found[o.Key], *o)
		return nil
	}, " WHERE source = $1 AND key IN (SELECT key FROM wanted) AND "+snap.where()+" ORDER BY key, batch", source)
	return found, err
}

// EachBatchObject calls each with the objects of one batch, in the order of source,
// key, tag and hash: the order of the ledger's root.
func (db *DB) EachBatchObject(ctx context.Context, batch uint64, each func(o *event.Object) error) error {
	return db.eachObject(ctx, each, " WHERE batch = $1 ORDER BY source, key, etag, sha256", batch)
}

func (db *DB) eachObject(ctx context.Context, each func(o *event.Object) error, where string, args ...any) error {
	rows, err := db.conn.Query(ctx, "SELECT "+objectColumns+" FROM "+db.table("objects")+where, args...)
	if err != nil {
		return fmt.Errorf("store: read objects: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var o event.Object
		var sum, plain, replaces string
		if err := rows.Scan(&o.Source, &o.Key, &o.ETag, &o.Size, &sum, &plain, &replaces, &o.Records, &o.First, &o.Last, &o.Damaged, &o.Note); err != nil {
			return fmt.Errorf("store: read objects: %w", err)
		}
		copy(o.SHA256[:], sum)
		copy(o.Plain[:], plain)
		copy(o.Replaces[:], replaces)
		for _, t := range []*time.Time{&o.First, &o.Last} {
			if *t = t.UTC(); t.UnixNano() == 0 {
				*t = time.Time{}
			}
		}
		if err := each(&o); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read objects: %w", err)
	}
	return nil
}

// ObjectBatches is Batches for the rows of objects.
func (db *DB) ObjectBatches(ctx context.Context, from, to uint64) (map[uint64]uint64, error) {
	rows, err := db.conn.Query(ctx, "SELECT batch, count() FROM "+db.table("objects")+" WHERE batch >= $1 AND batch < $2 GROUP BY batch", from, to)
	if err != nil {
		return nil, fmt.Errorf("store: count batches of objects: %w", err)
	}
	defer rows.Close()
	counts := make(map[uint64]uint64)
	for rows.Next() {
		var batch, n uint64
		if err := rows.Scan(&batch, &n); err != nil {
			return nil, fmt.Errorf("store: count batches of objects: %w", err)
		}
		counts[batch] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: count batches of objects: %w", err)
	}
	return counts, nil
}

// Digests returns, of the digests of CloudTrail that are stored for a source, one
// key of each chain, and the time from the start of its first to the end of its last.
func (db *DB) Digests(ctx context.Context, snap Snapshot, source string) (map[string]coverage.Interval, error) {
	rows, err := db.conn.Query(ctx, "SELECT any(key), min(first), max(last) FROM "+db.table("objects")+
		" WHERE source = $1 AND position(key, 'CloudTrail-Digest/') > 0 AND "+snap.where()+
		" GROUP BY extract(key, '([^/]+)_[0-9TZ]+[.]json[.]gz$')", source)
	if err != nil {
		return nil, fmt.Errorf("store: read chains of digests: %w", err)
	}
	defer rows.Close()
	chains := make(map[string]coverage.Interval)
	for rows.Next() {
		var key string
		var i coverage.Interval
		if err := rows.Scan(&key, &i.From, &i.To); err != nil {
			return nil, fmt.Errorf("store: read chains of digests: %w", err)
		}
		chains[key] = coverage.Interval{From: i.From.UTC(), To: i.To.UTC()}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: read chains of digests: %w", err)
	}
	return chains, nil
}

// LogFiles returns the keys of the first and the last log file of CloudTrail of each
// account and region that are stored for a source, by the time that their names say.
func (db *DB) LogFiles(ctx context.Context, snap Snapshot, source string) ([]string, error) {
	const written = "extract(key, '_([0-9]+T[0-9]+Z)_[^/]*$')"
	return db.texts(ctx, "SELECT arrayJoin([argMin(key, "+written+"), argMax(key, "+written+")]) FROM "+db.table("objects")+
		" WHERE source = $1 AND position(key, '_CloudTrail_') > 0 AND "+written+" != '' AND "+snap.where()+
		" GROUP BY extract(key, '([0-9]+_CloudTrail_[a-z0-9-]+)_[^/]*$')", source)
}

// ObjectNotes returns the notes of the objects of a source that begin with a text.
func (db *DB) ObjectNotes(ctx context.Context, snap Snapshot, source, begins string) ([]string, error) {
	return db.texts(ctx, "SELECT DISTINCT note FROM "+db.table("objects")+" WHERE source = $1 AND startsWith(note, $2) AND "+snap.where(), source, begins)
}

// texts returns what a query about objects finds, which is one text a row.
func (db *DB) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := db.conn.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("store: look for objects: %w", err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("store: look for objects: %w", err)
		}
		list = append(list, text)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: look for objects: %w", err)
	}
	return list, nil
}

// FirstEvent returns the time of the first event of a source from a time on; zero
// when there is none.
func (db *DB) FirstEvent(ctx context.Context, snap Snapshot, source string, from time.Time) (time.Time, error) {
	rows, err := db.conn.Query(ctx, "SELECT time FROM "+db.table("events")+
		" WHERE source = $1 AND time >= fromUnixTimestamp64Nano($2) AND "+snap.where()+" ORDER BY time LIMIT 1", source, nanos(from))
	if err != nil {
		return time.Time{}, fmt.Errorf("store: look for the first event: %w", err)
	}
	defer rows.Close()
	var first time.Time
	for rows.Next() {
		if err := rows.Scan(&first); err != nil {
			return time.Time{}, fmt.Errorf("store: look for the first event: %w", err)
		}
		first = first.UTC()
	}
	if err := rows.Err(); err != nil {
		return time.Time{}, fmt.Errorf("store: look for the first event: %w", err)
	}
	return first, nil
}
