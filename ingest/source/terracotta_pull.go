package source

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	terracottaPath    = "v1/audit-logs"
	terracottaPerHour = 1800 // no limit is published

	// terracottaPages bounds the pages of one answer: more are a next page that never ends.
	terracottaPages = 10_000

	day = 24 * time.Hour
)

// terracottaPuller reads the audit log of one organisation by dates. Its vendor
// publishes neither in which zone dates are meant nor whether the last one is
// included: it asks for days that hold the window in every case. Nor does it publish
// what an answer looks like, how it goes on, and how long it can be: terracottaPage
// knows the usual forms, and an answer that may have been cut is never taken for a
// whole one.
type terracottaPuller struct {
	*caller
	base  *url.URL
	paths terracottaPaths
	param string // for the next page, when it is no link; empty: the usual one
	limit int    // how many entries one answer holds at most; 0: unknown, noLimit: any number
	most  int    // how many an answer held so far
}

const noLimit = -1

func newTerracottaPuller(c Config) (Puller, error) {
	base, err := apiURL(cmp.Or(c.Settings["url"], "https://api.terracotta.ai"))
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	if c.Settings["token"] == "" {
		return nil, fmt.Errorf("source %s: setting token is missing", c.Name)
	}
	p := &terracottaPuller{caller: newCaller(c, 1), base: base, param: c.Settings["next_param"],
		paths: terracottaPaths{list: plainPath(c.Settings["list"]), next: plainPath(c.Settings["next"])}}
	switch text := c.Settings["limit"]; text {
	case "":
	case "none":
		p.limit = noLimit
	default:
		if p.limit, err = strconv.Atoi(text); err != nil || p.limit < 1 {
			return nil, fmt.Errorf("source %s: setting limit: want a number of entries, or none", c.Name)
		}
	}
	if err := p.budget(c, terracottaPerHour); err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	return p, nil
}

// Pull implements Puller.
func (p *terracottaPuller) Pull(ctx context.Context, ask Ask, page func(Page) error) (Answer, error) {
	p.requests = 0
	r := terracottaRead{terracottaPuller: p, deliver: page, given: map[[sha256.Size]byte]int{}}
	// The dates of the window where it is the earliest on earth, and the latest.
	from, to := ask.Window.From.UTC().Add(-12*time.Hour).Truncate(day), ask.Window.To.UTC().Add(14*time.Hour).Truncate(day).Add(day)
	err := r.days(ctx, from, to)
	return Answer{Total: -1, Requests: p.requests, Through: r.through}, err
}

// A terracottaRead is one read of the log.
type terracottaRead struct {
	*terracottaPuller
	deliver func(Page) error
	through time.Time // when the first request was made

	// How often each record was handed over. Entries may have no id: one that comes
	// in two answers is one, two that are alike in one answer are two.
	given map[[sha256.Size]byte]int
}

// days reads the days from one date to another. When the answer may have been cut,
// every day is asked for alone.
func (r *terracottaRead) days(ctx context.Context, from, to time.Time) error {
	n, ended, err := r.answer(ctx, from, to)
	if err != nil {
		return fmt.Errorf("source: GET %s from %s to %s: %w", r.base.JoinPath(terracottaPath).Path,
			from.Format(time.DateOnly), to.Format(time.DateOnly), err)
	}
	r.most = max(r.most, n) // also of one that was cut: what cuts is no less
	if ended || !r.full(n) {
		return nil
	}
	if to.Sub(from) == day {
		return fmt.Errorf("source: GET %s from %s to %s: the answer holds exactly %d entries and no next page: it may have been cut, so the day is not complete; "+
			"ask Terracotta's support how many entries an answer holds and how it goes on, and set next to the path of the next page, or limit to that number (none when there is no limit)",
			r.base.JoinPath(terracottaPath).Path, from.Format(time.DateOnly), to.Format(time.DateOnly), n)
	}
	for ; from.Before(to); from = from.Add(day) {
		if err := r.days(ctx, from, from.Add(day)); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether an answer of n entries may have been cut. Limits are round
// numbers, usual ones are 10, 20, 25, 50 and 100; one that a longer answer disproved is
// none.
func (p *terracottaPuller) full(n int) bool {
	switch p.limit {
	case noLimit:
		return false
	case 0:
		return n >= 10 && (n%10 == 0 || n%25 == 0) && n >= p.most
	}
	return n >= p.limit
}

// answer reads one answer with all its pages. It returns how many entries there
// were, and whether the answer itself says that there are no more.
func (r *terracottaRead) answer(ctx context.Context, from, to time.Time) (n int, ended bool, err error) {
	u := r.base.JoinPath(terracottaPath)
	u.RawQuery = url.Values{"from": {from.Format(time.DateOnly)}, "to": {to.Format(time.DateOnly)}}.Encode()
	here := map[[sha256.Size]byte]int{}
	seen := map[string]bool{}
	for {
		seen[u.String()] = true
		page, err := r.page(ctx, u.String())
		if err != nil {
			return n, false, err
		}
		n += len(page.records)
		if err := r.deliver(Page{Records: r.fresh(here, page.records), Received: page.received}); err != nil {
			return n, false, err
		}
		next, err := page.following(u, r.param)
		switch {
		case err != nil:
			return n, false, err
		case next == nil && page.total > n && r.limit == 0:
			return n, false, fmt.Errorf("it says that there are %d entries, brought %d, and has no next page: set next to the path of the next page", page.total, n)
		case next == nil:
			return n, page.ended() || len(seen) > 1, nil
		case seen[next.String()] || len(seen) == terracottaPages:
			return n, false, errors.New("its next page leads back to one already read: set next to the path of the next page, and next_param to the parameter that it belongs to")
		}
		u = next
	}
}

// fresh returns the records that were not handed over by another answer. here counts
// those of this one.
func (r *terracottaRead) fresh(here map[[sha256.Size]byte]int, records [][]byte) [][]byte {
	var out [][]byte
	for _, raw := range records {
		sum := sha256.Sum256(raw)
		if here[sum]++; here[sum] > r.given[sum] {
			r.given[sum] = here[sum]
			out = append(out, raw)
		}
	}
	return out
}

func (r *terracottaRead) page(ctx context.Context, u string) (page terracottaPage, err error) {
	asked := r.now()
	err = r.get(ctx, u, func(header http.Header, body []byte) (err error) {
		if page, err = parseTerracotta(body, r.paths); err != nil {
			return fmt.Errorf("%w (%d bytes of %s)", err, len(body), cmp.Or(header.Get("Content-Type"), "no type"))
		}
		link, err := linkNext(header.Values("Link"))
		if err != nil {
			return err
		}
		page.next = cmp.Or(page.next, link)
		page.received = r.now().UTC()
		if r.through.IsZero() {
			r.through = completeAt(asked, page.received, header)
		}
		return nil
	})
	switch codeOf(err) {
	case http.StatusUnauthorized:
		err = fmt.Errorf("%w; the API key was revoked or mistyped: make a new one in Terracotta and give it to this source", ErrToken)
	case http.StatusForbidden:
		err = fmt.Errorf("%w; audit logs are part of Terracotta's Enterprise plan: check the plan, and what the API key may read", ErrPlan)
	case http.StatusNotFound:
		err = fmt.Errorf("%w: check the url setting", err)
	}
	return page, err
}
