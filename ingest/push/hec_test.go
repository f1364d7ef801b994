package push_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
	"exhibit/internal/event"
)

const channel = "0AEE9A6C-8D9A-4D6B-9C1B-2D6D0A3F4E5F"

func TestHEC(t *testing.T) {
	a, b := `{"time":1426279439.123,"host":"h","source":"s","sourcetype":"t","index":"main","event":"hello","fields":{"x":["a"]}}`, `{"event":{"a":{"b":1}}}`
	for _, c := range []struct {
		name, path, body, answer string
		status                   int
		headers                  []string
		want                     []string
	}{
		{"one", "", a, `{"text":"Success","code":0}`, 200, nil, []string{a}},
		{"one after the other", "/event", a + b, `{"text":"Success","code":0}`, 200, nil, []string{a, b}},
		{"on lines", "/event/1.0", a + "\n" + b + "\r\n", `{"text":"Success","code":0}`, 200, nil, []string{a, b}},
		{"gzip", "/", string(pack(t, "gzip", []byte(a))), `{"text":"Success","code":0}`, 200, []string{"Content-Encoding", "gzip"}, []string{a}},
		{"Basic", "/event", a, `{"text":"Success","code":0}`, 200, []string{"Authorization", "basic"}, []string{a}},
		{"no data", "/event", "", `{"text":"No data","code":5}`, 400, nil, nil},
		{"space", "/event", " \n", `{"text":"No data","code":5}`, 400, nil, nil},
		{"no event", "/event", a + `{"time":1}`, `{"text":"Event field is required","code":12,"invalid-event-number":1}`, 400, nil, []string{a, `{"time":1}`}},
		{"blank event", "/event", `{"event":""}` + a, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 400, nil, []string{`{"event":""}`, a}},
		{"null event", "/event", `{"event":null}`, `{"text":"Event field cannot be blank","code":13,"invalid-event-number":0}`, 400, nil, []string{`{"event":null}`}},
		{"nested fields", "/event", `{"event":"x","fields":{"a":{"b":1}}}`, `{"text":"Error in handling indexed fields","code":15,"invalid-event-number":0}`, 400, nil, []string{`{"event":"x","fields":{"a":{"b":1}}}`}},
		{"array", "/event", "[" + a + "]", `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 400, nil, []string{"[" + a + "]"}},
		{"no JSON", "/event", a + "\nhello\n" + b, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, 400, nil, []string{a, "hello", b}},
		{"cut short", "/event", a + `{"event":"x`, `{"text":"Invalid data format","code":6,"invalid-event-number":1}`, 400, nil, []string{a, `{"event":"x`}},
		{"damaged gzip", "/event", "x", `{"text":"Invalid data format","code":6,"invalid-event-number":0}`, 400, []string{"Content-Encoding", "gzip"}, []string{"x"}},
		{"raw", "/raw", `{"a":1}` + "\n" + `{"a":2}`, `{"text":"Success","code":0}`, 200, nil, []string{`{"a":1}`, `{"a":2}`}},
		{"raw text", "/raw/1.0", "hello", `{"text":"Success","code":0}`, 200, nil, []string{"hello"}},
		{"raw nothing", "/raw", "", `{"text":"No data","code":5}`, 400, nil, nil},
		{"channel", "/event", a, `{"text":"Success","code":0,"ackId":0}`, 200, []string{"X-Splunk-Request-Channel", channel}, []string{a}},
		{"channel in the address", "/raw?channel=" + channel, "hello", `{"text":"Success","code":0,"ackId":0}`, 200, nil, []string{"hello"}},
		{"no GUID", "/event", a, `{"text":"Invalid data channel","code":11}`, 400, []string{"X-Splunk-Request-Channel", "x"}, nil},
		{"acks without channel", "/ack", `{"acks":[0]}`, `{"text":"Data channel is missing","code":10}`, 400, nil, nil},
		{"acks of nothing", "/ack?channel=" + channel, `{`, `{"text":"Invalid data format","code":6}`, 400, nil, nil},
		{"unknown encoding", "/event", a, `{"text":"Invalid data format","code":6}`, 415, []string{"Content-Encoding", "br"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newRig(t, push.Limits{})
			auth := []string{"Authorization", "Splunk " + x.tokens["json"]}
			if len(c.headers) > 0 && c.headers[0] == "Authorization" {
				auth, c.headers = []string{"Authorization", basic("x", x.tokens["json"])}, nil
			}
			status, answer, _ := x.post("", "/services/collector"+c.path, []byte(c.body), append(auth, c.headers...)...)
			if status != c.status || answer != c.answer {
				t.Errorf("got %d %s, want %d %s", status, answer, c.status, c.answer)
			}
			if got := strings.Join(x.spool.records, "|"); got != strings.Join(c.want, "|") {
				t.Errorf("kept %q, want %q", x.spool.records, c.want)
			}
			// What was kept is not missing, whatever the sender is told.
			if lost := c.status != 200 && len(c.want) == 0 && (strings.Contains(answer, `"code":11`) || c.status == 415); (len(x.spool.refused) > 0) != lost {
				t.Errorf("noted as turned away: %v", x.spool.refused)
			}
		})
	}
}

func TestHECTokens(t *testing.T) {
	x := newRig(t, push.Limits{})
	for _, c := range []struct {
		query, header string
		status        int
		answer        string
	}{
		{"", "", 401, `{"text":"Token is required","code":2}`},
		{"", "Digest x", 401, `{"text":"Invalid authorization","code":3}`},
		{"", "Splunk exh_nonsense", 403, `{"text":"Invalid token","code":4}`},
		{"", "Splunk " + x.tokens["revoked"], 403, `{"text":"Token disabled","code":1}`},
		{"?token=" + x.tokens["json"], "", 400, `{"text":"Query string authorization is not enabled","code":16}`},
	} {
		headers := []string{"Authorization", c.header}
		if c.header == "" {
			headers = nil
		}
		if status, body, _ := x.post("", "/services/collector/event"+c.query, []byte(`{"event":"x"}`), headers...); status != c.status || body != c.answer {
			t.Errorf("%q: got %d %s, want %d %s", c.header, status, body, c.status, c.answer)
		}
	}
	if len(x.spool.records) > 0 {
		t.Error("something was kept")
	}
}

// The status says what the code does, but for what Splunk has no code.
func TestHECStatuses(t *testing.T) {
	x := newRig(t, push.Limits{Records: 1})
	event := []byte(`{"event":"x"}`)
	for want, headers := range map[string][]string{
		`413 {"text":"Invalid data format","code":6}`: nil,
		`415 {"text":"Invalid data format","code":6}`: {"Content-Encoding", "br"},
	} {
		status, body, _ := x.post("json", "/services/collector/event", slices.Concat(event, event), headers...)
		if got := fmt.Sprint(status, " ", body); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	got := ""
	for range 21 {
		status, body, _ := x.post("", "/services/collector/event", event)
		got = fmt.Sprint(status, " ", body)
	}
	if want := `429 {"text":"HEC queue is at capacity and cannot process any more requests","code":26}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A sender hears that a request is in the ledger when it is there, and once.
func TestHECAcks(t *testing.T) {
	x := newRig(t, push.Limits{Acks: 2})
	send := func(channel string) string {
		_, body, _ := x.post("json", "/services/collector/event", []byte(`{"event":"a"}{"event":"b"}`), "X-Splunk-Request-Channel", channel)
		return body
	}
	ask := func(of, channel, ids string) string {
		_, body, _ := x.post(of, "/services/collector/ack?channel="+channel, []byte(`{"acks":[`+ids+`]}`))
		return body
	}
	for i := range 3 {
		if got, want := send(channel), fmt.Sprintf(`{"text":"Success","code":0,"ackId":%d}`, i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	steps := []struct {
		committed uint64
		want      string
	}{
		{0, `{"acks":{"0":false,"1":false,"2":false,"7":false}}`},
		{1, `{"acks":{"0":false,"1":false,"2":false,"7":false}}`}, // half of the first
		{4, `{"acks":{"0":true,"1":true,"2":false,"7":false}}`},
		{6, `{"acks":{"0":false,"1":false,"2":true,"7":false}}`},
		{9, `{"acks":{"0":false,"1":false,"2":false,"7":false}}`},
	}
	for _, s := range steps {
		x.spool.committed = s.committed
		if got := ask("json", strings.ToLower(channel), "0,1,2,7"); got != s.want {
			t.Errorf("with %d committed: got %s, want %s", s.committed, got, s.want)
		}
	}
	// Another token has channels of its own.
	send(channel)
	x.spool.committed = 100
	if got := ask("okta", channel, "3"); got != `{"acks":{"3":false}}` {
		t.Errorf("another token hears %s", got)
	}
	// The channel that was not used for the longest time is forgotten first.
	for _, other := range []string{"1", "2"} {
		x.now = x.now.Add(time.Second)
		send(other + channel[1:])
	}
	if got := ask("json", channel, "3"); got != `{"acks":{"3":false}}` {
		t.Errorf("a forgotten channel: %s", got)
	}
	if got := ask("json", "2"+channel[1:], "0"); got != `{"acks":{"0":true}}` {
		t.Errorf("the newest channel: %s", got)
	}
}

// Senders that name a channel and never ask are not stopped by that, and one token
// does not make the channels of another be forgotten.
func TestHECAcksNobodyAsksFor(t *testing.T) {
	x := newRig(t, push.Limits{Acks: 2})
	send := func(of, channel string, id int) {
		t.Helper()
		status, body, _ := x.post(of, "/services/collector/event", []byte(`{"event":"a"}`), "X-Splunk-Request-Channel", channel)
		if want := fmt.Sprintf(`{"text":"Success","code":0,"ackId":%d}`, id); status != 200 || body != want {
			t.Fatalf("got %d %s, want %s", status, body, want)
		}
	}
	send("okta", channel, 0)
	for i := range 1002 {
		send("json", channel, i)
	}
	for _, c := range "12345" {
		send("json", string(c)+channel[1:], 0)
	}
	x.spool.committed = x.spool.mark
	for _, c := range []struct{ of, channel, ids, want string }{
		{"okta", channel, "0", `{"acks":{"0":true}}`},
		{"json", "5" + channel[1:], "0", `{"acks":{"0":true}}`},
		{"json", channel, "0", `{"acks":{"0":false}}`},
	} {
		if _, got, _ := x.post(c.of, "/services/collector/ack?channel="+c.channel, []byte(`{"acks":[`+c.ids+`]}`)); got != c.want {
			t.Errorf("%s asks for %s: got %s, want %s", c.of, c.channel, got, c.want)
		}
	}
	x = newRig(t, push.Limits{})
	for i := range 1002 {
		send("json", channel, i)
	}
	x.spool.committed = x.spool.mark
	if _, got, _ := x.post("json", "/services/collector/ack?channel="+channel, []byte(`{"acks":[0,1,2,1001]}`)); got != `{"acks":{"0":false,"1":false,"2":true,"1001":true}}` {
		t.Errorf("the oldest are not forgotten first: %s", got)
	}
}

func TestHECHealth(t *testing.T) {
	x := newRig(t, push.Limits{})
	get := func() (int, string) {
		w := httptest.NewRecorder()
		x.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/services/collector/health", nil))
		return w.Code, w.Body.String()
	}
	if status, body := get(); status != 200 || body != `{"text":"HEC is healthy","code":17}` {
		t.Errorf("got %d %s", status, body)
	}
	x.spool.full = true
	if status, body := get(); status != 503 || body != `{"text":"HEC is unhealthy, queues are full","code":18}` {
		t.Errorf("full: got %d %s", status, body)
	}
}

// The time of an event is what is around it, where it has none of its own.
func TestHECTime(t *testing.T) {
	k, err := source.Lookup(source.Kinds(), "hcp-platform")
	if err != nil {
		t.Fatal(err)
	}
	raw := `{"time":1767322800.25,"event":{"description":"Deleted project","status_code":"OK","action":"DELETE"}}`
	out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: start})
	if err != nil {
		t.Fatal(err)
	}
	if e := out[0].Event; e.Time.UnixMilli() != 1767322800250 || e.TimeBasis != event.BasisTransport || e.Raw != raw {
		t.Errorf("got %s (%s)", e.Time, e.TimeBasis)
	}
}

func FuzzHEC(f *testing.F) {
	x := newRig(f, push.Limits{})
	for _, seed := range []string{"", `{"event":1}{"event":"x"}`, `{"event":""}`, `{"time":1}`, `{"event":{},"fields":{"a":{}}}`, "x\n{}", `{"event":"x`, `{"event":1}]{"event":2}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		x.spool.records = nil
		status, answer, _ := x.post("json", "/services/collector/event", []byte(body))
		if status != 200 && status != 400 {
			t.Fatalf("got %d %s", status, answer)
		}
		// Whatever it says, all but white space was kept.
		if got, want := squeeze(strings.Join(x.spool.records, "")), squeeze(body); len(got) < len(want)-strings.Count(body, "[")-strings.Count(body, "]")-strings.Count(body, ",") && !strings.ContainsAny(body, "\x1f\x28\ufeff") {
			t.Errorf("of %q this was kept: %q", body, x.spool.records)
		}
	})
}

func squeeze(s string) string {
	return strings.NewReplacer(" ", "", "\n", "", "\r", "", "\t", "").Replace(s)
}
