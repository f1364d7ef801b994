package web

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"exhibit/internal/event"
)

// How many refusals are recorded one by one. Whoever is kept out must not be able to
// fill the ledger: the others are counted, the log has a line for each, and the
// ledger gets their number.
const (
	refusalsAtOnce  = 20 // of one person or address
	refusalEvery    = 10 * time.Minute
	anonymousAtOnce = 30 // of all who have not signed in, together
	anonymousEvery  = 2 * time.Minute
	countedEvery    = 30 * time.Minute
	mostRefused     = 10_000 // persons and addresses that are remembered
)

// refusals decides which refusals are recorded.
type refusals struct {
	now func() time.Time

	mu        sync.Mutex // protects what follows
	of        map[string]*rate.Limiter
	anonymous *rate.Limiter
	swept     time.Time
	counted   int
	since     time.Time // of the first that is counted
}

func newRefusals(now func() time.Time) *refusals {
	return &refusals{now: now, of: map[string]*rate.Limiter{}, anonymous: rate.NewLimiter(rate.Every(anonymousEvery), anonymousAtOnce)}
}

// admit reports whether a refusal is recorded by itself; if not, it is counted.
func (r *refusals) admit(whom string, anonymous bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.sweep(now)
	limit, known := r.of[whom]
	if !known && len(r.of) < mostRefused {
		limit = rate.NewLimiter(rate.Every(refusalEvery), refusalsAtOnce)
		r.of[whom] = limit
	}
	if limit != nil && limit.AllowN(now, 1) && (!anonymous || r.anonymous.AllowN(now, 1)) {
		return true
	}
	if r.counted++; r.counted == 1 {
		r.since = now
	}
	return false
}

// sweep forgets whom nothing is held against any more; callers hold the lock.
func (r *refusals) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Minute {
		return
	}
	r.swept = now
	for whom, limit := range r.of {
		if limit.TokensAt(now) >= refusalsAtOnce {
			delete(r.of, whom)
		}
	}
}

// take returns how many were counted, when it is time to record their number.
func (r *refusals) take() (n int, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counted == 0 || r.now().Sub(r.since) < countedEvery {
		return 0, time.Time{}
	}
	n, r.counted = r.counted, 0
	return n, r.since
}

// recordRefusal records that somebody was kept out, or counts it.
func (s *server) recordRefusal(c echo.Context, who Identity, a Action) {
	whom, anonymous := "person "+who.Subject, who.Subject == ""
	if anonymous {
		whom = "address " + network(c.RealIP())
	}
	a.Outcome = failure
	if s.refusals.admit(whom, anonymous) {
		s.recordOrLog(c, who, a)
	}
}

// recordCounted records the number of refusals that were counted. Losing it would
// lose a number that the log has too.
func (s *server) recordCounted(ctx context.Context) {
	n, since := s.refusals.take()
	if n == 0 {
		return
	}
	a := Action{Name: "access.refuse", Outcome: failure, Actor: event.Actor{ID: "exhibit", Type: event.System},
		Details: map[string]string{"reason": fmt.Sprintf("%d more refusals since %s, counted and not recorded one by one", n, since.UTC().Format(time.RFC3339))}}
	if err := s.Audit.Record(ctx, a); err != nil {
		s.Log.Error("number of refusals not recorded", "refusals", n, "since", since, "error", err)
	}
}

// network is what one reader can be assumed to hold alone: an IPv4 address, or the
// 64 bits that an IPv6 network begins with.
func network(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Unmap().Is4() {
		return ip
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return ip
	}
	return p.String()
}
