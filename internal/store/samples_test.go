package store_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"exhibit/internal/event"
	"exhibit/internal/store"
)

// samples returns the records of other people's logs: every file whole where it is
// small enough, and every line of it.
func samples(t *testing.T) []string {
	t.Helper()
	const dir = "../../../shared/samples"
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no samples: %v", err)
	}
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if len(b) <= 1<<20 {
			list = append(list, string(b))
		}
		for line := range bytes.Lines(b) {
			list = append(list, string(bytes.TrimRight(line, "\r\n")))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The line of an event that holds a real record comes out of the store as it went in.
func TestSamplesSurviveTheStore(t *testing.T) {
	db := open(t)
	list := samples(t)
	r := rand.New(rand.NewPCG(3, 4))
	want := make(map[string]string, len(list))
	var events []*event.Event
	insert := func() {
		if err := db.InsertEvents(t.Context(), 0, events); err != nil {
			t.Fatal(err)
		}
		events = nil
	}
	bytes := 0
	for n, raw := range list {
		e := &event.Event{Source: "samples", ID: fmt.Sprint(n), Time: day(1 + n%3), Received: day(4), Section: event.Sections()[n%10], Outcome: event.Unknown,
			Action: raw[:min(len(raw), 200)], Changes: raw[:min(len(raw), 2000)], Target: event.Target{Name: raw[:min(len(raw), 50)]}, Raw: raw}
		e.Clean()
		for i := range e.Salt {
			e.Salt[i] = byte(r.Uint32())
		}
		want[e.ID] = string(e.AppendLine(nil))
		events = append(events, e)
		if bytes += len(raw); bytes > 32<<20 {
			insert()
			bytes = 0
		}
	}
	insert()
	got := 0
	err := db.EachEvent(t.Context(), store.Snapshot{Size: 1}, []string{"samples"}, all(), func(_ uint64, e *event.Event) error {
		got++
		line := string(e.AppendLine(nil))
		if line != want[e.ID] {
			return fmt.Errorf("record %s came out changed:\n%.300q\nwent in as\n%.300q", e.ID, line, want[e.ID])
		}
		var back event.Event
		if err := back.Parse(line); err != nil {
			return fmt.Errorf("record %s: %w", e.ID, err)
		}
		return nil
	})
	if err != nil || got != len(list) {
		t.Fatalf("%d of %d records, %v", got, len(list), err)
	}
	t.Logf("%d records of samples", got)
}
