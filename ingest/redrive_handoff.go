package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"exhibit/ingest/source"

	"github.com/go-json-experiment/json"
)

// RedriveInto takes rejects through the pipeline again and writes in the diary who did
// it. A dry run leaves no trace.
func RedriveInto(ctx context.Context, c *Committer, diary *Diary, r Redrive) (RedriveResult, error) {
	result, err := c.Redrive(ctx, r)
	if r.DryRun {
		return result, err
	}
	act := source.Act{Action: "redrive", Outcome: "success", Actor: source.Party{Type: "user", Name: r.By},
		Target: source.Party{Type: "source", ID: r.Source}, Reason: result.String()}
	if r.Reason != "" {
		act.Reason = "rejects: " + r.Reason + "; " + act.Reason
	}
	if err != nil {
		act.Outcome, act.Reason = "failure", act.Reason+"; "+err.Error()
	}
	return result, errors.Join(err, diary.Write(ctx, act))
}

// String says what became of the rejects.
func (r RedriveResult) String() string {
	return fmt.Sprintf("%d tried: %d became events, %d were stored already, %d hold no event, %d contradict a stored event, %d stay open",
		r.Tried, r.Events, r.Duplicates, r.Skipped, r.Conflicts, r.Open())
}

// redriveAnswer is what the writer answers. The result is of what was done before the
// error.
type redriveAnswer struct {
	Result RedriveResult `json:"result"`
	Error  string        `json:"error,omitempty"`
}

func (h *Handoff) takeRedrive(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	result, err := RedriveInto(r.Context(), h.Committer, h.Diary, Redrive{Source: q.Get("source"), Reason: q.Get("reason"), By: q.Get("by"),
		DryRun: q.Get("dry") != "", Secret: h.Secret, Random: rand.Reader, KindOf: h.kindOf})
	answer := redriveAnswer{Result: result}
	if err != nil {
		answer.Error = err.Error()
	}
	if err := json.MarshalWrite(w, answer); err != nil {
		h.Slog.Warn("redrive: nobody listens any more", "error", err)
	}
}

// kindOf returns the kind of a source that the ledger knows.
func (h *Handoff) kindOf(name string) (source.Kind, bool) {
	kind, err := ChooseKind(h.Log, h.Kinds, name, "")
	return kind, err == nil
}

// Redrive has the running writer take rejects through the pipeline again.
func (w *RunningWriter) Redrive(ctx context.Context, r Redrive) (RedriveResult, error) {
	q := url.Values{"source": {r.Source}, "reason": {r.Reason}, "by": {r.By}}
	if r.DryRun {
		q.Set("dry", "1")
	}
	resp, err := w.post(ctx, "/redrive?"+q.Encode(), nil)
	if err != nil {
		return RedriveResult{}, err
	}
	defer resp.Body.Close()
	var answer redriveAnswer
	if err := json.UnmarshalRead(resp.Body, &answer); err != nil {
		return RedriveResult{}, fmt.Errorf("ingest: answer of the running writer: %w; start the redrive again, nothing comes twice", err)
	}
	if answer.Error != "" {
		return answer.Result, errors.New(answer.Error)
	}
	return answer.Result, nil
}
