// Package idp is a small OpenID Connect provider for the demo and for tests: a
// handful of users with passwords, the code flow with PKCE, a groups claim, its
// own sign-in page, and sign-out. Everything lives in memory, so a restart signs
// everybody out.
//
// It is no identity product: it runs on a loopback address only and refuses
// anything else.
package idp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/zitadel/oidc/v3/pkg/op"
)

// A User can sign in.
type User struct {
	Name     string   // what is typed to sign in, and the subject
	FullName string   // claim name
	Email    string   // claim email
	Groups   []string // claim groups
	Password string
}

// A Client is an application that users sign in to. Its redirect addresses must
// match exactly.
type Client struct {
	ID, Secret             string
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
}

// New returns the provider as a handler for the root of issuer, an address such
// as http://127.0.0.1:8081. The scope groups is known, but the groups claim is
// in every ID token, as most providers are set up. Now is the clock of sign-ins
// in progress; the lifetime of tokens follows the wall clock.
func New(issuer string, clients []Client, users []User, now func() time.Time) (http.Handler, error) {
	u, err := loopback(issuer)
	if err != nil {
		return nil, fmt.Errorf("idp: issuer %q: %w", issuer, err)
	}
	for _, user := range users {
		if user.Name == "" || user.Password == "" {
			return nil, fmt.Errorf("idp: user %q: name and password must not be empty", user.Name)
		}
	}
	for _, c := range clients {
		if c.ID == "" || c.Secret == "" || len(c.RedirectURIs) == 0 {
			return nil, fmt.Errorf("idp: client %q: id, secret and a redirect address are required", c.ID)
		}
	}
	s, err := newStorage(clients, users, now)
	if err != nil {
		return nil, fmt.Errorf("idp: signing key: %w", err)
	}
	config := &op.Config{
		CodeMethodS256:           true,
		AuthMethodPost:           true,
		DefaultLogoutRedirectURI: "/signed-out",
		SupportedScopes:          []string{"openid", "profile", "email", "groups"},
		SupportedClaims:          []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username", "email", "email_verified", "groups"},
	}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, fmt.Errorf("idp: token key: %w", err)
	}
	options := []op.Option{op.WithCORSOptions(nil)}
	if u.Scheme == "http" {
		options = append(options, op.WithAllowInsecure())
	}
	provider, err := op.NewProvider(config, s, op.StaticIssuer(issuer), options...)
	if err != nil {
		return nil, fmt.Errorf("idp: provider: %w", err)
	}
	return guard(u.Host, routes(provider, newLogin(s, users, issuer, provider))), nil
}

// routes lists what can be reached; the library serves more.
func routes(provider http.Handler, l *login) http.Handler {
	mux := http.NewServeMux()
	for _, path := range []string{
		"/.well-known/openid-configuration", "/keys", "/authorize", "/authorize/callback",
		"/oauth/token", "/userinfo", "/revoke", "/end_session",
	} {
		mux.Handle(path, provider)
	}
	mux.HandleFunc("GET /login", l.show)
	mux.HandleFunc("POST /login", l.submit)
	mux.HandleFunc("GET /signed-out", l.signedOut)
	mux.HandleFunc("GET /login.css", asset("login.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /favicon.svg", asset("favicon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /favicon.ico", asset("favicon.svg", "image/svg+xml"))
	return mux
}

// guard refuses other host names (a foreign site that points its name at the
// loopback address), large bodies, and forms posted from other sites. The token
// endpoint is called by programs, which send neither Origin nor Sec-Fetch-Site.
func guard(host string, next http.Handler) http.Handler {
	const mostBody = 64 << 10
	next = http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "unknown host", http.StatusMisdirectedRequest)
			return
		}
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
		next.ServeHTTP(w, r)
	})
}

// loopback parses an address and refuses one that other machines could reach.
func loopback(issuer string) (*url.URL, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("want scheme, host and port only, as in http://127.0.0.1:8081")
	}
	if u.Hostname() == "localhost" {
		return u, nil
	}
	if addr, err := netip.ParseAddr(u.Hostname()); err != nil || !addr.IsLoopback() {
		return nil, fmt.Errorf("the demo provider runs on a loopback address only, not on %s", net.JoinHostPort(u.Hostname(), u.Port()))
	}
	return u, nil
}
