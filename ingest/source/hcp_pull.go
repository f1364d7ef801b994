package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

const (
	// HCP Terraform allows 30 requests a second per user, whatever the token. Some
	// are left to others, and a second by its clock is not one by ours.
	hcpPerSecond = 25

	hcpPageSize = 1000 // the default of this endpoint; a larger maximum is not documented
	hcpMinPage  = 50   // pages that do not come through are halved down to about this
	hcpRounds   = 4    // times that the first page is read
	hcpPath     = "api/v2/organization/audit-trail"
	hcpSince    = "2006-01-02T15:04:05.000Z"

	// clockSlack is how far the source's clock may be behind ours without being
	// taken for wrong: its Date header has whole seconds and comes with a delay.
	clockSlack = time.Minute
)

// hcpPuller reads the audit trail of one organisation: newest first, in pages
// counted from the newest event, so that an event which arrives during the read
// pushes all others down. Read from the first page to the last, that brings events
// twice but leaves none out; those that arrived meanwhile are on the first page.
type hcpPuller struct {
	*caller
	base    *url.URL
	size    int
	readers readers
}

func newHCPPuller(c Config) (Puller, error) {
	setting := func(name, otherwise string) string { return cmp.Or(c.Settings[name], otherwise) }
	base, err := apiURL(setting("url", "https://app.terraform.io"))
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	size, err := strconv.Atoi(setting("page_size", strconv.Itoa(hcpPageSize)))
	if err != nil || size < 1 || size > 100_000 {
		return nil, fmt.Errorf("source %s: setting page_size: want a number from 1 to 100000", c.Name)
	}
	if c.Settings["token"] == "" {
		return nil, fmt.Errorf("source %s: setting token is missing", c.Name)
	}
	return &hcpPuller{caller: newCaller(c, hcpPerSecond), base: base, size: size}, nil
}

// Pull implements Puller. When pages do not come through for their size or for the
// time they take, it starts again with smaller ones.
func (p *hcpPuller) Pull(ctx context.Context, ask Ask, page func(Page) error) (Answer, error) {
	p.requests = 0
	for size := p.size; ; size /= 2 {
		r := hcpRead{hcpPuller: p, since: ask.Window.From, size: size, deliver: page, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
		answer, err := r.all(ctx)
		if err == nil || size < 2*hcpMinPage || !tooMuch(err) {
			answer.Requests = p.requests
			return answer, err
		}
	}
}

// tooMuch reports whether a smaller page may do better.
func tooMuch(err error) bool {
	timeout := net.Error(nil)
	return errors.Is(err, errTooLarge) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &timeout) && timeout.Timeout()
}

// An hcpRead is one read of the trail.
type hcpRead struct {
	*hcpPuller
	since   time.Time
	size    int
	deliver func(Page) error

	seed maphash.Seed
	seen map[uint64]struct{} // ids handed over, by hash: the trail may have millions
}

// all reads the trail to its end, and then what arrived meanwhile. It ends when
// the first page begins with a known event and tells of no more events than were
// seen; a trail that is never still ends it after a few rounds, each of which is
// complete in itself.
func (r *hcpRead) all(ctx context.Context) (answer Answer, err error) {
	newest := ""
	for round := range hcpRounds {
		first, err := r.page(ctx, 1)
		if err != nil {
			return answer, err
		}
		head := r.newest(first)
		answer.Total, answer.Through = first.total, first.complete
		if round > 0 && head == newest && len(r.seen) >= first.total {
			break
		}
		pages, err := r.from(ctx, first, newest, round > 0)
		answer.Distinct = len(r.seen)
		if err != nil {
			return answer, err
		}
		if pages == 1 && round == 0 {
			break // one request is a whole answer: nothing moved
		}
		newest = head
	}
	return answer, nil
}

// from hands over the first page and those after it, to the last, or, when again,
// as far as anything can be new: up to the event known, and on while the trail has
// more events than were seen, because some came late and stand further down. It
// returns how many pages it read.
func (r *hcpRead) from(ctx context.Context, page hcpPage, known string, again bool) (int, error) {
	total := page.total
	for number, met := 1, false; ; {
		found, err := r.hand(page, known)
		if err != nil {
			return number, err
		}
		met = met || found
		if page.next == 0 || again && met && len(r.seen) >= total {
			return number, nil
		}
		if page.next != number+1 {
			return number, fmt.Errorf("source: GET %s page %d: it says that page %d is next", r.base.JoinPath(hcpPath).Path, number, page.next)
		}
		number++
		if page, err = r.page(ctx, number); err != nil {
			return number, err
		}
	}
}

// hand hands over a page and reports whether the event known is in it.
func (r *hcpRead) hand(page hcpPage, known string) (found bool, err error) {
	for _, raw := range page.records {
		id := r.id(raw)
		r.seen[maphash.String(r.seed, id)] = struct{}{}
		found = found || id == known
	}
	return found, r.deliver(Page{Records: page.records, Received: page.received})
}

func (r *hcpRead) newest(page hcpPage) string {
	if len(page.records) == 0 {
		return ""
	}
	return r.id(page.records[0])
}

// id returns what tells one record from the others.
func (r *hcpRead) id(raw []byte) string {
	id := ""
	text, _, err := r.readers.object(raw, func(f *fields, name string) {
		if name == "id" {
			id = f.text()
			return
		}
		f.value()
	})
	if err != nil || id == "" {
		return text
	}
	return id
}
