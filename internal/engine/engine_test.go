package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
)

// helperEnv makes the test binary one of the helpers below instead.
const helperEnv = "EXHIBIT_ENGINE_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "serve":
		engine.RunChildIfAsked()
		serveUntilKilled()
	case "attack":
		attack()
	}
	enginetest.Main(m)
}

// deadline is for what takes a second or two on a machine that does nothing else.
const deadline = time.Minute

func start(t *testing.T, options engine.Options) *engine.Engine {
	t.Helper()
	options.Lib = enginetest.Lib(t)
	if options.Dir == "" {
		options.Dir = t.TempDir()
	}
	if options.CheckEvery == 0 {
		options.CheckEvery = 50 * time.Millisecond
	}
	if options.Log == nil {
		options.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	e, err := engine.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func open(t *testing.T, a engine.Address) driver.Conn {
	t.Helper()
	conn, err := connect(a.Addr, a.User, a.Password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func connect(addr, user, password string) (driver.Conn, error) {
	return clickhouse.Open(&clickhouse.Options{
		Protocol:    clickhouse.Native,
		Addr:        []string{addr},
		Auth:        clickhouse.Auth{Database: "system", Username: user, Password: password},
		DialTimeout: deadline,
	})
}

func mustExec(t *testing.T, conn driver.Conn, queries ...string) {
	t.Helper()
	for _, query := range queries {
		if err := conn.Exec(t.Context(), query); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
}

func count(t *testing.T, conn driver.Conn, query string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// eventually polls until what it waits for is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	limit := time.After(deadline)
	for !so() {
		select {
		case <-limit:
			t.Fatalf("waited %s in vain: %s", deadline, what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// gone says that no process has this id, or only one that waits to be reaped.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) && syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	after := stat[bytes.LastIndexByte(stat, ')')+1:]
	return bytes.HasPrefix(after, []byte(" Z")) || bytes.HasPrefix(after, []byte(" X"))
}

func TestStartServesUntilClose(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new & <odd> name")
	e := start(t, engine.Options{Dir: dir, MaxMemory: 1 << 30})
	address, pid := e.Address(), e.Pid()
	conn := open(t, address)
	mustExec(t, conn, "CREATE DATABASE exhibit", "CREATE TABLE exhibit.t (n UInt64) ENGINE MergeTree ORDER BY n", "INSERT INTO exhibit.t SELECT number FROM numbers(1000)")
	if n := count(t, conn, "SELECT toUInt64(value) FROM system.server_settings WHERE name = 'max_server_memory_usage'"); n != 1<<30 {
		t.Errorf("max_server_memory_usage is %d, want %d", n, 1<<30)
	}
	if n := count(t, conn, "SELECT length('"+strings.Repeat("x", 200_000)+"')"); n != 200_000 {
		t.Errorf("a long query: got %d, want 200000", n)
	}
	if err := conn.Exec(t.Context(), "SELECT groupArray(number) FROM numbers(1000000000) SETTINGS max_threads = 1"); err == nil || !strings.Contains(err.Error(), "memory limit") {
		t.Errorf("a query that needs 8 GiB of 1 GiB: got %v, want a memory limit", err)
	}

	for path, want := range map[string]os.FileMode{
		"": 0o700, "clickhouse": 0o700, "backups": 0o700, "engine.json": 0o600, "engine.lock": 0o600,
		"clickhouse/config.xml": 0o600, "clickhouse/users.xml": 0o600, "clickhouse/server.log": 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("mode of %q: got %v, %v; want %v", path, info.Mode().Perm(), err, want)
		}
	}
	for _, path := range []string{filepath.Join(dir, "clickhouse/users.xml"), filepath.Join(dir, "clickhouse/server.log"), fmt.Sprintf("/proc/%d/cmdline", pid), fmt.Sprintf("/proc/%d/environ", pid)} {
		b, err := os.ReadFile(path)
		if err != nil && strings.HasPrefix(path, dir) {
			t.Error(err)
		}
		if bytes.Contains(b, []byte(address.Password)) {
			t.Errorf("the password is in %s", path)
		}
	}
	if s := fmt.Sprint(address.LogValue()); strings.Contains(s, address.Password) {
		t.Errorf("the password is in the log value %s", s)
	}

	attached, err := engine.Attach(t.Context(), dir)
	if err != nil || attached != address {
		t.Errorf("attach: got %v, %v; want %v", attached, err, address)
	}
	_, err = engine.Start(t.Context(), engine.Options{Dir: dir, Lib: enginetest.Lib(t)})
	if want := fmt.Sprintf("in use by process %d: ", os.Getpid()); !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), want) {
		t.Errorf("second start: got %v, want ErrInUse that says %q", err, want)
	}
	if err := conn.Ping(t.Context()); err != nil {
		t.Errorf("after the second start: %v", err)
	}

	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if !gone(pid) {
		t.Errorf("child %d outlives Close", pid)
	}
	if _, err := os.Stat(filepath.Join(dir, "engine.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("attach file after close: got %v, want none", err)
	}
	if _, err := engine.Attach(t.Context(), dir); !errors.Is(err, engine.ErrNotRunning) {
		t.Errorf("attach after close: got %v, want ErrNotRunning", err)
	}

	again := start(t, engine.Options{Dir: dir})
	if again.Address().Password == address.Password {
		t.Error("two starts have the same password")
	}
	if n := count(t, open(t, again.Address()), "SELECT count() FROM exhibit.t"); n != 1000 {
		t.Errorf("got %d rows after a new start, want 1000", n)
	}
}

func TestKilledChildIsReplaced(t *testing.T) {
	e := start(t, engine.Options{})
	conn := open(t, e.Address())
	mustExec(t, conn, "CREATE DATABASE exhibit", "CREATE TABLE exhibit.t (n UInt64) ENGINE MergeTree ORDER BY n")
	for round := range 3 {
		mustExec(t, conn, fmt.Sprintf("INSERT INTO exhibit.t SELECT number FROM numbers(%d, 1000)", round*1000))
		pid := e.Pid()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "restart", func() bool { return e.Restarts() == round+1 })
		if e.Pid() == pid || !gone(pid) {
			t.Errorf("round %d: the killed child %d is still there", round, pid)
		}
		// The pool finds out about its dead connections by itself.
		eventually(t, "answer over the old pool", func() bool { return conn.Ping(t.Context()) == nil })
		if n, want := count(t, conn, "SELECT uniqExact(n) FROM exhibit.t"), uint64(round+1)*1000; n != want {
			t.Errorf("round %d: got %d rows, want %d", round, n, want)
		}
	}
	if attached, err := engine.Attach(t.Context(), e.Dir()); err != nil || attached != e.Address() {
		t.Errorf("attach: got %v, %v; want %v", attached, err, e.Address())
	}
}

// A client that is killed, or gives a query up, resets its connection.
func TestClientsMayBreakOff(t *testing.T) {
	e := start(t, engine.Options{})
	pid, conn := e.Pid(), open(t, e.Address())
	mustExec(t, conn, "CREATE DATABASE exhibit", "CREATE TABLE exhibit.t (n UInt64) ENGINE MergeTree ORDER BY n")
	for round := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		rows, err := conn.Query(ctx, "SELECT number, repeat('x', 1000) FROM system.numbers SETTINGS max_block_size = 1000")
		if err != nil || !rows.Next() {
			t.Fatalf("round %d: no row: %v", round, err)
		}
		cancel() // with rows on their way
		rows.Close()

		ctx, cancel = context.WithCancel(t.Context())
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO exhibit.t")
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for n := range uint64(1000) {
			if err := batch.Append(n); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Flush(); err != nil {
			t.Fatal(err)
		}
		cancel()
		batch.Abort() // reports the cancellation, if anything

		reset(t, e.Address())
	}
	eventually(t, "the end of abandoned queries", func() bool {
		return count(t, conn, "SELECT count() FROM system.processes WHERE user = currentUser()") == 1
	})
	if e.Pid() != pid || e.Restarts() != 0 {
		t.Errorf("the child was replaced: %d restarts", e.Restarts())
	}
}

// reset signs in and breaks the connection off without reading the answer.
func reset(t *testing.T, a engine.Address) {
	t.Helper()
	conn, err := net.Dial("tcp", a.Addr)
	if err != nil {
		t.Fatal(err)
	}
	hello := []byte{0}
	text := func(s string) { hello = append(append(hello, byte(len(s))), s...) }
	text("test")
	hello = append(hello, 1, 0, 0xae, 0xa9, 0x03) // version 1.0, protocol 54446
	text("system")
	text(a.User)
	text(a.Password)
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close()); err != nil {
		t.Fatal(err)
	}
}

// A service manager ends all processes of a service at once; the parent is to
// have its engine until it lets go of it.
func TestChildLeavesItsEndToTheParent(t *testing.T) {
	e := start(t, engine.Options{})
	pid, conn := e.Pid(), open(t, e.Address())
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		if err := syscall.Kill(pid, signal); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, conn, "SELECT toUInt64(sum(sleepEachRow(0.1))) FROM numbers(5) SETTINGS max_block_size = 1"); n != 0 {
		t.Errorf("got %d, want 0", n)
	}
	if e.Pid() != pid || e.Restarts() != 0 {
		t.Errorf("the child was replaced: %d restarts", e.Restarts())
	}
}

func TestStuckChildIsReplaced(t *testing.T) {
	e := start(t, engine.Options{CheckTimeout: 200 * time.Millisecond})
	pid := e.Pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "restart", func() bool { return e.Restarts() == 1 })
	if err := open(t, e.Address()).Ping(t.Context()); err != nil || !gone(pid) {
		t.Errorf("got %v from the new child, old one gone: %v", err, gone(pid))
	}
}

func TestEngineThatCannotRestartIsDone(t *testing.T) {
	t.Parallel()
	lib := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.Symlink(enginetest.Lib(t), lib); err != nil {
		t.Fatal(err)
	}
	e, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir(), Lib: lib})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(lib), syscall.Kill(e.Pid(), syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-e.Done():
	case <-time.After(deadline):
		t.Fatal("the engine is not done")
	}
	if err := e.Err(); err == nil || !strings.Contains(err.Error(), lib) {
		t.Errorf("got error %v, want one that names %s", err, lib)
	}
	if _, err := engine.Attach(t.Context(), e.Dir()); !errors.Is(err, engine.ErrNotRunning) {
		t.Errorf("attach: got %v, want ErrNotRunning", err)
	}
	if err := e.Close(); err == nil {
		t.Error("close says nothing of the engine's end")
	}
}

