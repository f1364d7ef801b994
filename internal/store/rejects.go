package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/event"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/ext"
)

// A RejectKey is what makes a reject the same as one that came before.
type RejectKey struct {
	Source, Reason string
	SHA256         [32]byte
}

// Key returns the key of a reject.
func Key(r *event.Reject) RejectKey {
	return RejectKey{Source: r.Source, Reason: r.Reason, SHA256: r.SHA256}
}

// A StoredReject is a reject as lists show it: without its bytes.
type StoredReject struct {
	event.Reject
	Batch    uint64
	Resolved *Resolution // nil: it is open
}

// A RejectState says which rejects are meant.
type RejectState string

// The states of rejects.
const (
	RejectsOpen     RejectState = "open"
	RejectsResolved RejectState = "resolved"
	RejectsAll      RejectState = ""
)

// A RejectFilter says which rejects a list shows. Empty members do not restrict it.
type RejectFilter struct {
	Source string
	Reason string
	State  RejectState
	// Before continues a list, newest first: only rejects that sort before this one.
	Before struct {
		Received time.Time
		Key      RejectKey
	}
}

func (f *RejectFilter) where(db *DB, snap Snapshot) (string, []any) {
	where, args := []string{snap.where()}, []any{}
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		where = append(where, condition)
	}
	if f.Source != "" {
		add("source = ?", f.Source)
	}
	if f.Reason != "" {
		add("reason = ?", f.Reason)
	}
	switch f.State {
	case RejectsOpen:
		where = append(where, "NOT "+db.isResolved(snap))
	case RejectsResolved:
		where = append(where, db.isResolved(snap))
	}
	if b := f.Before; !b.Received.IsZero() {
		add("(received < fromUnixTimestamp64Nano(?) OR (received = fromUnixTimestamp64Nano(?) AND (source, sha256, reason) < (?, ?, ?)))",
			nanos(b.Received), nanos(b.Received), b.Key.Source, string(b.Key.SHA256[:]), b.Key.Reason)
	}
	return strings.Join(where, " AND "), args
}

func (db *DB) isResolved(snap Snapshot) string {
	return "((source, sha256, reason) IN (SELECT source, sha256, reason FROM " + db.table("resolved") + " WHERE " + snap.where() + "))"
}

// A RejectGroup is the rejects of a source that share a reason.
type RejectGroup struct {
	Source, Reason string
	Open, Resolved uint64
	Bytes          uint64    // of the open ones, as they came
	First, Last    time.Time // receipt of the open ones; of all when none is open
	Example        [32]byte  // SHA-256 of the newest of these
}

// maxGroups bounds a list of groups: there are few reasons.
const maxGroups = 1000

// RejectGroups counts rejects by source and reason: those with open ones first, then
// by source. Before of the filter does not count.
func (db *DB) RejectGroups(ctx context.Context, snap Snapshot, f RejectFilter) ([]RejectGroup, error) {
	f.Before.Received = time.Time{}
	where, args := f.where(db, snap)
	rows, err := db.conn.Query(ctx, "SELECT source, reason, countIf(NOT done) AS open, countIf(done), sumIf(size, NOT done),"+
		" if(open > 0, minIf(received, NOT done), min(received)), if(open > 0, maxIf(received, NOT done), max(received)),"+
		" if(open > 0, argMaxIf(sha256, received, NOT done), argMax(sha256, received))"+
		" FROM (SELECT source, reason, sha256, received, size, "+db.isResolved(snap)+" AS done FROM "+db.table("rejects")+" WHERE "+where+")"+
		fmt.Sprintf(" GROUP BY source, reason ORDER BY open = 0, source, reason LIMIT %d", maxGroups), args...)
	if err != nil {
		return nil, fmt.Errorf("store: count rejects: %w", err)
	}
	defer rows.Close()
	var list []RejectGroup
	for rows.Next() {
		var g RejectGroup
		var sum string
		if err := rows.Scan(&g.Source, &g.Reason, &g.Open, &g.Resolved, &g.Bytes, &g.First, &g.Last, &sum); err != nil {
			return nil, fmt.Errorf("store: count rejects: %w", err)
		}
		copy(g.Example[:], sum)
		g.First, g.Last = g.First.UTC(), g.Last.UTC()
		list = append(list, g)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: count rejects: %w", err)
	}
	return list, nil
}

