package reports

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports/framework"
)

// Cover returns README.html of a pack: one file that works offline, for the person
// who opens the pack first. What stands in it follows from its arguments alone.
func (r *Report) Cover(m Made, file string) ([]byte, error) {
	var b bytes.Buffer
	c := coverView{Report: r, Made: m, IPE: r.IPE(m), File: file}
	if err := coverPage(c).Render(context.Background(), &b); err != nil {
		return nil, fmt.Errorf("reports: render the cover: %w", err)
	}
	return b.Bytes(), nil
}

// A coverView is what the cover shows.
type coverView struct {
	*Report
	Made Made
	IPE  IPE
	File string // name of the pack
}

// table returns a table of the IPE sheet by its title's start.
func (c coverView) table(title string) Table {
	i := slices.IndexFunc(c.IPE.Tables, func(t Table) bool { return strings.HasPrefix(t.Title, title) })
	return c.IPE.Tables[i]
}

// fingerprint is how the signing key's name appears in signatures.
func (c coverView) fingerprint() string {
	parts := strings.SplitN(c.Made.Key, "+", 3)
	if len(parts) < 2 {
		return c.Made.Key
	}
	return parts[0] + "+" + parts[1]
}

// span prints the period for the head of the page.
func (c coverView) span() string {
	zone := c.Period.Zone
	from, last := c.Period.From.In(zone), c.Period.To.Add(-1).In(zone)
	if from.Year() == last.Year() {
		return from.Format("January 2") + " – " + last.Format("January 2, 2006")
	}
	return from.Format("January 2, 2006") + " – " + last.Format("January 2, 2006")
}

// exceptions returns the checks that found some.
func (c coverView) exceptions() []Check { return c.answered(FoundExceptions) }

func (c coverView) answered(a Answer) []Check {
	return slices.DeleteFunc(slices.Clone(c.Checks), func(check Check) bool { return check.Answer != a })
}

func (c coverView) exceptionCount() (n uint64) {
	for _, check := range c.exceptions() {
		n += check.Count
	}
	return n
}

// share is the part of the period that all sources together were collected for.
func (c coverView) share() float64 {
	var sum float64
	for _, s := range c.Coverage.Sources {
		sum += s.Share / float64(len(c.Coverage.Sources))
	}
	return sum
}

// short lists the retention rows that fall short.
func (c coverView) short() []Retention {
	return slices.DeleteFunc(slices.Clone(c.Retention), func(r Retention) bool { return !r.Short() })
}

// files lists the pack's files that a section's events are in.
func files(section string) []string {
	kind, _ := framework.KindOf(section)
	switch {
	case kind == framework.Filed:
		return []string{"sections/" + section + ".csv", "events/" + section + ".jsonl"}
	case section == "retention-coverage":
		return []string{"coverage/intervals.csv", "coverage/gaps.csv", "coverage/days.csv"}
	case section == "integrity":
		return []string{"ledger/records.jsonl", "ledger/checkpoint"}
	}
	return nil
}

// used lists the states that occur, in order.
func (c coverView) used() []DayState {
	return slices.DeleteFunc(DayStates(), func(state DayState) bool {
		return !slices.ContainsFunc(c.Coverage.Sources, func(s SourceCoverage) bool {
			return slices.ContainsFunc(s.Days, func(d Day) bool { return d.State == state })
		})
	})
}

// methods says how a source's time was collected.
func (s SourceCoverage) methods() string {
	var parts []string
	for _, m := range []string{ledger.Read, ledger.Heard, ledger.Stated} {
		if v := s.Methods[m]; v > 0 {
			text := m + " " + Share(v)
			if m == ledger.Stated && len(s.By) > 0 {
				text += " (by " + and(s.By) + ")"
			}
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return "nothing collected"
	}
	return strings.Join(parts, ", ")
}

// listing is the pack's files with their sizes.
func (c coverView) listing() []pack.File {
	if c.Made.Summary == nil {
		return nil
	}
	return slices.SortedFunc(slices.Values(c.Made.Summary.Files), func(a, b pack.File) int { return strings.Compare(a.Name, b.Name) })
}

// anchor makes an id of a control's number.
func anchor(id string) string {
	return "control-" + strings.Map(func(c rune) rune {
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '.' {
			return c
		}
		return '_'
	}, id)
}

// numeric reports whether a column of a table holds numbers.
func (t Table) numeric(column int) bool { return column >= len(t.Head)-t.Count }

// local prints an instant in the report's zone, where that is another than UTC.
func (c coverView) local(t time.Time) string {
	if t.IsZero() || c.Period.Zone.String() == "UTC" {
		return ""
	}
	return t.In(c.Period.Zone).Format("2006-01-02 15:04:05 -07:00")
}
