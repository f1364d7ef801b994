package ingest_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// auditor returns an auditor of the writer that ends after its first look.
func (w *writer) auditor(ctx context.Context, done func()) *ingest.Auditor {
	own, err := source.Lookup(w.site.kinds, source.Own)
	if err != nil {
		w.site.t.Fatal(err)
	}
	return &ingest.Auditor{DB: w.site.db, Log: w.log, Diary: ingest.NewDiary(w.committer, own, w.site.secret, w.site.now), Dir: w.site.dir,
		Now: w.site.now, Slog: slog.New(slog.NewTextHandler(io.Discard, nil)),
		After: func(time.Duration) <-chan time.Time { done(); return nil }}
}

// The nightly look keeps its result, also over one that cannot be read, and takes
// away what void batches left.
func TestAuditorKeepsItsResultAndSweeps(t *testing.T) {
	s := newSite(t)
	s.open().stop()
	w := s.open() // writes a void record
	if _, err := w.importText(strings.Join(history(20), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	voids := w.log.Head().State.Voids
	if len(voids) == 0 {
		t.Fatal("no void record")
	}
	stray := &event.Event{Source: "hcp", ID: "stray", Time: s.now().UTC(), Received: s.now().UTC(), Section: event.Other, Action: "x", Raw: "{}"}
	if err := s.db.InsertEvents(t.Context(), voids[0], []*event.Event{stray}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(string(s.dir), "audit.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := w.auditor(ctx, cancel).Run(ctx); err != nil {
		t.Fatal(err)
	}
	if a, found, err := s.dir.LastAudit(); err != nil || !found || len(a.Findings) != 0 || a.At.IsZero() {
		t.Errorf("the result: %+v, %v, %v", a, found, err)
	}
	if n, _, err := s.db.CountBatch(t.Context(), voids[0]); err != nil || n != 0 {
		t.Errorf("%d rows of the void batch, %v", n, err)
	}
	if a := w.audit(); a.Events < 20 || len(a.Findings) != 0 {
		t.Errorf("after the sweep: %+v", a)
	}
}
