package engine_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
)

// attempts are what a stranger tries; none may succeed.
var attempts = []string{
	"SELECT 1",
	"SELECT file('/etc/passwd')",
	"SELECT length(range(1000000000))",
	"SELECT 1 SETTINGS max_query_size = 1000",
	"SELECT count() FROM system.numbers LIMIT 1",
	"SELECT * FROM system.tables",
	"SELECT * FROM system.processes",
	"SELECT * FROM exhibit.t",
	"INSERT INTO exhibit.t VALUES (2)",
	"CREATE TABLE exhibit.mine (n UInt64) ENGINE MergeTree ORDER BY n",
	"CREATE DATABASE mine",
	"CREATE USER mine",
	"CREATE TEMPORARY TABLE mine (n UInt64)",
	"ALTER TABLE exhibit.t DELETE WHERE 1",
	"ALTER USER exhibit IDENTIFIED BY 'x'",
	"DROP TABLE exhibit.t",
	"TRUNCATE TABLE exhibit.t",
	"DROP DATABASE exhibit",
	"BACKUP DATABASE exhibit TO File('stolen')",
	"GRANT ALL ON *.* TO default",
	"SHOW GRANTS",
	"SET max_memory_usage = 1",
	"KILL QUERY WHERE 1 SYNC",
	"SYSTEM SHUTDOWN",
	"SYSTEM KILL",
	"SYSTEM STOP LISTEN",
	"SYSTEM STOP LISTEN TCP",
	"SYSTEM STOP LISTEN QUERIES ALL",
	"SYSTEM START LISTEN HTTP",
	"SYSTEM STOP MERGES",
	"SYSTEM RELOAD CONFIG",
	"SELECT * FROM file('/etc/passwd', 'LineAsString')",
	"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
}

// attackResult is what the helper reports.
type attackResult struct {
	Succeeded []string // attempts that were not refused
	Refused   int
	Files     []string // files and directories that could be read
	Killed    bool     // a signal reached the child
	TookPort  bool     // the engine's port could be bound
}

// attack is the helper of TestStrangerIsRefused, run as another user.
func attack() {
	addr, dir := os.Getenv("ADDR"), os.Getenv("DIR")
	var result attackResult
	for _, login := range [][2]string{{"default", ""}, {"exhibit", ""}, {"exhibit", "guess"}, {"", ""}} {
		conn, err := connect(addr, login[0], login[1])
		if err != nil {
			continue
		}
		for _, query := range attempts {
			ctx, cancel := context.WithTimeout(context.Background(), deadline)
			if err := conn.Exec(ctx, query); err == nil || errors.Is(err, context.DeadlineExceeded) {
				result.Succeeded = append(result.Succeeded, fmt.Sprintf("%s as %q: %v", query, login[0], err))
			} else {
				result.Refused++
			}
			cancel()
		}
		conn.Close()
	}
	result.Refused += swarm(addr)
	for _, path := range []string{"", "engine.json", "engine.lock", "clickhouse", "clickhouse/users.xml", "clickhouse/server.log", "clickhouse/metadata", "backups"} {
		if f, err := os.Open(filepath.Join(dir, path)); err == nil {
			f.Close()
			result.Files = append(result.Files, path)
		}
	}
	child, _ := strconv.Atoi(os.Getenv("CHILD"))
	result.Killed = child == 0 || syscall.Kill(child, syscall.SIGTERM) == nil
	for _, option := range []int{unix.SO_REUSEADDR, unix.SO_REUSEPORT} {
		listen := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, option, 1) })
		}}
		if l, err := listen.Listen(context.Background(), "tcp4", addr); err == nil {
			l.Close()
			result.TookPort = true
		}
	}
	json.NewEncoder(os.Stdout).Encode(result)
	os.Exit(0)
}

// swarm sends refused logins and garbage from many sides at once, and returns
// how many logins were refused.
func swarm(addr string) int {
	const sides, rounds = 16, 20
	var wait sync.WaitGroup
	refused := make([]int, sides)
	for side := range sides {
		wait.Go(func() {
			for round := range rounds {
				ctx, cancel := context.WithTimeout(context.Background(), deadline)
				if conn, err := connect(addr, []string{"default", "exhibit", "nobody"}[round%3], rand.Text()); err == nil {
					if conn.Ping(ctx) != nil {
						refused[side]++
					}
					conn.Close()
				}
				cancel()
				garbage(addr, round)
			}
		})
	}
	wait.Wait()
	total := 0
	for _, n := range refused {
		total += n
	}
	return total
}

