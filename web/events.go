package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/internal/event"
	"exhibit/views"
)

func (s *server) eventList(c echo.Context) error {
	form, ctx := c.QueryParams(), c.Request().Context()
	v := views.EventList{Zone: s.Zone, Outcomes: []string{event.Success, event.Failure, event.Unknown},
		Filter: views.EventFilter{Source: form.Get("source"), Section: form.Get("section"), From: form.Get("from"), To: form.Get("to"),
			Actor: form.Get("actor"), Action: form.Get("action"), Outcome: form.Get("outcome"), ID: form.Get("id")}}
	for _, section := range event.Sections() {
		v.Sections = append(v.Sections, string(section))
	}
	var err error
	if v.Sources, err = s.Deps.Sources.Names(ctx); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	q, err := s.parseEvents(form)
	var input *InputError
	if errors.As(err, &input) {
		v.Problem = input.Sentence
		return s.renderStatus(c, http.StatusBadRequest, views.Page{Title: "Events"}, views.EventsPage(v))
	}
	if err == nil {
		err = s.fillEvents(c, q, form, &v)
	}
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	return s.render(c, "Events", views.EventsPage(v))
}

// fillEvents asks for one event more than a page holds, to know whether there is
// another page; counting them all would be a scan.
func (s *server) fillEvents(c echo.Context, q EventQuery, form url.Values, v *views.EventList) error {
	size := q.Limit
	q.Limit++
	rows, err := s.Events.List(c.Request().Context(), q)
	if err != nil {
		return err
	}
	page := url.Values{}
	for name, values := range form {
		if len(values) > 0 && values[0] != "" && !strings.HasPrefix(name, keyTime) {
			page.Set(name, values[0])
		}
	}
	if q.Before != nil {
		v.Newest = "/events?" + page.Encode()
	}
	if len(rows) > size {
		rows = rows[:size]
		last := rows[size-1]
		Position{last.Time, last.Source, last.ID}.addTo(page)
		v.Older = "/events?" + page.Encode()
	}
	for i := range rows {
		rows[i].Path = EventPath(rows[i].Source, rows[i].ID, rows[i].Time)
	}
	v.Rows = rows
	return nil
}

// EventPath is the address of an event's page. The time, if it is not zero, says where
// to look first: in a large store an id alone is a search.
func EventPath(source, id string, at time.Time) string {
	path, query := "/events/"+url.PathEscape(source)+"/", url.Values{}
	switch id {
	case ".", "..":
		query.Set("id", id) // in a path these mean folders, however they are written
	default:
		path += url.PathEscape(id)
	}
	if !at.IsZero() {
		query.Set("at", at.UTC().Format(time.RFC3339Nano))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// event shows one event. Looking at one is recorded, but not prevented when it
// cannot be: that is when somebody must look.
func (s *server) event(c echo.Context) error {
	source, id, err := eventOf(c.Request())
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339Nano, c.QueryParam("at"))
	if err != nil {
		at = time.Time{} // addresses without it, or with a wrong one, are searched for
	}
	v, err := s.Events.Event(c.Request().Context(), source, id, at)
	if err != nil {
		return fmt.Errorf("event of %q: %w", source, err)
	}
	s.recordOrLog(c, who(c), Action{Name: "event.view", Outcome: success, Target: target("event", id, source)})
	v.Zone = s.Zone
	return s.render(c, "Event "+id, views.EventPage(v))
}

// eventOf reads source and id from the address as it was sent: an id may hold
// slashes and anything else.
func eventOf(r *http.Request) (source, id string, err error) {
	first, second, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/events/"), "/")
	if source, err = url.PathUnescape(first); err != nil {
		return "", "", ErrNotFound
	}
	if second == "" {
		second = url.PathEscape(r.URL.Query().Get("id"))
	}
	if id, err = url.PathUnescape(second); err != nil || id == "" {
		return "", "", ErrNotFound
	}
	return source, id, nil
}
