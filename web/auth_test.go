package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/internal/event"
	"exhibit/web"
)

func TestSignInKeepsTheWay(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	a := b.get(t, "/coverage?from=2026-01-01&to=2026-01-31")
	if got := a.Header.Get("Location"); got != "/sign-in?return=%2Fcoverage%3Ffrom%3D2026-01-01%26to%3D2026-01-31" {
		t.Fatalf("anonymous reader is sent to %q", got)
	}
	must(t, b.follow(t, a), http.StatusOK, "Sign in with 127.0.0.1")
	a = b.signIn(t, "rita", "/coverage?from=2026-01-01&to=2026-01-31")
	must(t, a, http.StatusOK, "Rita Okoye", "January 1 through January 31, 2026")
	actions := s.audit.Actions()
	if len(actions) != 1 || actions[0].Name != "session.sign-in" || actions[0].Outcome != event.Success ||
		actions[0].Actor.Email != "rita@example.com" || actions[0].IP != "127.0.0.1" || actions[0].Details["role"] != "reviewer" {
		t.Errorf("recorded %+v", actions)
	}
}

func TestSessionCookie(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	issuer, id := b.atProvider(t, "/")
	a := b.post(t, issuer+"/login", url.Values{"id": {id}, "username": {"ada"}, "password": {password}})
	for a.Header.Get("Location") != "" && !strings.HasPrefix(a.Request.URL.Path, "/sign-in/callback") {
		next, err := a.Request.URL.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		a = b.get(t, next.String())
	}
	set := a.Header.Values("Set-Cookie")
	if len(set) != 2 || !strings.HasPrefix(set[0], "exhibit_login=; Path=/; Max-Age=0") || !strings.HasPrefix(set[1], "exhibit_session=") {
		t.Fatalf("cookies: %q", set)
	}
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=28800"} {
		if !strings.Contains(set[1], want) {
			t.Errorf("session cookie %q lacks %s", set[1], want)
		}
	}
	if strings.Contains(s.log.String(), "code=") || strings.Contains(s.log.String(), "client-secret") {
		t.Error("the log holds a code or a secret")
	}
	// The provider's answer again: the code is spent and the state forgotten.
	must(t, b.get(t, a.Request.URL.String()), http.StatusBadRequest, "cannot be finished")
}

func TestHTTPSCookiesAndHSTS(t *testing.T) {
	s := newSite(t)
	d := s.deps
	d.BaseURL = "https://exhibit.example.com"
	h, err := web.New(d)
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/sign-in/start?return=/events", nil))
	cookie := rec.Header().Get("Set-Cookie")
	if !strings.HasPrefix(cookie, "__Host-exhibit_login=") || !strings.Contains(cookie, "Secure") {
		t.Errorf("login cookie %q", cookie)
	}
	if rec.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no HSTS with https")
	}
	to, err := url.Parse(rec.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	q := to.Query()
	if q.Get("code_challenge_method") != "S256" || len(q.Get("state")) != 43 || len(q.Get("nonce")) != 43 || q.Get("redirect_uri") != "https://exhibit.example.com/sign-in/callback" {
		t.Errorf("sign-in starts with %v", q)
	}
}

func TestNoGroupNoEntry(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	must(t, b.signIn(t, "victor", "/"), http.StatusForbidden, "You are signed in at your provider as Victor Visitor, but no group of yours has a role here", "Ask the administrator")
	if got := b.get(t, "/").Header.Get("Location"); got != "/sign-in?return=%2F" {
		t.Errorf("the refused reader has a session: sent to %q", got)
	}
	actions := s.audit.Actions()
	if len(actions) != 1 || actions[0].Outcome != event.Failure || actions[0].Details["reason"] != "no group with a role" || actions[0].Details["groups"] != "staff" {
		t.Errorf("recorded %+v", actions)
	}
}