// OpenSince counts the open rejects of sources that were received since an instant.
func (db *DB) OpenSince(ctx context.Context, snap Snapshot, sources []string, since time.Time) (map[string]uint64, error) {
	rows, err := db.conn.Query(ctx, "SELECT source, count() FROM "+db.table("rejects")+
		" WHERE source IN $1 AND received >= fromUnixTimestamp64Nano($2) AND "+snap.where()+" AND NOT "+db.isResolved(snap)+" GROUP BY source", sources, nanos(since))
	if err != nil {
		return nil, fmt.Errorf("store: count open rejects: %w", err)
	}
	defer rows.Close()
	counts := map[string]uint64{}
	for rows.Next() {
		var source string
		var n uint64
		if err := rows.Scan(&source, &n); err != nil {
			return nil, fmt.Errorf("store: count open rejects: %w", err)
		}
		counts[source] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: count open rejects: %w", err)
	}
	return counts, nil
}

// Rejects returns rejects, newest first, without their bytes.
func (db *DB) Rejects(ctx context.Context, snap Snapshot, f RejectFilter, limit int) ([]StoredReject, error) {
	where, args := f.where(db, snap)
	list, err := db.storedRejects(ctx, where+fmt.Sprintf(" ORDER BY received DESC, source DESC, sha256 DESC, reason DESC LIMIT %d", limit), args...)
	if err != nil {
		return nil, err
	}
	return list, db.resolutions(ctx, snap, list)
}

// OpenRejects returns open rejects in the order of their keys, without their bytes,
// those after the key.
func (db *DB) OpenRejects(ctx context.Context, snap Snapshot, f RejectFilter, after RejectKey, limit int) ([]StoredReject, error) {
	f.State, f.Before.Received = RejectsOpen, time.Time{}
	where, args := f.where(db, snap)
	n := len(args)
	args = append(args, after.Source, string(after.SHA256[:]), after.Reason)
	where += fmt.Sprintf(" AND (source, sha256, reason) > ($%d, $%d, $%d)", n+1, n+2, n+3)
	return db.storedRejects(ctx, where+fmt.Sprintf(" ORDER BY source, sha256, reason LIMIT %d", limit), args...)
}

