package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"exhibit/internal/coverage"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
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
func (p *hcpPuller) Pull(ctx context.Context, w coverage.Interval, page func(Page) error) (Answer, error) {
	p.requests = 0
	for size := p.size; ; size /= 2 {
		r := hcpRead{hcpPuller: p, since: w.From, size: size, deliver: page, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}}
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

// An hcpPage is one page of the trail.
type hcpPage struct {
	records  [][]byte
	next     int       // number of the next page, 0 on the last
	total    int       // events in all pages, -1 when it does not say
	complete time.Time // everything that the trail had at this moment is in the list
	received time.Time
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
	return found, r.deliver(Page{page.records, page.received})
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

// page reads one page.
func (r *hcpRead) page(ctx context.Context, number int) (hcpPage, error) {
	query := url.Values{"page[number]": {strconv.Itoa(number)}, "page[size]": {strconv.Itoa(r.size)}}
	if !r.since.IsZero() {
		// Truncated down: what is asked for twice is stored once.
		query.Set("since", r.since.UTC().Truncate(time.Millisecond).Format(hcpSince))
	}
	u := r.base.JoinPath(hcpPath)
	u.RawQuery = query.Encode()
	var page hcpPage
	// An answer may be the last of several attempts, so the first began earlier
	// than the one that counts: complete errs to the safe side.
	asked := r.now()
	err := r.get(ctx, u.String(), func(header http.Header, body []byte) (err error) {
		page, err = parseHCPPage(body)
		if err != nil {
			return fmt.Errorf("%w (%d bytes of %s)", err, len(body), cmp.Or(header.Get("Content-Type"), "no type"))
		}
		page.received = r.now().UTC()
		page.complete = completeAt(asked, page.received, header)
		return nil
	})
	if err != nil {
		return page, fmt.Errorf("source: GET %s page %d: %w%s", u.Path, number, err, hcpAdvice(err))
	}
	return page, nil
}

// completeAt returns the moment up to which an answer holds every event: when it
// was asked for. Events have the times of the source's clock; when that is behind
// ours, a later event will bear a time before that moment, so it is the source's
// time that counts.
func completeAt(asked, received time.Time, header http.Header) time.Time {
	theirs, err := http.ParseTime(header.Get("Date"))
	if err == nil && theirs.Before(asked.Add(-clockSlack)) {
		return theirs.Add(asked.Sub(received)).UTC()
	}
	return asked.UTC()
}

// hcpAdvice says what to do about an error that a person has to resolve.
func hcpAdvice(err error) string {
	switch {
	case errors.Is(err, ErrToken):
		return "; it has expired or was made anew (an organization has only one audit trail token): make a new audit trail token in the organization's settings and give it to this source"
	case errors.Is(err, ErrPlan):
		return "; HCP Terraform says 404 to a user or team token, and to organizations whose plan has no audit logging: use an audit trail token or organization token, and check the plan"
	}
	return ""
}

// parseHCPPage cuts a page into its records, which share memory with it. What is
// inside a record does not matter here: one bad record must not hide the others.
func parseHCPPage(body []byte) (hcpPage, error) {
	page := hcpPage{total: -1}
	dec := jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	if dec.PeekKind() != '{' {
		return page, errors.New("the answer is not a JSON object")
	}
	_, err := dec.ReadToken()
	lists, frames := 0, 0
	for err == nil && dec.PeekKind() == '"' {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err != nil {
			break
		}
		switch name.String() {
		case "data":
			lists++
			page.records, err = elements(dec, body)
		case "pagination":
			frames++
			err = page.pagination(dec)
		default:
			err = dec.SkipValue()
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	if err == nil {
		if _, end := dec.ReadToken(); end != io.EOF {
			err = errors.New("more follows the object")
		}
	}
	switch {
	case err != nil:
		return page, fmt.Errorf("the answer is not a page of events: %s", detail(err))
	case lists != 1 || frames != 1:
		return page, fmt.Errorf("the answer is not a page of events: it has %d data and %d pagination, want one of each", lists, frames)
	}
	return page, nil
}

// elements returns the elements of the array that comes next, as they are in body.
func elements(dec *jsontext.Decoder, body []byte) ([][]byte, error) {
	if dec.PeekKind() != '[' {
		return nil, errors.New("data is not a list")
	}
	_, err := dec.ReadToken()
	var out [][]byte
	for err == nil && dec.PeekKind() != ']' {
		var v jsontext.Value
		if v, err = dec.ReadValue(); err == nil {
			end := int(dec.InputOffset())
			out = append(out, body[end-len(v):end:end])
		}
	}
	if err == nil {
		_, err = dec.ReadToken()
	}
	return out, err
}

func (p *hcpPage) pagination(dec *jsontext.Decoder) error {
	var v struct {
		Next  jsontext.Value `json:"next_page"` // null on the last page
		Total *int           `json:"total_count"`
	}
	if err := json.UnmarshalDecode(dec, &v); err != nil {
		return err
	}
	if v.Next == nil {
		// Taken for the last page, it would silently end the read too early.
		return errors.New("pagination does not say whether there is a next page")
	}
	if v.Total != nil {
		p.total = *v.Total
	}
	if v.Next.Kind() == 'n' {
		return nil
	}
	return json.Unmarshal(v.Next, &p.next)
}
