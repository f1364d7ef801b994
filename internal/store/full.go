package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Full reports whether an error says that there is no room on the server's disk.
// Asking again does not help before somebody makes some.
func Full(err error) bool {
	const notEnoughSpace = 243
	if e := (*clickhouse.Exception)(nil); errors.As(err, &e) {
		return e.Code == notEnoughSpace || strings.Contains(e.Message, "No space left on device")
	}
	return errors.Is(err, syscall.ENOSPC)
}

// Free returns how many bytes the server can still write, on the fullest of its
// disks.
func (db *DB) Free(ctx context.Context) (uint64, error) {
	var free uint64
	if err := db.conn.QueryRow(ctx, "SELECT min(unreserved_space) FROM system.disks").Scan(&free); err != nil {
		return 0, fmt.Errorf("store: ask for free space: %w", err)
	}
	return free, nil
}
