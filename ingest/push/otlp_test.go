package push_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/event"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

const (
	typeJSON     = "application/json"
	typeProtobuf = "application/x-protobuf"
)

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

// request is two log records of one resource and one of another.
func request() *collector.ExportLogsServiceRequest {
	all := &common.AnyValue{Value: &common.AnyValue_KvlistValue{KvlistValue: &common.KeyValueList{Values: []*common.KeyValue{
		{Key: "s", Value: text(`"\` + "\n\u2028")},
		{Key: "i", Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: -9007199254740993}}},
		{Key: "d", Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: 0.1}}},
		{Key: "b", Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{}}},
		{Key: "y", Value: &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte{0, 255}}}},
		{Key: "a", Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{text("x"), {}}}}}},
	}}}}
	return &collector.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{
		{
			Resource:  &resource.Resource{Attributes: []*common.KeyValue{{Key: "service.name", Value: text("shop")}}},
			SchemaUrl: "https://x",
			ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "lib", Version: "1"}, LogRecords: []*logs.LogRecord{
				{TimeUnixNano: 1767322800000000001, SeverityNumber: 9, SeverityText: "INFO", Body: text(`{"action":"a"}`), TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{0xcd}, 8)},
				{ObservedTimeUnixNano: 1, Body: all, Flags: 1, EventName: "e"},
			}}},
		},
		{ScopeLogs: []*logs.ScopeLogs{{LogRecords: []*logs.LogRecord{{}}}}},
	}}
}

var wantRecords = []string{
	`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"schemaUrl":"https://x","scopeLogs":[{"scope":{"name":"lib","version":"1"},"logRecords":[{"traceId":"abababababababababababababababab","spanId":"cdcdcdcdcdcdcdcd","timeUnixNano":"1767322800000000001","severityNumber":9,"severityText":"INFO","body":{"stringValue":"{\"action\":\"a\"}"}}]}]}]}`,
	`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"schemaUrl":"https://x","scopeLogs":[{"scope":{"name":"lib","version":"1"},"logRecords":[{"observedTimeUnixNano":"1","body":{"kvlistValue":{"values":[{"key":"s","value":{"stringValue":"\"\\\n\u2028"}},{"key":"i","value":{"intValue":"-9007199254740993"}},{"key":"d","value":{"doubleValue":0.1}},{"key":"b","value":{"boolValue":false}},{"key":"y","value":{"bytesValue":"AP8="}},{"key":"a","value":{"arrayValue":{"values":[{"stringValue":"x"},{}]}}}]}},"flags":1,"eventName":"e"}]}]}]}`,
	`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}]}]}]}`,
}

// Both forms of a request give the same records, and in JSON nothing is lost that the
// protocol does not know.
func TestOTLP(t *testing.T) {
	body, err := proto.Marshal(request())
	if err != nil {
		t.Fatal(err)
	}
	x := newRig(t, push.Limits{})
	status, answer, head := x.post("json", "/v1/logs", body, "Content-Type", typeProtobuf)
	if status != 200 || answer != "" || head.Get("Content-Type") != typeProtobuf {
		t.Errorf("got %d %q %s", status, answer, head)
	}
	if len(x.spool.records) != len(wantRecords) {
		t.Fatalf("kept %d", len(x.spool.records))
	}
	for i, want := range wantRecords {
		want = strings.ReplaceAll(want, `\u2028`, "\u2028")
		if got := strings.ReplaceAll(x.spool.records[i], `\u2028`, "\u2028"); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	// The same again, as JSON: put together from the records, with white space and names
	// that nobody knows.
	var lists []string
	for _, r := range x.spool.records {
		lists = append(lists, strings.TrimSuffix(strings.TrimPrefix(r, `{"resourceLogs":[`), `]}`))
	}
	before := x.spool.records
	x.spool.records = nil
	status, answer, head = x.post("json", "/ingest/json/v1/logs", pack(t, "gzip", []byte(` { "new":[1], "resourceLogs" : [ `+strings.Join(lists, " , ")+` ] } `)), "Content-Type", "application/json; charset=utf-8", "Content-Encoding", "gzip")
	if status != 200 || answer != "{}" || !strings.HasPrefix(head.Get("Content-Type"), typeJSON) {
		t.Errorf("got %d %q %s", status, answer, head)
	}
	if strings.Join(before, "|") != strings.Join(x.spool.records, "|") {
		t.Errorf("got %q, want %q", x.spool.records, before)
	}
	odd := `{"resourceLogs":[{"new":{"x":1},"resource":{"a": 1},"scopeLogs":[{"logRecords":[{"timeUnixNano":5,"unknown":[ 1 ]}],"later":true}]}]}`
	x.spool.records = nil
	x.post("json", "/v1/logs", []byte(odd), "Content-Type", typeJSON)
	if want := `{"resourceLogs":[{"new":{"x":1},"resource":{"a": 1},"scopeLogs":[{"later":true,"logRecords":[{"timeUnixNano":5,"unknown":[ 1 ]}]}]}]}`; len(x.spool.records) != 1 || x.spool.records[0] != want {
		t.Errorf("got %q, want %s", x.spool.records, want)
	}
}

func TestOTLPAnswers(t *testing.T) {
	rpc := func(code byte, message string) string {
		return string([]byte{8, code, 18, byte(len(message))}) + message
	}
	for _, c := range []struct {
		name, kind, body, answer string
		status, kept             int
	}{
		{"nothing", typeJSON, "{}", "{}", 200, 0},
		{"nothing in protobuf", typeProtobuf, "", "", 200, 0},
		{"no resources", typeJSON, `{"resourceLogs":null}`, "{}", 200, 0},
		{"a resource without logs", typeJSON, `{"resourceLogs":[{"resource":{}}]}`, "{}", 200, 0},
		{"no log record", typeJSON, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},5,"x"]}]}]}`,
			`{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"they are no log records; they are kept as rejects"}}`, 200, 3},
		{"a name twice in a log record", typeJSON, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{},"body":{}},{}]}]}]}`, "{}", 200, 2},
		{"the log records twice", typeJSON, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{}],"logRecords":[{},{}]}]}]}`,
			`{"code":3,"message":"the body cannot be decoded: logRecords is there twice"}`, 400, 1},
		{"no JSON", typeJSON, `{"resourceLogs":[`, "", 400, 1},
		{"an array", typeJSON, `[]`, `{"code":3,"message":"the body cannot be decoded: there is no object with resourceLogs"}`, 400, 1},
		{"traces", typeJSON, `{"resourceSpans":[]}`, `{"code":3,"message":"the body cannot be decoded: there is no resourceLogs beside \"resourceSpans\""}`, 400, 1},
		{"names of protobuf", typeJSON, `{"resourceLogs":[{"scope_logs":[{}]}]}`, `{"code":3,"message":"the body cannot be decoded: there is no scopeLogs beside \"scope_logs\""}`, 400, 1},
		{"no protobuf", typeProtobuf, "hello", "", 400, 1},
		{"no type", "", "{}", "", 415, 0},
		{"another type", "text/plain", "{}", "", 415, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newRig(t, push.Limits{})
			status, answer, head := x.post("json", "/v1/logs", []byte(c.body), "Content-Type", c.kind)
			if status != c.status || len(x.spool.records) != c.kept || c.answer != "" && answer != c.answer {
				t.Errorf("got %d %q, kept %q; want %d %q", status, answer, x.spool.records, c.status, c.answer)
			}
			if c.kind != "" && c.kind != "text/plain" && !strings.HasPrefix(head.Get("Content-Type"), c.kind) {
				t.Errorf("answered in %s", head.Get("Content-Type"))
			}
		})
	}
	x := newRig(t, push.Limits{})
	x.spool.err = &spool.FullError{Since: start, RetryAfter: time.Second}
	if status, answer, _ := x.post("json", "/v1/logs", nil, "Content-Type", typeProtobuf); status != 503 || answer != rpc(14, "there is no room for more records; send them again later") {
		t.Errorf("got %d %q", status, answer)
	}
	if status, answer, _ := x.post("", "/v1/logs", nil, "Content-Type", typeProtobuf); status != 401 || answer != rpc(16, "Token is required") {
		t.Errorf("got %d %q", status, answer)
	}
}

