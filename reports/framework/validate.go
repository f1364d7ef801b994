package framework

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxText bounds every text, so that one line of a page or a CSV cell holds it.
const maxText = 160

var (
	idForm        = regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	prefixForm    = regexp.MustCompile(`^[a-z][a-z0-9]*:[0-9a-z][0-9a-z.]*$`)
	controlForm   = regexp.MustCompile(`^[0-9A-Z][0-9A-Za-z.()]*$`)
	retentionForm = regexp.MustCompile(`^[a-z][a-z0-9]*\.[a-z][a-z-]*$`)
	checkForm     = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
)

// A report collects what is wrong with one part of a framework.
type report struct {
	where    string
	problems []error
}

func (r *report) add(format string, args ...any) {
	p := fmt.Errorf(format, args...)
	if r.where != "" {
		p = fmt.Errorf("%s: %w", r.where, p)
	}
	r.problems = append(r.problems, p)
}

// need reports text that is missing or unfit to print.
func (r *report) need(field, text string) {
	if text == "" {
		r.add("%s is empty", field)
		return
	}
	r.text(field, text)
}

// text reports text that is unfit to print; empty text is fit.
func (r *report) text(field, text string) {
	switch {
	case !utf8.ValidString(text):
		r.add("%s is not valid UTF-8", field)
	case utf8.RuneCountInString(text) > maxText:
		r.add("%s is %d characters long, at most %d fit", field, utf8.RuneCountInString(text), maxText)
	case strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl):
		r.add("%s has space around it or a control character in it", field)
	case strings.Contains(strings.ToLower(text), "compliant"):
		r.add("%s says %q: Exhibit shows evidence and does not judge", field, "compliant")
	}
}

func (r *report) form(field, value string, form *regexp.Regexp) {
	if !form.MatchString(value) {
		r.add("%s %q does not have the form %s", field, value, form)
	}
}

// oneOf reports a value that is not among the known ones.
func oneOf[T ~string](r *report, field string, value T, known ...T) {
	if !slices.Contains(known, value) {
		r.add("unknown %s %q, known are %q", field, value, known)
	}
}

// unique reports values that stand more than once in a list.
func unique[T comparable](r *report, field string, list []T) {
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			r.add("%s names %v twice", field, v)
		}
	}
}

// validate returns everything that is wrong with f.
func validate(f Framework) []error {
	r := &report{}
	r.form("id", f.ID, idForm)
	r.form("prefix", f.Prefix, prefixForm)
	r.need("title", f.Title)
	r.need("edition", f.Edition)
	r.need("version", f.Version)
	r.need("changed_by", f.ChangedBy)
	if _, err := time.Parse(time.DateOnly, f.LastChanged); err != nil {
		r.add("last_changed %q is not a date YYYY-MM-DD", f.LastChanged)
	}
	for _, n := range f.Notes {
		r.need("note", n)
	}
	if len(f.Controls) == 0 {
		r.add("no controls")
	}
	problems := r.problems
	problems = append(problems, validateSections(f)...)
	problems = append(problems, validateControls(f)...)
	problems = append(problems, validateRetention(f)...)
	problems = append(problems, validateChecks(f)...)
	return problems
}

func validateSections(f Framework) []error {
	var problems []error
	for _, s := range Sections() {
		w, there := f.Sections[s.Name]
		r := &report{where: fmt.Sprintf("section %q", s.Name)}
		switch {
		case there:
			r.need("shows", w.Shows)
			r.need("cannot", w.Cannot)
			r.text("bring", w.Bring)
			if (w.Bring != "") != (s.Kind == Later) {
				r.add("bring is for sections that Exhibit does not evidence yet, and needed there")
			}
		case len(f.ControlsOf(s.Name)) > 0:
			r.add("controls name it, the framework has no wording for it")
		}
		problems = append(problems, r.problems...)
	}
	for name := range f.Sections {
		if _, known := KindOf(name); !known {
			problems = append(problems, fmt.Errorf("unknown section %q, known are %q", name, sectionNames()))
		}
	}
	return problems
}

func validateControls(f Framework) []error {
	var problems []error
	seen := map[string]bool{}
	for i, c := range f.Controls {
		r := &report{where: fmt.Sprintf("control %q", c.ID)}
		if c.ID == "" {
			r.where = fmt.Sprintf("control number %d", i+1)
		}
		r.form("id", c.ID, controlForm)
		if seen[c.ID] {
			r.add("duplicate control")
		}
		seen[c.ID] = true
		validateControl(r, c)
		if c.SupersededBy != "" {
			if _, there := f.Control(c.SupersededBy); !there || c.SupersededBy == c.ID {
				r.add("superseded_by %q is not another control of this framework", c.SupersededBy)
			}
		}
		problems = append(problems, r.problems...)
	}
	return problems
}

func validateControl(r *report, c Control) {
	r.need("title", c.Title)
	r.need("asks", c.Asks)
	r.text("cadence", c.Cadence)
	r.text("number", c.Number)
	r.text("bring", c.Bring)
	r.text("note", c.Note)
	if len(c.Sections) == 0 {
		r.add("no sections")
	}
	for _, s := range c.Sections {
		oneOf(r, "section", s, sectionNames()...)
	}
	unique(r, "sections", c.Sections)
	if len(c.Strength) == 0 {
		r.add("no strength")
	}
	for _, s := range c.Strength {
		oneOf(r, "strength", s, Alone, Corroborates, OurOperation)
	}
	unique(r, "strength", c.Strength)
	if !slices.IsSorted(c.Strength) {
		r.add("strength %v is not in the order A, B, C", c.Strength)
	}
	for s, text := range c.Covers {
		r.need(fmt.Sprintf("covers %s", s), text)
		oneOf(r, "strength in covers", s, c.Strength...)
	}
	if several := len(c.Strength) > 1; several && len(c.Covers) != len(c.Strength) || !several && len(c.Covers) > 0 {
		r.add("covers has a line for each strength of a control with several, and only then")
	}
	if slices.Contains(c.Strength, Corroborates) && c.Bring == "" {
		r.add("bring is empty: evidence of strength B needs a document")
	}
	oneOf(r, "level", c.Level, "", Required, Addressable)
	oneOf(r, "only_for", c.OnlyFor, "", ServiceProviders, MultiTenantServiceProviders, DesignatedEntities)
}

func sectionNames() []string {
	var names []string
	for _, s := range Sections() {
		names = append(names, s.Name)
	}
	return names
}
