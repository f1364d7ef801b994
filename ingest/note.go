package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"exhibit/internal/ledger"

	"github.com/go-json-experiment/json"
)

// maxNote bounds the text of a note: it is in every pack of its period.
const maxNote = 4 << 10

// Note keeps what a person knows about a gap in the ledger. It explains the gap and
// does not fill it.
func (l *Log) Note(ctx context.Context, note ledger.Gap) error {
	head := l.Head()
	if _, known := head.State.First(note.Source); !known {
		return fmt.Errorf("there is no source %q", note.Source)
	}
	switch {
	case note.Note == "":
		return errors.New("the note is empty")
	case len(note.Note) > maxNote:
		return fmt.Errorf("the note has %d bytes; %d are the most", len(note.Note), maxNote)
	case !note.From.Before(note.To):
		return fmt.Errorf("the note is about %s to %s: the end must come after the start", note.From.Format(time.RFC3339), note.To.Format(time.RFC3339))
	}
	note.From, note.To = note.From.UTC(), note.To.UTC()
	return l.Append(ctx, ledger.Record{Kind: ledger.KindGap, Gap: &note})
}

func (h *Handoff) takeNote(w http.ResponseWriter, r *http.Request) {
	var note ledger.Gap
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, 1<<20), &note, json.RejectUnknownMembers(true))
	if err == nil {
		err = h.Log.Note(r.Context(), note)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// Note has the running writer keep a note.
func (w *RunningWriter) Note(ctx context.Context, note ledger.Gap) error {
	body, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("ingest: hand over a note: %w", err)
	}
	resp, err := w.post(ctx, "/note", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}
