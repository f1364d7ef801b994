package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"exhibit/reports"
)

// Words lists the periods that people choose from; "last N days" takes any N.
func Words() []string {
	return []string{"yesterday", "last week", "last month", "last quarter", "last year", "last 30 days", "last 90 days"}
}

// maxDays bounds "last N days".
const maxDays = 3660

// parseWords returns what gives the first day of a period and the day after its
// last, for the date on which it is asked. Dates are midnight UTC.
func parseWords(words string) (func(date time.Time) (from, to time.Time), error) {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	switch words {
	case "yesterday":
		return func(t time.Time) (time.Time, time.Time) { return t.AddDate(0, 0, -1), t }, nil
	case "last week": // Monday through Sunday
		return func(t time.Time) (time.Time, time.Time) {
			monday := t.AddDate(0, 0, -(int(t.Weekday())+6)%7)
			return monday.AddDate(0, 0, -7), monday
		}, nil
	case "last month": // counted from the first of a month, where no month overflows
		return func(t time.Time) (time.Time, time.Time) {
			return day(t.Year(), t.Month()-1, 1), day(t.Year(), t.Month(), 1)
		}, nil
	case "last quarter":
		return func(t time.Time) (time.Time, time.Time) {
			first := t.Month() - (t.Month()-1)%3
			return day(t.Year(), first-3, 1), day(t.Year(), first, 1)
		}, nil
	case "last year":
		return func(t time.Time) (time.Time, time.Time) { return day(t.Year()-1, 1, 1), day(t.Year(), 1, 1) }, nil
	}
	text, ok := strings.CutPrefix(words, "last ")
	text, days := strings.CutSuffix(text, " days")
	n, err := strconv.Atoi(text)
	if !ok || !days || err != nil || n < 1 || n > maxDays {
		return nil, fmt.Errorf("%q is not a period: use one of %s, or last N days", cut(words), strings.Join(Words(), ", "))
	}
	return func(t time.Time) (time.Time, time.Time) { return t.AddDate(0, 0, -n), t }, nil
}

// A Span is a stretch of whole days in a zone: from the first up to the day before To.
type Span struct {
	From time.Time `json:"from"` // dates, as midnight UTC
	To   time.Time `json:"to"`
	Zone string    `json:"zone"`
}

// key names the span by its days alone: the same days in another zone are the same
// period, so that a schedule that moves to another zone sends none twice.
func (s Span) key() string {
	return s.From.Format(time.DateOnly) + "_" + s.To.AddDate(0, 0, -1).Format(time.DateOnly)
}

// period returns it as reports take it.
func (s Span) period(now time.Time) (reports.Period, error) {
	zone, err := reports.LoadZone(s.Zone)
	if err != nil {
		return reports.Period{}, err
	}
	return reports.Days(s.From, s.To.AddDate(0, 0, -1), zone, now)
}

// before returns the span of the same kind that ends where this one begins: the
// month before a month, as many days before days.
func (s Span) before() Span {
	months := (s.To.Year()-s.From.Year())*12 + int(s.To.Month()) - int(s.From.Month())
	if s.From.Day() == 1 && s.To.Day() == 1 && months > 0 {
		return Span{s.From.AddDate(0, -months, 0), s.From, s.Zone}
	}
	return Span{s.From.AddDate(0, 0, -int(s.To.Sub(s.From).Hours()/24)), s.From, s.Zone}
}

// Words names it as people do: "March 2026", "the first quarter of 2026", "2025",
// "1 to 30 April 2026".
func (s Span) Words() string {
	last := s.To.AddDate(0, 0, -1)
	months := (s.To.Year()-s.From.Year())*12 + int(s.To.Month()) - int(s.From.Month())
	whole := s.From.Day() == 1 && s.To.Day() == 1
	switch {
	case s.From.Equal(last):
		return s.From.Format("2 January 2006")
	case whole && months == 1:
		return s.From.Format("January 2006")
	case whole && months == 3 && (s.From.Month()-1)%3 == 0:
		return fmt.Sprintf("Q%d %d", (s.From.Month()+2)/3, s.From.Year())
	case whole && months == 12 && s.From.Month() == time.January:
		return strconv.Itoa(s.From.Year())
	case s.From.Year() == last.Year() && s.From.Month() == last.Month():
		return s.From.Format("2") + " to " + last.Format("2 January 2006")
	case s.From.Year() == last.Year():
		return s.From.Format("2 January") + " to " + last.Format("2 January 2006")
	}
	return s.From.Format("2 January 2006") + " to " + last.Format("2 January 2006")
}
