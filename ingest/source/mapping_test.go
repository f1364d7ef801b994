package source_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

const mapping1 = `
version: 3
title: Billing
docs: https://billing.example.com/audit
records: [entries, page.entries]
fields:
  id: "{tenant}/{seq}"
  time: when
  action: ["{object.kind}.{verb}", verb]
  outcome: how
  actor.name: who
  actor.type: who_kind
  target.id: objects[*].ref
  target.name: objects[1].label
  ip: [proxy, "peer"]
  changes: delta
constants:
  organisation: Example Ltd
time:
  formats: [unix, 02.01.2006 15:04]
  zone: Europe/Berlin
outcome:
  success: [fine]
  failure: ["bad*"]
  default: success
actor_types:
  service: [robot]
skip: ["ping*"]
rules:
  - action: "*.Open"
    section: logins
  - action: "card.*"
    section: data-access
    failure: failed-auth
    class: 6005
    activity: Read
`

func mapping(t *testing.T, text string) source.Kind {
	t.Helper()
	m, err := source.ParseMapping([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return source.JSON(m)
}

func TestMapping(t *testing.T) {
	k := mapping(t, mapping1)
	if k.Name != "json" || k.Title != "Billing" || k.Mapping != 3 || len(k.Wraps) != 2 {
		t.Errorf("got %s %q version %d wraps %v", k.Name, k.Title, k.Mapping, k.Wraps)
	}
	if got := strings.Join(k.Lacks, " "); got != "actor.id actor.email actor.impersonator target.type user_agent request_id session_id scope.workspace scope.project scope.account" {
		t.Errorf("got lacks %s", got)
	}
	r := normalize(t, k, `{"tenant":"t","seq":7,"when":"31.12.2025 23:30","object":{"kind":"door"},"verb":"open","how":"Badly","who":"Ada","who_kind":"robot","objects":[{"ref":""},{"ref":"o-2","label":"Two"}],"proxy":"gate.example.com","peer":"192.0.2.1:80","delta":{"a":[1,2]}}`)
	e := r.Event
	want := event.Event{ID: "t/7", Time: time.Date(2025, 12, 31, 22, 30, 0, 0, time.UTC), Received: received, Section: event.FailedAuth,
		OCSF: event.OCSFVersion, Class: 3002, Activity: 1, Action: "door.open", Outcome: event.Failure,
		Actor: event.Actor{Name: "Ada", Type: event.Service}, Target: event.Target{ID: "o-2", Name: "Two"}, IP: "192.0.2.1",
		Organisation: "Example Ltd", Changes: `{"a":[1,2]}`, Mapping: 3, Raw: e.Raw}
	if e != want || r.Unmapped {
		t.Errorf("got  %+v unmapped %v\nwant %+v", e, r.Unmapped, want)
	}
}

func TestMappingRules(t *testing.T) {
	k := mapping(t, mapping1)
	for raw, want := range map[string]string{
		`{"object.kind":"door","verb":"Open"}`:              "door.Open logins success",
		`{"object":{"kind":"card"},"verb":"show"}`:          "card.show data-access success",
		`{"object":{"kind":"card"},"verb":"x","how":"bad"}`: "card.x failed-auth failure",
		`{"verb":"dance","how":"perhaps"}`:                  "dance other unknown unmapped",
	} {
		r := normalize(t, k, raw)
		got := r.Event.Action + " " + string(r.Event.Section) + " " + r.Event.Outcome
		if r.Unmapped {
			got += " unmapped"
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
	_, err := k.Normalize(source.Record{Raw: []byte(`{"verb":"Pinged"}`)})
	if err == nil || !strings.Contains(err.Error(), "skipped: the mapping passes over Pinged") {
		t.Errorf("a record to skip: got %v", err)
	}
	_, err = k.Normalize(source.Record{Raw: []byte(`{"how":"fine"}`)})
	if source.Reason(err) != source.ReasonNoType {
		t.Errorf("a record without an action: got %v", err)
	}
	if e := normalize(t, k, `{"verb":"x","when":"2025-12-31T00:00:00Z"}`); e.Claimed == "" || !e.Event.Time.IsZero() {
		t.Errorf("a time in another form than the mapping says: got %v", e.Event.Time)
	}
}

// Every mistake in a mapping is named.
func TestMappingMistakes(t *testing.T) {
	const good = "fields: {action: a}\n"
	for text, want := range map[string]string{
		"":                                                              "action is missing",
		"fields: {id: a}":                                               "action is missing",
		"fields: {action: a, actor: b}":                                 `there is no field "actor"`,
		"fields: {action: a, actoin: b}":                                "the fields are id, time",
		"field: {action: a}":                                            `unknown field "field"`,
		"fields: {action: a, action: b}":                                "already defined",
		"fields: {action: {a: b}}":                                      "map[a:b] must be a path, or a list of paths",
		"fields: {action: 'a..b'}":                                      "a name is missing",
		"fields: {action: 'a[x]'}":                                      "must be a number",
		"fields: {action: 'a[-1]'}":                                     "must be a number",
		"fields: {action: 'a[1'}":                                       "not closed",
		"fields: {action: 'a[1]b'}":                                     "a dot is missing",
		"fields: {action: '{a'}":                                        "a brace is not closed",
		"fields: {action: 'a}'}":                                        "a brace is closed",
		"fields: {action: ''}":                                          "a name is missing",
		good + "constants: {color: x}":                                  `there is no field "color"`,
		good + "time: {zone: Mars/Olympus}":                             `there is no zone "Mars/Olympus"`,
		good + "time: {formats: [iso]}":                                 `format "iso"`,
		good + "outcome: {default: fine}":                               `"fine" is not success`,
		good + "actor_types: {robot: [x]}":                              `"robot" is not user`,
		good + "rules: [{section: logins}]":                             "needs an action and a section",
		good + "rules: [{action: a}]":                                   "needs an action and a section",
		good + "rules: [{action: a, section: login}]":                   `there is no section "login"`,
		good + "rules: [{action: a, section: logins, failure: x}]":      `there is no section "x"`,
		good + "rules: [{action: a, section: logins, class: 1}]":        "class 1 is not in",
		good + "rules: [{action: a, section: logins, activity: Dance}]": `no activity "Dance"`,
		good + "rules: [{action: a, section: logins, outcome: fine}]":   `"fine" is not success`,
		good + "rules: [{action: a, section: logins, outcomes: x}]":     `unknown field "outcomes"`,
		"fields: [": "mapping:",
	} {
		if _, err := source.ParseMapping([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// Words of actors may overlap, an action may say that it failed, and paths may begin at
// the record.
func TestMappingWords(t *testing.T) {
	k := mapping(t, `
fields: {action: $.event, actor.name: "$.user.name", actor.type: user.name}
actor_types: {user: ["*"], service: ["system:serviceaccount:*"], system: ["system:*"]}
outcome: {default: success}
rules:
  - {action: "*_failed", section: failed-auth, outcome: failure}
  - {action: "*login*", section: logins}
`)
	for raw, want := range map[string]string{
		`{"event":"user_login","user":{"name":"ada"}}`:                             "user success logins",
		`{"event":"user_login_failed","user":{"name":"ada"}}`:                      "user failure failed-auth",
		`{"event":"user_login","user":{"name":"system:serviceaccount:ci:deploy"}}`: "service success logins",
		`{"event":"user_login","user":{"name":"system:node:a"}}`:                   "system success logins",
	} {
		e := normalize(t, k, raw).Event
		if got := e.Actor.Type + " " + e.Outcome + " " + string(e.Section); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

// A file of records in pages of the mapping's own keys.
func TestMappingFile(t *testing.T) {
	k := mapping(t, mapping1)
	n := 0
	for p, err := range source.Records(strings.NewReader(`{"page":{"entries":[{"verb":"a"},{"verb":"b"}]}}{"entries":[{"verb":"c"}]}`), source.RecordsOptions{Wraps: k.Wraps}) {
		if err != nil || p.Bad != "" {
			t.Fatal(err, p.Bad)
		}
		normalize(t, k, string(p.Raw))
		n++
	}
	if n != 3 {
		t.Errorf("got %d records, want 3", n)
	}
}

// A mapping never makes the program fall over, whatever it says.
func FuzzMapping(f *testing.F) {
	f.Add([]byte(mapping1), []byte(event1))
	f.Add([]byte("fields: {action: 'a[*].b', changes: a, before: 'a[0]'}"), []byte(`{"a":[{"b":1},2],"a.b":"{\"c\":1}"}`))
	f.Add([]byte("fields: {action: [a, a.b], id: 'a.b.c'}"), []byte(`{"a":"{\"b\":{\"c\":[]}}"}`))
	// Reading a mapping costs much more than using it, and mostly one of the two changes.
	var last []byte
	var m *source.Mapping
	var err error
	f.Fuzz(func(t *testing.T, text, raw []byte) {
		if len(text) > 2048 || len(raw) > 2048 {
			return
		}
		if m == nil && err == nil || !bytes.Equal(text, last) {
			last = bytes.Clone(text)
			m, err = source.ParseMapping(text)
		}
		if err != nil {
			return
		}
		k := source.JSON(m)
		out, err := k.Normalize(source.Record{Raw: raw, Received: received})
		if (err == nil) != (len(out) == 1) {
			t.Fatalf("got %d events and %v", len(out), err)
		}
		for _, r := range out {
			e := r.Event
			e.File(r.Claimed)
			e.Source = "fuzz"
			if e.ID == "" {
				e.ID = "derived"
			}
			clean := e
			clean.Clean()
			if err := e.Check(); err != nil {
				t.Fatalf("an event that cannot be stored: %v", err)
			}
		}
	})
}

// The example in the comment on Mapping is a mapping.
func TestMappingComment(t *testing.T) {
	code, err := os.ReadFile("mapping.go")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(code)) {
		if example, ok := strings.CutPrefix(line, "//\t"); ok {
			text.WriteString(example)
		}
	}
	e := normalize(t, mapping(t, text.String()), `{"created_at":"01.02.2026 10:00","object":{"type":"user"},"verb":"login","user":{"email":"ada@example.com"},"failure":{"reason":"x"}}`).Event
	if e.Section != event.FailedAuth || e.Action != "user.login" || e.Organisation != "Example Ltd" {
		t.Errorf("got %+v", e)
	}
}
