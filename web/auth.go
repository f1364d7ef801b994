package web

import (
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

const (
	signInPath    = "/sign-in"
	startPath     = "/sign-in/start"
	callbackPath  = "/sign-in/callback"
	signedOutPath = "/signed-out"

	sessionCookie = "exhibit_session"
	loginCookie   = "exhibit_login"
)

// signIn is the page that leads to the provider.
func (s *server) signIn(c echo.Context) error {
	back := localPath(c.QueryParam("return"))
	if _, ok := identityOf(c); ok {
		return c.Redirect(http.StatusSeeOther, back)
	}
	return s.render(c, "Sign in", views.SignInPage(views.SignIn{
		Provider: s.provider.called(), Start: startPath + "?return=" + url.QueryEscape(back)}))
}

// startSignIn sends the browser to the provider with state, nonce and a PKCE
// challenge, and keeps them in a cookie for the way back.
func (s *server) startSignIn(c echo.Context) error {
	if s.otherName(c.Request().Host) {
		return c.Redirect(http.StatusSeeOther, s.base.Scheme+"://"+s.base.Host+startPath+"?return="+url.QueryEscape(localPath(c.QueryParam("return"))))
	}
	d, err := s.provider.discover(c.Request().Context())
	if err != nil {
		return s.providerDown(err)
	}
	l := login{Return: localPath(c.QueryParam("return")), Until: s.Now().Add(loginTime)}
	for _, field := range []*string{&l.State, &l.Nonce, &l.Verifier} {
		var random [32]byte
		if _, err := io.ReadFull(s.Rand, random[:]); err != nil {
			return fmt.Errorf("start sign-in: %w", err)
		}
		*field = base64.RawURLEncoding.EncodeToString(random[:])
	}
	sealed, err := s.seal.close(l)
	if err != nil {
		return err
	}
	s.setCookie(c, loginCookie, sealed, int(loginTime/time.Second))
	return c.Redirect(http.StatusSeeOther, d.begin(l))
}

// otherName reports whether a browser came under another name of this machine, as
// localhost for 127.0.0.1. Its cookie would not come along to the provider's answer.
func (s *server) otherName(host string) bool {
	if s.secure() || host == s.base.Host {
		return false
	}
	u := url.URL{Host: host}
	return u.Port() == s.base.Port() && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

// finishSignIn takes the provider's answer and opens a session.
func (s *server) finishSignIn(c echo.Context) error {
	l, err := s.loginOf(c)
	s.setCookie(c, loginCookie, "", -1)
	if err != nil {
		return s.refuseSignIn(c, Identity{}, "no sign-in under way: "+err.Error(), staleSignIn(err))
	}
	if said := cut(c.QueryParam("error")); said != "" {
		return s.refuseSignIn(c, Identity{}, "provider answered "+said, &Problem{Status: http.StatusForbidden,
			Heading: "Your provider did not sign you in", Sentence: "It answered: " + said + ".",
			Link: linkTo("Try again", signInPath)})
	}
	d, err := s.provider.discover(c.Request().Context())
	if err != nil {
		return s.providerDown(err)
	}
	who, idToken, err := s.provider.finish(c.Request().Context(), d, l, c.QueryParam("code"))
	if err != nil {
		return s.refuseSignIn(c, Identity{}, "provider's answer not accepted", &Problem{Status: http.StatusBadGateway,
			Heading:  "The answer of your provider was not accepted",
			Sentence: "Either it took too long, or the settings here and at the provider do not agree. The log has the reason.",
			Link:     linkTo("Try again", signInPath), Cause: err})
	}
	if who.Role == "" {
		return s.refuseSignIn(c, who, "no group with a role", s.noRole(who))
	}
	return s.openSession(c, who, idToken, l.Return)
}

// openSession records the sign-in and gives the browser a new token. A session
// that the browser had before ends: a token never changes its person or role.
func (s *server) openSession(c echo.Context, who Identity, idToken, back string) error {
	err := s.record(c, who, Action{Name: "session.sign-in", Outcome: success,
		Details: map[string]string{"role": string(who.Role)}})
	if err != nil {
		return err
	}
	if cookie, err := c.Cookie(s.cookieName(sessionCookie)); err == nil {
		s.sessions.end(cookie.Value)
	}
	token, err := s.sessions.start(who, idToken)
	if err != nil {
		return err
	}
	s.setCookie(c, sessionCookie, token, int(s.Deps.Sessions.Absolute/time.Second))
	return c.Redirect(http.StatusSeeOther, back)
}

// signOut ends the session here and, where the provider can, there.
func (s *server) signOut(c echo.Context) error {
	who, signedIn := identityOf(c)
	var ended session
	if cookie, err := c.Cookie(s.cookieName(sessionCookie)); err == nil {
		ended, _ = s.sessions.end(cookie.Value)
	}
	s.setCookie(c, sessionCookie, "", -1)
	if !signedIn {
		return c.Redirect(http.StatusSeeOther, signedOutPath)
	}
	s.recordOrLog(c, who, Action{Name: "session.sign-out", Outcome: success})
	d, err := s.provider.discover(c.Request().Context())
	if err != nil || d.end == "" {
		return c.Redirect(http.StatusSeeOther, signedOutPath) // the session here has ended either way
	}
	end, err := url.Parse(d.end)
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	q := end.Query()
	q.Set("id_token_hint", ended.idToken)
	q.Set("client_id", s.provider.ClientID)
	q.Set("post_logout_redirect_uri", s.base.Scheme+"://"+s.base.Host+signedOutPath)
	end.RawQuery = q.Encode()
	return c.Redirect(http.StatusSeeOther, end.String())
}

func (s *server) signedOut(c echo.Context) error {
	return s.render(c, "Signed out", views.SignInPage(views.SignIn{
		Provider: s.provider.called(), Start: startPath, Out: true}))
}

func (s *server) loginOf(c echo.Context) (login, error) {
	cookie, err := c.Cookie(s.cookieName(loginCookie))
	if err != nil {
		return login{}, err
	}
	l, err := s.seal.open(cookie.Value, s.Now())
	if err != nil {
		return login{}, err
	}
	if subtle.ConstantTimeCompare([]byte(l.State), []byte(c.QueryParam("state"))) != 1 {
		return login{}, fmt.Errorf("state is not ours")
	}
	return l, nil
}

func (s *server) refuseSignIn(c echo.Context, who Identity, reason string, p *Problem) error {
	details := map[string]string{"reason": reason}
	if len(who.Groups) > 0 {
		details["groups"] = strings.Join(who.Groups, ", ")
	}
	s.recordRefusal(c, who, Action{Name: "session.sign-in", Details: details})
	return p
}

func staleSignIn(err error) *Problem {
	return &Problem{Status: http.StatusBadRequest, Heading: "This sign-in cannot be finished",
		Sentence: "It was begun in another tab or browser, or more than 10 minutes ago.",
		Link:     linkTo("Sign in again", signInPath), Cause: err}
}

func (s *server) noRole(who Identity) *Problem {
	return &Problem{Status: http.StatusForbidden, Heading: "No role here yet",
		Sentence: fmt.Sprintf("You are signed in at your provider as %s, but no group of yours has a role here.", who.called()),
		Help: []string{
			"Ask the administrator of Exhibit which group to join: roles come from groups of the identity provider.",
			"After you have joined it, sign in again.",
			"If a link in a mail led you here: " + askForPack,
		},
		Link: linkTo("Sign in again", signInPath)}
}

func (s *server) providerDown(err error) error {
	return &Problem{Status: http.StatusBadGateway, Heading: "The identity provider does not answer",
		Sentence: fmt.Sprintf("Signing in needs %s, and it could not be reached. Collection goes on meanwhile.", s.provider.called()),
		Help:     []string{"Try again in a minute.", "If it stays so, the administrator finds the reason in the log."},
		Link:     linkTo("Try again", signInPath), Cause: err}
}

// setCookie sets a cookie for this host only; maxAge −1 removes it.
func (s *server) setCookie(c echo.Context, name, value string, maxAge int) {
	c.SetCookie(&http.Cookie{Name: s.cookieName(name), Value: value, Path: "/", MaxAge: maxAge,
		Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