func (db *DB) storedRejects(ctx context.Context, where string, args ...any) ([]StoredReject, error) {
	rows, err := db.conn.Query(ctx, "SELECT source, sha256, reason, received, transport, batch, size, salt FROM "+db.table("rejects")+" WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("store: list rejects: %w", err)
	}
	defer rows.Close()
	var list []StoredReject
	for rows.Next() {
		var r StoredReject
		var sum, salt string
		if err := rows.Scan(&r.Source, &sum, &r.Reason, &r.Received, &r.Transport, &r.Batch, &r.Size, &salt); err != nil {
			return nil, fmt.Errorf("store: list rejects: %w", err)
		}
		copy(r.SHA256[:], sum)
		copy(r.Salt[:], salt)
		r.Received, r.Transport = r.Received.UTC(), carriedOf(r.Transport)
		list = append(list, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: list rejects: %w", err)
	}
	return list, nil
}

// Reject returns one reject with up to so many of its bytes: in Raw. It is not found
// when the snapshot does not hold it.
func (db *DB) Reject(ctx context.Context, snap Snapshot, key RejectKey, bytes uint64) (r StoredReject, found bool, err error) {
	list, err := db.storedRejects(ctx, "source = $1 AND sha256 = $2 AND reason = $3 AND "+snap.where()+" LIMIT 1", key.Source, string(key.SHA256[:]), key.Reason)
	if err != nil || len(list) == 0 {
		return r, false, err
	}
	if err := db.resolutions(ctx, snap, list); err != nil {
		return r, false, err
	}
	r = list[0]
	err = db.conn.QueryRow(ctx, "SELECT substring(raw, 1, $4) FROM "+db.table("rejects")+
		" WHERE source = $1 AND sha256 = $2 AND reason = $3 AND "+snap.where()+" LIMIT 1", key.Source, string(key.SHA256[:]), key.Reason, bytes).Scan(&r.Raw)
	if err != nil {
		return r, false, fmt.Errorf("store: read a reject of %s: %w", key.Source, err)
	}
	return r, true, nil
}

// carried is how the time of a carrier is stored: 1970 for none, and for what the column
// or an event cannot hold.
func carried(t time.Time) time.Time {
	if t.Year() < 1970 || t.Year() > 2200 {
		return time.Unix(0, 0)
	}
	return t
}

func carriedOf(stored time.Time) time.Time {
	if stored.Equal(time.Unix(0, 0)) {
		return time.Time{}
	}
	return stored.UTC()
}

// RawRejects returns the bytes of rejects by their keys.
func (db *DB) RawRejects(ctx context.Context, snap Snapshot, keys []RejectKey) (map[RejectKey]string, error) {
	table, err := wanted(keys)
	if err != nil {
		return nil, err
	}
	found := make(map[RejectKey]string, len(keys))
	err = db.eachReject(clickhouse.Context(ctx, clickhouse.WithExternalTable(table)), func(_ uint64, r *event.Reject) error {
		found[Key(r)] = r.Raw
		return nil
	}, " WHERE (source, sha256, reason) IN (SELECT source, sha256, reason FROM wanted) AND "+snap.where())
	return found, err
}

// StoredRejects returns which of the keys are stored already.
func (db *DB) StoredRejects(ctx context.Context, snap Snapshot, keys []RejectKey) (map[RejectKey]bool, error) {
	table, err := wanted(keys)
	if err != nil {
		return nil, err
	}
	rows, err := db.conn.Query(clickhouse.Context(ctx, clickhouse.WithExternalTable(table)),
		"SELECT DISTINCT source, sha256, reason FROM "+db.table("rejects")+
			" WHERE (source, sha256, reason) IN (SELECT source, sha256, reason FROM wanted) AND "+snap.where())
	if err != nil {
		return nil, fmt.Errorf("store: look up %d rejects: %w", len(keys), err)
	}
	defer rows.Close()
	found := make(map[RejectKey]bool)
	for rows.Next() {
		var k RejectKey
		var sum string
		if err := rows.Scan(&k.Source, &sum, &k.Reason); err != nil {
			return nil, fmt.Errorf("store: look up rejects: %w", err)
		}
		copy(k.SHA256[:], sum)
		found[k] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("store: look up rejects: %w", err)
	}
	return found, nil
}

// wanted is a table of keys that a statement can look into.
func wanted(keys []RejectKey) (*ext.Table, error) {
	table, err := ext.NewTable("wanted", ext.Column("source", "String"), ext.Column("sha256", "FixedString(32)"), ext.Column("reason", "String"))
	if err != nil {
		return nil, fmt.Errorf("store: look up rejects: %w", err)
	}
	for _, k := range keys {
		if err := table.Append(k.Source, string(k.SHA256[:]), k.Reason); err != nil {
			return nil, fmt.Errorf("store: look up rejects: %w", err)
		}
	}
	return table, nil
}

// RejectsByHash returns rejects whose SHA-256, in hex, begins with some letters: at
// most a handful, which tells whether there are several.
func (db *DB) RejectsByHash(ctx context.Context, snap Snapshot, f RejectFilter, begins string) ([]StoredReject, error) {
	f.Before.Received = time.Time{}
	where, args := f.where(db, snap)
	args = append(args, begins)
	return db.storedRejects(ctx, fmt.Sprintf("%s AND startsWith(lower(hex(sha256)), $%d) ORDER BY sha256, source, reason LIMIT 10", where, len(args)), args...)
}
