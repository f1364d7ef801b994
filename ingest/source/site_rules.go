package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// SiteRules are a site's own classification rules: they come before those of the
// kinds and so file event types that no release knows yet, or that mean something
// else at the site. ParseSiteRules makes them, of YAML like this:
//
//	okta:                                         # a kind
//	  - {pattern: "app.payroll.*", section: data-access}
//	  - {pattern: user.account.report, section: logins, failure: failed-auth}
//	aws-cloudtrail:
//	  - {pattern: "billing:*", section: admin-changes, class: 3004, activity: Update}
//
// A pattern is compared with the action as it is stored, in the way of the kind's own
// rules: * stands for any text, and the first rule that fits counts. failure is the
// section of events that failed; without it that is the same, and failed-auth for
// logins. class and activity are OCSF's; without them they are those of the kind's
// rule for the action, or what is usual in the section. What makes an event of the
// action a success or a failure stays as it is, unless outcome says that all of them
// are a success, a failure or unknown.
//
// Nil are no rules.
type SiteRules struct {
	byKind map[string][]siteRule
	text   map[string]string // what the rules of a kind say, for its hash
}

type siteRule struct {
	rule
	classed bool   // the rule names a class; else the kind's rule for the action does
	result  string // of all events of the rule; empty: the kind's rule decides
}

// siteRuleLine is a rule as it is written.
type siteRuleLine struct {
	Pattern  string `yaml:"pattern"`
	Section  string `yaml:"section"`
	Failure  string `yaml:"failure"`
	Class    uint32 `yaml:"class"`
	Activity string `yaml:"activity"`
	Outcome  string `yaml:"outcome"`
	line     int
}

// UnmarshalYAML reads a rule and where it stands.
func (r *siteRuleLine) UnmarshalYAML(n ast.Node) error {
	type plain siteRuleLine // without this method
	var p plain
	if err := yaml.NodeToValue(n, &p, yaml.Strict()); err != nil {
		return err
	}
	*r = siteRuleLine(p)
	at := n.GetToken().Position.Line
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 {
		at = m.Values[0].Key.GetToken().Position.Line
	}
	r.line = at
	return nil
}

