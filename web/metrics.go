package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// Metrics are numbers for a monitoring system. They have a token of their own: whoever
// scrapes them has no session, and a session does not open them.
type Metrics struct {
	Token   string // at least minToken bytes
	Handler http.Handler
}

// minToken is more than anybody can guess.
const minToken = 20

// metrics answers whoever has the token. Without a token in the configuration there is
// nothing at this address.
func (s *server) metrics(c echo.Context) error {
	if s.Metrics == nil {
		return ErrNotFound
	}
	given, ok := strings.CutPrefix(c.Request().Header.Get(echo.HeaderAuthorization), "Bearer ")
	got, want := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(s.Metrics.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !ok {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="metrics"`)
		return c.String(http.StatusUnauthorized, "the token of the metrics is missing or wrong\n")
	}
	s.Metrics.Handler.ServeHTTP(c.Response(), c.Request())
	return nil
}
