package web_test

import (
	"bytes"
	"crypto/rand"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/internal/demo/idp"
	"exhibit/web"
	"exhibit/web/webtest"
)

// site is the whole web side over invented data, with a real identity provider.
type site struct {
	url   string
	data  *webtest.Data
	audit *webtest.Audit
	log   *lines
	clock *clock
	deps  web.Deps

	signedInAs map[web.Role]*browser // see cached
}

type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset += d
}

type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

const password = "a-long-password"

func users() []idp.User {
	return []idp.User{
		{Name: "ada", FullName: "Ada Lindqvist", Email: "ada@example.com", Groups: []string{"staff", "exhibit-admins"}, Password: password},
		{Name: "rita", FullName: "Rita Okoye", Email: "rita@example.com", Groups: []string{"exhibit-reviewers"}, Password: password},
		{Name: "audrey", FullName: "Audrey Tor", Email: "audrey@audit.example", Groups: []string{"exhibit-auditors"}, Password: password},
		{Name: "otto", FullName: "Otto Auditor", Email: "otto@audit.example", Groups: []string{"exhibit-auditors"}, Password: password},
		{Name: "victor", FullName: "Victor Visitor", Email: "victor@example.com", Groups: []string{"staff"}, Password: password},
	}
}

// userOf gives each role a person.
var userOf = map[web.Role]string{web.Admin: "ada", web.Reviewer: "rita", web.Auditor: "audrey"}

func newSite(t *testing.T, change ...func(*web.Deps)) *site {
	t.Helper()
	previous := slog.Default() // the provider's library logs refused requests there
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(previous) })

	app, provider := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	appURL, issuer := "http://"+app.Listener.Addr().String(), "http://"+provider.Listener.Addr().String()
	s := &site{url: appURL, audit: &webtest.Audit{}, log: &lines{}, clock: &clock{}}
	handler, err := idp.New(issuer, []idp.Client{{ID: "exhibit", Secret: "client-secret",
		RedirectURIs: []string{appURL + "/sign-in/callback"}, PostLogoutRedirectURIs: []string{appURL + "/signed-out"}}}, users(), s.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	s.data = webtest.New(s.clock.now(), zone)
	s.deps = s.makeDeps(appURL, issuer, zone)
	for _, f := range change {
		f(&s.deps)
	}
	site, err := web.New(s.deps)
	if err != nil {
		t.Fatal(err)
	}
	provider.Config.Handler = handler
	app.Config = web.Server("", site, s.deps.Log)
	provider.Start()
	app.Start()
	t.Cleanup(provider.Close)
	t.Cleanup(app.Close)
	return s
}

func (s *site) makeDeps(appURL, issuer string, zone *time.Location) web.Deps {
	today := s.clock.now().UTC().Truncate(24 * time.Hour)
	engagement := func(name string, people []string, expires time.Duration) web.Engagement {
		return web.Engagement{Name: name, Framework: "soc2", From: today.AddDate(0, 0, -119), To: today, Zone: zone,
			Sources: webtest.Names(), People: people, Expires: s.clock.now().Add(expires)}
	}
	return web.Deps{
		BaseURL: appURL, Instance: "Fernhill Parcel", Zone: zone,
		Provider: web.Provider{Issuer: issuer, ClientID: "exhibit", ClientSecret: "client-secret",
			Roles: map[string]web.Role{"exhibit-admins": web.Admin, "exhibit-reviewers": web.Reviewer, "exhibit-auditors": web.Auditor}},
		Engagements: []web.Engagement{
			engagement("SOC 2 Type 2, 2026", []string{"Audrey@audit.example"}, 30*24*time.Hour),
			engagement("Last year", []string{"otto@audit.example"}, -time.Hour),
		},
		Overview: s.data, Reports: s.data, Coverage: s.data,
		Packs: webtest.Packs{Data: s.data}, Sources: webtest.Sources{Data: s.data}, Events: webtest.Events{Data: s.data}, Rejects: webtest.Rejects{Data: s.data}, Tokens: webtest.Tokens{Data: s.data},
		Audit: s.audit, Log: slog.New(slog.NewJSONHandler(s.log, nil)), Now: s.clock.now, Rand: rand.Reader,
		Client: &http.Client{Timeout: 10 * time.Second},
	}
}

// browser is a client with cookies that stays where it is sent.
type browser struct {
	site *site
	http *http.Client
}

func (s *site) browser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

type answer struct {
	*http.Response
	body string
}

func (b *browser) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	res, err := b.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, string(body)}
}

func (b *browser) request(t *testing.T, method, address string, form url.Values) *http.Request {
	t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.site.url + address
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

func (b *browser) get(t *testing.T, address string) answer {
	t.Helper()
	return b.do(t, b.request(t, http.MethodGet, address, nil))
}

func (b *browser) post(t *testing.T, address string, form url.Values) answer {
	t.Helper()
	return b.do(t, b.request(t, http.MethodPost, address, form))
}

// follow goes where the answer leads until it leads nowhere.
func (b *browser) follow(t *testing.T, a answer) answer {
	t.Helper()
	for range 12 {
		next := a.Header.Get("Location")
		if next == "" {
			return a
		}
		u, err := a.Request.URL.Parse(next)
		if err != nil {
			t.Fatal(err)
		}
		a = b.get(t, u.String())
	}
	t.Fatal("redirected in circles")
	return a
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// atProvider goes to the provider's form for a page of ours.
func (b *browser) atProvider(t *testing.T, path string) (issuer, id string) {
	t.Helper()
	a := b.follow(t, b.get(t, "/sign-in/start?return="+url.QueryEscape(path)))
	found := hiddenID.FindStringSubmatch(a.body)
	if found == nil {
		t.Fatalf("no sign-in form at %s: %d %s", a.Request.URL, a.StatusCode, a.body)
	}
	return a.Request.URL.Scheme + "://" + a.Request.URL.Host, html.UnescapeString(found[1])
}

// signIn signs in and returns the page that the reader wanted.
func (b *browser) signIn(t *testing.T, user, path string) answer {
	t.Helper()
	issuer, id := b.atProvider(t, path)
	return b.follow(t, b.post(t, issuer+"/login", url.Values{"id": {id}, "username": {user}, "password": {password}}))
}

func (s *site) signedIn(t *testing.T, role web.Role) *browser {
	t.Helper()
	b := s.browser(t)
	if a := b.signIn(t, userOf[role], "/reports"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, ">"+string(role)+"<") {
		t.Fatalf("sign in as %s: %d\n%s", role, a.StatusCode, a.body)
	}
	return b
}

func must(t *testing.T, a answer, status int, words ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d\n%s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	text := html.UnescapeString(a.body)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s %s does not say %q", a.Request.Method, a.Request.URL.Path, w)
		}
	}
}
