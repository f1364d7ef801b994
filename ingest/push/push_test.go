package push_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/ingest/token"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// memory is a spool in memory that can be told to fail.
type memory struct {
	mu        sync.Mutex
	records   []string
	of        []string // the source of each
	beats     int
	mark      uint64
	committed uint64
	refused   []string
	err       error
	until     int // after so many times, err is over; 0: never
	full      bool
	arrived   chan struct{} // told of new records, when there is somebody
}

func (m *memory) Append(ctx context.Context, name string, records []source.Record) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.err; err != nil {
		if m.until--; m.until == 0 {
			m.err = nil
		}
		return 0, err
	}
	if len(records) == 0 {
		m.beats++
	}
	for _, r := range records {
		if r.Received.IsZero() {
			return 0, errors.New("a record without the time of its receipt")
		}
		m.records, m.of = append(m.records, string(r.Raw)), append(m.of, name)
	}
	m.mark += uint64(max(len(records), 1))
	select {
	case m.arrived <- struct{}{}:
	default:
	}
	return m.mark, nil
}

func (m *memory) count() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.records) }

func (m *memory) Committed() uint64 { m.mu.Lock(); defer m.mu.Unlock(); return m.committed }
func (m *memory) Refused(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = append(m.refused, name)
}
func (m *memory) Status() (s spool.Status) {
	if m.full {
		s.Full = start
	}
	return s
}

// rig is the doors with a token for each source.
type rig struct {
	*push.Handler
	spool  *memory
	tokens map[string]string // text by source
	now    time.Time
	log    bytes.Buffer
}

// keeper knows tokens as token.Keeper does.
type keeper map[string]token.Token

func (k keeper) Check(text, _ string) (token.Token, error) {
	switch t, ok := k[text]; {
	case !ok:
		return token.Token{}, token.ErrUnknown
	case !t.Revoked.IsZero():
		return token.Token{}, token.ErrRevoked
	default:
		return t, nil
	}
}

func newRig(t testing.TB, limits push.Limits) *rig {
	t.Helper()
	x := &rig{spool: &memory{}, tokens: map[string]string{}, now: start}
	sources, tokens := map[string]source.Kind{}, keeper{}
	for _, k := range source.Kinds() {
		sources[k.Name] = k
		one, text := token.New(k.Name, "test", time.Time{}, start)
		tokens[text], x.tokens[k.Name] = one, text
	}
	gone, text := token.New("json", "test", time.Time{}, start)
	gone.Revoked = start
	tokens[text], x.tokens["revoked"] = gone, text
	other, text := token.New("removed", "test", time.Time{}, start)
	tokens[text], x.tokens["removed"] = other, text
	x.Handler = push.New(push.Options{Spool: x.spool, Tokens: tokens, Sources: sources, Limits: limits,
		Now: func() time.Time { return x.now }, Log: slog.New(slog.NewTextHandler(&x.log, nil))})
	return x
}

