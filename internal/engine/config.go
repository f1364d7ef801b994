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
func serverConfig(users, backups string, port int, maxMemory uint64) ([]byte, error) {
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
		setting("tcp_port", uint64(port)),
		setting("listen_reuse_port", reuse),
		element{name: "timezone", text: "UTC"},
		// To stderr, so to server.log, and only why it died: refused logins must
		// not fill the disk.
		element{name: "log-level", text: "fatal"},
		element{name: "logger", children: []element{{name: "console", text: "1"}}},
		element{name: "backups", children: []element{{name: "allowed_path", text: backups}}},
		element{name: "access_control_improvements", children: []element{
			setting("select_from_system_db_requires_grant", 1),
			setting("select_from_information_schema_requires_grant", 1),
		}},
		setting("max_server_memory_usage", maxMemory),
		setting("mark_cache_size", 128*mib),
		setting("index_mark_cache_size", 32*mib),
		setting("primary_index_cache_size", 128*mib),
		setting("compiled_expression_cache_size", 32*mib),
		// The merge_tree lines must fit into the pool's size × 2, or every table
		// is refused.
		setting("background_pool_size", 4),
		element{name: "merge_tree", children: []element{
			setting("number_of_free_entries_in_pool_to_lower_max_size_of_merge", 3),
			setting("number_of_free_entries_in_pool_to_execute_mutation", 4),
			setting("number_of_free_entries_in_pool_to_execute_optimize_entire_partition", 4),
		}},
	)
}

// The library's own session needs the user default, without a password, from
// 127.0.0.1 (what it takes itself to be): so anybody on this machine can sign
// in as default, and even a user without any grant can evaluate functions, of
// which file() reads whatever this process can. Therefore
//
//   - default's profile, which cannot be overruled, has no query of more than
//     one byte parsed. The session of the library has its own limit, from the
//     command line, which is beyond profiles but the default for all users: so
//     the client's profile restores the usual one.
//   - default's quota is spent by the two queries that the session runs.
//
// Limiting default's sessions instead would break the engine's own.
//
// Quota intervals restart at multiples of their length since 1970, and are
// limited to 31 bits of seconds: two lengths, so that both never restart in
// one run (2030, 2038).
const (
	queryLimit       = "max_query_size"
	strangersLimit   = "1"
	ownLimit         = "1000"
	usualLimit       = "262144"
	builtinQueries   = "2"
	builtinName      = "builtin"
	builtinShortTerm = "1900000000"
	builtinLongTerm  = "2147483647"
)

// usersConfig is users.xml: the built-in user and the client's.
func usersConfig(user, password, database string, allowFile bool) ([]byte, error) {
	hash := sha256.Sum256([]byte(password))
	limits := element{name: builtinName, children: []element{
		{name: queryLimit, text: strangersLimit},
		{name: "constraints", children: []element{{name: queryLimit, children: []element{{name: "const"}}}}},
	}}
	usual := element{name: "default", children: []element{{name: queryLimit, text: usualLimit}}}
	spent := element{name: builtinName}
	for _, term := range []string{builtinShortTerm, builtinLongTerm} {
		spent.children = append(spent.children, element{name: "interval", children: []element{
			{name: "duration", text: term}, {name: "queries", text: builtinQueries},
		}})
	}
	return document(
		element{name: "profiles", children: []element{usual, limits}},
		element{name: "quotas", children: []element{{name: "default"}, spent}},
		element{name: "users", children: []element{
			{name: "default", children: account(builtinName, element{name: "password"},
				[]string{"GRANT SYSTEM LISTEN ON *.*", "GRANT SELECT ON system.numbers"})},
			{name: user, children: account("default",
				element{name: "password_sha256_hex", text: hex.EncodeToString(hash[:])},
				userGrants(database, allowFile))},
		}},
	)
}

// account is a user with the limits (profile and quota) of that name.
func account(limits string, secret element, grants []string) []element {
	list := element{name: "grants"}
	for _, grant := range grants {
		list.children = append(list.children, element{name: "query", text: grant})
	}
	return []element{
		secret,
		{name: "networks", children: []element{{name: "ip", text: loopback}}},
		{name: "profile", text: limits},
		{name: "quota", text: limits},
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
