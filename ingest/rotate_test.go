package ingest_test

import (
	"strings"
	"testing"

	"exhibit/ingest"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/note"
)

// A key hands over to the next one under both signatures, and a crash before the
// next one is in its place is healed by the next start.
func TestRotate(t *testing.T) {
	s := newSite(t)
	w := s.open()
	old := w.log.Key
	if _, err := w.importText(strings.Join(history(10), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	next, err := s.dir.NextKey(old.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.dir.FinishRotation(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	if key, err := s.dir.ExistingKey(); err != nil || key.Public != old.Public {
		t.Fatalf("the next key was put into its place before the ledger named it: %v, %v", key, err)
	}
	if err := w.log.Rotate(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	handover := w.log.Head().Checkpoint
	for _, key := range []ledger.SigningKey{old, next} {
		v, err := key.Verifier()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := ledger.OpenCheckpoint(handover, note.VerifierList(v)); err != nil {
			t.Errorf("the checkpoint of the hand-over is not signed by %s: %v", key.Public, err)
		}
	}
	if _, err := w.importText(strings.Join(history(20), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	w.audit()
	w.stop() // a crash: the next key is not in its place

	if err := s.dir.FinishRotation(t.Context(), s.db); err != nil {
		t.Fatal(err)
	}
	w = s.open()
	if w.log.Key.Public != next.Public {
		t.Fatalf("started with %s, want the next key", w.log.Key.Public)
	}
	if a := w.audit(); a.Events != 20 {
		t.Errorf("%d events, want 20", a.Events)
	}
	w.stop()
	if _, err := s.tryOpen(func(o *ingest.LogOptions) { o.Key = old }); err == nil {
		t.Error("the old key still writes")
	}
}