// garbage is what no client says: another protocol, a name of 16 EiB, noise,
// a greeting that breaks off; half of them reset the connection.
func garbage(addr string, round int) {
	conn, err := net.DialTimeout("tcp", addr, deadline)
	if err != nil {
		return
	}
	defer conn.Close()
	if round%2 == 0 {
		conn.(*net.TCPConn).SetLinger(0)
	}
	huge := "\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
	noise := make([]byte, 4096)
	rand.Read(noise)
	conn.Write([]byte([]string{"GET / HTTP/1.1\r\n\r\n", huge, string(noise), "\x00\x05hello", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"}[round%5]))
}

func TestStrangerIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user for this test")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skip(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)

	// A place that nobody can reach, so that only the engine's own modes protect it.
	base, err := os.MkdirTemp("", "exhibit-security-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(base, "stranger")
	copyFile(t, binary, os.Args[0])

	e := start(t, engine.Options{Dir: filepath.Join(base, "data"), CheckEvery: time.Second})
	conn := open(t, e.Address())
	mustExec(t, conn, "CREATE DATABASE exhibit", "CREATE TABLE exhibit.t (n UInt64) ENGINE MergeTree ORDER BY n", "INSERT INTO exhibit.t VALUES (1)")
	pid := e.Pid()

	ctx, cancel := context.WithTimeout(t.Context(), 3*deadline)
	defer cancel()
	stranger := exec.CommandContext(ctx, binary)
	stranger.Dir = "/"
	stranger.Env = []string{helperEnv + "=attack", "ADDR=" + e.Address().Addr, "DIR=" + e.Dir(), "CHILD=" + strconv.Itoa(pid)}
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	stranger.Stderr = t.Output()
	out, err := stranger.Output()
	if err != nil {
		t.Fatal(err)
	}
	var result attackResult
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatal(err)
	}
	if len(result.Succeeded) > 0 {
		t.Errorf("not refused:\n%s", strings.Join(result.Succeeded, "\n"))
	}
	if want := 4*len(attempts) + 16*20; result.Refused != want {
		t.Errorf("got %d refusals, want %d", result.Refused, want)
	}
	if len(result.Files) > 0 || result.Killed || result.TookPort {
		t.Errorf("read files %q, killed child %v, took port %v", result.Files, result.Killed, result.TookPort)
	}

	if n := count(t, conn, "SELECT sum(n) FROM exhibit.t"); n != 1 {
		t.Errorf("got sum %d, want 1", n)
	}
	if err := open(t, e.Address()).Ping(t.Context()); err != nil {
		t.Errorf("a new connection: %v", err)
	}
	if e.Pid() != pid || e.Restarts() != 0 {
		t.Errorf("the child was replaced: %d restarts", e.Restarts())
	}
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestUserStaysInItsDatabases(t *testing.T) {
	conn := open(t, enginetest.Start(t).Address())
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{
		"SELECT * FROM file('" + secret + "', 'LineAsString')",
		"INSERT INTO FUNCTION file('" + secret + "', 'LineAsString') SELECT 'x'",
		"SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
		"SELECT * FROM s3('http://127.0.0.1:1/bucket/k', 'LineAsString')",
		"SELECT * FROM remote('127.0.0.1:1', 'system.one')",
		"SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
		"CREATE TABLE exhibit_x.t (x String) ENGINE URL('http://127.0.0.1:1/', 'LineAsString')",
		"CREATE TABLE exhibit_x.t (x String) ENGINE File('LineAsString')",
		"CREATE DATABASE other",
		"CREATE USER other",
		"GRANT ALL ON *.* TO exhibit",
		"SYSTEM SHUTDOWN",
		"SYSTEM STOP LISTEN TCP",
		"SYSTEM START LISTEN HTTP",
	} {
		err := conn.Exec(t.Context(), query)
		if err == nil || !strings.Contains(err.Error(), "Not enough privileges") {
			t.Errorf("%s: got %v, want a refusal", query, err)
		}
	}
}

func TestFileFunctionIsAnOption(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if err := os.WriteFile(path, []byte("{\"n\": 1}\n{\"n\": 2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conn := open(t, start(t, engine.Options{AllowFile: true}).Address())
	if n := count(t, conn, "SELECT toUInt64(sum(n)) FROM file('"+path+"', 'JSONEachRow', 'n UInt64')"); n != 3 {
		t.Errorf("got %d, want 3", n)
	}
}

func TestOneLoopbackPort(t *testing.T) {
	e := enginetest.Start(t)
	open, err := listening(e.Pid())
	if err != nil {
		t.Skip(err) // no /proc
	}
	_, port, _ := net.SplitHostPort(e.Address().Addr)
	n, _ := strconv.Atoi(port)
	if want := []string{fmt.Sprintf("0100007F:%04X", n)}; !slices.Equal(open, want) {
		t.Errorf("the child listens on %q, want %q", open, want)
	}
}

// listening returns the local addresses of a process's TCP listeners, as the
// kernel writes them.
func listening(pid int) ([]string, error) {
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		return nil, fmt.Errorf("no open files of process %d: %w", pid, err)
	}
	sockets := map[string]bool{}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			sockets[to] = true
		}
	}
	var found []string
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			const state, listen, address, inode = 3, "0A", 1, 9
			if f := strings.Fields(line); len(f) > inode && f[state] == listen && sockets["socket:["+f[inode]+"]"] {
				found = append(found, f[address])
			}
		}
	}
	return found, nil
}
