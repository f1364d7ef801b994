package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Recurrence says on which days, and when on them, a schedule is due. All of it is
// meant in the schedule's zone. A day has at most one occurrence.
type Recurrence struct {
	Kind    string       `json:"kind"`              // daily, weekly, monthly, quarterly, yearly or cron
	Weekday time.Weekday `json:"weekday,omitempty"` // weekly
	Day     int          `json:"day,omitempty"`     // monthly, quarterly (of its first month), yearly; the last day where the month is shorter
	Month   time.Month   `json:"month,omitempty"`   // yearly
	Hour    int          `json:"hour"`
	Minute  int          `json:"minute"`
	Cron    string       `json:"cron,omitempty"` // minute hour day month weekday
}

// Kinds lists the kinds of recurrences that people may choose.
func Kinds() []string { return []string{"weekly", "monthly", "quarterly", "yearly", "daily", "cron"} }

func (r Recurrence) check() error {
	if r.Kind == "cron" {
		_, err := parseCron(r.Cron)
		return err
	}
	switch {
	case !slices.Contains(Kinds(), r.Kind):
		return fmt.Errorf("%q is not how often: use one of %s", r.Kind, strings.Join(Kinds(), ", "))
	case r.Hour < 0 || r.Hour > 23 || r.Minute < 0 || r.Minute > 59:
		return fmt.Errorf("%02d:%02d is not a time of the day", r.Hour, r.Minute)
	case r.Kind == "weekly" && (r.Weekday < time.Sunday || r.Weekday > time.Saturday):
		return fmt.Errorf("%d is not a day of the week", r.Weekday)
	case r.Kind != "weekly" && r.Kind != "daily" && (r.Day < 1 || r.Day > 31):
		return fmt.Errorf("%d is not a day of a month", r.Day)
	case r.Kind == "yearly" && (r.Month < time.January || r.Month > time.December):
		return fmt.Errorf("%d is not a month", r.Month)
	}
	return nil
}

// clock returns when on its days it is due.
func (r Recurrence) clock() (hour, minute int) {
	if r.Kind == "cron" {
		c, err := parseCron(r.Cron)
		if err == nil {
			return c.hour, c.minute
		}
	}
	return r.Hour, r.Minute
}

// days returns which dates it is due on; it is given dates as midnight UTC.
func (r Recurrence) days() func(date time.Time) bool {
	last := func(date time.Time) int { return time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }
	on := func(date time.Time) bool { return date.Day() == min(r.Day, last(date)) }
	switch r.Kind {
	case "daily":
		return func(time.Time) bool { return true }
	case "weekly":
		return func(date time.Time) bool { return date.Weekday() == r.Weekday }
	case "monthly":
		return on
	case "quarterly":
		return func(date time.Time) bool { return (date.Month()-1)%3 == 0 && on(date) }
	case "yearly":
		return func(date time.Time) bool { return date.Month() == r.Month && on(date) }
	}
	c, err := parseCron(r.Cron)
	if err != nil {
		return func(time.Time) bool { return false }
	}
	return c.on
}

// Words says it for people: "monthly on day 2 at 07:00".
func (r Recurrence) Words() string {
	hour, minute := r.clock()
	at := fmt.Sprintf(" at %02d:%02d", hour, minute)
	switch r.Kind {
	case "weekly":
		return "weekly on " + r.Weekday.String() + at
	case "monthly":
		return fmt.Sprintf("monthly on day %d", r.Day) + at
	case "quarterly":
		return fmt.Sprintf("quarterly on day %d of its first month", r.Day) + at
	case "yearly":
		return fmt.Sprintf("yearly on %s %d", r.Month, r.Day) + at
	case "cron":
		return "cron " + r.Cron
	}
	return r.Kind + at
}

// A cron is a cron expression with one time of the day.
type cron struct {
	minute, hour        int
	day, month, weekday [32]bool
	anyDay, anyWeekday  bool
}

// parseCron reads minute, hour, day of the month, month and day of the week. Minute
// and hour must be one number each: a period is sent once, so that a second time on
// the same day would send nothing.
func parseCron(text string) (*cron, error) {
	fields := strings.Fields(text)
	if len(fields) != 5 || len(text) > 200 {
		return nil, fmt.Errorf("the cron expression %q needs five fields: minute, hour, day, month, weekday", cut(text))
	}
	c := &cron{anyDay: fields[2] == "*", anyWeekday: fields[4] == "*"}
	for i, one := range []struct {
		name     string
		from, to int
		into     *int
	}{{"minute", 0, 59, &c.minute}, {"hour", 0, 23, &c.hour}} {
		n, err := strconv.Atoi(fields[i])
		if err != nil || n < one.from || n > one.to {
			return nil, fmt.Errorf("the %s %q of the cron expression must be one number from %d to %d", one.name, cut(fields[i]), one.from, one.to)
		}
		*one.into = n
	}
	for i, set := range []struct {
		name     string
		from, to int
		names    string
		into     *[32]bool
	}{{"day", 1, 31, "", &c.day}, {"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec", &c.month},
		{"weekday", 0, 7, "sun mon tue wed thu fri sat", &c.weekday}} {
		for part := range strings.SplitSeq(fields[i+2], ",") {
			if err := cronPart(part, set.from, set.to, strings.Fields(set.names), set.into); err != nil {
				return nil, fmt.Errorf("the %s of the cron expression: %w", set.name, err)
			}
		}
	}
	c.weekday[0] = c.weekday[0] || c.weekday[7]
	if !c.possible() {
		return nil, fmt.Errorf("the cron expression %q names a day that no month has", cut(text))
	}
	return c, nil
}

// cronPart reads "*", "5", "1-5", "*/2" or "1-20/3".
func cronPart(part string, from, to int, names []string, into *[32]bool) error {
	bad := fmt.Errorf("%q is not a number from %d to %d, a range or a step", cut(part), from, to)
	span, stepText, stepped := strings.Cut(part, "/")
	step := 1
	if stepped {
		n, err := strconv.Atoi(stepText)
		if err != nil || n < 1 || n > to {
			return bad
		}
		step = n
	}
	number := func(s string) (int, bool) {
		if i := slices.Index(names, strings.ToLower(s)); i >= 0 {
			return i + min(from, 1), true
		}
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= from && n <= to
	}
	first, last := from, to
	if span != "*" {
		a, b, ranged := strings.Cut(span, "-")
		var ok bool
		if first, ok = number(a); !ok {
			return bad
		}
		switch {
		case ranged:
			if last, ok = number(b); !ok || last < first {
				return bad
			}
		case !stepped:
			last = first
		}
	}
	for n := first; n <= last; n += step {
		into[n] = true
	}
	return nil
}

// on follows cron's rule: where both day and weekday are given, either is enough.
func (c *cron) on(date time.Time) bool {
	day, weekday := c.day[date.Day()], c.weekday[date.Weekday()]
	if !c.month[date.Month()] {
		return false
	}
	if !c.anyDay && !c.anyWeekday {
		return day || weekday
	}
	return day && weekday
}

// possible reports whether there is such a day within the eight years after which
// the calendar has shown all of its leap days.
func (c *cron) possible() bool {
	for d := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() < 2033; d = d.AddDate(0, 0, 1) {
		if c.on(d) {
			return true
		}
	}
	return false
}

// cut shortens what a person typed for an error message.
func cut(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}
