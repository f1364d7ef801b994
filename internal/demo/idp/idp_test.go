package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// party is a relying party and a browser in front of one provider.
type party struct {
	issuer   string
	clock    *clock
	config   oauth2.Config
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	browser  *http.Client // follows redirects until they leave the provider
}

const (
	appURL      = "http://127.0.0.1:9/"
	callbackURL = appURL + "auth/callback"
)

func newParty(t *testing.T) *party {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	c := &clock{at: time.Now()}
	h, err := New(issuer,
		[]Client{{ID: "exhibit", Secret: "client-secret", RedirectURIs: []string{callbackURL}, PostLogoutRedirectURIs: []string{appURL}}},
		[]User{
			{Name: "admin", FullName: "Ada Min", Email: "admin@example.com", Groups: []string{"exhibit-admins", "staff"}, Password: "right-admin"},
			{Name: "auditor", FullName: "Audrey Tor", Email: "auditor@example.com", Password: "right-auditor"},
		}, c.now)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = h
	srv.Start()
	t.Cleanup(srv.Close)
	// The library logs refused requests to the default logger.
	previous := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(previous) })

	provider, err := oidc.NewProvider(t.Context(), issuer)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &party{issuer: issuer, clock: c, provider: provider,
		config: oauth2.Config{ClientID: "exhibit", ClientSecret: "client-secret", RedirectURL: callbackURL,
			Endpoint: provider.Endpoint(), Scopes: []string{"openid", "profile", "email", "groups"}},
		verifier: provider.Verifier(&oidc.Config{ClientID: "exhibit"}),
		browser: &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if !strings.HasPrefix(r.URL.String(), issuer) {
				return http.ErrUseLastResponse
			}
			return nil
		}}}
}