// serveUntilKilled is the helper of TestChildDiesWithItsParent.
func serveUntilKilled() {
	e, err := engine.Start(context.Background(), engine.Options{Dir: os.Getenv("DIR")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(map[string]int{"child": e.Pid()})
	<-e.Done()
}

func TestChildDiesWithItsParent(t *testing.T) {
	lib, dir := enginetest.Lib(t), t.TempDir()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), helperEnv+"=serve", "DIR="+dir, "EXHIBIT_LIBCHDB="+lib)
	parent.Stderr = t.Output()
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var started struct{ Child int }
	if err := json.NewDecoder(stdout).Decode(&started); err != nil {
		t.Fatal(err)
	}
	address, err := engine.Attach(t.Context(), dir)
	if err != nil || address.PID != parent.Process.Pid {
		t.Fatalf("attach: got %v, %v; want process %d", address, err, parent.Process.Pid)
	}
	mustExec(t, open(t, address), "CREATE DATABASE exhibit", "CREATE TABLE exhibit.t (n UInt64) ENGINE MergeTree ORDER BY n", "INSERT INTO exhibit.t VALUES (1)")
	_, err = engine.Start(t.Context(), engine.Options{Dir: dir, Lib: lib})
	if want := fmt.Sprintf("process %d: ", parent.Process.Pid); !errors.Is(err, engine.ErrInUse) || !strings.Contains(err.Error(), want) {
		t.Errorf("second process: got %v, want ErrInUse that says %q", err, want)
	}

	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := parent.Wait(); err == nil {
		t.Error("the killed parent ended well")
	}
	if _, err := engine.Attach(t.Context(), dir); !errors.Is(err, engine.ErrNotRunning) {
		t.Errorf("attach to a stale file: got %v, want ErrNotRunning", err)
	}
	// At once: the old child may be on its way out.
	e := start(t, engine.Options{Dir: dir})
	if !gone(started.Child) {
		t.Errorf("child %d outlives its parent", started.Child)
	}
	if n := count(t, open(t, e.Address()), "SELECT count() FROM exhibit.t"); n != 1 {
		t.Errorf("got %d rows, want 1", n)
	}
}

