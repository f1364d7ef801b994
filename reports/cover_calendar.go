package reports

import (
	"fmt"
	"strconv"
	"time"

	"exhibit/reports/words"
)

// A month is one row of a source's calendar.
type month struct {
	Name   string
	Days   []*Day // one for each day of the month; nil outside the window
	Events uint64
}

// months puts a source's days into a calendar.
func (s SourceCoverage) months() []month {
	var out []month
	for i := range s.Days {
		d := &s.Days[i]
		name := d.Day.Format("Jan 2006")
		if len(out) == 0 || out[len(out)-1].Name != name {
			last := time.Date(d.Day.Year(), d.Day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
			out = append(out, month{Name: name, Days: make([]*Day, last)})
		}
		out[len(out)-1].Days[d.Day.Day()-1] = d
		out[len(out)-1].Events += d.Events
	}
	return out
}

// mark is what stands in a day of the calendar: its events, or the sign of a state
// that needs somebody, for those who do not see its colour.
func (d *Day) mark() string {
	if d == nil {
		return ""
	}
	sign := d.sign()
	if d.State == Silent || d.Events == 0 && sign != "" || d.Events == 0 && d.State == Before {
		return sign
	}
	return sign + brief(d.Events)
}

// sign marks a state that is not simply covered.
func (d *Day) sign() string { return words.DayState(string(d.State)).Mark }

func (d *Day) class() string {
	if d == nil {
		return "out"
	}
	return "d " + string(d.State)
}

// says is a day in words.
func (d *Day) says() string {
	if d == nil {
		return ""
	}
	text := d.Day.Format("Mon 2006-01-02") + ": " + StateText(d.State)
	if d.Share < 1 && d.Share > 0 {
		text += ", " + Share(d.Share) + " collected"
	}
	return text + "; " + Plural(d.Events, "event", "events")
}

// brief prints a number in at most four characters.
func brief(n uint64) string {
	switch {
	case n < 1000:
		return strconv.FormatUint(n, 10)
	case n < 10_000:
		return fmt.Sprintf("%.1fk", float64(n/100)/10)
	case n < 1_000_000:
		return fmt.Sprintf("%dk", n/1000)
	}
	return fmt.Sprintf("%dM", n/1_000_000)
}

// StateText is the name of a state as people read it.
func StateText(s DayState) string { return words.DayState(string(s)).Title }

func explain(s DayState) string { return words.DayState(string(s)).Explain }
