package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"exhibit/internal/coverage"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	// Microsoft Graph allows five requests in ten seconds to an app in a tenant. Some
	// are left to the app's other feeds.
	entraPerHour = 900

	entraPageSize = 1000 // the largest
	entraMinPage  = 50   // pages that do not come through are halved down to about this
	entraTime     = "2006-01-02T15:04:05Z"

	// entraEarly is how long before its end a token is exchanged for a new one.
	entraEarly = 5 * time.Minute
)

// An entraFeed is one list of Microsoft Graph.
type entraFeed struct {
	path  string
	time  string // the member that is filtered by
	types string // the sign-ins that are asked for; empty: the list's own
}

// entraFeeds are the feeds by the value of the setting. v1.0 has interactive
// sign-ins only; the others are in beta.
func entraFeeds() map[string]entraFeed {
	const signIns, created = "auditLogs/signIns", "createdDateTime"
	return map[string]entraFeed{
		"directory-audits":            {"v1.0/auditLogs/directoryAudits", "activityDateTime", ""},
		"sign-ins":                    {"v1.0/" + signIns, created, ""},
		"sign-ins-non-interactive":    {"beta/" + signIns, created, "nonInteractiveUser"},
		"sign-ins-service-principals": {"beta/" + signIns, created, "servicePrincipal"},
		"sign-ins-managed-identities": {"beta/" + signIns, created, "managedIdentity"},
	}
}

// entraPuller reads one feed of a tenant, as an app that was given leave to.
type entraPuller struct {
	*caller
	base        *url.URL
	feed        entraFeed
	login       string // where tokens are given
	credentials url.Values

	token   string
	expires time.Time // of token
}

func newEntraPuller(c Config) (Puller, error) {
	fail := func(format string, args ...any) (Puller, error) {
		return nil, fmt.Errorf("source %s: %w", c.Name, fmt.Errorf(format, args...))
	}
	base, err := apiURL(cmp.Or(c.Settings["url"], "https://graph.microsoft.com"))
	if err != nil {
		return fail("%w", err)
	}
	login, err := apiURL(cmp.Or(c.Settings["login_url"], "https://login.microsoftonline.com"))
	if err != nil {
		return fail("login_url: %w", err)
	}
	for _, name := range []string{"tenant", "client_id", "client_secret", "feed"} {
		if c.Settings[name] == "" {
			return fail("setting %s is missing", name)
		}
	}
	feed, known := entraFeeds()[c.Settings["feed"]]
	if !known {
		return fail("setting feed: there is no feed %q; the feeds are %s", c.Settings["feed"], strings.Join(slices.Sorted(maps.Keys(entraFeeds())), ", "))
	}
	if strings.ContainsAny(c.Settings["tenant"], "/?#% ") {
		return fail("setting tenant: want the tenant's id or domain")
	}
	p := &entraPuller{caller: newCaller(c, 1), base: base, feed: feed,
		login: login.JoinPath(c.Settings["tenant"], "oauth2/v2.0/token").String(),
		credentials: url.Values{"grant_type": {"client_credentials"}, "scope": {base.Scheme + "://" + base.Host + "/.default"},
			"client_id": {c.Settings["client_id"]}, "client_secret": {c.Settings["client_secret"]}}}
	p.authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+p.token) }
	if err := p.budget(c, entraPerHour); err != nil {
		return fail("%w", err)
	}
	return p, nil
}

// Pull implements Puller. Pages that do not come through are asked for in smaller ones.
func (p *entraPuller) Pull(ctx context.Context, ask Ask, page func(Page) error) (Answer, error) {
	p.requests = 0
	for size := entraPageSize; ; size /= 2 {
		r := entraRead{entraPuller: p, deliver: page}
		err := r.window(ctx, ask.Window, size)
		if err == nil || size < 2*entraMinPage || !tooMuch(err) || ctx.Err() != nil {
			if err != nil {
				err = fmt.Errorf("source: GET /%s: %w", p.feed.path, err)
			}
			return Answer{Total: -1, Requests: p.requests, Through: r.through}, err
		}
	}
}

// An entraRead is one read of a window.
type entraRead struct {
	*entraPuller
	deliver func(Page) error
	through time.Time // when the first request was made
}

