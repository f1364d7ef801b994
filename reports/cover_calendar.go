package reports

import (
	"fmt"
	"strconv"
	"time"
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
func (d *Day) sign() string {
	switch d.State {
	case Silent:
		return "○"
	case Pending:
		return "…"
	case Backfilling:
		return "›"
	case NotConnected:
		return "–"
	case Expired:
		return "−"
	case Recoverable:
		return "!"
	case Lost:
		return "×"
	case Altered:
		return "≠"
	}
	return ""
}

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
func StateText(s DayState) string {
	switch s {
	case Read:
		return "covered, read"
	case Heard:
		return "covered, heard"
	case Stated:
		return "covered, stated"
	case Silent:
		return "covered, silent"
	case Recoverable:
		return "gap, recoverable"
	case Lost:
		return "gap, lost"
	case Before:
		return "before onboarding"
	case Expired:
		return "expired by policy"
	case NotConnected:
		return "not connected"
	}
	return string(s)
}

func explain(s DayState) string {
	switch s {
	case Read:
		return "polled to the end: none means none"
	case Heard:
		return "pushed while the path was alive"
	case Stated:
		return "imported; a person stated the period"
	case Silent:
		return "collected, no events, though this weekday usually has some: look"
	case Pending:
		return "not settled yet"
	case Backfilling:
		return "first history still being read"
	case Recoverable:
		return "not collected; the source can still give it"
	case Lost:
		return "not collected; beyond what the source keeps"
	case Before:
		return "older than the start of this source"
	case Expired:
		return "deleted by a rule that the ledger recorded"
	case Altered:
		return "rows no longer match the ledger"
	case NotConnected:
		return "no such source"
	}
	return ""
}
