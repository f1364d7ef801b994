package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A Resolution says what became of a reject that was tried again.
type Resolution struct {
	RejectKey
	Outcome string // ledger.ResolvedEvent, …
	ID      string // of the event, the first of several
	Batch   uint64
}

// resolutions fills Resolved.
func (db *DB) resolutions(ctx context.Context, snap Snapshot, list []StoredReject) error {
	keys := make([]RejectKey, len(list))
	for i := range list {
		keys[i] = Key(&list[i].Reject)
	}
	table, err := wanted(keys)
	if err != nil {
		return err
	}
	rows, err := db.conn.Query(clickhouse.Context(ctx, clickhouse.WithExternalTable(table)),
		"SELECT source, sha256, reason, outcome, id, batch FROM "+db.table("resolved")+
			" WHERE (source, sha256, reason) IN (SELECT source, sha256, reason FROM wanted) AND "+snap.where())
	if err != nil {
		return fmt.Errorf("store: look up what became of rejects: %w", err)
	}
	defer rows.Close()
	found := map[RejectKey]*Resolution{}
	for rows.Next() {
		var r Resolution
		var sum string
		if err := rows.Scan(&r.Source, &sum, &r.Reason, &r.Outcome, &r.ID, &r.Batch); err != nil {
			return fmt.Errorf("store: look up what became of rejects: %w", err)
		}
		copy(r.SHA256[:], sum)
		found[r.RejectKey] = &r
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: look up what became of rejects: %w", err)
	}
	for i := range list {
		list[i].Resolved = found[keys[i]]
	}
	return nil
}

// InsertResolved writes what became of rejects in a batch, like InsertEvents.
func (db *DB) InsertResolved(ctx context.Context, batch uint64, list []Resolution) error {
	if len(list) == 0 {
		return nil
	}
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("resolved")+" (source, sha256, reason, batch, outcome, id)")
	if err != nil {
		return fmt.Errorf("store: prepare %d resolved rejects of batch %d: %w", len(list), batch, err)
	}
	defer insert.Close()
	for i := range list {
		r := &list[i]
		if err := insert.Append(r.Source, string(r.SHA256[:]), r.Reason, batch, r.Outcome, r.ID); err != nil {
			return fmt.Errorf("store: append resolved reject of batch %d: %w", batch, err)
		}
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert %d resolved rejects of batch %d: %w", len(list), batch, err)
	}
	return nil
}

// CountResolved returns how many resolved rejects carry the number of a batch.
func (db *DB) CountResolved(ctx context.Context, batch uint64) (n uint64, err error) {
	if err := db.conn.QueryRow(ctx, "SELECT count() FROM "+db.table("resolved")+" WHERE batch = $1", batch).Scan(&n); err != nil {
		return 0, fmt.Errorf("store: count resolved rejects of batch %d: %w", batch, err)
	}
	return n, nil
}
