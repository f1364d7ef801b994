// Package store keeps events, rejects and the ledger in ClickHouse. It is the
// only home of SQL beside migrations. It knows how to write and read rows, not
// what makes them trustworthy: the order of writes is package ingest's, the
// proofs are package ledger's and package pack's.
//
// Every read of events names a Snapshot: the number of records that it goes by
// and the batches that are void. Rows of other batches do not exist for it.
package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options say which ClickHouse to use.
type Options struct {
	Addrs    []string // host:port of the native protocol
	Database string   // made by Migrate when it is missing
	User     string
	Password string
	TLS      *tls.Config   // nil: not encrypted, for loopback only
	Timeout  time.Duration // for the server to say something; 0: a minute
	Conns    int           // connections at the most; 0: 8
}

// A DB is an open store. It is safe for use by several goroutines.
type DB struct {
	conn     driver.Conn
	database string
}

// pinned are the settings of every connection. Each is here because the server's
// default, or what an administrator may have set, loses or hides rows: inserts that
// are answered before they are written, mutations that are answered before they
// are done, shards and replicas that are left out of an answer.
func pinned() clickhouse.Settings {
	return clickhouse.Settings{
		"async_insert":                                       0,
		"insert_deduplicate":                                 1,
		"mutations_sync":                                     2,
		"max_partitions_per_insert_block":                    0,
		"distributed_foreground_insert":                      1,
		"skip_unavailable_shards":                            0,
		"fallback_to_stale_replicas_for_distributed_queries": 0,
		"select_sequential_consistency":                      1,
		"max_result_rows":                                    0,
		"max_rows_to_read":                                   0,
		"session_timezone":                                   "UTC",
		// The driver takes far longer to make dictionaries than the server does.
		"low_cardinality_allow_in_native_format": 0,
		"max_insert_block_size":                  1 << 20,
		"min_insert_block_size_rows":             1 << 20,
		"min_insert_block_size_bytes":            512 << 20,
		"max_bytes_before_external_sort":         256 << 20,
	}
}

// databaseName bounds what is written into statements as it stands.
var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,62}$`)

// Open connects. It does not look at the schema: see Migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	if !databaseName.MatchString(o.Database) {
		return nil, fmt.Errorf("store: database name %q: letters, digits and _ only", o.Database)
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Conns == 0 {
		o.Conns = 8
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol: clickhouse.Native,
		Addr:     o.Addrs,
		// The database may not exist yet, so statements name it instead.
		Auth:            clickhouse.Auth{Username: o.User, Password: o.Password},
		TLS:             o.TLS,
		DialContext:     dialer(o),
		Settings:        pinned(),
		Compression:     compression(o.TLS),
		DialTimeout:     10 * time.Second,
		ReadTimeout:     o.Timeout,
		MaxOpenConns:    o.Conns,
		MaxIdleConns:    o.Conns,
		ConnMaxLifetime: time.Hour,
	})
	if err != nil {
		return nil, fmt.Errorf("store: open %v: %w", o.Addrs, err)
	}
	db := &DB{conn: conn, database: o.Database}
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store: reach ClickHouse at %v: %w", o.Addrs, err), conn.Close())
	}
	return db, nil
}

// compression is worth its time on a network, not on loopback, where nothing is encrypted either.
func compression(tls *tls.Config) *clickhouse.Compression {
	if tls == nil {
		return nil
	}
	return &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
}

// Close closes all connections.
func (db *DB) Close() error { return db.conn.Close() }

// Now returns the server's clock.
func (db *DB) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := db.conn.QueryRow(ctx, "SELECT now64(9, 'UTC')").Scan(&now); err != nil {
		return time.Time{}, fmt.Errorf("store: ask for the server's clock: %w", err)
	}
	return now.UTC(), nil
}

// Version returns the server's version.
func (db *DB) Version(ctx context.Context) (string, error) {
	var v string
	if err := db.conn.QueryRow(ctx, "SELECT version()").Scan(&v); err != nil {
		return "", fmt.Errorf("store: ask for the server's version: %w", err)
	}
	return v, nil
}

// table returns the full name of a table for a statement.
func (db *DB) table(name string) string { return "`" + db.database + "`.`" + name + "`" }

// A Snapshot says which rows exist: those of batches before Size that are not void.
type Snapshot struct {
	Size  uint64
	Voids []uint64
}

// where is the condition of the snapshot, and its arguments are in its text: they
// are numbers.
func (s Snapshot) where() string {
	if len(s.Voids) == 0 {
		return fmt.Sprintf("batch < %d", s.Size)
	}
	b := fmt.Appendf(nil, "batch < %d AND batch NOT IN (", s.Size)
	for i, v := range s.Voids {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%d", v)
	}
	return string(append(b, ')'))
}

// Settings returns the settings that a connection of the store has, by name.
func (db *DB) Settings(ctx context.Context) (map[string]string, error) {
	rows, err := db.conn.Query(ctx, "SELECT name, value FROM system.settings")
	if err != nil {
		return nil, fmt.Errorf("store: read settings: %w", err)
	}
	defer rows.Close()
	settings := make(map[string]string)
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, fmt.Errorf("store: read settings: %w", err)
		}
		settings[name] = value
	}
	return settings, rows.Err()
}

// CheckTables returns an error that names the evidence tables that can lose rows
// by themselves, on a server that others administer.
func (db *DB) CheckTables(ctx context.Context) error {
	rows, err := db.conn.Query(ctx, "SELECT name FROM system.tables WHERE database = $1 AND name IN ('events', 'filed', 'rejects', 'objects', 'resolved', 'ledger')"+
		" AND position(create_table_query, ' TTL ') > 0", db.database)
	if err != nil {
		return fmt.Errorf("store: read table definitions: %w", err)
	}
	defer rows.Close()
	var errs []error
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return fmt.Errorf("store: read table definitions: %w", err)
		}
		errs = append(errs, fmt.Errorf("store: table %s has a TTL, which deletes evidence without a record: ALTER TABLE %s REMOVE TTL", name, db.table(name)))
	}
	return errors.Join(append(errs, rows.Err())...)
}
