package ingest

import (
	"time"

	"exhibit/internal/coverage"
)

// Pushed records prove that the path from their source was alive when they came, and
// so does a heartbeat. Between two arrivals that are at most a heartbeat apart it
// counts as alive, so a record of that time would have come. Arrivals that follow each
// other like this are a stretch. Everything that happened in a stretch and had time
// to arrive in it, which takes up to the settle time, was heard.

// A hearing follows the arrivals of one source. It is kept with the position of the
// spool, so that a restart shorter than the heartbeat does not end a stretch.
type hearing struct {
	From   time.Time `json:"from,omitzero"`   // first arrival of the stretch; zero: there is none
	Last   time.Time `json:"last,omitzero"`   // last arrival of the stretch
	To     time.Time `json:"to,omitzero"`     // the stretch was granted up to here
	Newest time.Time `json:"newest,omitzero"` // time of the newest event
	Off    time.Time `json:"off,omitzero"`    // when the source last said that its log was switched off
	Broken bool      `json:"broken,omitzero"` // something was lost since the last arrival
}

// An arrival is what one request says of the path.
type arrival struct {
	at     time.Time
	broken bool      // something of the source was turned away or damaged since the one before
	newest time.Time // of its events; zero: it has none
	off    time.Time // an event of it says that the log was switched off then
}

// arrive takes an arrival and returns what it adds to the coverage; it may be empty.
//
// While the log is off, requests and heartbeats prove nothing: only an event that is
// newer than the one that switched it off says that it is on again. Nobody knows since
// when, so the next stretch begins when it came.
//
// A clock that was set back ends the stretch: how long the path was silent is not known.
func (h *hearing) arrive(a arrival, settle, heartbeat time.Duration) coverage.Interval {
	if h.Last.Sub(a.at) > min(heartbeat, disorder) {
		a.broken = true
	} else {
		a.at = later(a.at, h.Last)
	}
	h.Newest, h.Off = later(h.Newest, a.newest), later(h.Off, a.off)
	on := h.on()
	var heard coverage.Interval
	if !h.From.IsZero() && !a.broken && !h.Broken && a.at.Sub(h.Last) <= heartbeat {
		to := a.at.Add(-settle)
		if !a.off.IsZero() && a.off.Before(to) {
			to = a.off
		}
		heard = coverage.Interval{From: h.To, To: to}
		h.Last, h.To = a.at, later(h.To, to)
		if on && a.off.IsZero() {
			return heard
		}
	}
	h.From, h.Last, h.To, h.Broken = time.Time{}, a.at, a.at, false
	if on {
		h.From = a.at
	}
	return heard
}

// disorder is how much later a request may have come than one that is behind it in the
// spool: those that come together wait there for each other.
const disorder = time.Minute

// on reports whether the source writes its log, as far as it said.
func (h *hearing) on() bool { return h.Off.IsZero() || h.Newest.After(h.Off) }
