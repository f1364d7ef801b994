package demo

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// A Fault is one thing that goes wrong with one answer. Make one with the
// functions below and hand it to Inject, Plan or Down.
type Fault struct {
	name    string
	instead func(h *HCP) answer // answer this, no data
	page    func(p *page)       // change what the page says
	body    func(a *answer)     // change the bytes or how they are sent
	after   func(h *HCP)        // happens once the page was cut
}

// Name is the key of the fault in Counters.Faults.
func (f Fault) Name() string { return f.name }

// Inject queues faults: each spoils one of the next authorised requests, in
// order.
func (h *HCP) Inject(faults ...Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.queue = append(h.queue, faults...)
}

// Plan asks plan for a fault (or nil) before each authorised request that no
// queued fault spoils; request counts all requests from 1. Nil ends the plan.
func (h *HCP) Plan(plan func(request int) *Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.plan = plan
}

// Down answers every authorised request with f until Up is called: an outage.
func (h *HCP) Down(f Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = &f
}

// Up ends an outage.
func (h *HCP) Up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = nil
}

func (h *HCP) nextFault() *Fault {
	if h.down != nil {
		return h.down
	}
	if len(h.queue) > 0 {
		f := h.queue[0]
		h.queue = h.queue[1:]
		return &f
	}
	if h.plan != nil {
		return h.plan(h.counters.Requests)
	}
	return nil
}

// RetryAfterSeconds is a 429 with Retry-After in seconds.
func RetryAfterSeconds(n int) Fault {
	return rateFault("retry-after seconds", "Retry-After", func(*HCP) string { return strconv.Itoa(n) })
}

// RetryAfterDate is a 429 with Retry-After as the HTTP date d from now, by the
// wall clock; the format holds whole seconds.
func RetryAfterDate(d time.Duration) Fault {
	return rateFault("retry-after date", "Retry-After", func(h *HCP) string {
		return h.opt.Wall().Add(d).UTC().Format(http.TimeFormat)
	})
}

// RateLimitReset is a 429 with X-RateLimit-Reset, seconds to wait with a
// fraction.
func RateLimitReset(seconds float64) Fault {
	return rateFault("ratelimit-reset", "X-RateLimit-Reset", func(*HCP) string {
		return strconv.FormatFloat(seconds, 'f', -1, 64)
	})
}

func rateFault(name, header string, value func(h *HCP) string) Fault {
	return Fault{name: name, instead: func(h *HCP) answer {
		a := h.rateLimited()
		a.header[header] = value(h)
		return a
	}}
}

// Status answers with status (500, 502, 503, 401, 404) and a JSON:API error.
func Status(status int) Fault {
	return Fault{name: "status " + strconv.Itoa(status),
		instead: func(h *HCP) answer { return h.errorAnswer(status) }}
}

// ProxyPage is a 200 with an HTML page, as a captive proxy sends it.
func ProxyPage() Fault {
	return Fault{name: "proxy page", body: func(a *answer) {
		a.contentType = "text/html"
		a.body = []byte("<!doctype html><title>Sign in</title><p>Sign in to the network.")
	}}
}

// SlowBody waits d in the middle of the body.
func SlowBody(d time.Duration) Fault {
	return Fault{name: "slow body", body: func(a *answer) { a.pause = d }}
}

// CutBody sends half of the promised Content-Length and closes.
func CutBody() Fault {
	return Fault{name: "cut body", body: func(a *answer) { a.cut = true }}
}

// ResetConnection closes the connection without an answer.
func ResetConnection() Fault {
	return Fault{name: "connection reset", instead: func(*HCP) answer { return answer{reset: true} }}
}

// BrokenJSON is a complete answer of valid length that is not JSON: its closing
// bracket is missing.
func BrokenJSON() Fault {
	return Fault{name: "broken json", body: func(a *answer) {
		a.body = bytes.Replace(a.body, []byte(`],"pagination"`), []byte(`,"pagination"`), 1)
	}}
}

// Twice repeats the first record of the page at its end.
func Twice() Fault {
	return Fault{name: "same id twice", page: func(p *page) {
		if len(p.records) > 0 {
			p.records = append(p.records, p.records[0])
		}
	}}
}

// WrongTotal adds delta to total_count; the pages stay right.
func WrongTotal(delta int) Fault {
	return Fault{name: "wrong total", page: func(p *page) { p.total = max(p.total+delta, 0) }}
}

// Arrive adds records right after the page was cut, so that the next page is
// shifted by them.
func Arrive(records ...Record) Fault {
	return Fault{name: "arrival", after: func(h *HCP) { h.append(0, records) }}
}

// RandomFaults returns a plan that spoils a share (0 to 1) of the requests with
// faults that a patient client gets over without losing anything. None makes it
// wait longer than a second. The same seed gives the same plan.
func RandomFaults(seed uint64, share float64) func(request int) *Fault {
	return func(request int) *Fault {
		rng := rand.New(rand.NewPCG(seed, uint64(request)))
		if rng.Float64() >= share {
			return nil
		}
		faults := []Fault{
			RetryAfterSeconds(0), RetryAfterDate(0), RateLimitReset(0.01),
			Status(500), Status(502), Status(503), ProxyPage(),
			SlowBody(5 * time.Millisecond), CutBody(), ResetConnection(), BrokenJSON(), Twice(),
		}
		return &faults[rng.IntN(len(faults))]
	}
}