// do returns the answer with its body as text.
func (p *party) do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := p.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (p *party) get(t *testing.T, address string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("GET", address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p.do(t, r)
}

func (p *party) post(t *testing.T, path string, form url.Values, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest("POST", p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(t, r)
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// begin opens the sign-in page and returns the id of the sign-in.
func (p *party) begin(t *testing.T, verifier string) string {
	t.Helper()
	resp, page := p.get(t, p.config.AuthCodeURL("the-state", oidc.Nonce("the-nonce"), oauth2.S256ChallengeOption(verifier)))
	m := hiddenID.FindStringSubmatch(page)
	if resp.StatusCode != 200 || m == nil {
		t.Fatalf("sign-in page: %d %s", resp.StatusCode, page)
	}
	return html.UnescapeString(m[1])
}

func (p *party) password(t *testing.T, id, user, password string) (*http.Response, string) {
	t.Helper()
	return p.post(t, "/login", url.Values{"id": {id}, "username": {user}, "password": {password}}, nil)
}

// code signs in and returns the code that the application gets.
func (p *party) code(t *testing.T, verifier, user, password string) string {
	t.Helper()
	resp, body := p.password(t, p.begin(t, verifier), user, password)
	to, err := resp.Location()
	if err != nil || !strings.HasPrefix(to.String(), callbackURL+"?") {
		t.Fatalf("after the password: %d %v %v %s", resp.StatusCode, to, err, body)
	}
	if to.Query().Get("state") != "the-state" {
		t.Errorf("state %q, want the-state", to.Query().Get("state"))
	}
	return to.Query().Get("code")
}

func TestWholeFlow(t *testing.T) {
	p := newParty(t)
	for _, want := range []struct {
		user, name string
		groups     []string
	}{{"admin", "Ada Min", []string{"exhibit-admins", "staff"}}, {"auditor", "Audrey Tor", []string{}}} {
		verifier := oauth2.GenerateVerifier()
		token, err := p.config.Exchange(t.Context(), p.code(t, verifier, want.user, "right-"+want.user), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := token.Extra("id_token").(string)
		id, err := p.verifier.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Name     string   `json:"name"`
			Username string   `json:"preferred_username"`
			Email    string   `json:"email"`
			Groups   []string `json:"groups"`
		}
		if err := id.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if id.Nonce != "the-nonce" || id.Subject != want.user || claims.Username != want.user || claims.Name != want.name ||
			claims.Email != want.user+"@example.com" || claims.Groups == nil || !slices.Equal(claims.Groups, want.groups) {
			t.Errorf("%s: nonce %q subject %q claims %+v", want.user, id.Nonce, id.Subject, claims)
		}
		if err := id.VerifyAccessToken(token.AccessToken); err != nil {
			t.Errorf("%s: access token: %v", want.user, err)
		}
		p.checkUserinfoAndSignOut(t, token, raw)
	}
}

func (p *party) checkUserinfoAndSignOut(t *testing.T, token *oauth2.Token, idToken string) {
	t.Helper()
	info, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Groups []string `json:"groups"`
	}
	if err := info.Claims(&claims); err != nil || claims.Groups == nil {
		t.Errorf("userinfo claims %+v %v", claims, err)
	}
	var discovered struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err := p.provider.Claims(&discovered); err != nil {
		t.Fatal(err)
	}
	q := url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {appURL}, "state": {"bye"}}
	resp, body := p.get(t, discovered.EndSession+"?"+q.Encode())
	if to := resp.Header.Get("Location"); resp.StatusCode != 302 || to != appURL+"?state=bye" {
		t.Errorf("sign-out: %d to %q: %s", resp.StatusCode, to, body)
	}
	if _, err := p.provider.UserInfo(t.Context(), oauth2.StaticTokenSource(token)); err == nil {
		t.Error("the access token works after sign-out")
	}
	q.Set("post_logout_redirect_uri", "http://127.0.0.1:9/elsewhere")
	if resp, _ := p.get(t, discovered.EndSession+"?"+q.Encode()); resp.StatusCode != 400 {
		t.Errorf("sign-out to an unknown address: %d, want 400", resp.StatusCode)
	}
	if resp, body := p.get(t, discovered.EndSession); resp.StatusCode != 200 || !strings.Contains(body, "You are signed out") {
		t.Errorf("sign-out without an address: %d %s", resp.StatusCode, body)
	}
}

func TestWrongPassword(t *testing.T) {
	p := newParty(t)
	id := p.begin(t, oauth2.GenerateVerifier())
	for _, c := range []struct{ user, password string }{
		{"admin", "wrong"}, {"admin", ""}, {"admin", "right-auditor"}, {"nobody", "right-admin"}, {"", ""},
	} {
		resp, body := p.password(t, id, c.user, c.password)
		if resp.StatusCode != 401 || !strings.Contains(body, "Wrong username or password.") || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%q %q: %d %s", c.user, c.password, resp.StatusCode, body)
		}
		if c.password != "" && strings.Contains(body, c.password) {
			t.Errorf("%q: the page repeats the password", c.user)
		}
	}
	// The same sign-in goes on with the right one.
	if resp, _ := p.password(t, id, "admin", "right-admin"); resp.StatusCode != 302 {
		t.Errorf("right password afterwards: %d", resp.StatusCode)
	}
}

func TestPasswordLimit(t *testing.T) {
	p := newParty(t)
	id := p.begin(t, oauth2.GenerateVerifier())
	for i := range wrongAtOnce {
		if resp, _ := p.password(t, id, "admin", fmt.Sprint("wrong", i)); resp.StatusCode != 401 {
			t.Fatalf("attempt %d: %d", i+1, resp.StatusCode)
		}
	}
	resp, body := p.password(t, id, "admin", "right-admin")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "10" || !strings.Contains(body, "Too many wrong passwords") {
		t.Errorf("after %d wrong ones: %d %v %s", wrongAtOnce, resp.StatusCode, resp.Header, body)
	}
	if resp, _ := p.password(t, p.begin(t, oauth2.GenerateVerifier()), "auditor", "right-auditor"); resp.StatusCode != 302 {
		t.Errorf("another user meanwhile: %d", resp.StatusCode)
	}
	p.clock.move(wrongEvery)
	if resp, _ := p.password(t, id, "admin", "right-admin"); resp.StatusCode != 302 {
		t.Errorf("after the wait: %d", resp.StatusCode)
	}
	// Right passwords cost nothing.
	for range 2 * wrongAtOnce {
		p.code(t, oauth2.GenerateVerifier(), "admin", "right-admin")
	}
}

