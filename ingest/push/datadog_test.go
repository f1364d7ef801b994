package push_test

import (
	"fmt"
	"strings"
	"testing"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
)

func TestDatadog(t *testing.T) {
	a := `{"ddsource":"scalr","ddtags":"env:prod","hostname":"h","service":"audit-log","message":"{\"request\":{\"action\":\"login\"}}"}`
	b := `{"message":"b","data":[{"message":"inner"}],"logs":[1]}`
	for _, c := range []struct {
		name, path, body, encoding string
		status                     int
		want                       []string
	}{
		{"array", "/api/v2/logs", "[" + a + "," + b + "]", "", 202, []string{a, b}},
		{"one", "/api/v2/logs", b, "", 202, []string{b}},
		{"lines", "/api/v2/logs", a + "\n" + b, "", 202, []string{a, b}},
		{"gzip", "/api/v2/logs", string(pack(t, "gzip", []byte("["+a+"]"))), "gzip", 202, []string{a}},
		{"zstd", "/api/v2/logs", string(pack(t, "zstd", []byte("["+a+"]"))), "zstd", 202, []string{a}},
		{"deflate", "/api/v2/logs", string(pack(t, "deflate", []byte("["+a+"]"))), "deflate", 202, []string{a}},
		{"an agent that asks", "/api/v2/logs", "{}", "", 202, nil},
		{"nothing", "/api/v2/logs", "[]", "", 202, nil},
		{"text", "/api/v2/logs", "hello", "", 202, []string{"hello"}},
		{"damaged", "/api/v2/logs", "hello", "gzip", 400, []string{"hello"}},
		{"the older way", "/api/v1/input", "[" + a + "]", "", 200, []string{a}},
		{"the oldest way", "/v1/input", "[" + a + "]", "", 200, []string{a}},
		{"unknown encoding", "/api/v2/logs", a, "br", 415, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newRig(t, push.Limits{})
			status, body, _ := x.post("", c.path, []byte(c.body), "DD-API-KEY", x.tokens["datadog"], "Content-Encoding", c.encoding)
			if status != c.status || status < 300 && body != "{}" || status >= 300 && !strings.Contains(body, `"errors":[{"status":"4`) {
				t.Errorf("got %d %s, want %d", status, body, c.status)
			}
			if got := strings.Join(x.spool.records, "|"); got != strings.Join(c.want, "|") {
				t.Errorf("kept %q, want %q", x.spool.records, c.want)
			}
		})
	}
	for _, name := range []string{"datadog", "scalr"} {
		k, err := source.Lookup(source.Kinds(), name)
		if err != nil {
			t.Fatal(err)
		}
		out, err := k.Normalize(source.Record{Raw: []byte(a), Received: start})
		if err != nil || out[0].Event.Action != "login" {
			t.Errorf("%s: got %v, %v", name, out, err)
		}
	}
}

// Senders tell a key that is missing from a wrong one.
func TestDatadogRefusals(t *testing.T) {
	x := newRig(t, push.Limits{})
	for _, c := range []struct{ path, key, answer string }{
		{"/api/v2/logs", "", `401 {"errors":[{"status":"401","title":"Unauthorized","detail":"Token is required"}]}`},
		{"/api/v2/logs", "exh_nonsense", `403 {"errors":[{"status":"403","title":"Forbidden","detail":"the token is not known"}]}`},
		{"/api/v2/logs", x.tokens["revoked"], `403 {"errors":[{"status":"403","title":"Forbidden","detail":"the token was revoked"}]}`},
		{"/v1/input", "exh_nonsense", `403 {"code":403,"message":"the token is not known"}`},
	} {
		status, body, _ := x.post("", c.path, []byte("{}"), "DD-API-KEY", c.key)
		if got := fmt.Sprint(status, " ", body); got != c.answer {
			t.Errorf("%s with %q: got %s, want %s", c.path, c.key, got, c.answer)
		}
	}
}

func FuzzDatadog(f *testing.F) {
	x := newRig(f, push.Limits{})
	for _, seed := range []string{"", "[]", `[{"message":"a"},{"message":"b"}]`, `{"message":"a"}`, "x\ny", `[{"message":"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		x.spool.records = nil
		status, answer, _ := x.post("datadog", "/api/v2/logs", body)
		if status != 202 && status != 400 && status != 413 {
			t.Fatalf("got %d %s", status, answer)
		}
	})
}
