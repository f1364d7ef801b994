package ingest_test

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/ledger"
)

// A note about a gap is in the ledger, whether this process writes it or another.
func TestNote(t *testing.T) {
	w := newSite(t).open()
	if err := w.log.Declare(t.Context(), []ingest.Declaration{{Name: "hcp-prod", Kind: w.kind("hcp-terraform")}}, true); err != nil {
		t.Fatal(err)
	}
	socket, err := w.dir.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	h := &ingest.Handoff{Committer: w.committer, Log: w.log, Kinds: source.Catalog{Kinds: w.kinds}, Secret: w.secret, Now: w.now, Slog: slog.New(slog.NewTextHandler(io.Discard, nil))}
	w.running.Go(func() {
		if err := h.Serve(ctx, socket); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop) // before the writer stops, which waits for it
	running, err := w.dir.Writer()
	if err != nil {
		t.Fatal(err)
	}
	note := ledger.Gap{Source: "hcp-prod", From: start(), To: start().AddDate(0, 0, 1), Note: "the export was lost", By: "ada"}
	if err := running.Note(t.Context(), note); err != nil {
		t.Fatal(err)
	}
	head := w.log.Head()
	if got := head.State.Gaps; len(got) != 1 || got[0].Gap != note {
		t.Errorf("ledger has %+v, want %+v", got, note)
	}
	for want, change := range map[string]func(*ledger.Gap){
		"no source":       func(g *ledger.Gap) { g.Source = "other" },
		"is empty":        func(g *ledger.Gap) { g.Note = "" },
		"are the most":    func(g *ledger.Gap) { g.Note = strings.Repeat("x", 5000) },
		"must come after": func(g *ledger.Gap) { g.To = g.From },
	} {
		wrong := note
		change(&wrong)
		if err := running.Note(t.Context(), wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	stop()
}
