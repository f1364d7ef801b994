package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

func (s *server) overview(c echo.Context) error {
	if who, _ := identityOf(c); who.Role == Auditor {
		return c.Redirect(http.StatusSeeOther, "/reports")
	}
	o, err := s.Overview.Overview(c.Request().Context())
	if err != nil {
		return fmt.Errorf("overview: %w", err)
	}
	return s.render(c, "Overview", views.OverviewPage(o))
}

func (s *server) coverage(c echo.Context) error {
	ctx := c.Request().Context()
	q, err := s.parseCoverage(c.QueryParams())
	var v views.Coverage
	if err == nil {
		v, err = s.Coverage.Coverage(ctx, q)
	}
	var input *InputError
	if errors.As(err, &input) {
		return &Problem{Status: http.StatusBadRequest, Heading: "That does not work", Sentence: input.Sentence,
			Link: linkTo("Show the last days", "/coverage"), Cause: err}
	}
	if err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	if v.Names, err = s.Deps.Sources.Names(ctx); err != nil {
		return fmt.Errorf("coverage: %w", err)
	}
	v.Source = q.Source
	return s.render(c, "Coverage", views.CoveragePage(v))
}

func (s *server) sourceList(c echo.Context) error {
	list, err := s.Deps.Sources.List(c.Request().Context())
	if err != nil {
		return fmt.Errorf("sources: %w", err)
	}
	v := views.Sources{Zone: s.Zone, Sources: list}
	if who(c).Role == Admin {
		v.Tokens = "/tokens"
	}
	return s.render(c, "Sources", views.SourcesPage(v))
}

func (s *server) source(c echo.Context) error {
	v, err := s.Deps.Sources.Source(c.Request().Context(), c.Param("source"))
	if err != nil {
		return fmt.Errorf("source %q: %w", c.Param("source"), err)
	}
	if who(c).Role == Admin {
		v.Bytes = true
		if v.Way == views.Pushed {
			v.Tokens = tokensPath(v.Name)
		}
	} else {
		for i := range v.Rejects {
			v.Rejects[i].Path = "" // the pages of rejects are for administrators
		}
	}
	return s.render(c, v.Name, views.SourcePage(v))
}
