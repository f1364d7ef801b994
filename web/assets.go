package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// healthz says that the process answers; it says nothing about its parts.
func (s *server) healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// asset serves a file whose name carries its hash, so it never changes.
func (s *server) asset(c echo.Context) error {
	f, ok := s.assets.Open(c.Param("name"))
	if !ok {
		return ErrNotFound
	}
	c.Response().Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	return c.Blob(http.StatusOK, f.Type, f.Body)
}

// icon is for browsers that ask for it without reading the page.
func (s *server) icon(c echo.Context) error {
	return c.Redirect(http.StatusFound, s.assets.Path("icon.svg"))
}
