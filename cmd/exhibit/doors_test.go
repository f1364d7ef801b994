package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/store"
)

// A served is a running 'exhibit serve' with sources that are sent to.
type served struct {
	*trial
	config Config
	path   string // of the configuration
}

func startServe(t *testing.T) *served {
	t.Helper()
	env := environment(t)
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s := &served{trial: &trial{bin: binaries(t), data: filepath.Join(dir, "data"), url: "http://" + address, env: env}, path: filepath.Join(dir, "exhibit.yaml")}
	text := fmt.Sprintf(`data: data
web:
  listen: %s
  base_url: http://%s
  oidc: {issuer: "https://idp.example.com", client_id: exhibit, roles: {staff: admin}}
sources:
  - {name: hcp, kind: hcp-platform, system: HCP}
  - {name: scalr, kind: scalr, system: Scalr}
  - {name: app, kind: json, system: App}
  - {name: okta, kind: okta, system: Okta, push: true}
`, address, address)
	if err := os.WriteFile(s.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.config, err = LoadConfig(s.path); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- serve(ctx, s.config, log, func(string) { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return s
}

// token makes a token by the command, which hands it to the running writer.
func (s *served) token(t *testing.T, source string) (text, id string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.bin, "exhibit"), "--config", s.path, "token", "create", "--source", source, "--expires", "2199-12-31")
	cmd.Env = s.env
	out, err := cmd.Output()
	text = strings.TrimSpace(string(out))
	if err != nil || !strings.HasPrefix(text, "exh_") {
		t.Fatalf("token create: %s, %v", out, err)
	}
	return text, strings.Split(text, "_")[1]
}

func (s *served) send(t *testing.T, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer), resp.Header
}

