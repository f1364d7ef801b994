package web

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
)

// Limits of what can be asked for.
const (
	maxField   = 500  // bytes of one field of a form
	maxSources = 200  // sources named in one query
	pageRows   = 100  // events on one page
	firstYear  = 1970 // event times are kept within 1970 up to 2200
	lastYear   = 2199
	heatDays   = 120      // days of the coverage page where none are chosen
	maxDays    = 366 * 10 // days of one period
)

// parseDate reads YYYY-MM-DD.
func parseDate(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, badInput("The %s day is missing. Write it like 2026-04-22.", name)
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, badInput("The %s date %q is not a date. Write it like 2026-04-22.", name, cut(text))
	}
	if t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, badInput("The %s date %s is outside of %d through %d.", name, text, firstYear, lastYear)
	}
	return t, nil
}

// parseDays reads two dates, both included.
func parseDays(form url.Values) (from, to time.Time, err error) {
	if from, err = parseDate("first", strings.TrimSpace(form.Get("from"))); err != nil {
		return from, to, err
	}
	if to, err = parseDate("last", strings.TrimSpace(form.Get("to"))); err != nil {
		return from, to, err
	}
	if to.Before(from) {
		return from, to, badInput("The period ends (%s) before it begins (%s).", to.Format(time.DateOnly), from.Format(time.DateOnly))
	}
	if to.Sub(from) > maxDays*24*time.Hour {
		return from, to, badInput("The period is longer than ten years. Choose a shorter one.")
	}
	return from, to, nil
}

// parseZone reads the name of a zone; none means the configured one.
func (s *server) parseZone(name string) (*time.Location, error) {
	name = strings.TrimSpace(name)
	if name == "" || name == s.Zone.String() {
		return s.Zone, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > 64 {
		return nil, badInput("The zone %q is not known. Write UTC or a name like Europe/Berlin.", cut(name))
	}
	return zone, nil
}

// parseReport reads what a report or pack is asked for.
func (s *server) parseReport(framework string, form url.Values) (ReportQuery, error) {
	zone, err := s.parseZone(form.Get("zone"))
	if err != nil {
		return ReportQuery{}, err
	}
	from, to, err := parseDays(form)
	if err != nil {
		return ReportQuery{}, err
	}
	q := ReportQuery{Framework: framework, From: from, To: to, Zone: zone, Engagement: form.Get("engagement")}
	if len(form["source"]) > maxSources {
		return q, badInput("More than %d sources are named. Name none to take all.", maxSources)
	}
	for _, name := range form["source"] {
		if name != "" && !slices.Contains(q.Sources, name) {
			q.Sources = append(q.Sources, name)
		}
	}
	return q, nil
}

// parseCoverage reads the days of the coverage page; none means the last 120.
func (s *server) parseCoverage(form url.Values) (CoverageQuery, error) {
	zone, err := s.parseZone(form.Get("zone"))
	q := CoverageQuery{Source: form.Get("source"), Zone: zone, To: event.Day(s.Now())}
	q.From = q.To.AddDate(0, 0, 1-heatDays)
	if err != nil || (form.Get("from") == "" && form.Get("to") == "") {
		return q, err
	}
	q.From, q.To, err = parseDays(form)
	return q, err
}

// parseEvents reads the filter of the list of events.
func (s *server) parseEvents(form url.Values) (EventQuery, error) {
	q := EventQuery{Limit: pageRows}
	if names := form.Get("source"); len(names) > maxField*10 {
		return q, badInput("Too many sources are named. Name none to take all.")
	} else if names != "" {
		q.Sources = strings.Split(names, ",")
	}
	for name, field := range map[string]*string{"section": &q.Section, "actor": &q.Actor, "action": &q.Action, "outcome": &q.Outcome, "id": &q.ID} {
		if *field = strings.TrimSpace(form.Get(name)); len(*field) > maxField {
			return q, badInput("The %s is longer than %d bytes.", name, maxField)
		}
	}
	if q.Section != "" && !event.Section(q.Section).Known() {
		return q, badInput("There is no section %q.", cut(q.Section))
	}
	var err error
	if q.From, err = s.parseMoment("from", form.Get("from"), 0); err != nil {
		return q, err
	}
	if q.To, err = s.parseMoment("to", form.Get("to"), 1); err != nil {
		return q, err
	}
	if !q.To.IsZero() && !q.From.Before(q.To) {
		return q, badInput("The end is not after the beginning.")
	}
	q.Before, err = parsePosition(form)
	return q, err
}

// parseMoment reads a date, which stands for the start of its day in the zone of
// the configuration or of a day later, or an RFC 3339 instant.
func (s *server) parseMoment(name, text string, daysLater int) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && event.InRange(t) {
		return t.UTC(), nil
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || day.Year() < firstYear || day.Year() > lastYear {
		return time.Time{}, badInput("%q in the field %q is not a time. Write a day like 2026-04-22 or an instant like 2026-04-22T08:00:00Z.", cut(text), name)
	}
	y, m, d := day.Date()
	return time.Date(y, m, d+daysLater, 0, 0, 0, 0, s.Zone).UTC(), nil
}

// Keys of a position in an address.
const (
	keyTime   = "before"
	keySource = "before_source"
	keyID     = "before_id"
)

func parsePosition(form url.Values) (*Position, error) {
	text := form.Get(keyTime)
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || !event.InRange(t) {
		return nil, badInput("The address of this page is damaged. Go back to the newest events.")
	}
	return &Position{Time: t.UTC(), Source: form.Get(keySource), ID: form.Get(keyID)}, nil
}

func (p Position) addTo(form url.Values) {
	form.Set(keyTime, p.Time.UTC().Format(time.RFC3339Nano))
	form.Set(keySource, p.Source)
	form.Set(keyID, p.ID)
}

// cut shortens what a person typed for an error message.
func cut(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}
