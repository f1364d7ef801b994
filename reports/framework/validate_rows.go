package framework

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

func validateRetention(f Framework) []error {
	var problems []error
	seen := map[string]bool{}
	for _, row := range f.Retention {
		r := &report{where: fmt.Sprintf("retention %q", row.ID)}
		r.form("id", row.ID, retentionForm)
		if !strings.HasPrefix(row.ID, f.ID+".") {
			r.add("id does not start with %q", f.ID+".")
		}
		if seen[row.ID] {
			r.add("duplicate retention")
		}
		seen[row.ID] = true
		r.need("title", row.Title)
		r.need("source", row.Source)
		r.need("text", row.Text)
		oneOf(r, "kind", row.Kind, Hard, Policy, Warn)
		oneOf(r, "applies_to", row.AppliesTo, Events, Packs)
		if row.Months < 1 {
			r.add("months is %d, at least 1 is needed", row.Months)
		}
		if row.ImmediateMonths < 0 || row.ImmediateMonths > row.Months {
			r.add("immediate_months is %d, outside 0..months", row.ImmediateMonths)
		}
		r.days("days", row.Months, row.Days)
		r.days("immediate_days", row.ImmediateMonths, row.ImmediateDays)
		knownControls(r, f, row.Controls, "")
		problems = append(problems, r.problems...)
	}
	return problems
}

// days reports a number of days that is not the strict length of the months.
func (r *report) days(field string, months, days int) {
	const century = 1200
	if months < 0 || months > century {
		r.add("%s: %d months are outside 0..%d", field, months, century)
		return
	}
	if want := StrictDays(months); days != want {
		r.add("%s is %d, %d months are %d days on the strict side", field, days, months, want)
	}
}

func validateChecks(f Framework) []error {
	var problems []error
	seen := map[string]bool{}
	for _, c := range f.Checks {
		r := &report{where: fmt.Sprintf("check %q", c.ID)}
		r.form("id", c.ID, checkForm)
		if seen[c.ID] {
			r.add("duplicate check")
		}
		seen[c.ID] = true
		r.need("question", c.Question)
		if kind, known := KindOf(c.Section); !known || kind != Filed {
			r.add("section %q is not one that events are filed under", c.Section)
		}
		for _, a := range c.Match.Actions {
			if err := globProblem(a); err != nil {
				r.add("action %q %w", a, err)
			}
		}
		unique(r, "actions", c.Match.Actions)
		for _, o := range c.Match.Outcomes {
			oneOf(r, "outcome", o, "success", "failure", "unknown")
		}
		unique(r, "outcomes", c.Match.Outcomes)
		oneOf(r, "found", c.Found, Exceptions, Listed)
		knownControls(r, f, c.Controls, c.Section)
		problems = append(problems, r.problems...)
	}
	return problems
}

// globProblem says what is wrong with a pattern over actions.
func globProblem(glob string) error {
	switch {
	case strings.Trim(glob, "*") == "":
		return errors.New("fits everything: leave actions out instead")
	case strings.Contains(glob, "**"):
		return errors.New("has two stars in a row")
	case strings.ContainsAny(glob, "?[]{}\\") || strings.ContainsFunc(glob, unicode.IsControl):
		return errors.New("has a character that patterns do not know: only * is special")
	}
	return nil
}

// knownControls reports an empty list and ids that are not controls of f with the
// given section; any section will do when it is empty.
func knownControls(r *report, f Framework, ids []string, section string) {
	if len(ids) == 0 {
		r.add("no controls")
	}
	unique(r, "controls", ids)
	for _, id := range ids {
		c, there := f.Control(id)
		if !there {
			r.add("unknown control %q", id)
		} else if section != "" && !slices.Contains(c.Sections, section) {
			r.add("control %q does not have the section %q", id, section)
		}
	}
}
