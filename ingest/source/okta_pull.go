package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// Okta allows an organization 50 to 120 requests a minute to its log, whoever
	// makes them. Others need some.
	oktaPerHour = 1800

	oktaPageSize = 1000 // the largest
	oktaPath     = "api/v1/logs"
	oktaSince    = "2006-01-02T15:04:05.000Z"

	// A busy log never has an empty page. So many pages in a row end a read as well
	// that are not full and have an event no older than that.
	oktaRecent      = 3
	oktaRecentEvent = 5 * time.Minute
)

// oktaPuller reads the System Log by polling requests: ascending and without an
// end, they are in the order in which events were stored, bring late ones too, and
// every page, an empty one as well, says where the next begins. That address is the
// cursor; nothing is ever made from the time of an event. (Requests with an end are
// in the order of published, and late events may be missing.)
type oktaPuller struct {
	*caller
	base    *url.URL   // of the log
	login   *oktaLogin // nil: there is a token
	readers readers
}

func oktaSettings() []Setting {
	return []Setting{
		{Name: "url", Type: URL, Required: true, Doc: "address of the organization, https://NAME.okta.com, without -admin"},
		{Name: "token", Secret: true, Doc: "API token of an account with the Read-only administrator or Report administrator role; or client_id and private_key"},
		{Name: "scheme", Values: []string{"SSWS", "Bearer"}, Default: "SSWS", Doc: "what token is: an API token, or an OAuth access token"},
		{Name: "client_id", Doc: "service app that was granted okta.logs.read, without DPoP, instead of token"},
		{Name: "private_key", Secret: true, Doc: "key of the service app, in PEM or as the JSON that Okta shows when it makes one"},
		{Name: "key_id", Doc: "id of private_key, unless it is in the JSON"},
		budgetSetting(oktaPerHour),
	}
}

func newOktaPuller(c Config) (Puller, error) {
	fail := func(err error) (Puller, error) { return nil, fmt.Errorf("source %s: %w", c.Name, err) }
	base, err := apiURL(c.Settings["url"])
	if err != nil {
		return fail(err)
	}
	p := &oktaPuller{caller: newCaller(c, 1), base: base.JoinPath(oktaPath)}
	token, client := c.Settings["token"], c.Settings["client_id"]
	scheme := cmp.Or(c.Settings["scheme"], "SSWS")
	switch {
	case token == "" && client == "":
		return fail(errors.New("setting token is missing, or client_id and private_key instead"))
	case token != "" && client != "":
		return fail(errors.New("setting token and setting client_id are both there: give one of them"))
	case scheme != "SSWS" && scheme != "Bearer":
		return fail(errors.New("setting scheme: want SSWS or Bearer"))
	case client != "":
		if p.login, err = newOktaLogin(client, c.Settings["private_key"], c.Settings["key_id"], base); err != nil {
			return fail(err)
		}
	}
	p.authorize = func(r *http.Request) {
		switch {
		case p.login == nil:
			r.Header.Set("Authorization", scheme+" "+token)
		case p.login.token != "":
			r.Header.Set("Authorization", "Bearer "+p.login.token)
		}
	}
	if err := p.budget(c, oktaPerHour); err != nil {
		return fail(err)
	}
	return p, nil
}