// ParseSiteRules reads a site's own rules. It is strict, and the error names every
// mistake with its line; name is the file's, for that.
func ParseSiteRules(name string, text []byte) (*SiteRules, error) {
	var file map[string][]siteRuleLine
	if err := decodeYAML(text, &file); err != nil {
		return nil, fmt.Errorf("rules %s: %w", name, err)
	}
	base, err := readRules("json") // for the classes and activities that there are
	if err != nil {
		return nil, err
	}
	known := Kinds()
	s := &SiteRules{byKind: map[string][]siteRule{}, text: map[string]string{}}
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(file)) {
		if _, err := Lookup(known, kind); err != nil || kind == Own {
			errs = append(errs, fmt.Errorf("rules %s: there is no kind %q that takes rules; the kinds are %s", name, kind, ruledKinds(known)))
			continue
		}
		for _, l := range file[kind] {
			r, err := l.rule(base)
			if err != nil {
				errs = append(errs, fmt.Errorf("rules %s: line %d: %s: %w", name, l.line, kind, err))
				continue
			}
			s.byKind[kind] = append(s.byKind[kind], r)
			l.line = 0 // where a rule stands is not what it says
			s.text[kind] += fmt.Sprintf("%q\n", fmt.Sprint(l))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func ruledKinds(kinds []Kind) string {
	var names []string
	for _, k := range kinds {
		if k.Name != Own {
			names = append(names, k.Name)
		}
	}
	return strings.Join(names, ", ")
}

func (l *siteRuleLine) rule(base *rules) (siteRule, error) {
	if l.Pattern == "" {
		return siteRule{}, errors.New("a rule needs a pattern and a section")
	}
	as := mappingRule{Action: l.Pattern, Section: l.Section, Failure: l.Failure, Class: l.Class, Activity: l.Activity}
	if l.Section == "" {
		return siteRule{}, fmt.Errorf("%q needs a section; the sections are %v", l.Pattern, event.Sections())
	}
	columns, err := as.line()
	if err != nil {
		return siteRule{}, err
	}
	columns[0] = l.Pattern // in its own letters: not every kind matches in any
	r, err := base.parse(columns)
	if err != nil {
		return siteRule{}, fmt.Errorf("%q: %w", l.Pattern, err)
	}
	if l.Outcome != "" && !isOutcome(l.Outcome) {
		return siteRule{}, fmt.Errorf("%q: outcome: %q is not success, failure or unknown", l.Pattern, l.Outcome)
	}
	return siteRule{r, l.Class != 0 || l.Activity != "", l.Outcome}, nil
}

// Kinds returns the table of kinds with the rules in it. It compiles rules: call it once.
func (s *SiteRules) Kinds() []Kind { return kinds(s) }

// apply puts the rules for a kind before the kind's own, and into its hash.
func (s *SiteRules) apply(k Kind) Kind {
	if s == nil || len(s.byKind[k.Name]) == 0 {
		return k
	}
	k.rules.before(s.byKind[k.Name])
	sum := sha256.Sum256([]byte(k.Rules + s.text[k.Name]))
	k.Rules = hex.EncodeToString(sum[:])
	return k
}

// before makes rules that come first.
func (r *rules) before(first []siteRule) {
	r.site = slices.Clone(first)
	if r.fold {
		for i := range r.site {
			r.site[i].pattern = strings.ToLower(r.site[i].pattern)
		}
	}
	r.known.Store(&map[action]*class{})
}

// find returns the first rule that fits the text: a site's own, else the kind's. One
// of a site keeps what the kind's says of outcomes.
func (r *rules) find(text string) *rule {
	var ours *rule
	for i := range r.list {
		if match(r.list[i].pattern, text) {
			ours = &r.list[i]
			break
		}
	}
	for i := range r.site {
		if !match(r.site[i].pattern, text) {
			continue
		}
		s := r.site[i]
		out := s.rule
		out.outcome, out.outcomes = ours.outcome, ours.outcomes
		if s.result != "" {
			out.outcome = s.result
		}
		if !s.classed && !ours.catchAll {
			out.class, out.activity = ours.class, ours.activity
		}
		return &out
	}
	return ours
}

// Knows returns where the present rules file a successful event of an action, and
// whether any but the last of them, which takes all others, fits it.
func (k *Kind) Knows(action string) (event.Section, bool) {
	if k.rules == nil {
		return event.Other, false
	}
	text := action
	if k.rules.fold {
		text = strings.ToLower(text)
	}
	r := k.rules.find(text)
	return r.sections[ifSuccess], !r.catchAll
}

// A Catalog is the kinds of an installation: those of the table, with the site's own
// rules, and those of sources with a mapping of their own.
type Catalog struct {
	Kinds  []Kind
	Mapped map[string]Kind // by source: those that are not as in the table
}

// Of returns the kind of a source by the kind's name.
func (c Catalog) Of(source, kind string) (Kind, error) {
	if k, ok := c.Mapped[source]; ok && k.Name == cmp.Or(kind, k.Name) {
		return k, nil
	}
	return Lookup(c.Kinds, kind)
}

// Map gives a source of the kind json a mapping of its own.
func (c *Catalog) Map(source string, m *Mapping, own *SiteRules) {
	if c.Mapped == nil {
		c.Mapped = map[string]Kind{}
	}
	c.Mapped[source] = own.apply(JSON(m))
}

// Keep says how long the vendor keeps the events of a source, where a plan or a
// setting of the vendor makes that differ from its kind.
func (c *Catalog) Keep(source, kind string, keeps time.Duration) error {
	k, err := c.Of(source, kind)
	switch {
	case err != nil:
		return err
	case k.Keeps == 0:
		return fmt.Errorf("keeps: a source of the kind %s cannot be asked for what its vendor keeps", kind)
	case keeps <= k.Settle:
		return fmt.Errorf("keeps: %s is not longer than the %s in which events may appear late", keeps, k.Settle)
	}
	if c.Mapped == nil {
		c.Mapped = map[string]Kind{}
	}
	k.Keeps = keeps
	c.Mapped[source] = k
	return nil
}
