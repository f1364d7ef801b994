package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/mod/sumdb/tlog"
)

// A LedgerRow is one row of the ledger table.
type LedgerRow struct {
	Seq        uint64
	Record     string // the record's line
	Leaf       tlog.Hash
	Checkpoint string // signed note over the first Seq+1 records
}

func leafOf(record string) tlog.Hash { return tlog.RecordHash([]byte(record)) }

// LedgerRows calls each with the rows from seq from up to but without to, in
// order. Two rows of one seq come one after the other.
func (db *DB) LedgerRows(ctx context.Context, from, to uint64, each func(LedgerRow) error) error {
	rows, err := db.conn.Query(ctx, "SELECT seq, record, leaf, checkpoint FROM "+db.table("ledger")+
		" WHERE seq >= $1 AND seq < $2 ORDER BY seq, record, checkpoint", from, to)
	if err != nil {
		return fmt.Errorf("store: read ledger from %d: %w", from, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row LedgerRow
		var leaf string
		if err := rows.Scan(&row.Seq, &row.Record, &leaf, &row.Checkpoint); err != nil {
			return fmt.Errorf("store: read ledger: %w", err)
		}
		copy(row.Leaf[:], leaf)
		if err := each(row); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read ledger from %d: %w", from, err)
	}
	return nil
}

// InsertLedgerRow offers a row. The server keeps the first one that comes with a
// token and drops any other without a word, so only reading back tells whose row
// it kept. An error says nothing about whether the row is or will be there.
func (db *DB) InsertLedgerRow(ctx context.Context, token string, row LedgerRow) error {
	settings := pinned()
	settings["insert_deduplication_token"] = token
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings))
	insert, err := db.conn.PrepareBatch(ctx, "INSERT INTO "+db.table("ledger")+" (seq, record, leaf, checkpoint)")
	if err != nil {
		return fmt.Errorf("store: prepare ledger row %d: %w", row.Seq, err)
	}
	defer insert.Close()
	if err := insert.Append(row.Seq, row.Record, string(row.Leaf[:]), row.Checkpoint); err != nil {
		return fmt.Errorf("store: append ledger row %d: %w", row.Seq, err)
	}
	if err := insert.Send(); err != nil {
		return fmt.Errorf("store: insert ledger row %d: %w", row.Seq, err)
	}
	return nil
}
