// Package engine is the embedded ClickHouse: a child process of the running
// binary that loads libchdb and serves the native protocol on a loopback port.
//
//	DIR/                    the data directory, 0700
//	  engine.lock           held by the parent: who serves DIR
//	  clickhouse.lock       held by the child: ClickHouse has its files open
//	  engine.json           Address of the running engine, 0600, gone after Close
//	  backups/              where BACKUP ... TO File('name') writes
//	  clickhouse/           ClickHouse's own files
//	    config.xml users.xml  written at each start, 0600
//	    server.log          what the engine says
//
// A program and every test binary that starts an engine calls RunChildIfAsked
// first, because the child is the same executable.
//
// Clients open it with clickhouse-go and nothing but an address and a user:
//
//	address := e.Address() // or engine.Attach(ctx, dir) in another process
//	conn, err := clickhouse.Open(&clickhouse.Options{
//		Protocol: clickhouse.Native,
//		Addr:     []string{address.Addr},
//		Auth:     clickhouse.Auth{Database: "system", Username: address.User, Password: address.Password},
//	})
//
// The user can see and do everything in the databases whose names begin with
// Options.Database, which the client creates; settings are free. It has no
// table functions or table engines for files (but see Options.AllowFile), URLs
// or other servers, cannot manage users, and cannot stop the engine. The scalar
// function file() cannot be taken away in this library, so SQL must never be
// built from what others say. BACKUP and RESTORE write directories, not zip
// files.
//
// Connections break when the child is restarted, as with any server that
// restarts; address, user and password stay the same until Close, so a
// connection pool recovers by itself.
//
// Other users of the machine can open a connection and no more: there is one
// user without a password, which the library needs for itself, and no query of
// it is parsed. Who can connect often enough may still exhaust the connections.
//
// The child has no orderly shutdown: it exits at once when its stdin closes.
// What ClickHouse has acknowledged survives that as it survives a crash.
package engine
