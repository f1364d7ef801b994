package push

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"exhibit/ingest/spool"
)

// A fault is why a request was refused, or a part of it.
type fault struct {
	status int           // of HTTP
	code   int           // of the HTTP Event Collector
	why    Outcome       // for the counts
	text   string        // for the sender
	retry  time.Duration // when to send again; 0: not at all
	kept   bool          // what came is on disk all the same
	event  *int          // which of the events is wrong, from 0; for the HTTP Event Collector
	cause  error         // for the log
}

// An Outcome is what became of a request, or of records.
type Outcome string

// The outcomes. Accepted counts records, the others requests.
const (
	Accepted  Outcome = "accepted"
	Heartbeat Outcome = "heartbeat"

	whyNoToken   Outcome = "no token"
	whyToken     Outcome = "unknown token"
	whyEnded     Outcome = "token expired or revoked"
	whySource    Outcome = "token of another source"
	whyTooMany   Outcome = "too many refusals"
	whyTooLarge  Outcome = "too large"
	whyEncoding  Outcome = "unknown encoding"
	whyCut       Outcome = "cut off"
	whySlow      Outcome = "too slow"
	whyMalformed Outcome = "malformed"
	whyBusy      Outcome = "busy"
	whyFull      Outcome = "spool full"
	whyDisk      Outcome = "not written"
)

// spoolFault is what a sender is told when its records are not on disk: that it is not
// the sender's fault, and to send them again.
func spoolFault(err error) *fault {
	f := &fault{status: http.StatusServiceUnavailable, code: hecBusy, why: whyDisk, text: "the records could not be kept; send them again", retry: 5 * time.Second, cause: err}
	full := (*spool.FullError)(nil)
	switch {
	case errors.As(err, &full):
		f.why, f.text, f.retry, f.code = whyFull, "there is no room for more records; send them again later", full.RetryAfter, hecBusy
	case errors.Is(err, spool.ErrTooLarge):
		return &fault{status: http.StatusRequestEntityTooLarge, code: hecFormat, why: whyTooLarge, text: "the request is too large; send fewer records at once", cause: err}
	}
	return f
}

// seconds writes Retry-After.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(int(math.Ceil(d.Seconds())), 1))
}

// A Count says how often an outcome came for a source. Requests without a token that
// is known have no source.
type Count struct {
	Source  string
	Outcome Outcome
	N       uint64
}

type counts struct {
	mu sync.Mutex
	n  map[Count]uint64 // by a Count without N
}

func (c *counts) add(source string, outcome Outcome, n uint64) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[Count]uint64{}
	}
	c.n[Count{Source: source, Outcome: outcome}] += n
}

// Counts returns what was counted since the start, in no order.
func (h *Handler) Counts() []Count {
	h.counts.mu.Lock()
	defer h.counts.mu.Unlock()
	list := make([]Count, 0, len(h.counts.n))
	for c, n := range h.counts.n {
		c.N = n
		list = append(list, c)
	}
	return list
}
