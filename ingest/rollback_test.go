package ingest_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"exhibit/ingest"
	"exhibit/internal/coverage"
)

func removeFile(path string) error { return os.Remove(path) }

// A store that was restored to an older state is noticed, and after an operator
// accepts the loss, the ledger says what was lost and the gap is open again.
func TestRollback(t *testing.T) {
	s := newSite(t)
	w := s.open()
	lines := history(288)
	day1 := &coverage.Interval{From: start(), To: start().AddDate(0, 0, 1)}
	day2 := &coverage.Interval{From: day1.To, To: start().AddDate(0, 0, 2)}
	if _, err := w.importText(strings.Join(lines[:144], "\n"), day1); err != nil {
		t.Fatal(err)
	}
	if _, err := w.importText(strings.Join(lines[144:], "\n"), day2); err != nil {
		t.Fatal(err)
	}
	size := w.log.Head().State.Size
	w.stop()
	for _, statement := range []string{"ALTER TABLE ledger DELETE WHERE seq >= 2", "ALTER TABLE events DELETE WHERE batch >= 2 AND id != '00000200-db59-457c-8445-9c908ee726ae'"} {
		s.exec(statement)
	}
	if _, err := s.tryOpen(); !errors.Is(err, ingest.ErrRolledBack) || !strings.Contains(err.Error(), "exhibit accept --rollback") {
		t.Fatalf("got %v, want ErrRolledBack", err)
	}
	w, err := s.tryOpen(func(o *ingest.LogOptions) { o.Accept.Rollback = "ada" })
	if err != nil {
		t.Fatal(err)
	}
	head := w.log.Head()
	if head.State.Size <= size || len(head.State.Rollbacks) != 1 || len(head.State.Rollbacks[0].Segments) != 1 || head.State.Rollbacks[0].By != "ada" {
		t.Errorf("size %d (was %d), rollbacks %+v", head.State.Size, size, head.State.Rollbacks)
	}
	if got := head.State.Coverage("hcp-prod"); len(got) != 1 || got[0] != *day1 {
		t.Errorf("coverage %v, want only %v", got, day1)
	}
	if a := w.audit(); a.Events != 144 {
		t.Errorf("%d events, want 144", a.Events)
	}
	if _, err := w.importText(strings.Join(lines[144:], "\n"), day2); err != nil {
		t.Fatal(err)
	}
	if a := w.audit(); a.Events != 288 {
		t.Errorf("after the second import %d events, want 288", a.Events)
	}
	w.stop()
	again := s.open()
	again.audit()
}