func TestStartRefuses(t *testing.T) {
	lib := enginetest.Lib(t)
	notLib := filepath.Join(t.TempDir(), "libchdb.so")
	if err := os.WriteFile(notLib, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	public := t.TempDir()
	if err := os.Chmod(public, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		options engine.Options
		want    string
	}{
		{"no directory", engine.Options{Lib: lib}, "no data directory given"},
		{"directory is a file", engine.Options{Lib: lib, Dir: notLib}, "make data directory"},
		{"directory of everybody", engine.Options{Lib: lib, Dir: public}, "chmod o-w"},
		{"not a library", engine.Options{Lib: notLib, Dir: t.TempDir()}, "load " + notLib},
		{"database name", engine.Options{Lib: lib, Dir: t.TempDir(), Database: "a`b"}, `database "a`},
		{"no entropy", engine.Options{Lib: lib, Dir: t.TempDir(), Rand: bytes.NewReader(nil)}, io.EOF.Error()},
		{"no child", engine.Options{Lib: lib, Dir: t.TempDir(), Command: []string{"/nowhere/exhibit"}}, "/nowhere/exhibit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := engine.Start(t.Context(), test.options)
			if err == nil {
				e.Close()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %q, want it to say %q", err, test.want)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if e, err := engine.Start(ctx, engine.Options{Dir: dir, Lib: enginetest.Lib(t)}); err == nil {
		e.Close()
		t.Fatal("started")
	}
	start(t, engine.Options{Dir: dir}) // nothing is left that would be in the way
}