// One byte that is wrong does not hide the log records beside it: only what has it is
// kept as it came.
func TestOTLPOneBadByte(t *testing.T) {
	for _, c := range []struct {
		name, spoil string
		kept, wrong int
	}{
		{"in a log record", "hello", 3, 1},
		{"in a scope", "lib", 2, 2},
		{"in a resource", "shop", 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request()
			r.ResourceLogs[0].ScopeLogs[0].LogRecords[1].Body = text("hello")
			body, err := proto.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			spoiled := "\xff" + c.spoil[1:]
			body = bytes.Replace(body, []byte(c.spoil), []byte(spoiled), 1)
			x := newRig(t, push.Limits{})
			status, answer, _ := x.post("json", "/v1/logs", body, "Content-Type", typeProtobuf)
			var got collector.ExportLogsServiceResponse
			if err := proto.Unmarshal([]byte(answer), &got); err != nil || status != 200 || got.GetPartialSuccess().GetRejectedLogRecords() != int64(c.wrong) {
				t.Errorf("got %d %v, %v", status, &got, err)
			}
			if len(x.spool.records) != c.kept || len(x.spool.refused) > 0 {
				t.Fatalf("kept %q, missing at %v", x.spool.records, x.spool.refused)
			}
			for _, raw := range x.spool.records {
				// What is wrong is a request that anybody else can read, with what was around it.
				wrong := strings.Contains(raw, spoiled)
				if wrong == json.Valid([]byte(raw)) || wrong && (raw[0] != 10 || !strings.Contains(raw, "service.name")) {
					t.Errorf("kept %q", raw)
				}
				if wrong && proto.Unmarshal([]byte(strings.Replace(raw, spoiled, c.spoil, 1)), &collector.ExportLogsServiceRequest{}) != nil {
					t.Errorf("%q is no request", raw)
				}
			}
		})
	}
}

