package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// A TableRow is one row of the table of routes, for tests.
type TableRow struct {
	Method, Path string
	Public       bool
	Roles        []Role
}

// Table returns the table of routes and what the router really holds.
func Table(d Deps) (table []TableRow, registered []string, err error) {
	s, err := newServer(d)
	if err != nil {
		return nil, nil, err
	}
	e, err := s.router()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range s.routes() {
		table = append(table, TableRow{r.method, r.path, r.public, r.roles})
	}
	for _, r := range e.Routes() {
		registered = append(registered, r.Method+" "+r.Path)
	}
	return table, registered, nil
}

// WithUnlisted builds the site with a route that is not in the table, as a
// mistake would, and returns the error of building it and the handler.
func WithUnlisted(d Deps, handler echo.HandlerFunc) (http.Handler, func(method, path string), error) {
	s, err := newServer(d)
	if err != nil {
		return nil, nil, err
	}
	e, err := s.router()
	return e, func(method, path string) { e.Add(method, path, handler) }, err
}

var LocalPath = localPath

var EventOf = eventOf

var Network = network

var Invites = Engagement.invites
