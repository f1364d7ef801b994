package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/internal/event"
	"exhibit/views"
)

// reports is the page where a report is chosen.
func (s *server) reports(c echo.Context) error {
	if f := c.QueryParam("framework"); f != "" { // the form, sent by a browser
		q := c.QueryParams()
		q.Del("framework")
		return c.Redirect(http.StatusSeeOther, "/reports/"+url.PathEscape(f)+"?"+q.Encode())
	}
	return s.showReports(c, http.StatusOK, s.lastDays(90), "")
}

func (s *server) showReports(c echo.Context, status int, chosen views.ReportChoice, problem string) error {
	v, err := s.reportsView(c.Request().Context(), who(c))
	if err != nil {
		return err
	}
	v.Chosen, v.Problem = chosen, problem
	return s.renderStatus(c, status, views.Page{Title: "Reports"}, views.ReportsPage(v))
}

func (s *server) reportsView(ctx context.Context, who Identity) (views.Reports, error) {
	frameworks, err := s.Deps.Reports.Frameworks(ctx)
	if err != nil {
		return views.Reports{}, fmt.Errorf("frameworks: %w", err)
	}
	packs, err := s.Packs.List(ctx)
	if err != nil {
		return views.Reports{}, fmt.Errorf("packs: %w", err)
	}
	v := views.Reports{Zone: s.Zone, Zones: s.zones(), Packs: s.seen(who, packs), Auditor: who.Role == Auditor, Frameworks: frameworks}
	if !v.Auditor {
		v.Sources, err = s.Deps.Sources.Names(ctx)
		if err != nil {
			return views.Reports{}, fmt.Errorf("sources: %w", err)
		}
		return v, nil
	}
	for _, e := range s.engagementsOf(who) {
		v.Engagements = append(v.Engagements, e.view(frameworks))
	}
	return v, nil
}

// report shows one framework over one period.
func (s *server) report(c echo.Context) error {
	form := c.QueryParams()
	if form.Get("from") == "" && form.Get("to") == "" {
		known, err := s.Deps.Reports.Frameworks(c.Request().Context())
		if err != nil {
			return fmt.Errorf("frameworks: %w", err)
		}
		if !slices.ContainsFunc(known, func(f views.FrameworkChoice) bool { return f.ID == c.Param("framework") }) {
			return ErrNotFound
		}
		chosen := s.lastDays(90)
		chosen.Framework = c.Param("framework")
		return s.showReports(c, http.StatusOK, chosen, "")
	}
	q, err := s.parseReport(c.Param("framework"), form)
	if err != nil {
		return s.wrongChoice(c, form, err)
	}
	q, ok := s.narrow(who(c), q)
	if !ok {
		return s.refuseReport(c, q)
	}
	ctx := c.Request().Context()
	v, err := s.Deps.Reports.Report(ctx, q)
	if err != nil {
		return s.wrongChoice(c, form, fmt.Errorf("report %s: %w", q.Framework, err))
	}
	packs, err := s.Packs.List(ctx)
	if err != nil {
		return fmt.Errorf("packs: %w", err)
	}
	v.Packs = s.samePeriod(who(c), packs, q)
	v.Query, v.Engagement = choice(q), q.Engagement
	v.EventsLink = who(c).Role != Auditor
	return s.render(c, v.Framework.Title+" report", views.ReportPage(v))
}

// wrongChoice shows the form again with what is wrong; other errors pass.
func (s *server) wrongChoice(c echo.Context, form url.Values, err error) error {
	var input *InputError
	if !errors.As(err, &input) {
		return err
	}
	chosen := views.ReportChoice{Framework: c.Param("framework"), From: form.Get("from"), To: form.Get("to"),
		Zone: form.Get("zone"), Sources: form["source"]}
	if chosen.Framework == "" {
		chosen.Framework = form.Get("framework")
	}
	if chosen.Zone == "" {
		chosen.Zone = s.Zone.String()
	}
	return s.showReports(c, http.StatusBadRequest, chosen, input.Sentence)
}

func (s *server) refuseReport(c echo.Context, q ReportQuery) error {
	return s.refuse(c, who(c), fmt.Sprintf("no engagement holds %s %s through %s", q.Framework, q.From.Format(time.DateOnly), q.To.Format(time.DateOnly)),
		"None of your engagements holds this framework, period, zone and sources. The Reports page shows what they hold; an engagement that has expired is not shown.")
}

// samePeriod returns the packs that were made of what q asks for.
func (s *server) samePeriod(who Identity, packs []views.Pack, q ReportQuery) []views.Pack {
	return slices.DeleteFunc(s.seen(who, packs), func(p views.Pack) bool {
		return p.Framework.ID != q.Framework || !p.Period.From.Equal(q.From) || !p.Period.To.Equal(q.To) || p.Period.Zone.String() != q.Zone.String()
	})
}

func choice(q ReportQuery) views.ReportChoice {
	return views.ReportChoice{Framework: q.Framework, From: q.From.Format(time.DateOnly), To: q.To.Format(time.DateOnly),
		Zone: q.Zone.String(), Sources: q.Sources}
}

// lastDays is a form filled with the days up to today.
func (s *server) lastDays(n int) views.ReportChoice {
	y, m, d := s.Now().In(s.Zone).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return views.ReportChoice{From: today.AddDate(0, 0, 1-n).Format(time.DateOnly), To: today.Format(time.DateOnly), Zone: s.Zone.String()}
}

// zones are the suggestions of the zone field; any IANA name works.
func (s *server) zones() []string {
	zones := []string{"UTC"}
	if s.Zone.String() != "UTC" {
		zones = append(zones, s.Zone.String())
	}
	for _, z := range []string{"America/New_York", "America/Los_Angeles", "Europe/London", "Europe/Berlin", "Asia/Tokyo"} {
		if !slices.Contains(zones, z) {
			zones = append(zones, z)
		}
	}
	return zones
}

// who is for handlers behind the gate, where somebody has signed in.
func who(c echo.Context) Identity {
	w, _ := identityOf(c)
	return w
}

// target names what an action was about.
func target(kind, id, name string) event.Target { return event.Target{Type: kind, ID: id, Name: name} }
