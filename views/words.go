package views

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"exhibit/reports/words"
)

const (
	minuteLayout = "2006-01-02 15:04"
	secondLayout = "2006-01-02 15:04:05"
)

// utc prints an instant in UTC to the minute.
func utc(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(minuteLayout)
}

// local prints an instant in the zone, without the date where it is the same day;
// it is empty where the zone adds nothing.
func local(t time.Time, zone *time.Location) string {
	if t.IsZero() || zone == nil || zone == time.UTC || zone.String() == "UTC" {
		return ""
	}
	if in := t.In(zone); in.Format(time.DateOnly) != t.UTC().Format(time.DateOnly) {
		return in.Format(minuteLayout)
	} else {
		return in.Format("15:04")
	}
}

// zoneName prints the zone, or nothing where it is UTC.
func zoneName(zone *time.Location) string {
	if zone == nil || zone.String() == "UTC" {
		return ""
	}
	return zone.String()
}

// machine prints an instant for the datetime attribute.
func machine(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// exact prints an instant with all its digits in a zone.
func exact(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(zone).Format("2006-01-02 15:04:05.999999999") + " " + zone.String()
}

// dayName prints a day: "Sat, November 21, 2026".
func dayName(t time.Time) string { return t.UTC().Format("Mon, January 2, 2006") }

// Words prints a period: "January 1 through April 22, 2026".
func (p Period) Words() string {
	from, to := p.From.UTC(), p.To.UTC()
	switch {
	case from.Equal(to):
		return from.Format("January 2, 2006")
	case from.Year() == to.Year():
		return from.Format("January 2") + " through " + to.Format("January 2, 2006")
	}
	return from.Format("January 2, 2006") + " through " + to.Format("January 2, 2006")
}

// What reports print in files and mails, pages print in the same words.

func number(n int64) string { return words.Number(n) }

func plural(n int64, one, many string) string { return words.Plural(n, one, many) }

func percent(share float64) string { return words.Share(share) }

func size(n int64) string { return words.Size(n) }

func span(d time.Duration) string { return words.Length(d) }

// short cuts a digest for tables; the full one goes into a title.
func short(digest string) string {
	if len(digest) <= 16 {
		return digest
	}
	return digest[:12] + "…"
}

// list joins words with commas; none gives the alternative.
func list(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, ", ")
}

// says is a day in words: "Sat, November 21, 2026: covered, read; 412 events".
func (d Day) says() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", dayName(d.Day), d.State.title())
	if d.State == Recoverable && !d.Until.IsZero() {
		fmt.Fprintf(&b, " until %s UTC", utc(d.Until))
	}
	if d.Share > 0 && d.Share < 1 {
		fmt.Fprintf(&b, ", %s collected", percent(d.Share))
	}
	if d.Events > 0 || d.Share > 0 {
		fmt.Fprintf(&b, "; %s", plural(d.Events, "event", "events"))
	}
	return b.String()
}

// methods says how a source's time was collected.
func methods(list []MethodShare) string {
	var parts []string
	for _, m := range list {
		text := percent(m.Share) + " " + string(m.Method)
		switch {
		case m.By != "":
			text += " (stated by " + m.By + ")"
		case len(m.Basis) > 0:
			text += " (" + strings.Join(m.Basis, "; ") + ")"
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "nothing collected"
	}
	return strings.Join(parts, ", ")
}

// left says how much time is left until a deadline.
func left(now, deadline time.Time) string {
	if !deadline.After(now) {
		return "passed"
	}
	return span(deadline.Sub(now)) + " left"
}

func iso(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func seconds(t time.Time) string { return t.UTC().Format(secondLayout) }

// localSeconds leaves the date out where it is the same day.
func localSeconds(t time.Time, zone *time.Location) string {
	if in := t.In(zone); in.Format(time.DateOnly) != t.UTC().Format(time.DateOnly) {
		return in.Format(secondLayout)
	} else {
		return in.Format(time.TimeOnly)
	}
}

// present keeps the words that are not empty.
func present(words ...string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

func utcZone() *time.Location { return time.UTC }

func plain(n int64) string { return strconv.FormatInt(n, 10) }

// moment is the type of a field that takes a day or an instant: a calendar unless
// it already holds more than a day.
func moment(value string) string {
	if value == "" || len(value) == len(time.DateOnly) {
		return "date"
	}
	return "text"
}

func sourcePath(name string) string { return "/sources/" + url.PathEscape(name) }

func packPath(id string) string { return "/packs/" + url.PathEscape(id) + "/download" }

func eventsFrom(source string) string { return "/events?" + url.Values{"source": {source}}.Encode() }

// until names the field of the end: a day is included, an instant is not.
func until(value string) string {
	if moment(value) == "date" {
		return "To, included"
	}
	return "To, not included"
}

// offered adds what was chosen to what can be chosen, where it is not there yet.
func offered(values []string, chosen string) []string {
	if chosen == "" || slices.Contains(values, chosen) {
		return values
	}
	return append(slices.Clone(values), chosen)
}

// pollEvery is how often a page asks how far a job is, in milliseconds.
func pollEvery(s JobState) string {
	if s == Queued || s == Running {
		return "1000"
	}
	return ""
}

func sectionAnchor(section string) string { return "s" + anchor(section)[1:] }

// anchor makes an id for the address of a place on the page.
func anchor(id string) string {
	return "c-" + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '_'
	}, id)
}

func contains(list []string, word string) bool { return slices.Contains(list, word) }

// eventsOf is the address of the events behind a count: the same section, sources
// and instants, so that the list holds what was counted.
func eventsOf(section string, r Report) string {
	form := url.Values{"section": {section}, "from": {machine(r.Since)}, "to": {machine(r.Until)}}
	if len(r.Query.Sources) > 0 {
		form.Set("source", strings.Join(r.Query.Sources, ","))
	}
	return "/events?" + form.Encode()
}
