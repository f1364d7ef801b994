package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"exhibit/internal/coverage"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	datadogPath = "api/v2/logs/events/search"

	// Datadog allows 300 searches an hour to an organisation, whoever makes them. Some
	// are left to others.
	datadogPerHour = 240

	// datadogWait is how long an answer can make a puller wait: to the end of the hour.
	datadogWait = time.Hour

	datadogPageSize = 1000 // the largest; the default is 10
	datadogMinPage  = 50   // pages that do not come through are halved down to about this
	datadogShortest = time.Minute
	datadogTime     = "2006-01-02T15:04:05.000Z"
)

var (
	// errPartial is an answer of a search that ran out of time.
	errPartial = errors.New("the search ran out of time, so its answer is not whole")

	// errWarned is an answer that may lack logs.
	errWarned = errors.New("the search warns that logs may be missing")
)

// datadogPuller searches the indexes of one organisation, oldest first, by a cursor.
type datadogPuller struct {
	*caller
	url    string
	filter datadogFilter
}

// datadogFilter is the filter of a search, as Datadog reads it.
type datadogFilter struct {
	Query   string   `json:"query"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	Indexes []string `json:"indexes"`
	Tier    string   `json:"storage_tier"`
}

func newDatadogPuller(c Config) (Puller, error) {
	site := cmp.Or(c.Settings["site"], "datadoghq.com")
	base, err := apiURL(cmp.Or(c.Settings["url"], "https://api."+site))
	switch {
	case strings.Trim(strings.ToLower(site), "abcdefghijklmnopqrstuvwxyz0123456789.-") != "":
		return nil, fmt.Errorf("source %s: setting site: want a name like datadoghq.eu", c.Name)
	case err != nil:
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	case c.Settings["api_key"] == "" || c.Settings["application_key"] == "":
		return nil, fmt.Errorf("source %s: the settings api_key and application_key are needed both", c.Name)
	case strings.TrimSpace(c.Settings["query"]) == "":
		return nil, fmt.Errorf("source %s: setting query is missing: say which logs are audit logs, such as source:scalr", c.Name)
	}
	tier := cmp.Or(c.Settings["storage_tier"], "indexes")
	if !slices.Contains([]string{"indexes", "online-archives", "flex"}, tier) {
		return nil, fmt.Errorf("source %s: setting storage_tier: want indexes, online-archives or flex", c.Name)
	}
	c.Retry.Max = cmp.Or(c.Retry.Max, datadogWait)
	p := &datadogPuller{caller: newCaller(c, 1), url: base.JoinPath(datadogPath).String(),
		filter: datadogFilter{Query: c.Settings["query"], Tier: tier}}
	for name := range strings.SplitSeq(cmp.Or(c.Settings["indexes"], "*"), ",") {
		p.filter.Indexes = append(p.filter.Indexes, strings.TrimSpace(name))
	}
	api, application := c.Settings["api_key"], c.Settings["application_key"]
	p.authorize = func(r *http.Request) {
		r.Header.Set("DD-API-KEY", api)
		r.Header.Set("DD-APPLICATION-KEY", application)
	}
	if err := p.budget(c, datadogPerHour); err != nil {
		return nil, fmt.Errorf("source %s: %w", c.Name, err)
	}
	return p, nil
}

// Pull implements Puller. A search that runs out of time is made of two shorter
// ones; pages that do not come through, of smaller ones.
func (p *datadogPuller) Pull(ctx context.Context, ask Ask, page func(Page) error) (Answer, error) {
	p.requests = 0
	r := datadogRead{datadogPuller: p, deliver: page, size: datadogPageSize}
	err := r.window(ctx, ask.Window)
	if err != nil {
		err = fmt.Errorf("source: POST /%s: %w", datadogPath, datadogError(err))
	}
	return Answer{Total: -1, Requests: p.requests, Through: r.through}, err
}

// A datadogRead is one read of a window.
type datadogRead struct {
	*datadogPuller
	deliver func(Page) error
	size    int       // of pages
	through time.Time // when the first request was made
}

func (r *datadogRead) window(ctx context.Context, w coverage.Interval) error {
	err := r.search(ctx, w)
	for err != nil && r.size >= 2*datadogMinPage && tooMuch(err) && ctx.Err() == nil {
		r.size /= 2
		err = r.search(ctx, w)
	}
	if !errors.Is(err, errPartial) || w.Length() < 2*datadogShortest {
		return err
	}
	middle := w.From.Add(w.Length() / 2)
	if err := r.window(ctx, coverage.Interval{From: w.From, To: middle}); err != nil {
		return err
	}
	return r.window(ctx, coverage.Interval{From: middle, To: w.To})
}

// search reads the pages of one search. It asks for a millisecond more on either
// side: logs have milliseconds, and what comes twice is stored once.
func (r *datadogRead) search(ctx context.Context, w coverage.Interval) error {
	question := struct {
		Filter datadogFilter `json:"filter"`
		Sort   string        `json:"sort"`
		Page   struct {
			Limit  int    `json:"limit"`
			Cursor string `json:"cursor,omitempty"`
		} `json:"page"`
	}{Filter: r.filter, Sort: "timestamp"}
	question.Filter.From = w.From.UTC().Truncate(time.Millisecond).Add(-time.Millisecond).Format(datadogTime)
	question.Filter.To = w.To.UTC().Truncate(time.Millisecond).Add(2 * time.Millisecond).Format(datadogTime)
	question.Page.Limit = r.size
	for seen := map[string]bool{}; ; {
		text, err := json.Marshal(question)
		if err != nil {
			return err
		}
		page, err := r.page(ctx, text)
		if err != nil {
			return fmt.Errorf("from %s: %w", question.Filter.From, err)
		}
		if err := r.deliver(Page{Records: page.records, Received: page.received}); err != nil {
			return err
		}
		switch {
		case len(page.warnings) > 0:
			return fmt.Errorf("from %s: %w: %s", question.Filter.From, errWarned, strings.Join(page.warnings, "; "))
		case page.after == "":
			return nil
		case seen[page.after]:
			return fmt.Errorf("from %s: the cursor of the next page leads back to one already read", question.Filter.From)
		}
		seen[page.after] = true
		question.Page.Cursor = page.after
	}
}

func (r *datadogRead) page(ctx context.Context, question []byte) (page datadogPage, err error) {
	asked := r.now()
	err = r.post(ctx, r.url, question, func(header http.Header, body []byte) (err error) {
		if page, err = parseDatadog(body); err != nil {
			return fmt.Errorf("%w (%d bytes of %s)", err, len(body), cmp.Or(header.Get("Content-Type"), "no type"))
		}
		page.received = r.now().UTC()
		if r.through.IsZero() {
			r.through = completeAt(asked, page.received, header)
		}
		return nil
	})
	return page, err
}

// datadogError says what to do about an error that a person has to resolve.
func datadogError(err error) error {
	switch code := codeOf(err); {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w (%d); Datadog says so to a wrong or revoked key, to keys of another site, and to an application key "+
			"that may not read logs: check both keys, the site setting and the permissions logs_read_data and logs_read_index_data", ErrToken, code)
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: check the site and url settings", err)
	case code == http.StatusBadRequest:
		return fmt.Errorf("%w: check the query setting", err)
	case errors.Is(err, errWarned):
		return fmt.Errorf("%w: check the indexes and query settings", err)
	}
	return err
}

// A datadogPage is one page of a search.
type datadogPage struct {
	records  [][]byte
	after    string // cursor of the next page; empty on the last
	warnings []string
	received time.Time
}

// parseDatadog cuts a page into its logs, which share memory with it.
func parseDatadog(body []byte) (datadogPage, error) {
	var page datadogPage
	lists, status := 0, ""
	err := walk(body, func(path string, dec *jsontext.Decoder) (_ bool, err error) {
		switch path {
		case "data":
			lists++
			page.records, err = elements(dec, body)
		case "meta.page.after":
			page.after, err = textOf(dec)
		case "meta.status":
			status, err = textOf(dec)
		case "meta.warnings":
			page.warnings, err = warnings(dec)
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return page, err
	case status == "timeout":
		return page, errPartial
	case status != "done" && status != "":
		return page, fmt.Errorf("the search ended with the status %.40q, which is not known", status)
	case lists != 1:
		return page, fmt.Errorf("the answer is not a page of logs: it has %d data, want one", lists)
	}
	return page, nil
}

// warnings reads what Datadog warns of, such as an index that does not exist.
func warnings(dec *jsontext.Decoder) ([]string, error) {
	v, err := dec.ReadValue()
	if err != nil {
		return nil, err
	}
	var list []struct {
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(v, &list); err != nil {
		return nil, errors.New("its warnings are not a list")
	}
	var out []string
	for _, w := range list {
		out = append(out, fmt.Sprintf("%.200s", strings.Join(slices.DeleteFunc([]string{w.Code, w.Title, w.Detail}, func(s string) bool { return s == "" }), ", ")))
	}
	return out, nil
}
