package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// A Mapping says how the records of a system that Exhibit has no kind for become
// events. ParseMapping makes one, of YAML like this; only fields.action is needed:
//
//	version: 1                         # of the mapping; events carry it
//	title: Billing
//	docs: https://billing.example.com/audit
//	records: [entries, page.entries]   # keys under which pages hold their records; "!verb": what has a verb is no page
//	fields:                            # names as in the canonical line; the first path with a value counts
//	  id: id
//	  time: [created_at, meta.time]
//	  action: "{object.type}.{verb}"   # a text with paths in it
//	  actor.email: user.email
//	  target.id: targets[0].id         # or targets[*].id: of the first that has one; $.targets is the same
//	  error: failure.reason            # a value here means that it failed
//	  before: old                      # before and after, or changes, are kept as they are
//	constants: {organisation: Example Ltd}
//	time: {formats: [rfc3339, unix, "02.01.2006 15:04"], zone: Europe/Berlin}
//	outcome: {success: [ok], failure: ["err*"], default: success}
//	actor_types: {user: [human], service: ["bot*"], system: [cron]}
//	prefer_known: true                 # of several actions, the first that a rule knows; else the first
//	skip: ["heartbeat*"]               # actions that are no events
//	rules:                             # without these, common words decide
//	  - {action: "user.login*", section: logins, failure: failed-auth}
//	  - {action: "*_failed", section: failed-auth, outcome: failure}
//
// Patterns and words are compared without case; * stands for any text. What no rule
// knows is filed under other and listed as unmapped.
type Mapping struct {
	file  mappingFile
	rules *rules
	hash  string

	tree      pathTree
	fields    [fieldCount][]template // in the order of mappedFields; the first that has a value counts
	parseTime func(string) (time.Time, error)
}

// mappingFile is a mapping as it is written.
type mappingFile struct {
	Version   uint32              `yaml:"version"`
	Title     string              `yaml:"title"`
	Docs      string              `yaml:"docs"`
	Records   []string            `yaml:"records"`
	Fields    map[string]oneOrAll `yaml:"fields"`
	Constants map[string]string   `yaml:"constants"`

	// Of the values that the action may have, take the first that a rule knows.
	PreferKnown bool `yaml:"prefer_known"`

	Time struct {
		Formats []string `yaml:"formats"`
		Zone    string   `yaml:"zone"`
	} `yaml:"time"`
	Outcome struct {
		Success []string `yaml:"success"`
		Failure []string `yaml:"failure"`
		Default string   `yaml:"default"`
	} `yaml:"outcome"`
	ActorTypes map[string][]string `yaml:"actor_types"`
	Skip       []string            `yaml:"skip"`
	Rules      []mappingRule       `yaml:"rules"`
}

type mappingRule struct {
	Action   string `yaml:"action"`
	Section  string `yaml:"section"`
	Failure  string `yaml:"failure"`
	Outcome  string `yaml:"outcome"` // where the action alone says it
	Class    uint32 `yaml:"class"`
	Activity string `yaml:"activity"`
}

// oneOrAll is a list, or one value alone.
type oneOrAll []string

// UnmarshalYAML reads either.
func (o *oneOrAll) UnmarshalYAML(read func(any) error) error {
	var one string
	if read(&one) == nil {
		*o = oneOrAll{one}
		return nil
	}
	var list []string
	if err := read(&list); err != nil {
		var what any
		_ = read(&what) // only to be named
		return fmt.Errorf("fields: %v must be a path, or a list of paths", what)
	}
	*o = list
	return nil
}

// decodeYAML reads a file that a person wrote; what is not known in it is a mistake.
func decodeYAML(text []byte, to any) (err error) {
	// The library panics on some malformed documents.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("malformed YAML: %v", p)
		}
	}()
	err = yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(to)
	if err == io.EOF {
		return nil // an empty file
	}
	return err
}

// A field is a place of an event that a mapping fills.
type field int

const (
	fieldID field = iota
	fieldTime
	fieldAction
	fieldOutcome
	fieldError
	fieldActorID
	fieldActorName
	fieldActorEmail
	fieldActorType
	fieldImpersonator
	fieldTargetType
	fieldTargetID
	fieldTargetName
	fieldIP
	fieldUserAgent
	fieldRequestID
	fieldSessionID
	fieldOrganisation
	fieldWorkspace
	fieldProject
	fieldAccount
	fieldChanges
	fieldBefore
	fieldAfter
	fieldCount
)