func TestCode(t *testing.T) {
	p := newParty(t)
	verifier := oauth2.GenerateVerifier()
	exchange := func(code, verifier string) error {
		_, err := p.config.Exchange(context.Background(), code, oauth2.VerifierOption(verifier))
		return err
	}
	spent := p.code(t, verifier, "admin", "right-admin")
	if err := exchange(spent, oauth2.GenerateVerifier()); err == nil {
		t.Error("a wrong verifier is accepted")
	}
	if err := exchange(spent, verifier); err == nil {
		t.Error("a code works after a wrong verifier")
	}
	once := p.code(t, verifier, "admin", "right-admin")
	if err := exchange(once, verifier); err != nil {
		t.Error(err)
	}
	if err := exchange(once, verifier); err == nil {
		t.Error("a code works twice")
	}
	late := p.code(t, verifier, "admin", "right-admin")
	p.clock.move(codeLasts)
	if err := exchange(late, verifier); err == nil {
		t.Error("an old code works")
	}
	p.config.ClientSecret = "wrong"
	if err := exchange(p.code(t, verifier, "admin", "right-admin"), verifier); err == nil {
		t.Error("a wrong client secret is accepted")
	}
}

func TestAuthorizeRefuses(t *testing.T) {
	p := newParty(t)
	s256 := oauth2.S256ChallengeOption(oauth2.GenerateVerifier())
	toApp := func(want string) func(t *testing.T, resp *http.Response) {
		return func(t *testing.T, resp *http.Response) {
			to, err := resp.Location()
			if err != nil || !strings.HasPrefix(to.String(), callbackURL) {
				t.Fatalf("got %d to %v %v", resp.StatusCode, to, err)
			}
			answer := to.Query()
			if to.Fragment != "" { // where the implicit flow puts it
				answer, err = url.ParseQuery(to.Fragment)
			}
			if err != nil || answer.Get("error") != want || answer.Has("code") || answer.Has("id_token") {
				t.Errorf("got %d to %v, want back to the application with %s", resp.StatusCode, to, want)
			}
		}
	}
	stays := func(t *testing.T, resp *http.Response) {
		if resp.StatusCode != 400 {
			t.Errorf("got %d, want 400 without a redirect", resp.StatusCode)
		}
	}
	elsewhere, stranger := p.config, p.config
	elsewhere.RedirectURL = "http://127.0.0.1:9/other"
	stranger.ClientID = "stranger"
	for _, c := range []struct {
		name    string
		address string
		check   func(t *testing.T, resp *http.Response)
	}{
		{"no PKCE", p.config.AuthCodeURL("s"), toApp("invalid_request")},
		{"plain PKCE", p.config.AuthCodeURL("s", oauth2.SetAuthURLParam("code_challenge", "x"), oauth2.SetAuthURLParam("code_challenge_method", "plain")), toApp("invalid_request")},
		{"implicit", p.config.AuthCodeURL("s", s256, oauth2.SetAuthURLParam("response_type", "id_token")), toApp("unauthorized_client")},
		{"prompt none", p.config.AuthCodeURL("s", s256, oauth2.SetAuthURLParam("prompt", "none")), toApp("login_required")},
		{"other redirect", elsewhere.AuthCodeURL("s", s256), stays},
		{"unknown client", stranger.AuthCodeURL("s", s256), stays},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := p.get(t, c.address)
			c.check(t, resp)
		})
	}
	// Going to the callback without a password gives no code.
	id := p.begin(t, oauth2.GenerateVerifier())
	resp, _ := p.get(t, p.issuer+"/authorize/callback?id="+id)
	if to, err := resp.Location(); err == nil && to.Query().Get("code") != "" {
		t.Errorf("a code without a password: %v", to)
	}
}

func TestSignInExpires(t *testing.T) {
	p := newParty(t)
	id := p.begin(t, oauth2.GenerateVerifier())
	p.clock.move(signInLasts)
	for name, resp := range map[string]func() (*http.Response, string){
		"page": func() (*http.Response, string) { return p.get(t, p.issuer+"/login?id="+id) },
		"form": func() (*http.Response, string) { return p.password(t, id, "admin", "right-admin") },
	} {
		if r, body := resp(); r.StatusCode != 400 || !strings.Contains(body, "This sign-in has expired") || !strings.Contains(body, appURL) {
			t.Errorf("%s: %d %s", name, r.StatusCode, body)
		}
	}
}

