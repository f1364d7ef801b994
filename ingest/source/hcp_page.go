package source

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// An hcpPage is one page of the trail.
type hcpPage struct {
	records  [][]byte
	next     int       // number of the next page, 0 on the last
	total    int       // events in all pages, -1 when it does not say
	complete time.Time // everything that the trail had at this moment is in the list
	received time.Time
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
	if status := (*statusError)(nil); errors.As(err, &status) && status.Code == http.StatusNotFound {
		err = ErrPlan
	}
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
