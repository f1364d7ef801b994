package push_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/spool"
)

// Who has no token for the source gets nowhere, and nothing of the body is read.
func TestTokens(t *testing.T) {
	x := newRig(t, push.Limits{})
	good := x.tokens["json"]
	wrong := good[:len(good)-1] + "!"
	for _, c := range []struct {
		name, path string
		headers    []string
		status     int
	}{
		{"bearer", "/ingest/json", []string{"Authorization", "Bearer " + good}, 200},
		{"bearer in small letters", "/ingest/json", []string{"Authorization", "bearer " + good}, 200},
		{"the value alone", "/ingest/json", []string{"Authorization", good}, 200},
		{"API key", "/ingest/json", []string{"X-Api-Key", good}, 200},
		{"password", "/ingest/json", []string{"Authorization", basic("any", good)}, 200},
		{"user", "/ingest/json", []string{"Authorization", basic(good, "")}, 200},
		{"Splunk", "/ingest/json", []string{"Authorization", "Splunk " + good}, 200},
		{"Datadog", "/ingest/json", []string{"DD-API-KEY", good}, 200},
		{"none", "/ingest/json", nil, 401},
		{"cookie", "/ingest/json", []string{"Cookie", "__Host-session=" + good}, 401},
		{"in the address", "/ingest/json?token=" + good + "&api_key=" + good, nil, 401},
		{"unknown", "/ingest/json", []string{"Authorization", "Bearer " + wrong}, 401},
		{"empty", "/ingest/json", []string{"Authorization", "Bearer "}, 401},
		{"digest", "/ingest/json", []string{"Authorization", "Digest username=x"}, 401},
		{"bad base64", "/ingest/json", []string{"Authorization", "Basic !"}, 401},
		{"revoked", "/ingest/json", []string{"Authorization", "Bearer " + x.tokens["revoked"]}, 401},
		{"another source", "/ingest/okta", []string{"Authorization", "Bearer " + good}, 403},
		{"a source that is not there", "/ingest/nothing", []string{"Authorization", "Bearer " + good}, 403},
		{"a source that is no longer configured", "/ingest/removed", []string{"Authorization", "Bearer " + x.tokens["removed"]}, 403},
		{"another source by OTLP", "/ingest/okta/v1/logs", []string{"Authorization", "Bearer " + good, "Content-Type", "application/json"}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			x.now = x.now.Add(time.Hour) // nothing is held against anybody any more
			before := len(x.spool.records)
			status, body, head := x.post("", c.path, []byte(`{"action":"a"}`), c.headers...)
			if status != c.status {
				t.Errorf("got %d %s, want %d", status, body, c.status)
			}
			if kept := len(x.spool.records) - before; (kept == 1) != (c.status == 200) {
				t.Errorf("kept %d records", kept)
			}
			if status == 401 && head.Get("WWW-Authenticate") == "" {
				t.Error("no WWW-Authenticate")
			}
		})
	}
	for _, secret := range []string{good, wrong, good[15:]} {
		if strings.Contains(x.log.String(), secret) {
			t.Errorf("the log has a token:\n%s", x.log.String())
		}
	}
	if len(x.spool.refused) > 0 {
		t.Errorf("who has no token of %v spoils its coverage", x.spool.refused)
	}
}

// What the holder of a token sends after its end is missing. Who has a revoked one may
// be anybody.
func TestExpired(t *testing.T) {
	x := newRig(t, push.Limits{})
	send := func(of, path string, want int) {
		t.Helper()
		if status, answer, _ := x.post(of, path, []byte("{}")); status != want {
			t.Errorf("%s at %s got %d %s", of, path, status, answer)
		}
	}
	send("revoked", "/ingest/json", 401)
	send("expired", "/ingest/okta", 403)
	if len(x.spool.refused) > 0 {
		t.Errorf("missing at %v", x.spool.refused)
	}
	send("expired", "/ingest/json", 401)
	if strings.Join(x.spool.refused, ",") != "json" || counted(x, "token expired or revoked") != 2 {
		t.Errorf("missing at %v; counted %v", x.spool.refused, x.Counts())
	}
	if _, _, head := x.post("expired", "/services/collector/event", nil); head.Get("Retry-After") != "" || len(x.spool.refused) != 2 {
		t.Errorf("missing at %v", x.spool.refused)
	}
}

type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestNothingIsReadWithoutToken(t *testing.T) {
	x := newRig(t, push.Limits{})
	for _, path := range []string{"/ingest/json", "/services/collector/event", "/v1/logs", "/api/v2/logs"} {
		w := httptest.NewRecorder()
		x.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, unreadable{t}))
		if w.Code != 401 {
			t.Errorf("%s: got %d", path, w.Code)
		}
	}
}

