package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"exhibit/views"
)

// render shows a page. It is made in memory first, so that an error half-way
// becomes an error page and never half a page with status 200.
func (s *server) render(c echo.Context, title string, content templ.Component) error {
	return s.renderStatus(c, http.StatusOK, views.Page{Title: title}, content)
}

func (s *server) renderStatus(c echo.Context, status int, p views.Page, content templ.Component) error {
	p.Style, p.Script, p.Icon = s.assets.Path("app.css"), s.assets.Path("app.js"), s.assets.Path("icon.svg")
	p.Instance = s.Instance
	if who, ok := identityOf(c); ok {
		p.Person = &views.Person{Name: who.called(), Email: who.Email, Role: string(who.Role)}
		p.Nav = s.nav(who.Role, c.Request().URL.Path)
	}
	var page bytes.Buffer
	if err := views.Layout(p, content).Render(context.WithoutCancel(c.Request().Context()), &page); err != nil {
		return fmt.Errorf("render %q: %w", p.Title, err)
	}
	return c.HTMLBlob(status, page.Bytes())
}

// nav lists the pages that a role may open.
func (s *server) nav(role Role, path string) []views.NavItem {
	items := []views.NavItem{{Title: "Overview", Path: "/"}, {Title: "Reports", Path: "/reports"},
		{Title: "Coverage", Path: "/coverage"}, {Title: "Sources", Path: "/sources"}, {Title: "Events", Path: "/events"},
		{Title: "Rejects", Path: "/rejects"}}
	if s.Schedules != nil {
		items = append(items, views.NavItem{Title: "Schedules", Path: "/schedules"})
	}
	var out []views.NavItem
	for _, i := range items {
		if !s.allowed["GET "+i.Path].admits(role) || (role == Auditor && i.Path == "/") {
			continue
		}
		i.Current = path == i.Path || (i.Path != "/" && strings.HasPrefix(path, i.Path+"/")) ||
			(i.Path == "/reports" && strings.HasPrefix(path, "/packs/")) || (i.Path == "/sources" && path == "/tokens") || (i.Path == "/schedules" && strings.HasPrefix(path, "/mailbox/"))
		out = append(out, i)
	}
	return out
}
