package ingest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// While Exhibit is down nobody answers the senders, and some give up after a minute: what
// they had to send is gone, and nothing shows it when they are heard again. So no stretch
// goes on over an outage of Exhibit itself, unless every sender can be expected to have
// waited for it.

// absence is how long an outage may be for that. It is measured from the moment at which
// a drain ended, or had something committed, to that at which the next one is made; the
// doors are closed for some seconds more.
const absence = 30 * time.Second

// The drainState is what the spool keeps for a drain.
type drainState struct {
	Listened time.Time           `json:"Listened,omitzero"` // requests were taken until then; names of sources have no capitals
	Hearings map[string]*hearing `json:",inline"`
}

func encodeHearings(hearings map[string]*hearing, listened time.Time) jsontext.Value {
	state, err := json.Marshal(drainState{listened.UTC().Round(0), hearings}, json.Deterministic(true))
	if err != nil {
		panic(err) // times and texts
	}
	return state
}

// resume takes over what the drain before left, and ends its stretches when nobody
// listened for too long, or for nobody knows how long. The spool says so with the next
// request of each source: those that came before the outage may still be in it.
func (d *Drain) resume() error {
	var state drainState
	if d.kept = d.o.Spool.State(); len(d.kept) > 0 {
		if err := json.Unmarshal(d.kept, &state); err != nil {
			return fmt.Errorf("ingest: what the spool keeps of its sources: %w", err)
		}
	}
	maps.Copy(d.hearings, state.Hearings)
	down := d.o.Now().Sub(state.Listened)
	if !state.Listened.IsZero() && down >= 0 && down <= absence {
		return nil
	}
	names := slices.Collect(maps.Keys(d.hearings))
	for _, s := range d.o.Sources {
		if d.hearings[s.Name] == nil {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	if !state.Listened.IsZero() {
		d.o.Slog.Warn("nobody listened to the senders of pushed records; the time since they were last heard is not covered", "since", state.Listened, "sources", len(names))
	}
	if err := d.o.Spool.Missed(names); err != nil {
		return fmt.Errorf("ingest: note that nobody listened: %w", err)
	}
	return nil
}

// leave notes until when requests were taken.
func (d *Drain) leave() {
	state := drainState{Hearings: make(map[string]*hearing)}
	if len(d.kept) > 0 {
		if err := json.Unmarshal(d.kept, &state); err != nil {
			panic(err) // it was read or made here
		}
	}
	d.kept = encodeHearings(state.Hearings, d.o.Now())
	if err := d.o.Spool.Commit(d.o.Spool.Committed(), d.kept); err != nil {
		d.o.Slog.Error("the end of the program could not be noted; the time until the senders are heard again will not be covered", "error", err)
	}
}
