package source_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
	"exhibit/internal/coverage"
)

// inProcess is a transport to a handler without a network.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	h.ServeHTTP(w, in)
	return w.Result(), nil
}

// A source that may be asked once in two minutes is read to its end, though a request
// has a minute. Each attempt waits for its turn, and a read that ends does not.
func TestFewRequestsAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := &vendortest.Terracotta{Log: vendortest.Log{Now: time.Now}, Key: "k", Form: vendortest.TerracottaForm{List: "data", Paging: "link", Size: 20}}
		now := time.Now().UTC()
		for i := range 95 {
			at := now.Add(-time.Duration(i+1) * time.Second)
			fake.Happen(i, at, at)
		}
		line := &vendortest.Line{Next: fake}
		line.Spoil(nil, vendortest.Status(503, ""))
		p, err := kind(t, "terracotta").NewPuller(source.Config{Name: "w", Transport: inProcess{line},
			Settings: map[string]string{"token": "k", "url": "http://localhost", "requests_per_hour": "30"}})
		if err != nil {
			t.Fatal(err)
		}
		ask := source.Ask{Window: coverage.Interval{From: now.Add(-time.Hour), To: now}}
		records := 0
		answer, err := p.Pull(t.Context(), ask, func(page source.Page) error { records += len(page.Records); return nil })
		if err != nil || records != 95 || answer.Requests != 6 {
			t.Errorf("got %d records by %d requests, error %v; want 95 by 6", records, answer.Requests, err)
		}
		// Three may come at once.
		if took := time.Since(now); took < 6*time.Minute || took > 7*time.Minute {
			t.Errorf("six requests took %v, want two minutes for each but the first three", took)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		defer time.AfterFunc(90*time.Second, func() { cancel(fmt.Errorf("the end")) }).Stop()
		if _, err := p.Pull(ctx, ask, func(source.Page) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("a read that was ended while it waited: %v", err)
		}
	})
}
