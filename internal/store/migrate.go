package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrNewer is returned when a newer version of the program has been at the store.
var ErrNewer = errors.New("store: the schema is newer than this program")

type migration struct {
	number uint32
	name   string
	sql    string
	sum    string
}

var migrationName = regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)

func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("store: list migrations: %w", err)
	}
	slices.Sort(names)
	var list []migration
	for _, name := range names {
		m := migrationName.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("store: migration %q is not called NNNN_verb_noun.sql", name)
		}
		n, err := strconv.Atoi(m[1])
		if err != nil || len(list) > 0 && uint32(n) <= list[len(list)-1].number {
			return nil, fmt.Errorf("store: migration %q has a number that is taken", name)
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("store: read migration: %w", err)
		}
		sum := sha256.Sum256(b)
		list = append(list, migration{uint32(n), name, string(b), hex.EncodeToString(sum[:])})
	}
	return list, nil
}

// Migrate makes the database and brings its schema up to the files. A file is
// noted as applied only after its statement succeeded, and statements are safe to
// run twice, so a crash in between is healed by the next call.
func (db *DB) Migrate(ctx context.Context, files fs.FS) error {
	list, err := readMigrations(files)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		"CREATE DATABASE IF NOT EXISTS `" + db.database + "`",
		"CREATE TABLE IF NOT EXISTS " + db.table("migrations") + ` (number UInt32, name String, sha256 String)
			ENGINE = MergeTree ORDER BY number SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`,
	} {
		if err := db.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("store: prepare database %s: %w", db.database, err)
		}
	}
	applied, err := db.applied(ctx)
	if err != nil {
		return err
	}
	for number, m := range applied {
		i := slices.IndexFunc(list, func(known migration) bool { return known.number == number })
		if i < 0 {
			return fmt.Errorf("%w: it has migration %s; this program knows %d others. Start the newer version, or use another data directory",
				ErrNewer, m.name, len(list))
		}
		if want := list[i]; want.sum != m.sum {
			return fmt.Errorf("store: migration %s was changed after it was applied: the schema may not be what this program expects", want.name)
		}
	}
	for _, m := range list {
		if _, done := applied[m.number]; done {
			continue
		}
		if err := db.apply(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) applied(ctx context.Context) (map[uint32]migration, error) {
	rows, err := db.conn.Query(ctx, "SELECT number, name, sha256 FROM "+db.table("migrations")+" ORDER BY number")
	if err != nil {
		return nil, fmt.Errorf("store: read migrations: %w", err)
	}
	defer rows.Close()
	applied := make(map[uint32]migration)
	for rows.Next() {
		var m migration
		if err := rows.Scan(&m.number, &m.name, &m.sum); err != nil {
			return nil, fmt.Errorf("store: read migrations: %w", err)
		}
		applied[m.number] = m
	}
	return applied, rows.Err()
}

func (db *DB) apply(ctx context.Context, m migration) error {
	sql := strings.TrimSuffix(strings.TrimSpace(m.sql), ";")
	if err := db.conn.Exec(ctx, db.qualify(sql)); err != nil {
		return fmt.Errorf("store: migration %s: %w", m.name, err)
	}
	err := db.conn.Exec(ctx, "INSERT INTO "+db.table("migrations")+" (number, name, sha256) VALUES (?, ?, ?)", m.number, m.name, m.sum)
	if err != nil {
		return fmt.Errorf("store: note migration %s: %w", m.name, err)
	}
	return nil
}

// tableName finds the table that a migration is about: its files name tables
// without a database.
var tableName = regexp.MustCompile(`(?m)^(CREATE TABLE IF NOT EXISTS|ALTER TABLE|CREATE VIEW IF NOT EXISTS) ([a-z_]+)`)

func (db *DB) qualify(sql string) string {
	return tableName.ReplaceAllString(sql, "$1 `"+db.database+"`.`$2`")
}
