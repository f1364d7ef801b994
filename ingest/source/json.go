package source

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"exhibit/internal/event"
)

// generic is the kind for systems that Exhibit has no kind for, with the mapping
// that looks for common names of fields.
func generic() Kind {
	return JSON(mustMapping("json"))
}

// JSON returns the kind json with a mapping of its own. Records are JSON objects in
// any of the forms that Records reads.
func JSON(m *Mapping) Kind { return inCarriers(mappedKind(m)) }

func mappedKind(m *Mapping) Kind {
	abilities := map[event.Section]Ability{}
	for _, s := range event.Sections() {
		abilities[s] = Ability{Partly, "Exhibit knows nothing of what the system logs; ask its vendor for a list of its events, and check that they come"}
	}
	x := &mapped{m: m}
	return Kind{
		Name:      "json",
		Title:     cmp.Or(m.file.Title, "Any system, by a mapping"),
		Docs:      m.file.Docs,
		Shape:     Pushed,
		Mapping:   m.file.Version,
		Rules:     m.hash,
		Abilities: abilities,
		Lacks:     m.lacks(),
		Wraps:     m.file.Records,
		Normalize: x.normalize,
		rules:     m.rules,
		says:      x.says,
	}
}

// mustMapping reads an embedded mapping, and the rules of the same name. They are
// part of the program, as rules are.
func mustMapping(name string) *Mapping {
	text, err := rulesFS.ReadFile("rules/" + name + ".yaml")
	if err != nil {
		panic(err)
	}
	m, err := parseMapping(text, name)
	if err != nil {
		panic(err)
	}
	return m
}

// lacks lists the fields of an event that the mapping never fills.
func (m *Mapping) lacks() (lacks []string) {
	for i, name := range mappedFields() {
		at := field(i)
		switch at {
		case fieldID, fieldTime, fieldAction, fieldOutcome, fieldError, fieldBefore, fieldAfter:
			continue
		case fieldChanges:
			if len(m.fields[fieldBefore]) > 0 || len(m.fields[fieldAfter]) > 0 {
				continue
			}
		}
		if len(m.fields[at]) == 0 {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// mapped makes events by a mapping.
type mapped struct {
	m       *Mapping
	readers readers
}

func (x *mapped) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	m := x.m
	var v values
	raw, mangled, err := x.readers.object(r.Raw, func(f *fields, name string) { m.tree.member(f, name, &v) })
	if err != nil {
		return nil, err
	}
	get := func(at field) string { return m.value(at, &v) }
	c := m.action(&v)
	if c == nil {
		return nil, &RejectError{Reason: ReasonNoType, Detail: "no action: " + strings.Join(m.file.Fields["action"], ", ") + " have no value"}
	}
	if len(m.file.Skip) > 0 && matchAny(m.file.Skip, strings.ToLower(c.action)) {
		return nil, fmt.Errorf("%w: the mapping passes over %s", ErrSkip, c.action)
	}
	out := []Result{{Unmapped: c.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		ID: get(fieldID), Received: r.Received, Raw: raw, Mapping: m.file.Version,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(m.outcome(&v)),
		Actor:  m.actor(&v),
		Target: event.Target{Type: get(fieldTargetType), ID: get(fieldTargetID), Name: get(fieldTargetName)},
		IP:     m.address(&v), UserAgent: get(fieldUserAgent), RequestID: get(fieldRequestID), SessionID: get(fieldSessionID),
		Organisation: get(fieldOrganisation),
		Scope:        event.Scope{Workspace: get(fieldWorkspace), Project: get(fieldProject), Account: get(fieldAccount)},
		Changes:      m.changes(&v),
	}
	e.Section = c.section(e.Outcome)
	out[0].Claimed = setTimeBy(e, get(fieldTime), r.Transport, m.parseTime)
	if mangled {
		e.Clean()
	}
	return out, nil
}

// says returns what a record without an action says of the rest.
func (x *mapped) says(r Record) (e event.Event) {
	var v values
	if _, _, err := x.readers.object(r.Raw, func(f *fields, name string) { x.m.tree.member(f, name, &v) }); err != nil {
		return e
	}
	e.Actor, e.IP = x.m.actor(&v), x.m.address(&v)
	if x.m.value(fieldOutcome, &v) != "" || x.m.value(fieldError, &v) != "" {
		e.Outcome = x.m.outcome(&v)
	}
	return e
}

// action returns what rules say about the first value that the action has, or, where
// the mapping prefers that, about the first that they know; nil when it has none.
func (m *Mapping) action(v *values) *class {
	var first *class
	for _, t := range m.fields[fieldAction] {
		text := strings.TrimSpace(t.value(v))
		if text == "" {
			continue
		}
		c := m.rules.classify(action{verb: text})
		if !m.file.PreferKnown || !c.catchAll {
			return c
		}
		if first == nil {
			first = c
		}
	}
	return first
}

// value returns the first value that a field has.
func (m *Mapping) value(at field, v *values) string {
	for _, t := range m.fields[at] {
		if text := t.value(v); text != "" {
			return text
		}
	}
	return ""
}

// address is the first address among the values: some may be host names.
func (m *Mapping) address(v *values) string {
	for _, t := range m.fields[fieldIP] {
		if ip := address(t.value(v)); ip != "" {
			return ip
		}
	}
	return ""
}

// outcome is failure when the record names an error, else what it says in words or
// as an HTTP status.
func (m *Mapping) outcome(v *values) string {
	switch strings.ToLower(m.value(fieldError, v)) {
	case "", "0", "false", "none", "null", "ok", "success", "no error":
	default:
		return event.Failure
	}
	said := strings.ToLower(strings.TrimSpace(m.value(fieldOutcome, v)))
	switch code, err := strconv.Atoi(said); {
	case said == "":
		return m.file.Outcome.Default
	case matchAny(m.file.Outcome.Failure, said):
		return event.Failure
	case matchAny(m.file.Outcome.Success, said):
		return event.Success
	case err == nil && 100 <= code && code < 400:
		return event.Success
	case err == nil && 400 <= code && code < 600:
		return event.Failure
	}
	return event.Unknown
}

func matchAny(patterns []string, text string) bool {
	for _, p := range patterns {
		if match(p, text) {
			return true
		}
	}
	return false
}

func (m *Mapping) actor(v *values) event.Actor {
	a := event.Actor{ID: m.value(fieldActorID, v), Name: m.value(fieldActorName, v), Email: m.value(fieldActorEmail, v),
		Impersonator: m.value(fieldImpersonator, v)}
	if a.Email == "" && strings.IndexByte(a.Name, '@') > 0 && !strings.ContainsAny(a.Name, " /:") {
		a.Email = a.Name
	}
	said := strings.ToLower(m.value(fieldActorType, v))
	for _, kind := range []string{event.Service, event.System, event.User} { // users last: theirs may be any word
		if said != "" && matchAny(m.file.ActorTypes[kind], said) {
			a.Type = kind
			break
		}
	}
	return a
}

// changes are those of the record, or what was before and after.
func (m *Mapping) changes(v *values) string {
	before, after := m.value(fieldBefore, v), m.value(fieldAfter, v)
	switch changes := m.value(fieldChanges, v); {
	case changes != "":
		return changes
	case before != "" && after != "":
		return `{"before":` + before + `,"after":` + after + `}`
	case before != "":
		return `{"before":` + before + `}`
	case after != "":
		return `{"after":` + after + `}`
	}
	return ""
}
