package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"exhibit/internal/engine/enginetest"
	"exhibit/internal/store"
	"exhibit/migrations"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// What is asked of one schedule reads its rows and not those of all: among a hundred
// thousand runs and deliveries of others, a page of one takes a few thousand.
func TestRunsOfOneScheduleReadNoOthers(t *testing.T) {
	const others, page = 100_000, 40_000 // a part of an index has 8,192 rows
	db, fill := openBoth(t)
	for _, statement := range []string{
		"INSERT INTO schedule_runs SELECT concat('s', leftPad(toString(number %% 1000), 4, '0')), toString(number), 0, toDateTime64(number, 9), 'made', '{}' FROM numbers(%d)",
		"INSERT INTO deliveries SELECT concat('s', leftPad(toString(number %% 1000), 4, '0'), '/', toString(number)), 'ada@example.com', 0, toDateTime64(number, 9), 'sent', '{}' FROM numbers(%d)",
	} {
		if err := fill.Exec(t.Context(), fmt.Sprintf(statement, others)); err != nil {
			t.Fatal(err)
		}
	}
	for i, run := range []string{"a", "b", "c"} {
		for number := range uint64(3) {
			key := [2]string{"s0500x", run}
			if err := db.AddRun(t.Context(), store.StateRow{Key: key, Number: number, At: day(1 + i).Add(time.Duration(number) * time.Hour), State: "made", Body: fmt.Sprint(number)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := db.AddDelivery(t.Context(), store.StateRow{Key: [2]string{"s0500x/" + run, "bob@example.com"}, At: day(1 + i), State: "failed", Body: "{}"}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		read func(ctx context.Context) ([]store.StateRow, error)
		want string
	}{
		"the newest two": {func(ctx context.Context) ([]store.StateRow, error) { return db.RunsOf(ctx, "s0500x", 2) }, "[s0500x b] 2, [s0500x c] 2, "},
		"one run": {func(ctx context.Context) ([]store.StateRow, error) {
			return db.RunsNamed(ctx, [][2]string{{"s0500x", "a"}, {"s0001", "b"}})
		}, "[s0500x a] 2, "},
		"its deliveries": {func(ctx context.Context) ([]store.StateRow, error) {
			return db.DeliveriesOf(ctx, []string{"s0500x/a", "s0500x/z"})
		}, "[s0500x/a bob@example.com] 0, "},
	} {
		var rows uint64
		ctx := clickhouse.Context(t.Context(), clickhouse.WithProgress(func(p *clickhouse.Progress) { rows += p.Rows }))
		list, err := tt.read(ctx)
		got := ""
		for _, row := range list {
			got += fmt.Sprintf("%s %d, ", row.Key, row.Number)
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v; want %s", name, got, err, tt.want)
		}
		if rows == 0 || rows > page {
			t.Errorf("%s read %d rows of %d", name, rows, others)
		}
	}
	if list, err := db.LastRuns(t.Context()); err != nil || len(list) != 1001 || list[501].Key != [2]string{"s0500x", "c"} || list[501].Number != 2 || list[0].Key != [2]string{"s0000", "99000"} {
		t.Errorf("the last of each: %d, %v", len(list), err)
	}
	list, err := db.DeliveriesIn(t.Context(), []string{"failed", "deferred"}, day(2))
	if err != nil || len(list) != 2 || list[0].Key[0] != "s0500x/c" || list[1].Key[0] != "s0500x/b" {
		t.Errorf("what failed since: %+v, %v", list, err)
	}
	if list, err := db.RunsNamed(t.Context(), nil); err != nil || len(list) != 0 {
		t.Errorf("no names: %+v, %v", list, err)
	}
}

// openBoth opens a store, and a connection beside it to fill it by.
func openBoth(t *testing.T) (*store.DB, clickhouse.Conn) {
	t.Helper()
	address, name := enginetest.Start(t).Address(), enginetest.Database(t)
	db, err := store.Open(t.Context(), store.Options{Addrs: []string{address.Addr}, Database: name, User: address.User, Password: address.Password})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{address.Addr}, Auth: clickhouse.Auth{Database: name, Username: address.User, Password: address.Password}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(conn.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	return db, conn
}
