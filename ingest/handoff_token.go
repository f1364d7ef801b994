package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"exhibit/ingest/source"
	"exhibit/ingest/token"

	"github.com/go-json-experiment/json"
)

// Tokens changes tokens; *token.Keeper does.
type Tokens interface {
	Add(ctx context.Context, t token.Token, by source.Act) error
	Revoke(ctx context.Context, id string, by source.Act) (token.Token, error)
}

// revocation is what is handed over to end a token.
type revocation struct {
	ID string `json:"id"`
	By string `json:"by"`
}

func (h *Handoff) takeToken(w http.ResponseWriter, r *http.Request) {
	var t token.Token
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, 64<<10), &t, json.RejectUnknownMembers(true))
	if err == nil {
		err = AddToken(r.Context(), h.Log, h.Tokens, t, token.Operator(t.By))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

func (h *Handoff) takeRevocation(w http.ResponseWriter, r *http.Request) {
	var end revocation
	err := json.UnmarshalRead(http.MaxBytesReader(w, r.Body, 64<<10), &end, json.RejectUnknownMembers(true))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	t, err := h.Tokens.Revoke(r.Context(), end.ID, token.Operator(end.By))
	if err == nil {
		err = json.MarshalWrite(w, t)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// AddToken adds a token for a source that the ledger knows. Nobody but Exhibit writes
// its own events.
func AddToken(ctx context.Context, log *Log, tokens Tokens, t token.Token, by source.Act) error {
	head := log.Head()
	s, known := head.State.First(t.Source)
	switch {
	case t.Source == source.Own:
		return errors.New("nobody sends to the source " + source.Own + ": it is Exhibit's own")
	case !known || s.Kind == source.Own:
		return fmt.Errorf("there is no source %q: add it to the configuration and start 'exhibit serve' first", t.Source)
	}
	return tokens.Add(ctx, t, by)
}

// Add has the running writer keep a new token. The text of the token stays here.
func (w *RunningWriter) Add(ctx context.Context, t token.Token) error {
	body, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("ingest: hand over a token: %w", err)
	}
	resp, err := w.post(ctx, "/token", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Revoke has the running writer end a token.
func (w *RunningWriter) Revoke(ctx context.Context, id, by string) (token.Token, error) {
	var t token.Token
	body, err := json.Marshal(revocation{ID: id, By: by})
	if err != nil {
		return t, fmt.Errorf("ingest: hand over a revocation: %w", err)
	}
	resp, err := w.post(ctx, "/token/revoke", bytes.NewReader(body))
	if err != nil {
		return t, err
	}
	defer resp.Body.Close()
	if err := json.UnmarshalRead(resp.Body, &t); err != nil {
		return t, fmt.Errorf("ingest: answer of the running writer: %w", err)
	}
	return t, nil
}
