package reports

import (
	"fmt"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// A Period is the stretch of time that a report is about.
type Period struct {
	coverage.Interval                // half-open instants
	Zone              *time.Location // whose days and clock people read
	Text              string         // as asked for: "2026-01-01 to 2026-04-22, both included"
	Cut               time.Time      // coverage is shown up to here; zero: the period has ended
}

// CutNote says that the period goes on after the time of the report, or nothing
// when it does not.
func (p Period) CutNote() string {
	if p.Cut.IsZero() {
		return ""
	}
	return "the period goes on after " + Instant(p.Cut) + ": coverage is shown up to then"
}

// Window returns the part of the period that has passed.
func (p Period) Window() coverage.Interval {
	if p.Cut.IsZero() {
		return p.Interval
	}
	return coverage.Interval{From: p.From, To: p.Cut}
}

// At returns the period as it stands at now: cut there when it goes on after it.
// An empty window is an error: nothing can be said of what has not begun.
func (p Period) At(now time.Time) (Period, error) {
	p.Cut = time.Time{}
	if p.To.After(now) {
		p.Cut = now.UTC()
	}
	if !p.From.Before(now) {
		return Period{}, fmt.Errorf("the period %s begins after now (%s): choose an earlier first day", p.Text, Instant(now))
	}
	return p, nil
}

// ParsePeriod reads the first and the last day of a period, as YYYY-MM-DD in the
// zone and both included, or its first instant and the instant after its last, as
// RFC 3339 with an offset. A nil zone is UTC.
func ParsePeriod(from, to string, zone *time.Location, now time.Time) (Period, error) {
	if zone == nil {
		zone = time.UTC
	}
	instants := strings.ContainsAny(from, "Tt")
	if instants != strings.ContainsAny(to, "Tt") {
		return Period{}, fmt.Errorf("the period begins with %q and ends with %q: give two days (YYYY-MM-DD) or two instants (RFC 3339)", from, to)
	}
	if instants {
		return parseInstants(from, to, zone, now)
	}
	first, err := parseDay("first", from)
	if err != nil {
		return Period{}, err
	}
	last, err := parseDay("last", to)
	if err != nil {
		return Period{}, err
	}
	return Days(first, last, zone, now)
}

// Days returns the period of whole days in the zone, both ends included. Of first
// and last only the date counts, as UTC has it.
func Days(first, last time.Time, zone *time.Location, now time.Time) (Period, error) {
	if last.Before(first) {
		return Period{}, fmt.Errorf("the last day %s is before the first day %s: swap them", last.Format(time.DateOnly), first.Format(time.DateOnly))
	}
	p := Period{Zone: zone, Text: first.Format(time.DateOnly) + " to " + last.Format(time.DateOnly) + ", both included, in " + zone.String()}
	p.From = startOfDay(first, zone)
	// One day at a time cannot overflow as months do: there is no 31st to lose.
	p.To = startOfDay(last.AddDate(0, 0, 1), zone)
	if p.Empty() {
		return Period{}, fmt.Errorf("%s does not exist in %s: the clocks skipped it", first.Format(time.DateOnly), zone)
	}
	return p.checked(now)
}

func parseInstants(from, to string, zone *time.Location, now time.Time) (Period, error) {
	p := Period{Zone: zone, Text: from + " up to but without " + to}
	for _, end := range []struct {
		name, text string
		into       *time.Time
	}{{"first", from, &p.From}, {"last", to, &p.To}} {
		t, err := time.Parse(time.RFC3339Nano, end.text)
		if err != nil {
			return Period{}, fmt.Errorf("the %s instant %q is not RFC 3339: write it like 2026-01-01T00:00:00Z or 2026-01-01T00:00:00+01:00", end.name, end.text)
		}
		*end.into = t.UTC()
	}
	if p.Empty() {
		return Period{}, fmt.Errorf("the period from %s to %s is empty: the end is not part of it and must come after the start", from, to)
	}
	return p.checked(now)
}

func (p Period) checked(now time.Time) (Period, error) {
	if !event.InRange(p.From) || !event.InRange(p.To) {
		return Period{}, fmt.Errorf("the period %s is not within 1970 and 2199", p.Text)
	}
	return p.At(now)
}

func parseDay(which, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, fmt.Errorf("the %s day is missing: write it like 2026-01-31", which)
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("the %s day %q is not a day of the calendar: write it like 2026-01-31", which, text)
	}
	return t, nil
}

// startOfDay returns the first instant of a date in the zone.
func startOfDay(date time.Time, zone *time.Location) time.Time {
	year, month, day := date.Date()
	return LocalInstant(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), zone)
}

// LocalInstant returns when clocks in the zone show what wall shows in UTC. Where
// they skip it that is the moment after the jump; where they show it twice it is the
// first time. time.Date promises neither.
func LocalInstant(wall time.Time, zone *time.Location) time.Time {
	for t := wall.Add(-26 * time.Hour); ; {
		_, offset := t.In(zone).Zone()
		start, end := t.In(zone).ZoneBounds()
		local := wall.Add(-time.Duration(offset) * time.Second)
		switch {
		case !start.IsZero() && local.Before(start):
			return start.UTC()
		case end.IsZero() || local.Before(end):
			return local
		}
		t = end
	}
}

// LoadZone returns the zone with the name; an empty name is UTC.
func LoadZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || strings.EqualFold(name, "local") {
		return nil, fmt.Errorf("unknown zone %q: use UTC or a name like Europe/Berlin", name)
	}
	return zone, nil
}

// Instant prints an instant in UTC to the second: "2026-04-22 21:59:59 UTC".
func Instant(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}