// A large resource is written with each of its log records, within limits.
func TestOTLPBomb(t *testing.T) {
	x := newRig(t, push.Limits{Plain: 1 << 20})
	body := `{"resourceLogs":[{"resource":{"x":"` + strings.Repeat("x", 100<<10) + `"},"scopeLogs":[{"logRecords":[` + strings.Repeat("{},", 1000) + `{}]}]}]}`
	if status, answer, _ := x.post("json", "/v1/logs", []byte(body), "Content-Type", typeJSON); status != 413 || len(x.spool.records) > 0 {
		t.Errorf("got %d %s", status, answer)
	}
}

// The exporter of OpenTelemetry for Go sends until it is told that all is on disk.
func TestOpenTelemetrySDK(t *testing.T) {
	x := newRig(t, push.Limits{})
	x.spool.err, x.spool.until = &spool.FullError{Since: start, RetryAfter: time.Second}, 2
	server := httptest.NewServer(x)
	defer server.Close()
	ctx := context.Background()
	exporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(server.URL+"/v1/logs"), otlploghttp.WithCompression(otlploghttp.GzipCompression),
		otlploghttp.WithHeaders(map[string]string{"Authorization": "Bearer " + x.tokens["json"]}),
		otlploghttp.WithRetry(otlploghttp.RetryConfig{Enabled: true, InitialInterval: time.Millisecond, MaxInterval: 10 * time.Millisecond, MaxElapsedTime: time.Minute}))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	logger := provider.Logger("audit")
	const n = 1000
	for i := range n {
		var r log.Record
		r.SetTimestamp(start.Add(time.Duration(i)))
		if i%2 == 0 {
			r.SetBody(attribute.StringValue(`{"action":"user.login","user":{"id":"u1"}}`))
		} else {
			r.SetEventName("user.login")
			r.AddAttributes(attribute.String("user.id", "u1"))
		}
		logger.Emit(ctx, r)
	}
	if err := provider.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if counted(x, "spool full") != 2 {
		t.Errorf("the exporter was sent away %d times", counted(x, "spool full"))
	}
	if len(x.spool.records) != n {
		t.Fatalf("kept %d of %d", len(x.spool.records), n)
	}
	k, err := source.Lookup(source.Kinds(), "json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]bool{}
	for _, raw := range x.spool.records {
		out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: start})
		if err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		e := out[0].Event
		if e.Action != "user.login" || e.Actor.ID != "u1" || e.Section != event.Logins {
			t.Fatalf("got %+v", e)
		}
		seen[e.Time.UnixNano()] = true
	}
	if len(seen) != n {
		t.Errorf("got %d times of %d", len(seen), n)
	}
}

func counted(x *rig, what string) (n uint64) {
	for _, c := range x.Counts() {
		if string(c.Outcome) == what {
			n += c.N
		}
	}
	return n
}

func FuzzOTLP(f *testing.F) {
	x := newRig(f, push.Limits{})
	body, err := proto.Marshal(request())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body, true)
	for _, r := range wantRecords {
		f.Add([]byte(r), false)
	}
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[1]}]}]}`), false)
	f.Fuzz(func(t *testing.T, body []byte, protobuf bool) {
		x.spool.records = nil
		kind := typeJSON
		if protobuf {
			kind = typeProtobuf
		}
		status, answer, _ := x.post("json", "/v1/logs", body, "Content-Type", kind)
		if status != 200 && status != 400 && status != 413 {
			t.Fatalf("got %d %s", status, answer)
		}
		if status == 400 && len(x.spool.records) != 1 {
			t.Errorf("400, and %d records were kept", len(x.spool.records))
		}
		var whole collector.ExportLogsServiceRequest
		if status != 200 || !protobuf || proto.Unmarshal(body, &whole) != nil {
			return
		}
		// What is a request is cut as it is.
		n := 0
		for _, r := range whole.ResourceLogs {
			for _, s := range r.ScopeLogs {
				n += len(s.LogRecords)
			}
		}
		if len(x.spool.records) != n || answer != "" {
			t.Errorf("kept %d of %d, answered %q", len(x.spool.records), n, answer)
		}
		for _, r := range x.spool.records {
			if !json.Valid([]byte(r)) {
				t.Errorf("no JSON: %q", r)
			}
		}
	})
}
