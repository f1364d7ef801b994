package enginetest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"exhibit/internal/engine/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestDatabaseIsFreshAndUsable(t *testing.T) {
	address := enginetest.Start(t).Address()
	first, second := enginetest.Database(t), enginetest.Database(t)
	if first == second || !strings.HasPrefix(first, "exhibit_test_") {
		t.Fatalf("got databases %q and %q, want two names of our own", first, second)
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{address.Addr},
		Auth: clickhouse.Auth{Database: first, Username: address.User, Password: address.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := context.Background()
	if err := conn.Exec(ctx, "CREATE TABLE t (n UInt64) ENGINE MergeTree ORDER BY n AS SELECT number FROM numbers(10)"); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"CREATE VIEW v AS SELECT n FROM t",
		"CREATE TABLE sums (n UInt64) ENGINE SummingMergeTree ORDER BY tuple()",
		"CREATE MATERIALIZED VIEW m TO sums AS SELECT n FROM t",
		"CREATE TABLE other AS t",
		"INSERT INTO t VALUES (0)",
		"ALTER TABLE t DELETE WHERE n = 0 SETTINGS mutations_sync = 2",
		"ALTER TABLE t MODIFY SETTING fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480",
		"EXCHANGE TABLES t AND other",
		"EXCHANGE TABLES t AND other",
		"ALTER TABLE other ATTACH PARTITION tuple() FROM t",
		"OPTIMIZE TABLE t FINAL",
		"SYSTEM STOP MERGES t",
		"SYSTEM START MERGES t",
		"CREATE TEMPORARY TABLE tmp (n UInt64)",
		"SELECT * FROM system.parts",
		"SELECT * FROM system.merge_tree_settings",
		"SELECT * FROM information_schema.columns WHERE table_schema = currentDatabase()",
		"SELECT * FROM values('a UInt8', 1)",
		"BACKUP DATABASE " + first + " TO File('one')",
		"RESTORE DATABASE " + first + " AS " + first + "_restored FROM File('one')",
		"DROP DATABASE " + first + "_restored SYNC",
		"RENAME TABLE other TO another",
		"TRUNCATE TABLE another",
		"DETACH TABLE another",
		"ATTACH TABLE another",
		"DROP TABLE another SYNC",
		"ALTER TABLE t DROP PARTITION tuple()",
		"INSERT INTO t SELECT number FROM numbers(10)",
	} {
		if err := conn.Exec(ctx, query); err != nil {
			t.Errorf("%s: %v", query, err)
		}
	}
	var n uint64
	if err := conn.QueryRow(ctx, "SELECT sum(n) FROM t").Scan(&n); err != nil || n != 45 {
		t.Fatalf("got %d, %v; want 45", n, err)
	}
}
