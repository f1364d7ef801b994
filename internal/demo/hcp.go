package demo

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// AuditTrailPath is where HCP Terraform answers for its audit trail.
	AuditTrailPath = "/api/v2/organization/audit-trail"

	hcpKeeps     = 14 * 24 * time.Hour
	hcpPageSize  = 1000
	hcpRateLimit = 30 // requests per second
)

// HCPOptions describes one HCP server. Only Token and Now are required.
type HCPOptions struct {
	// Token is accepted; WrongKind are valid tokens that this endpoint refuses
	// with 404, as HCP Terraform does for user and team tokens.
	Token     string
	WrongKind []string

	// Now decides which events exist, which are older than 14 days and when the
	// token expires.
	Now func() time.Time

	// Wall is the clock of the rate limit, time.Now when nil: a test that holds
	// Now still would otherwise run into the limit for ever.
	Wall func() time.Time

	// RateLimit is the number of requests per second, 30 when zero; negative
	// means no limit.
	RateLimit int

	// SinceExclusive leaves out events at exactly since. The documentation says
	// "after", clients have seen them included; the default is to include them.
	SinceExclusive bool
}

// HCP is an http.Handler that answers as HCP Terraform's audit trail does: newest
// first, offset pages over a list that moves while it is read, 14 days kept. It
// is safe for concurrent use.
type HCP struct {
	opt HCPOptions

	mu       sync.Mutex // guards everything below
	token    string
	expires  time.Time // zero: never
	events   []hcpEvent
	dirty    bool // events are not sorted
	appended int
	queue    []Fault
	plan     func(request int) *Fault
	down     *Fault
	counters Counters
	second   time.Time // the second of the rate limit window
	inSecond int
}

type hcpEvent struct {
	Record
	visible time.Time // the moment from which the API shows it
	seq     int       // order of arrival, which breaks ties of Time
}

// Counters is what the server has seen and done so far.
type Counters struct {
	Requests int            // every request, also those refused
	ByStatus map[int]int    // answers by status; 0 is a connection that was reset
	Faults   map[string]int // injected faults by name
}

// NewHCP returns a server without events.
func NewHCP(opt HCPOptions) *HCP {
	if opt.Wall == nil {
		opt.Wall = time.Now
	}
	if opt.RateLimit == 0 {
		opt.RateLimit = hcpRateLimit
	}
	return &HCP{opt: opt, token: opt.Token,
		counters: Counters{ByStatus: map[int]int{}, Faults: map[string]int{}}}
}

// Append adds records. Each becomes visible when Now reaches its time, so a
// future can be loaded beforehand.
func (h *HCP) Append(records ...Record) { h.AppendLate(0, records...) }

// AppendLate adds records that become visible only lag after their time.
func (h *HCP) AppendLate(lag time.Duration, records ...Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.append(lag, records)
}

func (h *HCP) append(lag time.Duration, records []Record) {
	for _, r := range records {
		h.events = append(h.events, hcpEvent{r, r.Time.Add(lag), h.appended})
		h.appended++
	}
	h.dirty = true
}

// ParseRecord takes id and time out of raw.
func ParseRecord(raw []byte) (Record, error) {
	var v struct {
		ID        string    `json:"id"`
		Timestamp time.Time `json:"timestamp"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return Record{}, fmt.Errorf("demo: record %.40q: %w", raw, err)
	}
	return Record{ID: v.ID, Time: v.Timestamp, Raw: raw}, nil
}

// Records returns the true set, visible or not, with from <= time < to, oldest
// first.
func (h *HCP) Records(from, to time.Time) []Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sort()
	var out []Record
	for _, e := range slices.Backward(h.events) {
		if !e.Time.Before(from) && e.Time.Before(to) {
			out = append(out, e.Record)
		}
	}
	return out
}

// SetToken replaces the accepted token; the old one is then refused with 401.
func (h *HCP) SetToken(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.token = token
}

// ExpireToken lets the accepted token expire at t; zero: never.
func (h *HCP) ExpireToken(t time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.expires = t
}

// Counters returns a copy of the counters.
func (h *HCP) Counters() Counters {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := Counters{h.counters.Requests, map[int]int{}, map[string]int{}}
	for k, v := range h.counters.ByStatus {
		c.ByStatus[k] = v
	}
	for k, v := range h.counters.Faults {
		c.Faults[k] = v
	}
	return c
}

// ServeHTTP answers one request.
func (h *HCP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := h.answer(r)
	h.mu.Lock()
	h.counters.ByStatus[a.countAs()]++
	h.mu.Unlock()
	a.write(w, r)
}

// answer decides everything about the answer under the lock; writing it happens
// outside, so a slow reader holds nobody up.
func (h *HCP) answer(r *http.Request) answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counters.Requests++
	now := h.opt.Now()

	if status := h.refuse(r, now); status != 0 {
		return h.errorAnswer(status)
	}
	if wait := h.overLimit(); wait > 0 {
		a := h.rateLimited()
		a.header["X-RateLimit-Reset"] = strconv.FormatFloat(wait.Seconds(), 'f', 3, 64)
		return a
	}
	q, err := h.parseQuery(r)
	if err != nil {
		return h.errorAnswer(http.StatusBadRequest)
	}
	fault := h.nextFault()
	if fault != nil {
		h.counters.Faults[fault.name]++
		if fault.instead != nil {
			return fault.instead(h)
		}
	}
	p := h.page(q, now)
	if fault != nil && fault.page != nil {
		fault.page(&p)
	}
	a := answer{status: http.StatusOK, contentType: "application/json; charset=utf-8",
		header: h.headers(), body: p.encode()}
	if fault != nil && fault.body != nil {
		fault.body(&a)
	}
	if fault != nil && fault.after != nil {
		fault.after(h)
	}
	return a
}

// refuse returns the status for a request that gets no data, or 0.
func (h *HCP) refuse(r *http.Request, now time.Time) int {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	same := func(want string) bool {
		return want != "" && subtle.ConstantTimeCompare([]byte(token), []byte(want)) == 1
	}
	switch {
	case ok && same(h.token):
		if !h.expires.IsZero() && !now.Before(h.expires) {
			return http.StatusUnauthorized
		}
	case ok && slices.ContainsFunc(h.opt.WrongKind, same):
		return http.StatusNotFound
	default:
		return http.StatusUnauthorized
	}
	if r.URL.Path != AuditTrailPath || r.Method != http.MethodGet {
		return http.StatusNotFound
	}
	return 0
}

// overLimit counts a request and returns how long to wait if it is one too many.
func (h *HCP) overLimit() time.Duration {
	if h.opt.RateLimit < 0 {
		return 0
	}
	now := h.opt.Wall()
	if second := now.Truncate(time.Second); !second.Equal(h.second) {
		h.second, h.inSecond = second, 0
	}
	h.inSecond++
	if h.inSecond <= h.opt.RateLimit {
		return 0
	}
	return h.second.Add(time.Second).Sub(now)
}
