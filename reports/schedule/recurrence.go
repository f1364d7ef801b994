package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Recurrence says on which days, and when on them, a schedule is due. All of it is
// meant in the schedule's zone.
type Recurrence struct {
	Kind    string       `json:"kind"`              // daily, weekly, monthly, quarterly, yearly or cron
	Weekday time.Weekday `json:"weekday,omitempty"` // weekly
	Day     int          `json:"day,omitempty"`     // monthly, quarterly (of its first month), yearly; the last day where the month is shorter
	Month   time.Month   `json:"month,omitempty"`   // yearly
	Hour    int          `json:"hour"`
	Minute  int          `json:"minute"`
	Cron    string       `json:"cron,omitempty"` // minute hour day month weekday: see parseCron
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

// cron returns the days and times of the recurrence.
func (r Recurrence) cron() (*cron, error) {
	if r.Kind == "cron" {
		return parseCron(r.Cron)
	}
	c := &cron{times: []int{r.Hour*60 + r.Minute}}
	last := func(date time.Time) int { return time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day() }
	on := func(date time.Time) bool { return date.Day() == min(r.Day, last(date)) }
	switch r.Kind {
	case "daily":
		c.on = func(time.Time) bool { return true }
	case "weekly":
		c.on = func(date time.Time) bool { return date.Weekday() == r.Weekday }
	case "monthly":
		c.on = on
	case "quarterly":
		c.on = func(date time.Time) bool { return (date.Month()-1)%3 == 0 && on(date) }
	case "yearly":
		c.on = func(date time.Time) bool { return date.Month() == r.Month && on(date) }
	default:
		return nil, r.check()
	}
	return c, nil
}

// Words says it for people: "monthly on day 2 at 07:00".
func (r Recurrence) Words() string {
	at := fmt.Sprintf(" at %02d:%02d", r.Hour, r.Minute)
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

// cut shortens what a person typed for an error message.
func cut(text string) string {
	if len(text) > 40 {
		return strings.ToValidUTF8(text[:40], "") + "…"
	}
	return text
}