// Pull implements Puller. It ends when Okta has nothing more, which an empty page
// says. Where events come faster than pages, it ends at a recent event: everything
// that was stored before it came before it.
func (p *oktaPuller) Pull(ctx context.Context, ask Ask, deliver func(Page) error) (Answer, error) {
	p.requests = 0
	answer := Answer{Total: -1}
	u, err := p.first(ask)
	for recent := 0; err == nil; {
		var page oktaPage
		if page, err = p.page(ctx, u); err != nil {
			break
		}
		if page.next.String() == u.String() && len(page.records) > 0 {
			err = errors.New("source: Okta says that a page with events is followed by itself")
			break
		}
		u, answer.Distinct = page.next, answer.Distinct+len(page.records)
		if err = deliver(Page{Records: page.records, Received: page.received, Cursor: u.String()}); err != nil {
			break
		}
		if len(page.records) == 0 {
			answer.Through = page.complete
			break
		}
		newest := p.newest(page)
		if recent++; newest.IsZero() || newest.Before(page.complete.Add(-oktaRecentEvent)) {
			recent = 0
		}
		if recent == oktaRecent {
			answer.Through = newest
			break
		}
	}
	answer.Requests = p.requests
	if err != nil && ask.Cursor != "" && gone(err) {
		err = fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return answer, err
}

// newest returns the time of the newest event of a page that is not full, and not
// later than when everything in the log was in it; else it is zero. An event is
// stored when it happens or later, never earlier.
func (p *oktaPuller) newest(page oktaPage) (newest time.Time) {
	if len(page.records) >= oktaPageSize {
		return newest
	}
	for _, raw := range page.records {
		text := ""
		_, _, err := p.readers.object(raw, func(f *fields, name string) {
			if name == "published" {
				text = f.text()
				return
			}
			f.value()
		})
		if at, bad := time.Parse(time.RFC3339, text); err == nil && bad == nil && at.After(newest) {
			newest = at
		}
	}
	if newest.After(page.complete) {
		return page.complete
	}
	return newest.UTC()
}

// gone reports whether an error may be for the cursor, which does not live for ever:
// with it goes the since that it began with, and Okta refuses one of more than 180 days ago.
func gone(err error) bool {
	switch codeOf(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusGone:
		return true
	}
	return errors.Is(err, errElsewhere)
}

// errElsewhere means that a link does not lead to the log that is configured.
var errElsewhere = errors.New("not the log of this source")

// first returns where to begin.
func (p *oktaPuller) first(ask Ask) (*url.URL, error) {
	if ask.Cursor != "" {
		return p.on(ask.Cursor)
	}
	u := *p.base
	u.RawQuery = url.Values{
		// Truncated down: what is asked for twice is stored once.
		"since": {ask.Window.From.UTC().Truncate(time.Millisecond).Format(oktaSince)},
		"limit": {strconv.Itoa(oktaPageSize)}, "sortOrder": {"ASCENDING"},
	}.Encode()
	return &u, nil
}

// on resolves a link. The token must not go anywhere but to the log it is for.
func (p *oktaPuller) on(link string) (*url.URL, error) {
	u, err := nextOn(p.base, link)
	if err == nil && (u.Path != p.base.Path || u.User != nil) {
		err = fmt.Errorf("the next page is said to be at %s", u.Path)
	}
	if err != nil {
		return nil, fmt.Errorf("source: %w: %w", errElsewhere, err)
	}
	return u, nil
}

// An oktaPage is one page of the log.
type oktaPage struct {
	records  [][]byte
	next     *url.URL
	received time.Time
	complete time.Time // everything that was stored at this moment is in this page or an earlier one
}

// page reads one page. An access token that was refused is exchanged once: it may
// have been revoked.
func (p *oktaPuller) page(ctx context.Context, u *url.URL) (oktaPage, error) {
	page, err := p.pageOnce(ctx, u)
	if p.login != nil && errors.Is(err, ErrToken) && p.login.token != "" {
		p.login.token = ""
		page, err = p.pageOnce(ctx, u)
	}
	return page, err
}

func (p *oktaPuller) pageOnce(ctx context.Context, u *url.URL) (oktaPage, error) {
	var page oktaPage
	asked := p.now()
	if err := p.signIn(ctx, asked); err != nil {
		return page, err
	}
	err := p.get(ctx, u.String(), func(header http.Header, body []byte) error {
		page = oktaPage{received: p.now().UTC()}
		page.complete = completeAt(asked, page.received, header)
		list := false
		err := walk(body, func(path string, dec *jsontext.Decoder) (_ bool, err error) {
			if list = path == ""; list {
				page.records, err = elements(dec, body)
			}
			return list, err
		})
		if err == nil && !list {
			err = errors.New("the answer is not a list of events")
		}
		if err != nil {
			return fmt.Errorf("%w (%d bytes of %s)", err, len(body), cmp.Or(header.Get("Content-Type"), "no type"))
		}
		link, err := linkNext(header.Values("Link"))
		if err == nil && link == "" {
			err = errors.New("the answer does not say where the next page is, which every page of this log does")
		}
		if err != nil {
			return err
		}
		if page.next, err = p.on(link); err != nil {
			return finalError{err}
		}
		return nil
	})
	if err != nil {
		return page, fmt.Errorf("source: GET %s: %w%s", u.Path, oktaError(err), oktaAdvice(err))
	}
	return page, nil
}

// oktaError tells a role that is missing from other refusals.
func oktaError(err error) error {
	if codeOf(err) == http.StatusForbidden {
		return fmt.Errorf("%w: %w", ErrPlan, err)
	}
	return err
}

// oktaAdvice says what to do about an error that a person has to resolve.
func oktaAdvice(err error) string {
	switch codeOf(err) {
	case http.StatusUnauthorized:
		return "; an API token ends when it is not used for 30 days, when it is revoked and when its owner is deactivated; an access token ends within a day: give a new one to this source, and see that scheme says which of the two it is"
	case http.StatusForbidden:
		return "; an API token needs an owner with the Read-only administrator or Report administrator role, an access token the scope okta.logs.read"
	}
	return ""
}