// Whoever tries tokens is slowed down; whoever has one is not.
func TestRefusalsAreLimited(t *testing.T) {
	x := newRig(t, push.Limits{})
	codes := map[int]int{}
	for range 100 {
		status, _, head := x.post("", "/ingest/json", nil, "Authorization", "Bearer exh_guess")
		codes[status]++
		if status == 429 && head.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	if codes[401] != 20 || codes[429] != 80 {
		t.Errorf("got %v", codes)
	}
	if status, _, _ := x.post("json", "/ingest/json", nil); status != 200 {
		t.Errorf("a known token got %d", status)
	}
	if n := strings.Count(x.log.String(), "\n"); n > 2 {
		t.Errorf("%d lines in the log", n)
	}
	counted := uint64(0)
	for _, c := range x.Counts() {
		if c.Source == "" {
			counted += c.N
		}
	}
	if counted != 100 {
		t.Errorf("counted %d of 100 refusals", counted)
	}
	x.now = x.now.Add(time.Hour)
	if status, _, _ := x.post("", "/ingest/json", nil, "Authorization", "Bearer exh_guess"); status != 401 {
		t.Errorf("an hour later: %d", status)
	}
}

// Bodies that are too large are refused, in any disguise, and it is noted that
// something did not come.
func TestLimits(t *testing.T) {
	limits := push.Limits{Packed: 64 << 10, Plain: 1 << 20, Ratio: 100, Records: 100, Held: 64 << 20}
	zeros := make([]byte, 4<<20)
	for _, c := range []struct {
		name     string
		body     []byte
		encoding string
		status   int
	}{
		{"as large as it may be", bytes.Repeat([]byte(" "), 64<<10), "", 200},
		{"one byte more", bytes.Repeat([]byte(" "), 64<<10+1), "", 413},
		{"gzip bomb", pack(t, "gzip", zeros), "gzip", 413},
		{"gzip bomb without a word", pack(t, "gzip", zeros), "", 413},
		{"zstd bomb", pack(t, "zstd", zeros), "zstd", 413},
		{"deflate bomb", pack(t, "deflate", zeros), "deflate", 413},
		{"bomb in a bomb", pack(t, "gzip", pack(t, "zstd", zeros)), "gzip", 413},
		{"too many records", []byte(strings.Repeat("1\n", 101)), "", 413},
		{"an encoding that is not known", []byte("x"), "br", 415},
		{"too many encodings", []byte("x"), "gzip, gzip, gzip", 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newRig(t, limits)
			status, body, _ := x.post("json", "/ingest/json", c.body, "Content-Encoding", c.encoding)
			if status != c.status {
				t.Errorf("got %d %s, want %d", status, body, c.status)
			}
			if c.status == 200 {
				return
			}
			if len(x.spool.records) > 0 || strings.Join(x.spool.refused, ",") != "json" {
				t.Errorf("kept %d, refused %v", len(x.spool.records), x.spool.refused)
			}
			// What a request held is free again.
			for range 10 {
				if status, _, _ := x.post("json", "/ingest/json", []byte("{}")); status != 200 {
					t.Fatalf("got %d after it", status)
				}
			}
		})
	}
}

// What grows beyond all measure is refused before it is as large as it may be.
func TestRatio(t *testing.T) {
	x := newRig(t, push.Limits{Held: 96 << 20})
	if status, answer, _ := x.post("json", "/ingest/json", pack(t, "zstd", make([]byte, 60<<20))); status != 413 {
		t.Errorf("got %d %s", status, answer)
	}
	lines := strings.Repeat("{\"action\":\"user.login\"}\n", 90_000)
	if status, answer, _ := x.post("json", "/ingest/json", pack(t, "zstd", []byte(lines))); status != 200 {
		t.Errorf("lines that repeat each other: got %d %s", status, answer)
	}
}

// The fault is ours: all doors tell the sender to come again, in words that it knows.
func TestSpoolTrouble(t *testing.T) {
	full := &spool.FullError{Since: start, RetryAfter: 29500 * time.Millisecond}
	for _, c := range []struct {
		name   string
		err    error
		status int
		retry  string
	}{
		{"full", full, 503, "30"},
		{"closed", spool.ErrClosed, 503, "5"},
		{"disk", errors.New("input/output error on /secret/path"), 503, "5"},
		{"late", context.DeadlineExceeded, 503, "5"},
		{"larger than the spool", fmt.Errorf("%w: x", spool.ErrTooLarge), 413, ""},
	} {
		for path, kind := range map[string]string{"/ingest/json": "", "/services/collector/event": "", "/services/collector/raw": "", "/v1/logs": "application/json", "/api/v2/logs": ""} {
			x := newRig(t, push.Limits{})
			x.spool.err = c.err
			body := `{"event":"x"}`
			if kind != "" {
				body = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`
			}
			status, answer, head := x.post("json", path, []byte(body), "Content-Type", kind)
			if status != c.status || head.Get("Retry-After") != c.retry {
				t.Errorf("%s at %s: got %d, Retry-After %q", c.name, path, status, head.Get("Retry-After"))
			}
			if strings.Contains(answer, "secret") {
				t.Errorf("%s at %s: the answer tells what is nobody's business: %s", c.name, path, answer)
			}
		}
	}
}

// A body that ends too early was not kept; nobody was told that it was.
func TestCutOff(t *testing.T) {
	x := newRig(t, push.Limits{})
	server := httptest.NewServer(x)
	defer server.Close()
	r, err := http.NewRequest(http.MethodPost, server.URL+"/ingest/json", io.MultiReader(strings.NewReader(`{"action":"a"}`), broken{}))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+x.tokens["json"])
	r.ContentLength = 1000
	if resp, err := server.Client().Do(r); err == nil {
		t.Errorf("got %d", resp.StatusCode)
	}
	server.Close()
	if len(x.spool.records) > 0 || len(x.spool.refused) > 0 {
		t.Errorf("kept %v, refused %v", x.spool.records, x.spool.refused)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}
