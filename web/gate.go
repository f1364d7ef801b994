package web

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"
)

// maxForm is more than any of our forms can hold.
const maxForm = 64 << 10

// Keys of values that belong to one request.
const (
	identityKey = "identity"
	requestKey  = "request"
)

// identify finds the session of the request, if it has one.
func (s *server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if cookie, err := c.Cookie(s.cookieName(sessionCookie)); err == nil {
			if who, ok := s.sessions.find(cookie.Value); ok {
				c.Set(identityKey, who)
			}
		}
		return next(c)
	}
}

// gate admits a request only where the table of routes says so.
func (s *server) gate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		may, listed := s.allowed[c.Request().Method+" "+c.Path()]
		if !listed {
			return s.unlisted(c)
		}
		if may.public {
			return next(c)
		}
		who, signedIn := identityOf(c)
		if !signedIn {
			return s.askToSignIn(c)
		}
		if !may.admits(who.Role) {
			sentence := "This page is for administrators of Exhibit."
			switch {
			case who.Role == Auditor && c.Path() != schedulePackPath:
				sentence = "This page is not for auditors. Your reports and packs are on the Reports page."
			case who.Role == Auditor: // a mail led here
				sentence = "This page is not for auditors: the link in the mail is for admins and reviewers of Exhibit. " + askForPack
			}
			return s.refuse(c, who, fmt.Sprintf("role %s may not %s %s", who.Role, c.Request().Method, c.Path()), sentence)
		}
		return next(c)
	}
}

// unlisted answers for what is not in the table, without calling any handler.
func (s *server) unlisted(c echo.Context) error {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if _, other := s.allowed[method+" "+c.Path()]; other {
			return echo.ErrMethodNotAllowed
		}
	}
	return ErrNotFound
}

// refuse records that somebody was kept out and says so to them.
func (s *server) refuse(c echo.Context, who Identity, reason, sentence string) error {
	s.recordRefusal(c, who, Action{Name: "access.refuse", Details: map[string]string{
		"reason": reason, "path": c.Request().URL.Path}})
	return &Problem{Status: http.StatusForbidden, Heading: "Not open to you", Sentence: sentence,
		Link: linkTo("Go to Reports", "/reports")}
}

// askToSignIn sends a reader to the sign-in page and lets everything else fail:
// a form that was posted cannot be repeated after the sign-in.
func (s *server) askToSignIn(c echo.Context) error {
	if m := c.Request().Method; m != http.MethodGet && m != http.MethodHead {
		return &Problem{Status: http.StatusUnauthorized, Heading: "Your session has ended",
			Sentence: "Nothing was done. Sign in again, then repeat what you were doing.",
			Link:     linkTo("Sign in", signInPath)}
	}
	return c.Redirect(http.StatusSeeOther, signInPath+"?return="+url.QueryEscape(c.Request().URL.RequestURI()))
}

func identityOf(c echo.Context) (Identity, bool) {
	who, ok := c.Get(identityKey).(Identity)
	return who, ok
}

// headers sets what holds for every answer; handlers of public files change
// Cache-Control.
func (s *server) headers(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Content-Security-Policy", s.policy())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if s.secure() {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		return next(c)
	}
}

// policy lets the form that signs out be redirected to the provider: browsers
// apply form-action to redirects too.
func (s *server) policy() string {
	forms := "'self'"
	if origin := s.provider.endOrigin(); origin != "" {
		forms += " " + origin
	}
	return "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; " +
		"form-action " + forms + "; frame-ancestors 'none'; base-uri 'none'"
}

func (s *server) secure() bool { return s.base.Scheme == "https" }

func (s *server) limitBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength > maxForm {
			return echo.ErrStatusRequestEntityTooLarge
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
		return next(c)
	}
}

// refuseCrossOrigin keeps other sites from posting forms in a reader's name.
func (s *server) refuseCrossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.protected.Check(c.Request()); err != nil {
			return &Problem{Status: http.StatusForbidden, Heading: "Refused",
				Sentence: "This request came from another site, so nothing was done.", Cause: err}
		}
		return next(c)
	}
}

// limitRate slows down whoever tries sign-ins in a row.
func (s *server) limitRate() echo.MiddlewareFunc {
	return middleware.RateLimiterWithConfig(middleware.RateLimiterConfig{
		Store: middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{
			Rate: rate.Limit(1), Burst: 30, ExpiresIn: 5 * time.Minute}),
		IdentifierExtractor: func(c echo.Context) (string, error) { return network(c.RealIP()), nil },
		DenyHandler: func(c echo.Context, _ string, _ error) error {
			return &Problem{Status: http.StatusTooManyRequests, Heading: "Too many attempts",
				Sentence: "There were many sign-ins from your address. Wait a minute, then try again."}
		},
	})
}

// limitPerson slows down one person where each request adds to the ledger or makes
// a file.
func (s *server) limitPerson(each rate.Limit, burst int) echo.MiddlewareFunc {
	return middleware.RateLimiterWithConfig(middleware.RateLimiterConfig{
		Store: middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{
			Rate: each, Burst: burst, ExpiresIn: time.Hour}),
		IdentifierExtractor: func(c echo.Context) (string, error) { return who(c).Subject, nil },
		DenyHandler: func(echo.Context, string, error) error {
			return &Problem{Status: http.StatusTooManyRequests, Heading: "Too many at once",
				Sentence: "You asked for this many times in a row, so nothing was done. Wait a minute, then try again."}
		},
	})
}

func (s *server) cookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

// localPath returns p if it is a path of ours, and "/" otherwise. "//host" and
// "/\host" lead elsewhere in browsers.
func localPath(p string) string {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || len(p) > 2000 || strings.ContainsAny(p, "\\\r\n\t") {
		return "/"
	}
	u, err := url.Parse(p)
	if err != nil || u.IsAbs() || u.Host != "" || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, "/sign-") {
		return "/"
	}
	return p
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