// post sends a body with the token of the source and returns status and answer.
func (x *rig) post(of, path string, body []byte, headers ...string) (int, string, http.Header) {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	if of != "" {
		r.Header.Set("Authorization", "Bearer "+x.tokens[of])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	x.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func pack(t testing.TB, with string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch with {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return body
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestIngest(t *testing.T) {
	a, b := `{"action":"a","n":1}`, `{"action":"b"}`
	both := []string{a, b}
	cut := pack(t, "gzip", []byte(a+"\n"+b))
	cut = cut[:len(cut)-9]
	for _, c := range []struct {
		name, kind, body string
		headers          []string
		want             []string
	}{
		{"lines", "json", a + "\n" + b + "\n", nil, both},
		{"array", "json", "[" + a + ",\n" + b + "]", nil, both},
		{"one object", "json", a, nil, []string{a}},
		{"pretty object", "json", "{\n \"action\": \"a\"\n}", nil, []string{"{\n \"action\": \"a\"\n}"}},
		{"one after the other", "json", a + b, nil, both},
		{"page", "json", `{"data":[` + a + `,` + b + `],"next":null}`, nil, both},
		{"event hook of Okta", "okta", `{"eventType":"com.okta.event_hook","data":{"events":[{"eventType":"x"},{"eventType":"y"}]}}`, nil, []string{`{"eventType":"x"}`, `{"eventType":"y"}`}},
		{"gzip", "json", string(pack(t, "gzip", []byte(a+"\n"+b))), []string{"Content-Encoding", "gzip"}, both},
		{"zstd", "json", string(pack(t, "zstd", []byte(a+"\n"+b))), []string{"Content-Encoding", "zstd"}, both},
		{"deflate", "json", string(pack(t, "deflate", []byte(a+"\n"+b))), []string{"Content-Encoding", "deflate"}, both},
		{"identity", "json", a, []string{"Content-Encoding", "identity"}, []string{a}},
		{"a gzip file without a word", "json", string(pack(t, "gzip", []byte(a))), nil, []string{a}},
		{"a zstd file in gzip", "json", string(pack(t, "gzip", pack(t, "zstd", []byte(a)))), []string{"Content-Encoding", "gzip"}, []string{a}},
		{"two encodings", "json", string(pack(t, "zstd", pack(t, "gzip", []byte(a)))), []string{"Content-Encoding", "gzip, zstd"}, []string{a}},
		{"nothing", "json", "", nil, nil},
		{"space", "json", " \r\n", nil, nil},
		{"nothing in gzip", "json", string(pack(t, "gzip", nil)), []string{"Content-Encoding", "gzip"}, nil},
		{"no JSON", "json", "hello\n" + a + "\nworld", nil, []string{"hello", a, "world"}},
		{"cut short", "json", "[" + a + `,{"b`, nil, []string{a, `{"b`}},
		{"broken", "json", "[" + a + " " + b, nil, []string{a, b}},
		{"UTF-16", "json", "\xff\xfe{\x00", nil, []string{"\xff\xfe{\x00"}},
		{"bytes", "json", "\x00\x01\xfe", nil, []string{"\x00\x01\xfe"}},
		{"gzip cut short", "json", string(cut), []string{"Content-Encoding", "gzip"}, []string{string(cut)}},
		{"not gzip", "json", a, []string{"Content-Encoding", "gzip"}, []string{a}},
		{"gzip three times", "json", string(pack(t, "gzip", pack(t, "gzip", pack(t, "gzip", []byte(a))))), nil, []string{string(pack(t, "gzip", []byte(a)))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newRig(t, push.Limits{})
			status, body, _ := x.post(c.kind, "/ingest/"+c.kind, []byte(c.body), c.headers...)
			if want := fmt.Sprintf(`{"accepted":%d}`, len(c.want)); status != 200 || body != want {
				t.Errorf("got %d %s, want 200 %s", status, body, want)
			}
			if got := strings.Join(x.spool.records, "|"); got != strings.Join(c.want, "|") {
				t.Errorf("kept %q, want %q", x.spool.records, c.want)
			}
			if beat := len(c.want) == 0; (x.spool.beats == 1) != beat {
				t.Errorf("got %d heartbeats", x.spool.beats)
			}
		})
	}
}

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
		{"revoked", "/ingest/json", []string{"Authorization", "Bearer " + x.tokens["revoked"]}, 403},
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
	limits := push.Limits{Packed: 64 << 10, Plain: 1 << 20, Ratio: 100, Records: 100, Held: 16 << 20}
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
	x := newRig(t, push.Limits{Held: 48 << 20})
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

// EventBridge asks for a range of the answer; that changes nothing.
func TestEventBridge(t *testing.T) {
	x := newRig(t, push.Limits{})
	event := `{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"AuditLogDisabled","source":"aws.partner/scalr.com/acme","account":"123456789012","time":"2026-01-02T03:00:00Z","region":"us-east-1","resources":[],"detail":{}}`
	status, body, _ := x.post("", "/ingest/scalr", []byte(event), "X-API-Key", x.tokens["scalr"], "Range", "bytes=0-1048575",
		"User-Agent", "Amazon/EventBridge/ApiDestinations", "Content-Type", "application/json; charset=utf-8", "Accept-Encoding", "gzip,deflate", "Connection", "close")
	if status != 200 || body != `{"accepted":1}` || x.spool.records[0] != event {
		t.Errorf("got %d %s, kept %v", status, body, x.spool.records)
	}
	for kind, c := range map[string]struct{ event, action string }{
		"scalr":          {event, "AuditLogDisabled"},
		"aws-cloudtrail": {`{"version":"0","id":"1","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":"1","time":"2026-01-02T03:00:00Z","region":"us-east-1","resources":[],"detail":{"eventVersion":"1.08","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","eventID":"e"}}`, "iam:CreateUser"},
		"okta":           {`{"version":"0","id":"1","detail-type":"SystemLog","source":"aws.partner/okta.com/x","account":"1","time":"2026-01-02T03:00:00Z","detail":{"eventType":"user.session.start","uuid":"u"}}`, "user.session.start"},
		"json":           {`{"version":"0","id":"1","detail-type":"any","source":"x","account":"1","time":"2026-01-02T03:00:00Z","detail":{"action":"user.login"}}`, "user.login"},
	} {
		k, err := source.Lookup(source.Kinds(), kind)
		if err != nil {
			t.Fatal(err)
		}
		out, err := k.Normalize(source.Record{Raw: []byte(c.event), Received: start})
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		e := out[0].Event
		if e.Action != c.action || !e.Time.Equal(time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)) || kind == "scalr" && !out[0].Ends {
			t.Errorf("%s: got %s at %s, ends %t", kind, e.Action, e.Time, out[0].Ends)
		}
	}
}

// Okta asks a hook once whether it is the one that was meant.
func TestOktaChallenge(t *testing.T) {
	x := newRig(t, push.Limits{})
	get := func(headers ...string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, "/ingest/okta", nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		x.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	if status, body := get("Authorization", x.tokens["okta"], "X-Okta-Verification-Challenge", `a"b`); status != 200 || body != `{"verification":"a\"b"}` {
		t.Errorf("got %d %s", status, body)
	}
	if status, body := get("X-Okta-Verification-Challenge", "a"); status != 401 || strings.Contains(body, "verification") {
		t.Errorf("without a token: %d %s", status, body)
	}
	if status, _ := get("Authorization", x.tokens["okta"]); status != 405 {
		t.Errorf("without a challenge: %d", status)
	}
}

// Every path of a door is kept from the pages, and no page's is taken.
func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{"/ingest/x": true, "/ingest": true, "/services/collector": true, "/services/collector/event": true, "/v1/logs": true,
		"/api/v2/logs": true, "/api/v1/input": true, "/": false, "/sources/ingest": false, "/ingestion": false, "/api/events": false, "/v1/logsx": false, "/reports": false} {
		if push.Owns(path) != want {
			t.Errorf("%s: got %t", path, !want)
		}
	}
	x := newRig(t, push.Limits{})
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodHead} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, "/v1/logs", nil)
		r.Header.Set("Authorization", "Bearer "+x.tokens["json"])
		x.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d", method, w.Code)
		}
	}
}

func FuzzIngest(f *testing.F) {
	x := newRig(f, push.Limits{Plain: 4 << 20, Packed: 1 << 20})
	for _, seed := range []string{"", `{"a":1}`, `[{"a":1},{`, "x\ny", `{"data":[{"a":1}]}`} {
		f.Add([]byte(seed), "")
		f.Add(pack(f, "gzip", []byte(seed)), "gzip")
		f.Add(pack(f, "zstd", []byte(seed)), "zstd")
		f.Add(pack(f, "deflate", []byte(seed)), "deflate")
	}
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		x.spool.records = nil
		status, answer, _ := x.post("json", "/ingest/json", body, "Content-Encoding", encoding)
		if status != 200 && status != 413 && status != 415 {
			t.Fatalf("got %d %s", status, answer)
		}
		// What is not compressed comes out again, but for white space and frames.
		if status == 200 && len(bytes.TrimSpace(body)) > 0 && len(body) < 1000 && len(x.spool.records) == 0 && !strings.ContainsAny(string(body[:1]), "[{\x1f(") && encoding == "" && !bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
			t.Errorf("nothing was kept of %q", body)
		}
	})
}

func basic(user, password string) string {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}
