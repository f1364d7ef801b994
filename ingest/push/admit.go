package push

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"exhibit/ingest/token"

	"golang.org/x/time/rate"
)

// admit says who sends, or why nobody is let in. Only a token opens a door: cookies
// are not looked at.
func (h *Handler) admit(r *http.Request) (sender, *fault) {
	from := h.from(r)
	text, f := tokenOf(r)
	if f != nil {
		return sender{}, h.refusals.limit(from, f)
	}
	t, err := h.Tokens.Check(text, from)
	expired := errors.Is(err, token.ErrExpired)
	switch {
	case errors.Is(err, token.ErrUnknown):
		return sender{}, h.refusals.limit(from, &fault{status: http.StatusUnauthorized, code: hecToken, why: whyToken, text: "the token is not known"})
	case err != nil && !expired:
		// Its holder had it, so the reason tells nothing new. Coverage goes on: a token is
		// revoked because somebody else may have it, who must not be able to end that.
		return sender{}, h.refusals.limit(from, tokenEnded(err))
	}
	who := sender{source: t.Source, token: t.ID}
	kind, configured := h.Sources[t.Source]
	if asked := r.PathValue("source"); asked != "" && asked != t.Source || !configured {
		// The source in the path may be anything, and the one of the token is not to blame.
		return sender{token: t.ID}, h.refusals.limit(from, &fault{status: http.StatusForbidden, code: hecToken, why: whySource, text: "the token does not open this source"})
	}
	if expired { // what its holder sends does not come any more
		return who, h.refusals.limit(from, tokenEnded(err))
	}
	who.kind = kind
	return who, nil
}

// tokenEnded answers as RFC 6750 (section 3.1) has it for a token that is known and no
// longer good. EventBridge keeps what is answered with 401 and drops what is with 403.
func tokenEnded(err error) *fault {
	return &fault{status: http.StatusUnauthorized, code: hecDisabled, why: whyEnded, text: err.Error()}
}

// tokenOf finds the token in a request: in Authorization, in the way of any of the
// protocols, or in a header of its own. Tokens in addresses are not looked at, since
// addresses are logged everywhere.
func tokenOf(r *http.Request) (string, *fault) {
	for _, name := range []string{"X-API-Key", "DD-API-KEY"} {
		if text := r.Header.Get(name); text != "" {
			return text, nil
		}
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		if r.URL.Query().Has("token") && strings.HasPrefix(r.URL.Path, "/services/") {
			return "", &fault{status: http.StatusBadRequest, code: hecQuery, why: whyNoToken, text: "Query string authorization is not enabled"}
		}
		return "", &fault{status: http.StatusUnauthorized, code: hecNoToken, why: whyNoToken, text: "Token is required"}
	}
	scheme, text, two := strings.Cut(header, " ")
	text = strings.TrimSpace(text)
	if !two {
		return header, nil // event hooks of Okta and API keys of EventBridge send the value alone
	}
	switch strings.ToLower(scheme) {
	case "bearer", "splunk", "token", "apikey":
		return text, nil
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(text)
		user, password, _ := strings.Cut(string(plain), ":")
		if err == nil && password != "" {
			return password, nil
		}
		if err == nil && user != "" {
			return user, nil
		}
	}
	return "", &fault{status: http.StatusUnauthorized, code: hecAuthorization, why: whyNoToken, text: "Invalid authorization"}
}

// from returns the address of a sender. X-Forwarded-For is believed from proxies only,
// from the right up to the first address that is none.
func (h *Handler) from(r *http.Request) string {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := at.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && h.isProxy(address); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = next.Unmap().WithZone("")
	}
	return address.String()
}

func (h *Handler) isProxy(a netip.Addr) bool {
	for _, p := range h.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// How many refusals one address gets an answer to. Beyond it is told to wait, which
// also keeps what it sends: a sender whose token is put right in a while loses nothing.
const (
	refusalsAtOnce = 20
	refusalEvery   = 3 * time.Second
	loudEvery      = time.Minute // between lines of the log about the same
	mostRefused    = 10_000      // addresses that are remembered
)

// refusals slows down who has no token.
type refusals struct {
	now func() time.Time

	mu   sync.Mutex // protects what follows
	of   map[string]*rate.Limiter
	said map[string]time.Time // when the log was told, by source and outcome
	last time.Time            // when the map was swept
}

func newRefusals(now func() time.Time) *refusals {
	return &refusals{now: now, of: map[string]*rate.Limiter{}, said: map[string]time.Time{}}
}

// limit returns the fault, or the one that says to wait.
func (r *refusals) limit(from string, f *fault) *fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, whom := r.now(), network(from)
	r.sweep(now)
	limit := r.of[whom]
	if limit == nil {
		if len(r.of) >= mostRefused {
			whom = "" // all further ones together
		}
		if limit = r.of[whom]; limit == nil {
			limit = rate.NewLimiter(rate.Every(refusalEvery), refusalsAtOnce)
			r.of[whom] = limit
		}
	}
	if limit.AllowN(now, 1) {
		return f
	}
	return &fault{status: http.StatusTooManyRequests, code: hecFull, why: whyTooMany, text: "too many requests without a token that is known", retry: refusalsAtOnce * refusalEvery}
}

// sweep forgets whom nothing is held against any more; callers hold the lock.
func (r *refusals) sweep(now time.Time) {
	if now.Sub(r.last) < time.Minute {
		return
	}
	r.last = now
	for whom, limit := range r.of {
		if limit.TokensAt(now) >= refusalsAtOnce {
			delete(r.of, whom)
		}
	}
}

// loud reports whether the log is told of something again. There are few things: they
// are named by source and outcome.
func (r *refusals) loud(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if last, ok := r.said[what]; ok && now.Sub(last) < loudEvery {
		return false
	}
	r.said[what] = now
	return true
}

// network is what one sender can be assumed to hold alone: an IPv4 address, or the 64
// bits that an IPv6 network begins with.
func network(from string) string {
	a, err := netip.ParseAddr(from)
	if err != nil || a.Is4() {
		return from
	}
	p, err := a.Prefix(64)
	if err != nil {
		return from
	}
	return p.String()
}
