package source_test

import (
	"fmt"
	"strings"
	"testing"
)

// Every operation of Scalr's API is filed where the reference says.
func TestScalrOperations(t *testing.T) {
	text := string(reference(t, "classification/scalr-actions-classified.tsv"))
	k := kind(t, "scalr")
	n := 0
	for line := range strings.Lines(text) {
		col := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if n++; n == 1 {
			continue // the names of the columns
		}
		r := normalize(t, k, fmt.Sprintf(`{"request":{"action":%q},"outcome":{"result":"SUCCESS"}}`, col[2]))
		got := fmt.Sprintf("%s class %d %s", r.Event.Action, r.Event.Class, r.Event.Section)
		if want := fmt.Sprintf("%s class %s %s", col[2], col[3], col[5]); got != want || r.Unmapped {
			t.Errorf("got  %s unmapped %v\nwant %s", got, r.Unmapped, want)
		}
	}
	if n < 300 {
		t.Errorf("got %d lines, want all operations", n)
	}
}
