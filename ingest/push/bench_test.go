package push_test

import (
	"bytes"
	"fmt"
	"testing"

	"exhibit/ingest/push"

	"google.golang.org/protobuf/proto"
)

// BenchmarkDoors takes requests of 500 records of 700 bytes, and single ones.
func BenchmarkDoors(b *testing.B) {
	var lines, events bytes.Buffer
	one := []byte(fmt.Sprintf(`{"action":"user.login","id":"1","text":%q}`, bytes.Repeat([]byte("x"), 650)))
	for range 500 {
		lines.Write(append(one, '\n'))
		fmt.Fprintf(&events, `{"time":1767322800,"event":%s}`, one)
	}
	batch := request()
	scope := batch.ResourceLogs[0].ScopeLogs[0]
	for scope.LogRecords[0].Body = text(string(one)); len(scope.LogRecords) < 500; {
		scope.LogRecords = append(scope.LogRecords, scope.LogRecords[0])
	}
	otlp, err := proto.Marshal(batch)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name, path, kind string
		body             []byte
		records          int
	}{
		{"lines", "/ingest/json", "", lines.Bytes(), 500},
		{"lines in gzip", "/ingest/json", "gzip", pack(b, "gzip", lines.Bytes()), 500},
		{"one", "/ingest/json", "", one, 1},
		{"HEC", "/services/collector/event", "", events.Bytes(), 500},
		{"OTLP", "/v1/logs", typeProtobuf, otlp, 500},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := newRig(b, push.Limits{})
			header := []string{"Content-Type", c.kind}
			if c.kind == "gzip" {
				header = []string{"Content-Encoding", "gzip"}
			}
			b.ReportAllocs()
			for b.Loop() {
				x.spool.records, x.spool.of = x.spool.records[:0], x.spool.of[:0]
				if status, answer, _ := x.post("json", c.path, c.body, header...); status != 200 {
					b.Fatalf("got %d %s", status, answer)
				}
			}
			b.ReportMetric(float64(b.N*c.records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
