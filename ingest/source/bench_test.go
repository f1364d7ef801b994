package source_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"exhibit/ingest/source"

	"golang.org/x/tools/txtar"
)

// BenchmarkKinds measures how fast each kind makes events of the records in its
// fixtures.
func BenchmarkKinds(b *testing.B) {
	for _, k := range source.Kinds() {
		records, size := fixtureRecords(b, k)
		b.Run(k.Name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(size / len(records)))
			i := 0
			for b.Loop() {
				if _, err := k.Normalize(records[i%len(records)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// fixtureRecords returns the records in a kind's fixtures that become events.
func fixtureRecords(b *testing.B, k source.Kind) (records []source.Record, size int) {
	files, err := filepath.Glob(filepath.Join("testdata", k.Name, "*.txtar"))
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range files {
		a, err := txtar.ParseFile(path)
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range a.Files {
			r := source.Record{Raw: bytes.TrimSpace(f.Data), Received: received}
			if _, err := k.Normalize(r); strings.HasSuffix(f.Name, ".json") && err == nil {
				records, size = append(records, r), size+len(r.Raw)
			}
		}
	}
	if len(records) == 0 {
		b.Fatalf("no fixture of kind %s becomes an event", k.Name)
	}
	return records, size
}
