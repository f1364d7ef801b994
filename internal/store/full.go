package store

import (
	"errors"
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
