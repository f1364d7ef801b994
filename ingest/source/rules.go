package source

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"exhibit/internal/event"
)

//go:embed rules/*.tsv rules/*.yaml
var rulesFS embed.FS

// rules classify the actions of one kind. Reading them is pure; they remember
// what they answered, because a source has few different actions.
type rules struct {
	site []siteRule // come first
	list []rule
	ocsf activities
	hash string
	name func(action) string // what an action is called; nil: its halves joined with a dot
	said bool                // the second half is the verb in the record's words, no part of what it is called
	fold bool                // patterns are in small letters, and match in any

	known atomic.Pointer[map[action]*class] // replaced whole, never changed
	learn sync.Mutex                        // held to replace known
}

// maxKnown bounds what rules remember; a source that invents actions only gets slower.
const maxKnown = 4096

// An action is what a source calls an event, in two halves.
type action struct{ noun, verb string }

func (a action) String() string {
	if a.noun == "" || a.verb == "" {
		return a.noun + a.verb
	}
	return a.noun + "." + a.verb
}

// A rule is one line of a rules file.
type rule struct {
	pattern  string
	class    uint32
	activity string // a name of the class, or byVerb
	sections [2]event.Section
	outcome  string            // Success, Failure or Unknown; empty: outcomes decide
	outcomes map[string]string // status in the record to outcome; what is not there is Unknown
	catchAll bool              // it takes what no other rule knows
}

// unmapped is what rules say instead of a section when they take what no other
// rule knows: it is filed under other, and listed on the source's page.
const unmapped event.Section = "unmapped"

const (
	byVerb    = "by verb"
	ifSuccess = 0 // index of rule.sections, also for an unknown outcome
	ifFailure = 1
)

// A class is what rules say about one action.
type class struct {
	*rule
	action     string
	activityID uint32
}

// outcomeOf returns the outcome of an event of the class; status is what the
// record says of it, where it does.
func (c *class) outcomeOf(status string) string {
	if c.outcome != "" {
		return c.outcome
	}
	if o := c.outcomes[status]; o != "" {
		return o
	}
	return event.Unknown
}

// section returns where an event of the class with the outcome is filed.
func (c *class) section(outcome string) event.Section {
	if outcome == event.Failure {
		return c.sections[ifFailure]
	}
	return c.sections[ifSuccess]
}

// mustRules reads embedded rules. They are part of the program: a test reads all
// of them, so a mistake in one does not get further than that.
func mustRules(name string) *rules {
	r, err := readRules(name)
	if err != nil {
		panic(err)
	}
	return r
}

func readRules(name string) (*rules, error) {
	text, err := rulesFS.ReadFile("rules/" + name + ".tsv")
	if err != nil {
		return nil, fmt.Errorf("source: rules %s: %w", name, err)
	}
	lines, err := table(name, string(text), 6)
	if err != nil {
		return nil, err
	}
	return newRules(name, lines, text)
}

// newRules makes rules of lines of six columns; text is what they were read from.
func newRules(name string, lines [][]string, text []byte) (*rules, error) {
	hash := sha256.New()
	read := func(name string, columns int) ([][]string, error) {
		b, err := rulesFS.ReadFile("rules/" + name + ".tsv")
		if err != nil {
			return nil, fmt.Errorf("source: rules %s: %w", name, err)
		}
		hash.Write(b)
		return table(name, string(b), columns)
	}
	r := &rules{}
	ocsf, err := read("ocsf", 4)
	if err != nil {
		return nil, err
	}
	verbs, err := read("verbs", 2)
	if err != nil {
		return nil, err
	}
	hash.Write(text)
	if r.ocsf, err = readActivities(ocsf, verbs); err != nil {
		return nil, err
	}
	for _, line := range lines {
		parsed, err := r.parse(line)
		if err != nil {
			return nil, fmt.Errorf("source: rules %s: %s: %w", name, line[0], err)
		}
		r.list = append(r.list, parsed)
	}
	if n := len(r.list); n == 0 || r.list[n-1].pattern != "*" {
		return nil, fmt.Errorf("source: rules %s: the last pattern must be *", name)
	}
	r.hash = hex.EncodeToString(hash.Sum(nil))
	r.known.Store(&map[action]*class{})
	return r, nil
}

// table splits tab-separated lines; empty lines and those that begin with # do not count.
func table(name, text string, columns int) ([][]string, error) {
	var rows [][]string
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != columns {
			return nil, fmt.Errorf("source: rules %s: line %d has %d columns, want %d", name, n, len(row), columns)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (r *rules) parse(line []string) (rule, error) {
	uid, err := strconv.ParseUint(line[1], 10, 32)
	if err != nil {
		return rule{}, fmt.Errorf("class %q is not a number", line[1])
	}
	out := rule{pattern: line[0], class: uint32(uid), activity: line[2], outcome: line[5],
		sections: [2]event.Section{event.Section(line[3]), event.Section(line[4])}}
	for i, s := range out.sections {
		if s == unmapped {
			out.sections[i], out.catchAll = event.Other, true
		}
	}
	for _, s := range out.sections {
		if !s.Known() {
			return rule{}, fmt.Errorf("there is no section %q", s)
		}
	}
	if names := r.ocsf.classes[out.class]; names == nil {
		return rule{}, fmt.Errorf("class %d is not in ocsf.tsv", out.class)
	} else if _, ok := names[out.activity]; !ok && out.activity != byVerb {
		return rule{}, fmt.Errorf("class %d has no activity %q", out.class, out.activity)
	}
	if !isOutcome(out.outcome) {
		out.outcomes, out.outcome = map[string]string{}, ""
		for pair := range strings.SplitSeq(line[5], ",") {
			status, outcome, _ := strings.Cut(pair, ":")
			if !isOutcome(outcome) {
				return rule{}, fmt.Errorf("there is no outcome %q", outcome)
			}
			out.outcomes[status] = outcome
		}
	}
	return out, nil
}

func isOutcome(s string) bool {
	return s == event.Success || s == event.Failure || s == event.Unknown
}

// classify returns what the first rule that matches the action says.
func (r *rules) classify(a action) *class {
	if c := (*r.known.Load())[a]; c != nil {
		return c
	}
	text := strings.Clone(a.String())
	if r.name != nil {
		text = r.name(a)
	}
	verb := text
	if r.said {
		text, verb = strings.Clone(a.noun), cmp.Or(a.verb, a.noun)
	}
	c := &class{action: text}
	matched := text
	if r.fold {
		matched = strings.ToLower(text)
	}
	c.rule = r.find(matched)
	c.activityID = r.ocsf.id(c.class, c.activity, verb)
	r.remember(action{strings.Clone(a.noun), strings.Clone(a.verb)}, c)
	return c
}

func (r *rules) remember(a action, c *class) {
	r.learn.Lock()
	defer r.learn.Unlock()
	old := *r.known.Load()
	if len(old) >= maxKnown || len(c.action) > 256 {
		return
	}
	next := maps.Clone(old)
	next[a] = c
	r.known.Store(&next)
}

// match reports whether text fits the pattern, in which * stands for any text.
func match(pattern, text string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for star {
		var part string
		if part, rest, star = strings.Cut(rest, "*"); !star {
			return strings.HasSuffix(text, part)
		}
		n := strings.Index(text, part)
		if n < 0 {
			return false
		}
		text = text[n+len(part):]
	}
	return text == ""
}
