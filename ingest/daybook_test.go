package ingest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// daybookKind is the simplest kind with the shape Window: an answer is all of a
// window, in a list.
func daybookKind(piece time.Duration) source.Kind {
	return source.Kind{
		Name: "daybook", Mapping: 1, Keeps: 10 * 24 * time.Hour, Settle: 3 * time.Hour, Shape: source.Window, Piece: piece,
		NewPuller: func(c source.Config) (source.Puller, error) { return &daybookPuller{c}, nil },
		Normalize: func(r source.Record) ([]source.Result, error) {
			var v struct {
				ID  string
				At  time.Time
				Off bool
			}
			if err := json.Unmarshal(r.Raw, &v); err != nil {
				return nil, &source.RejectError{Reason: source.ReasonNotJSON}
			}
			return []source.Result{{Event: event.Event{ID: v.ID, Time: v.At, Received: r.Received, Action: "note", Section: event.Other,
				Outcome: event.Success, Raw: string(r.Raw)}, Ends: v.Off}}, nil
		},
	}
}

type daybookPuller struct{ source.Config }

func (p *daybookPuller) Pull(ctx context.Context, ask source.Ask, page func(source.Page) error) (source.Answer, error) {
	answer := source.Answer{Total: -1, Requests: 1, Through: p.Now()}
	query := url.Values{"from": {ask.Window.From.Format(time.RFC3339Nano)}, "to": {ask.Window.To.Format(time.RFC3339Nano)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Settings["url"]+"?"+query.Encode(), nil)
	if err != nil {
		return answer, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer, fmt.Errorf("the server answered %q", resp.Status)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return answer, err
	}
	out := source.Page{Received: p.Now()}
	for _, raw := range list {
		out.Records = append(out.Records, raw)
	}
	return answer, page(out)
}

// daybook is its vendor.
type daybook struct {
	*world
	list  []simulated
	twice bool // every record comes twice
	asked []coverage.Interval
	sick  coverage.Interval // cannot be given
}

// switchedOff is the number of an event that says that the log was switched off.
const switchedOff = -1

func (d *daybook) Happen(h happening) []byte {
	raw := fmt.Appendf(nil, `{"id":"%d","at":%q,"off":%t}`, h.N, h.At.Format(time.RFC3339Nano), h.N == switchedOff)
	d.list = append(d.list, simulated{h, string(raw)})
	return raw
}

func (d *daybook) Trouble(random *mathrand.Rand) { d.twice = random != nil && random.IntN(3) == 0 }

func (d *daybook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var window coverage.Interval
	for name, to := range map[string]*time.Time{"from": &window.From, "to": &window.To} {
		var err error
		if *to, err = time.Parse(time.RFC3339Nano, r.FormValue(name)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	d.asked = append(d.asked, window)
	if !window.Intersect(d.sick).Empty() {
		http.Error(w, "this day is sick", http.StatusInternalServerError)
		return
	}
	now := d.now()
	list := []json.RawMessage{}
	for _, e := range d.list {
		if window.Contains(e.At) && !e.Seen.After(now) && e.At.After(now.Add(-d.keeps)) {
			list = append(list, json.RawMessage(e.raw))
			if d.twice {
				list = append(list, json.RawMessage(e.raw))
			}
		}
	}
	json.NewEncoder(w).Encode(list) //nolint:errcheck // the reader may be gone
}

func daybookTrial() trial {
	return trial{kind: daybookKind(12 * time.Hour), every: 20 * time.Minute, vendor: func(w *world) vendor { return &daybook{world: w} }}
}

func TestDaybookSimulation(t *testing.T) {
	t.Parallel()
	simulations(t, daybookTrial())
}

// simulations runs a trial for days, or for months when soaking.
func simulations(t *testing.T, tr trial) {
	t.Helper()
	days, seeds := 4, 1
	if n := soak(t, 0); n > 0 {
		days, seeds = 90, max(n/150, 1)
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, tr, seed, days)
		})
	}
}