func TestSignInIsRefusedWhenItCannotBeRecorded(t *testing.T) {
	s := newSite(t)
	s.audit.Fail(errors.New("ledger: disk full at /secret/place"))
	b := s.browser(t)
	a := b.signIn(t, "ada", "/")
	must(t, a, http.StatusServiceUnavailable, "could not be recorded", "Request")
	if strings.Contains(a.body, "disk full") {
		t.Error("the page shows the chain of the error")
	}
	if !strings.Contains(s.log.String(), "disk full") {
		t.Error("the log does not hold the reason")
	}
	if a := b.get(t, "/reports"); a.StatusCode != http.StatusSeeOther {
		t.Errorf("signed in all the same: %d", a.StatusCode)
	}
}

func TestForeignAnswersAreRefused(t *testing.T) {
	s := newSite(t)
	victim := s.browser(t)
	must(t, victim.get(t, "/sign-in/callback?code=x&state=y"), http.StatusBadRequest, "cannot be finished")

	// Somebody else's answer in the victim's browser, which has begun a sign-in.
	attacker := s.browser(t)
	issuer, id := attacker.atProvider(t, "/")
	a := attacker.post(t, issuer+"/login", url.Values{"id": {id}, "username": {"ada"}, "password": {password}})
	for !strings.Contains(a.Header.Get("Location"), "/sign-in/callback") {
		next, err := a.Request.URL.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		a = attacker.get(t, next.String())
	}
	victim.atProvider(t, "/")
	must(t, victim.get(t, a.Header.Get("Location")), http.StatusBadRequest, "cannot be finished")
	must(t, victim.follow(t, victim.get(t, "/sign-in")), http.StatusOK, "Sign in with")
	for _, x := range s.audit.Actions() {
		if x.Outcome != event.Failure || x.Details["reason"] == "" {
			t.Errorf("recorded %+v", x)
		}
	}
}

func TestOldSignInIsRefused(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	issuer, id := b.atProvider(t, "/")
	a := b.post(t, issuer+"/login", url.Values{"id": {id}, "username": {"ada"}, "password": {password}})
	for !strings.Contains(a.Header.Get("Location"), "/sign-in/callback") {
		next, err := a.Request.URL.Parse(a.Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		a = b.get(t, next.String())
	}
	s.clock.move(11 * time.Minute)
	must(t, b.get(t, a.Header.Get("Location")), http.StatusBadRequest, "more than 10 minutes ago")
}

func TestSessionsEnd(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []time.Duration
		over  bool
	}{
		{"active", []time.Duration{29 * time.Minute, 29 * time.Minute}, false},
		{"idle", []time.Duration{29 * time.Minute, 30 * time.Minute}, true},
		{"absolute", []time.Duration{29 * time.Minute, 29 * time.Minute, 29 * time.Minute, 29 * time.Minute}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, func(d *web.Deps) { d.Sessions.Absolute = 100 * time.Minute })
			b := s.signedIn(t, web.Admin)
			var last answer
			for _, step := range c.steps {
				s.clock.move(step)
				last = b.get(t, "/sources")
			}
			if over := last.StatusCode == http.StatusSeeOther; over != c.over {
				t.Errorf("session over: %v, want %v", over, c.over)
			}
		})
	}
}

func TestSignOut(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	var token *http.Cookie
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == "exhibit_session" {
			token = c
		}
	}
	s.audit.Actions()
	a := b.post(t, "/sign-out", url.Values{})
	if to := a.Header.Get("Location"); !strings.Contains(to, "/end_session?") || !strings.Contains(to, "id_token_hint=") {
		t.Fatalf("sign-out leads to %q", to)
	}
	must(t, b.follow(t, a), http.StatusOK, "You are signed out")
	// The cookie of before is worth nothing, even to somebody who kept it.
	r := b.request(t, http.MethodGet, "/sources", nil)
	r.AddCookie(token)
	if a := s.browser(t).do(t, r); a.StatusCode != http.StatusSeeOther {
		t.Errorf("an ended session still opens pages: %d", a.StatusCode)
	}
	if x := s.audit.Actions(); len(x) != 1 || x[0].Name != "session.sign-out" || x[0].Actor.Name != "Ada Lindqvist" {
		t.Errorf("recorded %+v", x)
	}
	must(t, b.follow(t, b.post(t, "/sign-out", url.Values{})), http.StatusOK, "You are signed out")
}

