package source_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"exhibit/ingest/source"
)

// Pieces in memory that is used again are the same while they are looked at.
func TestRecordsReuse(t *testing.T) {
	var lines strings.Builder
	for i := range 3000 { // several MiB, some lines of more than half a chunk
		fmt.Fprintf(&lines, `{"id":%d,"text":"%s"}`+"\n", i, strings.Repeat("x", i%1500+i%997/996*700_000))
	}
	array := "[" + strings.ReplaceAll(strings.TrimSpace(lines.String()), "\n", ",\n") + "]"
	for _, text := range []string{lines.String(), array} {
		read := func(reuse bool) (out [][]byte) {
			for p, err := range source.Records(strings.NewReader(text), source.RecordsOptions{Reuse: reuse}) {
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, bytes.Clone(p.Raw))
			}
			return out
		}
		if want, got := read(false), read(true); len(want) != 3000 || !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("%d pieces, want %d, or they differ", len(got), len(want))
		}
	}
}
