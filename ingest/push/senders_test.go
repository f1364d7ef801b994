package push_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/spool"
)

// program finds a program that sends; without it the test is skipped, or fails when
// CI=true.
func program(t *testing.T, name, packages string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install %s", name, packages)
	}
	if err != nil {
		t.Skipf("%s is missing: apt-get install %s", name, packages)
	}
	return path
}

// curl sends files of every form, small ones and ones that it asks about first, and
// comes again when it is told to.
func TestCurl(t *testing.T) {
	curl := program(t, "curl", "curl")
	x := newRig(t, push.Limits{})
	server := httptest.NewServer(x)
	defer server.Close()
	dir := t.TempDir()
	send := func(want string, args ...string) {
		t.Helper()
		args = append([]string{"--silent", "--show-error", "--noproxy", "*", "--write-out", " %{http_code}", "--header", "Authorization: Bearer " + x.tokens["json"]}, args...)
		out, err := exec.CommandContext(t.Context(), curl, args...).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("got %s, %v; want %s", out, err, want)
		}
	}
	lines := strings.Repeat(`{"action":"user.login","n":"`+strings.Repeat("x", 1000)+"\"}\n", 3000) // 3 MiB: curl asks before it sends
	for name, body := range map[string][]byte{"lines": []byte(lines), "lines.gz": pack(t, "gzip", []byte(lines)), "lines.zst": pack(t, "zstd", []byte(lines))} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		send(`{"accepted":3000} 200`, "--data-binary", "@"+path, server.URL+"/ingest/json")
		send(`{"accepted":3000} 200`, "--upload-file", path, "--request", "POST", "--header", "Transfer-Encoding: chunked", server.URL+"/ingest/json")
	}
	send(`{"accepted":0} 200`, "--request", "POST", server.URL+"/ingest/json")
	send(`{"error":"the token does not open this source"} 403`, "--data-binary", "@"+filepath.Join(dir, "lines"), server.URL+"/ingest/okta")
	send(`{"text":"Success","code":0} 200`, "--data", `{"event":"a"}{"event":"b"}`, server.URL+"/services/collector/event")
	x.spool.mu.Lock()
	x.spool.err, x.spool.until = &spool.FullError{Since: start, RetryAfter: time.Second}, 1
	n := len(x.spool.records)
	x.spool.mu.Unlock()
	if n != 6*3000+2 {
		t.Errorf("kept %d", n)
	}
	send(`{"error":"there is no room for more records; send them again later"}{"accepted":1} 200`, "--retry", "3", "--data", "{}", server.URL+"/ingest/json")
}

// syslog-ng is a sender of Debian that knows nothing of Exhibit: it speaks to the HTTP
// Event Collector in batches, and comes again when there is no room.
func TestSyslogNG(t *testing.T) {
	daemon := program(t, "syslog-ng", "syslog-ng-core syslog-ng-mod-http")
	x := newRig(t, push.Limits{})
	x.spool.arrived = make(chan struct{}, 1)
	x.spool.err, x.spool.until = &spool.FullError{Since: start, RetryAfter: time.Second}, 2
	server := httptest.NewServer(x)
	defer server.Close()
	dir := t.TempDir()
	socket := filepath.Join(dir, "log")
	config := fmt.Sprintf(`@version: 3.38
options { time-reopen(1); stats-freq(0); };
source s { unix-stream(%q create-dirs(no) flags(no-parse)); };
destination exhibit {
  http(url(%q) method("POST") headers("Authorization: Splunk %s")
    body('$(format-json --scope none time=double($UNIXTIME) host=$HOST event=$MSG)') delimiter("\n") batch-lines(50) batch-timeout(100) retries(100));
};
log { source(s); destination(exhibit); flags(flow-control); };
`, socket, server.URL+"/services/collector/event", x.tokens["json"])
	path := filepath.Join(dir, "syslog-ng.conf")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), daemon, "--foreground", "--no-caps", "--cfgfile", path, "--persist-file", filepath.Join(dir, "persist"),
		"--pidfile", filepath.Join(dir, "pid"), "--control", filepath.Join(dir, "control"), "--stderr")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err == nil {
			<-ended
		}
		if t.Failed() {
			t.Log(out.String())
		}
	}()
	conn := dial(t, socket, ended)
	const n = 1000
	for i := range n {
		if _, err := fmt.Fprintf(conn, `{"action":"user.login","n":%d}`+"\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	for x.spool.count() < n {
		select {
		case <-x.spool.arrived:
		case err := <-ended:
			ended <- err
			t.Fatalf("syslog-ng ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("not everything came")
		}
	}
	seen := map[int]bool{}
	for _, raw := range x.spool.records {
		var envelope struct {
			Time  float64
			Host  string
			Event string
		}
		var inner struct{ N int }
		if err := json.Unmarshal([]byte(raw), &envelope); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		if err := json.Unmarshal([]byte(envelope.Event), &inner); err != nil || envelope.Time == 0 || envelope.Host == "" {
			t.Fatalf("%v: %s", err, raw)
		}
		seen[inner.N] = true
	}
	if len(seen) != n || counted(x, "spool full") != 2 {
		t.Errorf("%d of %d came; it was sent away %d times", len(seen), n, counted(x, "spool full"))
	}
}

// dial waits for the daemon to make its socket.
func dial(t *testing.T, socket string, ended chan error) net.Conn {
	t.Helper()
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("syslog-ng ended: %v", err)
		case <-t.Context().Done():
			t.Fatal("syslog-ng does not listen")
		default:
		}
	}
}