// events returns what is committed of a source, and its rejects.
func (s *served) events(t *testing.T, name string) (events []event.Event, rejects []event.Reject) {
	t.Helper()
	i, err := open(t.Context(), s.config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	reader, _, err := i.reader()
	if err != nil {
		t.Fatal(err)
	}
	head, err := reader.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ever := coverage.Interval{From: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	if events, err = i.db.List(t.Context(), head.Snapshot(), store.Filter{Sources: []string{name}, Period: ever}, 1000); err != nil {
		t.Fatal(err)
	}
	err = i.db.EachReject(t.Context(), head.Snapshot(), []string{name}, ever, func(_ uint64, r *event.Reject) error {
		rejects = append(rejects, *r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return events, rejects
}

// TestPush sends to every door of a running server, waits until the ledger has what was
// sent, and ends a token.
func TestPush(t *testing.T) {
	s := startServe(t)
	app, _ := s.token(t, "app")
	hcp, hcpID := s.token(t, "hcp")
	scalr, _ := s.token(t, "scalr")
	if out, err := s.run(t, "exhibit", "--config", s.path, "token", "create", "--source", source.Own); err == nil {
		t.Errorf("a token for Exhibit's own events: %s", out)
	}
	if out, err := s.run(t, "exhibit", "--config", s.path, "token", "create", "--source", "nothing"); err == nil || !strings.Contains(out, "there is no source") {
		t.Errorf("a token for nothing: %s", out)
	}

	for _, c := range []struct {
		path, body string
		headers    []string
		status     int
	}{
		{"/ingest/app", `{"action":"user.login","id":"1"}` + "\n" + `{"action":"user.logout","id":"2"}` + "\nhello\n", []string{"Authorization", "Bearer " + app}, 200},
		{"/ingest/app", "", []string{"Authorization", "Bearer " + app}, 200},
		{"/v1/logs", `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1767322800000000000","body":{"stringValue":"{\"action\":\"key.create\",\"id\":\"3\"}"}}]}]}]}`, []string{"Authorization", "Bearer " + app, "Content-Type", "application/json"}, 200},
		{"/ingest/scalr", `{"version":"0","id":"1","detail-type":"AuditLog","source":"aws.partner/scalr.com/x","account":"1","time":"2026-01-02T03:00:00Z","detail":{"request":{"id":"r","action":"create-workspace"},"outcome":{"result":"SUCCESS"},"target":{"type":"workspaces","id":"ws-1"}}}`, []string{"X-API-Key", scalr}, 200},
		{"/api/v2/logs", `[{"ddsource":"scalr","message":"{\"request\":{\"id\":\"r2\",\"action\":\"login\"},\"outcome\":{\"result\":\"SUCCESS\"}}"}]`, []string{"DD-API-KEY", scalr}, 202},
		{"/ingest/app", `{"action":"x"}`, []string{"Authorization", "Bearer " + scalr}, 403},
		{"/ingest/app", `{"action":"x"}`, []string{"Cookie", "session=" + app}, 401},
		{"/ingest/app", `{"action":"x"}`, nil, 401},
	} {
		status, answer, head := s.send(t, c.path, c.body, c.headers...)
		if status != c.status || !strings.Contains(head.Get("Content-Type"), "json") {
			t.Errorf("%s: got %d %s", c.path, status, answer)
		}
		if head.Get("Set-Cookie") != "" || head.Get("Content-Security-Policy") != "" {
			t.Errorf("%s: the pages have been asked: %v", c.path, head)
		}
	}

	const channel = "0aee9a6c-8d9a-4d6b-9c1b-2d6d0a3f4e5f"
	status, answer, _ := s.send(t, "/services/collector/event?channel="+channel, `{"time":1767322800,"event":{"description":"Deleted project","status_code":"OK","action":"DELETE"}}`, "Authorization", "Splunk "+hcp)
	if status != 200 || answer != `{"text":"Success","code":0,"ackId":0}` {
		t.Fatalf("HEC: %d %s", status, answer)
	}
	// It came last, so when it is in the ledger, all is.
	for acked := false; !acked; {
		_, answer, _ := s.send(t, "/services/collector/ack?channel="+channel, `{"acks":[0]}`, "Authorization", "Splunk "+hcp)
		var acks struct{ Acks map[string]bool }
		if err := json.Unmarshal([]byte(answer), &acks); err != nil {
			t.Fatalf("%v: %s", err, answer)
		}
		acked = acks.Acks["0"]
	}
	for name, want := range map[string]string{"app": "key.create user.login user.logout", "scalr": "create-workspace login", "hcp": "Deleted project"} {
		events, rejects := s.events(t, name)
		for _, action := range strings.Fields(strings.ReplaceAll(want, "Deleted project", "Deleted")) {
			found := false
			for _, e := range events {
				found = found || strings.HasPrefix(e.Action, action)
			}
			if !found {
				t.Errorf("%s: %s is not among %d events", name, action, len(events))
			}
		}
		if name == "app" && (len(rejects) != 1 || rejects[0].Raw != "hello") {
			t.Errorf("got %d rejects: %+v", len(rejects), rejects)
		}
	}

	records, err := os.ReadFile(filepath.Join(s.data, "ledger.jsonl"))
	if n := strings.Count(string(records), `\"pushed\":true`); err != nil || n != len(s.config.Sources) {
		t.Errorf("the ledger says of %d sources that nobody reads their history, want %d: %v", n, len(s.config.Sources), err)
	}

	if out, err := s.run(t, "exhibit", "--config", s.path, "token", "revoke", hcpID); err != nil {
		t.Fatalf("revoke: %v\n%s", err, out)
	}
	if status, answer, _ := s.send(t, "/services/collector/event", `{"event":"x"}`, "Authorization", "Splunk "+hcp); status != 403 || !strings.Contains(answer, `"code":1`) {
		t.Errorf("after it was revoked: %d %s", status, answer)
	}
	out, err := s.run(t, "exhibit", "--config", s.path, "token", "list")
	if err != nil || !strings.Contains(out, hcpID+"  hcp     revoked") || strings.Contains(out, hcp) {
		t.Errorf("list: %v\n%s", err, out)
	}
	own, _ := s.events(t, source.Own)
	seen := map[string]int{}
	for _, e := range own {
		seen[e.Action]++
		if strings.HasPrefix(e.Action, "token.") && e.Section != event.Credentials {
			t.Errorf("%s is filed under %s", e.Action, e.Section)
		}
	}
	if seen["token.create"] != 3 || seen["token.revoke"] != 1 || seen["token.use"] == 0 {
		t.Errorf("the diary has %v", seen)
	}
}