func TestProviderDown(t *testing.T) {
	s := newSite(t, func(d *web.Deps) { d.Provider.Issuer = "http://127.0.0.1:1" })
	must(t, s.browser(t).get(t, "/sign-in/start"), http.StatusBadGateway, "The identity provider does not answer", "Collection goes on")
	must(t, s.browser(t).get(t, "/healthz"), http.StatusOK, "ok")
}

func TestLocalPath(t *testing.T) {
	for in, want := range map[string]string{
		"/events?actor=a%2Fb": "/events?actor=a%2Fb", "/": "/", "": "/", "//evil.example": "/", "/\\evil.example": "/",
		"https://evil.example/": "/", "/%2f%2fevil.example": "/", "/a\nb": "/", "javascript:alert(1)": "/", "/sign-out": "/",
		"/\tevil.example": "/", "/reports/soc2?from=2026-01-01": "/reports/soc2?from=2026-01-01",
	} {
		if got := web.LocalPath(in); got != want {
			t.Errorf("LocalPath(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, seed := range []string{"/", "//x", "/\\x", "/%5cx", "/a/../..//x", "/?u=//x", "/;@x"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://exhibit.example.com/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, err := base.Parse(web.LocalPath(in))
		if err != nil || got.Host != base.Host || got.Scheme != base.Scheme {
			t.Errorf("LocalPath(%q) leads to %v, %v", in, got, err)
		}
	})
}

func TestRouteTable(t *testing.T) {
	s := newSite(t)
	table, registered, err := web.Table(s.deps)
	if err != nil {
		t.Fatal(err)
	}
	if len(table) != len(registered) {
		t.Fatalf("%d routes in the table, %d registered: %v", len(table), len(registered), registered)
	}
	path := strings.NewReplacer(":name", "none.css", ":framework", "soc2", ":job", "job-1", ":pack", "p0001", ":source", "hcp-prod", "*", "nothing")
	for _, r := range table {
		for _, who := range []web.Role{"", web.Admin, web.Reviewer, web.Auditor} {
			if r.Path == "/sign-in/start" || r.Path == "/sign-in/callback" {
				continue // public, tried above; each costs a turn of the rate limit
			}
			name := r.Method + " " + r.Path + " as " + string(who)
			b := s.browser(t)
			if who != "" {
				b = s.cached(t, who)
			}
			var form url.Values
			if r.Method == http.MethodPost && r.Path != "/sign-out" {
				form = url.Values{}
			} else if r.Path == "/sign-out" && who != "" {
				continue // would end the session of this test; TestSignOut has it
			}
			a := b.do(t, b.request(t, r.Method, path.Replace(r.Path), form))
			admitted := r.Public
			for _, x := range r.Roles {
				admitted = admitted || x == who
			}
			signIn := strings.HasPrefix(a.Header.Get("Location"), "/sign-in?return=") || a.StatusCode == http.StatusUnauthorized
			words := "This page is not for auditors"
			if who == web.Reviewer {
				words = "This page is for administrators"
			}
			refused := a.StatusCode == http.StatusForbidden && strings.Contains(a.body, words)
			switch {
			case who == "" && signIn == r.Public:
				t.Errorf("%s: asked to sign in: %v (status %d)", name, signIn, a.StatusCode)
			case who != "" && (signIn || refused == admitted):
				t.Errorf("%s: refused %v, asked to sign in %v, table admits: %v (status %d)", name, refused, signIn, admitted, a.StatusCode)
			}
		}
	}
}

// cached signs in each role once for a test that needs it often.
func (s *site) cached(t *testing.T, role web.Role) *browser {
	t.Helper()
	if s.signedInAs == nil {
		s.signedInAs = map[web.Role]*browser{}
	}
	if s.signedInAs[role] == nil {
		s.signedInAs[role] = s.signedIn(t, role)
	}
	return s.signedInAs[role]
}

func TestUnlistedRouteCannotBeRegistered(t *testing.T) {
	s := newSite(t)
	ran := false
	h, add, err := web.WithUnlisted(s.deps, func(c echo.Context) error {
		ran = true
		return c.String(http.StatusOK, "secret")
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := try(func() { add(http.MethodGet, "/unlisted") }); err == nil || !strings.Contains(err.Error(), "GET /unlisted is not in the table of routes") {
		t.Errorf("adding an unlisted route: %v", err)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/unlisted", nil))
	if ran || rec.Code != http.StatusNotFound {
		t.Errorf("an unlisted route answered %d, handler ran: %v", rec.Code, ran)
	}
}

func try(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = p.(error)
		}
	}()
	f()
	return nil
}

func TestConfigurationIsChecked(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		change func(*web.Deps)
		want   string
	}{
		"base url with a path":  {func(d *web.Deps) { d.BaseURL = "https://x.example/app" }, "without a path"},
		"no roles":              {func(d *web.Deps) { d.Provider.Roles = nil }, "nobody could sign in"},
		"unknown role":          {func(d *web.Deps) { d.Provider.Roles = map[string]web.Role{"g": "root"} }, `group "g" has role "root"`},
		"no audit":              {func(d *web.Deps) { d.Audit = nil }, "Audit is not set"},
		"client without limit":  {func(d *web.Deps) { d.Client = &http.Client{} }, "timeout"},
		"engagement for nobody": {func(d *web.Deps) { d.Engagements = []web.Engagement{{Name: "E"}} }, `engagement "E": invite people or groups`},
	} {
		d := s.deps
		c.change(&d)
		if _, err := web.New(d); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestGroupsClaimCanBeAnyClaim(t *testing.T) {
	s := newSite(t, func(d *web.Deps) {
		d.Provider.GroupsClaim = "email"
		d.Provider.Roles = map[string]web.Role{"victor@example.com": web.Reviewer}
	})
	must(t, s.browser(t).signIn(t, "victor", "/sources"), http.StatusOK, "Victor Visitor", ">reviewer<")
	must(t, s.browser(t).signIn(t, "ada", "/sources"), http.StatusForbidden, "No role here yet")
}

func TestSignInRenewsTheSession(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Auditor)
	u, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	token := func() *http.Cookie {
		for _, c := range b.http.Jar.Cookies(u) {
			if c.Name == "exhibit_session" {
				return c
			}
		}
		t.Fatal("no session")
		return nil
	}
	before := token()
	b.follow(t, b.get(t, "/sign-in/start")) // the provider may still know the person or ask again
	issuer, id := b.atProvider(t, "/sources")
	must(t, b.follow(t, b.post(t, issuer+"/login", url.Values{"id": {id}, "username": {"ada"}, "password": {password}})), http.StatusOK, "Ada Lindqvist")
	if token().Value == before.Value {
		t.Error("the token of the auditor is now the admin's")
	}
	r := s.browser(t)
	old := r.request(t, http.MethodGet, "/reports", nil)
	old.AddCookie(before)
	if a := r.do(t, old); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the session of before still opens pages: %d", a.StatusCode)
	}
}

func TestManySignInsAreSlowedDown(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	for range 60 {
		if a := b.get(t, "/sign-in/callback?code=guess&state=guess"); a.StatusCode == http.StatusTooManyRequests {
			must(t, a, http.StatusTooManyRequests, "Too many attempts")
			return
		}
	}
	t.Error("60 answers in a row were looked at")
}
