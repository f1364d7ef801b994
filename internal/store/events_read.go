package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/event"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// eventColumns is what scanEvent reads; withRaw false leaves the largest column on the disk.
func eventColumns(withRaw bool) string {
	var names []string
	for _, c := range textColumns() {
		if c.name == "raw" && !withRaw {
			c.name = "'' AS raw"
		}
		names = append(names, c.name)
	}
	return strings.Join(names, ", ") + ", time, received, batch, salt, class, activity, mapping"
}

// A scanner reads rows of eventColumns. It is reused from row to row, which is
// what reading millions of them asks for.
type scanner struct {
	event event.Event
	batch uint64
	salt  string
	into  []any
}

func newScanner() *scanner {
	s := new(scanner)
	for _, c := range textColumns() {
		s.into = append(s.into, c.of(&s.event))
	}
	s.into = append(s.into, &s.event.Time, &s.event.Received, &s.batch, &s.salt, &s.event.Class, &s.event.Activity, &s.event.Mapping)
	return s
}

func (s *scanner) scan(rows driver.Rows) error {
	if err := rows.Scan(s.into...); err != nil {
		return fmt.Errorf("store: read event: %w", err)
	}
	if copy(s.event.Salt[:], s.salt) != len(s.event.Salt) {
		return fmt.Errorf("store: event %s has a salt of %d bytes", s.event.ID, len(s.salt))
	}
	s.event.Time, s.event.Received = s.event.Time.UTC(), s.event.Received.UTC()
	return nil
}

// eachEvent runs a query of eventColumns and calls each with every row; the event
// is only valid during the call.
func (db *DB) eachEvent(ctx context.Context, each func(batch uint64, e *event.Event) error, query string, args ...any) error {
	rows, err := db.conn.Query(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("store: read events: %w", err)
	}
	defer rows.Close()
	s := newScanner()
	for rows.Next() {
		if err := s.scan(rows); err != nil {
			return err
		}
		if err := each(s.batch, &s.event); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read events: %w", err)
	}
	return nil
}

// nanos is how statements take an instant: a number of nanoseconds, which no zone
// and no rounding of the driver can touch.
func nanos(t time.Time) int64 { return t.UnixNano() }