// mappedFields are the names of fields in a mapping: those of the canonical line,
// and error, before and after.
func mappedFields() [fieldCount]string {
	return [...]string{"id", "time", "action", "outcome", "error", "actor.id", "actor.name", "actor.email", "actor.type",
		"actor.impersonator", "target.type", "target.id", "target.name", "ip", "user_agent", "request_id", "session_id",
		"organisation", "scope.workspace", "scope.project", "scope.account", "changes", "before", "after"}
}

// ParseMapping reads a mapping in YAML. It is strict: what it does not know is a
// mistake, and the error names all of them.
func ParseMapping(text []byte) (*Mapping, error) {
	return parseMapping(text, "json")
}

// parseMapping is ParseMapping with the rules that hold when the mapping has none.
func parseMapping(text []byte, standard string) (*Mapping, error) {
	m := &Mapping{}
	if err := decodeYAML(text, &m.file); err != nil {
		return nil, fmt.Errorf("source: mapping: %w", err)
	}
	if m.file.Version == 0 {
		m.file.Version = 1
	}
	words, err := rulesFS.ReadFile("rules/words.tsv")
	if err != nil {
		return nil, fmt.Errorf("source: rules words: %w", err)
	}
	err = errors.Join(m.compileFields(), m.compileTime(), m.compileWords(words), m.compileRules(text, standard))
	if err != nil {
		return nil, fmt.Errorf("source: mapping: %w", err)
	}
	sum := sha256.Sum256([]byte(m.rules.hash + string(words) + string(text)))
	m.hash = hex.EncodeToString(sum[:])
	return m, nil
}

func (m *Mapping) compileFields() error {
	var errs []error
	known := mappedFields()
	slots := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(m.file.Fields)) {
		at := slices.Index(known[:], name)
		if at < 0 {
			errs = append(errs, fmt.Errorf("fields: there is no field %q; the fields are %s", name, strings.Join(known[:], ", ")))
			continue
		}
		json := field(at) == fieldChanges || field(at) == fieldBefore || field(at) == fieldAfter
		for _, text := range m.file.Fields[name] {
			t, err := parseTemplate(text, func(path string) (int, error) { return m.slot(slots, path, json) })
			if err != nil {
				errs = append(errs, fmt.Errorf("fields: %s: %w", name, err))
			}
			m.fields[at] = append(m.fields[at], t)
		}
	}
	for name, value := range m.file.Constants {
		at := slices.Index(known[:], name)
		if at < 0 {
			errs = append(errs, fmt.Errorf("constants: there is no field %q", name))
			continue
		}
		m.fields[at] = append(m.fields[at], template{{text: value, slot: noSlot}})
	}
	m.tree.spread()
	if len(m.fields[fieldAction]) == 0 {
		errs = append(errs, errors.New("fields: action is missing: say where a record says what was done"))
	}
	return errors.Join(errs...)
}

// slot returns where the value of a path goes.
func (m *Mapping) slot(slots map[string]int, path string, json bool) (int, error) {
	key := fmt.Sprint(path, json)
	if at, ok := slots[key]; ok {
		return at, nil
	}
	at := len(slots)
	if at == maxPaths {
		return 0, fmt.Errorf("path %q: there are more than %d paths", path, maxPaths)
	}
	slots[key] = at
	return at, m.tree.add(path, slot{at, json})
}

// compileTime makes the function that reads times.
func (m *Mapping) compileTime() error {
	zone, err := time.LoadLocation(m.file.Time.Zone)
	if err != nil || m.file.Time.Zone == "Local" {
		return fmt.Errorf("time: there is no zone %q; zones are named like Europe/Berlin", m.file.Time.Zone)
	}
	var parsers []func(string) (time.Time, error)
	for _, format := range m.file.Time.Formats {
		switch {
		case format == "rfc3339":
			parsers = append(parsers, func(s string) (time.Time, error) { return time.Parse(time.RFC3339Nano, s) })
		case format == "unix":
			parsers = append(parsers, func(s string) (time.Time, error) {
				if t, ok := epoch(s); ok {
					return t, nil
				}
				return time.Time{}, errors.New("not a number of seconds since 1970")
			})
		case strings.Contains(format, "06"):
			parsers = append(parsers, func(s string) (time.Time, error) { return time.ParseInLocation(format, s, zone) })
		default:
			return fmt.Errorf("time: format %q: write rfc3339, unix (seconds, or thousandths of them), or the moment 2006-01-02 15:04:05 -0700 as the source would", format)
		}
	}
	if len(parsers) == 0 {
		parsers = append(parsers, func(s string) (time.Time, error) { return parseTimeIn(s, zone) })
	}
	m.parseTime = func(s string) (t time.Time, err error) {
		for _, parse := range parsers {
			if t, err = parse(s); err == nil {
				return t.UTC(), nil
			}
		}
		return time.Time{}, err
	}
	return nil
}