// window reads what the feed has of a window. Its bounds are made whole seconds, and
// both are included: what comes twice is stored once.
func (r *entraRead) window(ctx context.Context, w coverage.Interval, size int) error {
	filter := fmt.Sprintf("%s ge %s and %[1]s le %[3]s", r.feed.time,
		w.From.UTC().Truncate(time.Second).Format(entraTime), w.To.UTC().Truncate(time.Second).Add(time.Second).Format(entraTime))
	if r.feed.types != "" {
		filter = fmt.Sprintf("(%s) and signInEventTypes/any(t: t eq '%s')", filter, r.feed.types)
	}
	u := r.base.JoinPath(r.feed.path)
	// A plus is a plus to Microsoft Graph, not a space.
	u.RawQuery = fmt.Sprintf("$filter=%s&$top=%d", strings.ReplaceAll(url.QueryEscape(filter), "+", "%20"), size)
	for address, seen := u.String(), map[string]bool{}; ; {
		seen[address] = true
		page, err := r.page(ctx, address)
		if err != nil {
			return err
		}
		if err := r.deliver(Page{Records: page.records, Received: page.received}); err != nil {
			return err
		}
		if page.next == "" {
			return nil
		}
		next, err := nextOn(u, page.next)
		if err != nil {
			return err
		}
		if address = next.String(); seen[address] {
			return errors.New("the link to the next page leads back to one already read")
		}
	}
}

// page reads one page. A token that was refused is exchanged once: it may have been
// revoked, or the clock that it was timed by was changed.
func (r *entraRead) page(ctx context.Context, address string) (page entraPage, err error) {
	for fresh := false; ; fresh = true {
		if fresh {
			r.token = ""
		}
		asked := r.now()
		if err := r.signIn(ctx, asked); err != nil {
			return page, err
		}
		err = r.get(ctx, address, func(header http.Header, body []byte) (err error) {
			if page, err = parseEntra(body); err != nil {
				return fmt.Errorf("%w (%d bytes of %s)", err, len(body), cmp.Or(header.Get("Content-Type"), "no type"))
			}
			page.received = r.now().UTC()
			if r.through.IsZero() {
				r.through = completeAt(asked, page.received, header)
			}
			return nil
		})
		if fresh || !errors.Is(err, ErrToken) {
			return page, r.explain(err)
		}
	}
}

// signIn gets a token by the client credentials grant of RFC 6749, unless there is
// one that lives for a while. It asks as patiently as for a page.
func (p *entraPuller) signIn(ctx context.Context, now time.Time) error {
	if p.token != "" && now.Before(p.expires) {
		return nil
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, p.login, []byte(p.credentials.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	err = p.send(req, func(_ http.Header, body []byte) error {
		var v struct {
			Token string  `json:"access_token"`
			Lives float64 `json:"expires_in"` // seconds
		}
		if err := json.Unmarshal(body, &v); err != nil || v.Token == "" {
			return errors.New("the answer holds no token") // and nothing of it is told: it may hold a part of one
		}
		p.token, p.expires = v.Token, now.Add(time.Duration(min(v.Lives, 1e6)*float64(time.Second))-entraEarly)
		return nil
	})
	refusal := (*statusError)(nil)
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refusal):
		return fmt.Errorf("sign in to Entra ID: %w", err)
	}
	words := regexp.MustCompile(`AADSTS\d+: [^\\"]*`).FindString(refusal.Words) // what follows are trace ids
	return fmt.Errorf("%w: sign in to Entra ID: %q %s; check the settings tenant, client_id and client_secret (a client secret ends at its date: make a new one in the app's registration)",
		ErrToken, refusal.Status, words)
}

// explain says what to do about an error that a person has to resolve.
func (r *entraRead) explain(err error) error {
	words := ""
	if refusal := (*statusError)(nil); errors.As(err, &refusal) {
		words = refusal.Words
	}
	switch code := codeOf(err); {
	case code == http.StatusUnauthorized:
		return fmt.Errorf("%w, though it was new: check that the url and login_url settings are of the same cloud", ErrToken)
	case code == http.StatusForbidden && strings.Contains(words, "NonPremiumTenant"):
		return fmt.Errorf("%w: sign-ins need a licence of Entra ID P1 or P2 in the tenant; without one, only the feed directory-audits can be read", ErrPlan)
	case code == http.StatusForbidden:
		return fmt.Errorf("%w: the app needs the application permission AuditLog.Read.All of Microsoft Graph (sign-ins also Directory.Read.All), with an administrator's consent; "+
			"sign-ins need a licence of Entra ID P1 or P2, too: %.200s", ErrPlan, words)
	case code == http.StatusNotFound:
		return fmt.Errorf("%w: check the url setting", err)
	}
	return err
}

// An entraPage is one page of a list.
type entraPage struct {
	records  [][]byte
	next     string // link to the next page; empty on the last
	received time.Time
}

// parseEntra cuts a page into its records, which share memory with it.
func parseEntra(body []byte) (entraPage, error) {
	var page entraPage
	lists := 0
	err := walk(body, func(path string, dec *jsontext.Decoder) (_ bool, err error) {
		switch path {
		case "value":
			lists++
			page.records, err = elements(dec, body)
		case "@odata.nextLink":
			page.next, err = textOf(dec)
		default:
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return page, err
	case lists != 1:
		return page, fmt.Errorf("the answer is not a page of a list: it has %d value, want one", lists)
	}
	return page, nil
}
