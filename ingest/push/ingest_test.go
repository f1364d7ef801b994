package push_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
)

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