func TestManySignInsForgetTheOldest(t *testing.T) {
	s, err := newStorage(nil, nil, (&clock{at: time.Now()}).now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostRequests {
		s.requests[fmt.Sprint(i)] = &authRequest{id: fmt.Sprint(i), expires: s.now().Add(time.Hour + time.Duration(i))}
	}
	s.sweep()
	if _, kept := s.requests["0"]; kept || len(s.requests) != mostRequests-1 {
		t.Errorf("%d sign-ins in progress, oldest kept %v", len(s.requests), kept)
	}
}

func TestPageHeaders(t *testing.T) {
	p := newParty(t)
	resp, page := p.get(t, p.issuer+"/login?id="+p.begin(t, oauth2.GenerateVerifier()))
	want := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://127.0.0.1:9"
	if got := resp.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("CSP %q\nwant %q", got, want)
	}
	if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", resp.Header)
	}
	for _, bad := range []string{"<script", "<style", " style=", " onclick=", "http://127.0.0.1:9/auth"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	for _, path := range []string{"/login.css", "/favicon.svg", "/favicon.ico"} {
		if resp, body := p.get(t, p.issuer+path); resp.StatusCode != 200 || body == "" {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

func TestLoginHintIsEscaped(t *testing.T) {
	p := newParty(t)
	_, page := p.get(t, p.config.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()),
		oauth2.SetAuthURLParam("login_hint", `"><script>alert(1)</script>`)))
	if strings.Contains(page, "<script>") || !strings.Contains(page, "&#34;&gt;&lt;script&gt;") {
		t.Errorf("login hint in the page: %s", page)
	}
}

func TestGuard(t *testing.T) {
	p := newParty(t)
	id := p.begin(t, oauth2.GenerateVerifier())
	form := url.Values{"id": {id}, "username": {"admin"}, "password": {"right-admin"}}
	if resp, _ := p.post(t, "/login", form, http.Header{"Origin": {"http://evil.example"}}); resp.StatusCode != 403 {
		t.Errorf("form from another site: %d, want 403", resp.StatusCode)
	}
	r, err := http.NewRequest("GET", p.issuer+"/login?id="+id, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "rebound.example"
	if resp, _ := p.do(t, r); resp.StatusCode != 421 {
		t.Errorf("other host name: %d, want 421", resp.StatusCode)
	}
	form.Set("password", strings.Repeat("x", 100<<10))
	if resp, _ := p.post(t, "/login", form, nil); resp.StatusCode != 400 {
		t.Errorf("100 KiB form: %d, want 400", resp.StatusCode)
	}
	for _, path := range []string{"/", "/oauth/introspect", "/device_authorization", "/login.html"} {
		if resp, _ := p.get(t, p.issuer+path); resp.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", path, resp.StatusCode)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	users := []User{{Name: "a", Password: "b"}}
	clients := []Client{{ID: "a", Secret: "b", RedirectURIs: []string{callbackURL}}}
	good := "http://127.0.0.1:8081"
	for _, issuer := range []string{good, "http://localhost:8081", "http://[::1]:8081", "https://127.0.0.1"} {
		if _, err := New(issuer, clients, users, time.Now); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	for _, issuer := range []string{"", "127.0.0.1:8081", "http://0.0.0.0:8081", "http://192.168.1.4:8081", "https://idp.example.com",
		"http://localhost.example.com", "http://127.0.0.1:8081/path", "http://u@127.0.0.1", "ftp://127.0.0.1", "http://[::]:8081"} {
		if _, err := New(issuer, clients, users, time.Now); err == nil {
			t.Errorf("issuer %q is accepted", issuer)
		}
	}
	if _, err := New(good, clients, []User{{Name: "a"}}, time.Now); err == nil {
		t.Error("an empty password is accepted")
	}
	if _, err := New(good, []Client{{ID: "a", RedirectURIs: []string{callbackURL}}}, users, time.Now); err == nil {
		t.Error("an empty client secret is accepted")
	}
}

func TestKeysShowNoSecret(t *testing.T) {
	p := newParty(t)
	_, body := p.get(t, p.issuer+"/keys")
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) != 1 || set.Keys[0]["n"] == nil || set.Keys[0]["d"] != nil {
		t.Errorf("keys: %s %v", body, err)
	}
}
