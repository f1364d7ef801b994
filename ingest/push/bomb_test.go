package push_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"exhibit/ingest/push"

	"google.golang.org/protobuf/encoding/protowire"
)

// field writes a field of protobuf.
func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// A body of a few KiB cannot be made to take a lot of memory: cutting ends with the
// first record that is too many, and what is not cut to its end is not kept in parts.
func TestManySmallRecords(t *testing.T) {
	const plain = 4 << 20
	fill := func(s string) []byte { return bytes.Repeat([]byte(s), plain/len(s)) }
	list := func(before, s, after string) []byte { return append(append([]byte(before), fill(s)...), after...) }
	record := func(b []byte) []byte { return field(1, field(2, field(2, b))) }
	for _, c := range []struct {
		name, path, kind string
		body             []byte
		status, kept     int
	}{
		{"lines", "/ingest/json", "", fill("1\n"), 413, 0},
		{"array", "/ingest/json", "", list("[", "{},", "{}]"), 413, 0},
		{"HEC", "/services/collector", "", fill("1 "), 413, 0},
		{"HEC from a mistake on", "/services/collector", "", list("{]", "1\n", ""), 413, 0},
		{"raw", "/services/collector/raw", "", fill("1\n"), 413, 0},
		{"acks", "/services/collector/ack?channel=" + channel, typeJSON, list(`{"acks":[`, "1,", "1]}"), 413, 0},
		{"Datadog", "/api/v2/logs", typeJSON, list("[", `{"":1},`, "{}]"), 413, 0},
		{"Datadog, asking", "/api/v2/logs", typeJSON, list("[", "{},", `{"message":"a"}]`), 413, 0},
		{"OTLP", "/v1/logs", typeProtobuf, field(1, field(2, fill("\x12\x00"))), 413, 0},
		{"OTLP, wrong ones", "/v1/logs", typeProtobuf, field(1, field(2, fill("\x12\x01\xff"))), 413, 0},
		{"OTLP, resources", "/v1/logs", typeProtobuf, fill("\x0a\x00"), 413, 0},
		{"OTLP, scopes", "/v1/logs", typeProtobuf, field(1, fill("\x12\x00")), 413, 0},
		{"OTLP, attributes", "/v1/logs", typeProtobuf, record(fill("\x32\x00")), 200, 1},
		{"OTLP, attributes of a resource", "/v1/logs", typeProtobuf, field(1, append(field(1, fill("\x0a\x00")), field(2, field(2, nil))...)), 200, 1},
		{"OTLP, values in a body", "/v1/logs", typeProtobuf, record(field(5, field(5, fill("\x0a\x00")))), 200, 1},
		{"OTLP in JSON", "/v1/logs", typeJSON, list(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[`, "{},", `{}]}]}]}`), 413, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newRig(t, push.Limits{Records: 10_000})
			packed := pack(t, "gzip", c.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			status, answer, _ := x.post("json", c.path, packed, "Content-Encoding", "gzip", "Content-Type", c.kind)
			runtime.ReadMemStats(&after)
			if status != c.status || len(x.spool.records) != c.kept {
				t.Errorf("got %d %.200s, kept %d; want %d, %d", status, answer, len(x.spool.records), c.status, c.kept)
			}
			// Reading it in steps that double makes 16 MiB.
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 64 {
				t.Errorf("%d KiB took %d MiB", len(packed)>>10, took)
			}
		})
	}
}

// What records take beside their bytes counts towards what may be held.
func TestRecordsAreHeld(t *testing.T) {
	x := newRig(t, push.Limits{Held: 1 << 20})
	if status, answer, _ := x.post("json", "/ingest/json", []byte(strings.Repeat("1\n", 10_000))); status != 413 {
		t.Errorf("got %d %s", status, answer)
	}
	if status, answer, _ := x.post("json", "/ingest/json", []byte(strings.Repeat("1\n", 1000))); status != 200 {
		t.Errorf("got %d %s", status, answer)
	}
}
