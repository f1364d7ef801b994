package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A cron is on which dates, and at which minutes of them, something is due.
type cron struct {
	on    func(date time.Time) bool // is given dates as midnight UTC
	times []int                     // minutes after midnight, in order, at least one
}

// A cronField is one of the five parts of a cron expression.
type cronField struct {
	name     string
	from, to int    // "*" is all of them
	names    string // of the numbers from from on
	max      int    // the highest number that may be written
}

func cronFields() [5]cronField {
	return [5]cronField{{"minute", 0, 59, "", 59}, {"hour", 0, 23, "", 23}, {"day", 1, 31, "", 31},
		{"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec", 12},
		{"weekday", 0, 6, "sun mon tue wed thu fri sat", 7}}
}

// parseCron reads the five fields of crontab(5): minute, hour, day of the month, month
// and day of the week. A field is a list of numbers, ranges (1-5), steps (*/2, 1-20/3)
// and, for months and weekdays, English names of three letters; Sunday is 0 or 7. As in
// crontab(5), where both day fields are restricted either is enough ("0 7 13 * fri" is
// every 13th and every Friday), and a day field that begins with * is not restricted.
func parseCron(text string) (*cron, error) {
	parts := strings.Fields(text)
	if len(parts) != 5 || len(text) > 200 {
		return nil, fmt.Errorf("the cron expression %q needs five fields: minute, hour, day, month, weekday", cut(text))
	}
	var sets [5][]bool
	for i, f := range cronFields() {
		set, err := f.parse(parts[i])
		if err != nil {
			return nil, fmt.Errorf("the %s of the cron expression: %w", f.name, err)
		}
		sets[i] = set
	}
	c := &cron{}
	for minute := range 24 * 60 {
		if sets[1][minute/60] && sets[0][minute%60] {
			c.times = append(c.times, minute)
		}
	}
	either := parts[2][0] != '*' && parts[4][0] != '*'
	c.on = func(date time.Time) bool {
		day, weekday := sets[2][date.Day()], sets[4][date.Weekday()] || date.Weekday() == time.Sunday && sets[4][7]
		return sets[3][date.Month()] && (day && weekday || either && (day || weekday))
	}
	if !c.possible() {
		return nil, fmt.Errorf("the cron expression %q names a day that no month has", cut(text))
	}
	return c, nil
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

func (f cronField) parse(text string) ([]bool, error) {
	set := make([]bool, f.max+1)
	for part := range strings.SplitSeq(text, ",") {
		first, last, step, ok := f.span(part)
		if !ok {
			return nil, fmt.Errorf("%q is not %s, a range like %d-%d or a step like */2", cut(part), f.what(), f.from, f.to)
		}
		for n := first; n <= last; n += step {
			set[n] = true
		}
	}
	return set, nil
}

func (f cronField) what() string {
	text := fmt.Sprintf("a number from %d to %d", f.from, f.max)
	if f.names != "" {
		text += ", a name like " + f.names[:3]
	}
	return text
}

// span reads "*", "5", "1-5", "*/2", "1-20/3" or "5/10", which goes on to the end.
func (f cronField) span(part string) (first, last, step int, ok bool) {
	span, stepText, stepped := strings.Cut(part, "/")
	step = 1
	if stepped {
		if step, ok = digits(stepText); !ok || step < 1 || step > f.max {
			return 0, 0, 0, false
		}
	}
	if span == "*" {
		return f.from, f.to, step, true
	}
	low, high, ranged := strings.Cut(span, "-")
	if first, ok = f.number(low); !ok {
		return 0, 0, 0, false
	}
	switch {
	case ranged:
		if last, ok = f.number(high); last == 0 && first > 0 {
			last = 7 // fri-sun ends on the Sunday that is 7
		}
	case stepped:
		last = f.to
	default:
		last = first
	}
	return first, last, step, ok && first <= last
}

func (f cronField) number(text string) (int, bool) {
	if i := slices.Index(strings.Fields(f.names), strings.ToLower(text)); i >= 0 {
		return f.from + i, true
	}
	n, ok := digits(text)
	return n, ok && n >= f.from && n <= f.max
}

// digits reads a number without a sign.
func digits(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil
}
