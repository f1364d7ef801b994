package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

const (
	loopback      = "127.0.0.1"
	clickhouseDir = "clickhouse"
	backupDir     = "backups"
	configFile    = "config.xml"
	usersFile     = "users.xml"
	logFile       = "server.log"
)

// element is one XML element: with text, or with children.
type element struct {
	name     string
	text     string
	children []element
}

func (e element) write(b *bytes.Buffer) error {
	fmt.Fprintf(b, "<%s>", e.name)
	if err := xml.EscapeText(b, []byte(e.text)); err != nil {
		return err
	}
	for _, child := range e.children {
		if err := child.write(b); err != nil {
			return err
		}
	}
	fmt.Fprintf(b, "</%s>\n", e.name)
	return nil
}

func document(children ...element) ([]byte, error) {
	var b bytes.Buffer
	err := element{name: "clickhouse", children: children}.write(&b)
	return b.Bytes(), err
}

// serverConfig is config.xml: one user's engine beside the program it serves,
// not a machine of its own. No section for a system log table is there, so
// none is kept; no port but the one on the command line.
func serverConfig(users, backups string, maxMemory uint64) ([]byte, error) {
	const mib = 1 << 20
	setting := func(name string, value uint64) element {
		return element{name: name, text: strconv.FormatUint(value, 10)}
	}
	reuse := uint64(0)
	if reusePort {
		reuse = 1
	}
	return document(
		element{name: "users_config", text: users},
		element{name: "listen_host", text: loopback},
		setting("listen_reuse_port", reuse),
		element{name: "timezone", text: "UTC"},
		element{name: "backups", children: []element{{name: "allowed_path", text: backups}}},
		element{name: "access_control_improvements", children: []element{
			setting("select_from_system_db_requires_grant", 1),
			setting("select_from_information_schema_requires_grant", 1),
		}},
		setting("max_server_memory_usage", maxMemory),
		setting("mark_cache_size", 128*mib),
		setting("index_mark_cache_size", 32*mib),
		setting("primary_index_cache_size", 128*mib),
		setting("query_condition_cache_size", 16*mib),
		setting("compiled_expression_cache_size", 32*mib),
		// Small pools: merges of one store keep two threads busy at most. The
		// merge_tree lines must fit into pool size × 2 or tables are refused.
		setting("background_pool_size", 4),
		setting("background_schedule_pool_size", 8),
		setting("background_common_pool_size", 2),
		setting("background_move_pool_size", 1),
		setting("background_fetches_pool_size", 1),
		setting("background_buffer_flush_schedule_pool_size", 1),
		setting("background_message_broker_schedule_pool_size", 1),
		setting("background_distributed_schedule_pool_size", 1),
		element{name: "merge_tree", children: []element{
			setting("number_of_free_entries_in_pool_to_lower_max_size_of_merge", 3),
			setting("number_of_free_entries_in_pool_to_execute_mutation", 4),
			setting("number_of_free_entries_in_pool_to_execute_optimize_entire_partition", 4),
		}},
	)
}

// The built-in session of the library needs the user default, without a
// password, for loopback: so anybody on this machine can sign in as default.
// Its quota is spent by the two queries that the session runs itself, and what
// is not granted cannot be asked for anyway. (Limiting its sessions instead
// would let one refused login abort the engine.) Quota intervals restart at
// multiples of their length since 1970, and are limited to 31 bits of seconds:
// two lengths, so that both never restart in one run (2030, 2038).
var (
	builtinGrants  = []string{"GRANT SYSTEM LISTEN ON *.*", "GRANT SELECT ON system.numbers"}
	builtinQueries = "2"
	builtinPeriods = []string{"2147483647", "1900000000"}
)

// usersConfig is users.xml: the built-in user and the client's.
func usersConfig(user, password, database string, allowFile bool) ([]byte, error) {
	hash := sha256.Sum256([]byte(password))
	spent := element{name: "builtin"}
	for _, period := range builtinPeriods {
		spent.children = append(spent.children, element{name: "interval", children: []element{
			{name: "duration", text: period}, {name: "queries", text: builtinQueries},
		}})
	}
	return document(
		element{name: "profiles", children: []element{{name: "default"}}},
		element{name: "quotas", children: []element{{name: "default"}, spent}},
		element{name: "users", children: []element{
			{name: "default", children: account(element{name: "password"}, "builtin", builtinGrants)},
			{name: user, children: account(
				element{name: "password_sha256_hex", text: hex.EncodeToString(hash[:])},
				"default", userGrants(database, allowFile))},
		}},
	)
}

func account(secret element, quota string, grants []string) []element {
	list := element{name: "grants"}
	for _, grant := range grants {
		list.children = append(list.children, element{name: "query", text: grant})
	}
	return []element{
		secret,
		{name: "networks", children: []element{{name: "ip", text: loopback}}},
		{name: "profile", text: "default"},
		{name: "quota", text: quota},
		list,
	}
}

// tableEngines are the ones that keep their rows in the data directory or
// nowhere. Those that reach out (URL, S3, File, MySQL, Distributed and more)
// are not among them.
var tableEngines = []string{
	"MergeTree", "ReplacingMergeTree", "AggregatingMergeTree", "SummingMergeTree",
	"CollapsingMergeTree", "VersionedCollapsingMergeTree", "Memory", "Null", "Join", "Set",
}

// userGrants are the client's rights: everything in its own databases, and to
// look at the engine; no files, no URLs, no other servers, no users, no shutdown.
func userGrants(database string, allowFile bool) []string {
	own := "`" + strings.ReplaceAll(database, "`", "``") + "`*.*"
	grants := []string{
		"GRANT SHOW, SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, DROP, " +
			"TRUNCATE, OPTIMIZE, BACKUP, UNDROP TABLE, dictGet, " +
			"SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM CLEANUP, SYSTEM WAIT LOADING PARTS, SYSTEM FLUSH DISTRIBUTED ON " + own,
		"GRANT SELECT ON system.*",
		"GRANT SELECT ON information_schema.*",
		"GRANT CREATE TEMPORARY TABLE, SYSTEM DROP CACHE ON *.*",
	}
	for _, name := range tableEngines {
		grants = append(grants, "GRANT TABLE ENGINE ON "+name)
	}
	if allowFile {
		grants = append(grants, "GRANT FILE ON *.*")
	}
	return grants
}
