package site

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"exhibit/internal/event"
	"exhibit/views"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// detail shows an event in full, but for its proof.
func detail(e *event.Event) views.Event {
	v := views.Event{Source: e.Source, ID: e.ID, Time: e.Time, Section: string(e.Section), Action: e.Action, Outcome: e.Outcome,
		Actor: actor(e.Actor), Target: target(e.Target), Summary: summary(e), Raw: e.Raw, Size: len(e.Raw), Pretty: pretty(e.Raw)}
	if !utf8.ValidString(e.Raw) {
		v.Raw, v.RawIs64 = base64.StdEncoding.EncodeToString([]byte(e.Raw)), true
	}
	v.Changes, v.Unparsed = changes(e.Changes)
	return v
}

// summary lists the normalised fields that are not empty.
func summary(e *event.Event) []views.Fact {
	var out []views.Fact
	add := func(label, value, note string, mono bool) {
		if value != "" {
			out = append(out, views.Fact{Label: label, Value: value, Note: note, Mono: mono})
		}
	}
	add("Time", e.Time.Format(time.RFC3339Nano), basis(e), true)
	add("Received", e.Received.Format(time.RFC3339Nano), "", true)
	add("Action", e.Action, "the source’s own words", true)
	add("Outcome", e.Outcome, "", false)
	add("Section", string(e.Section), "", false)
	add("Actor", actor(e.Actor), strings.Join(nonempty(e.Actor.Type, e.Actor.Email, e.Actor.ID), ", "), false)
	add("Acting in the name of", e.Actor.Impersonator, "id of the one who really acted", true)
	add("Target", target(e.Target), e.Target.ID, false)
	add("Address", e.IP, "", true)
	add("User agent", e.UserAgent, "", false)
	add("Request", e.RequestID, "", true)
	add("Session", e.SessionID, "", true)
	add("Organisation", e.Organisation, "", false)
	add("Workspace", e.Scope.Workspace, "", false)
	add("Project", e.Scope.Project, "", false)
	add("Account", e.Scope.Account, "", false)
	if e.OCSF != "" {
		add("OCSF", fmt.Sprintf("class %d, activity %d", e.Class, e.Activity), "version "+e.OCSF, false)
	}
	add("Rules", fmt.Sprintf("version %d", e.Mapping), "", false)
	add("Masked", e.Masked, "a rule hid a part before it was stored; this is the HMAC of what came", true)
	return out
}

func nonempty(words ...string) []string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return out
}

// basis says what the time of an event rests on.
func basis(e *event.Event) string {
	switch {
	case e.Claimed != "":
		return "time of receipt; the source claimed " + e.Claimed
	case e.TimeBasis == event.BasisTransport:
		return "given by the carrier; the record has no time"
	case e.TimeBasis == event.BasisReceived:
		return "time of receipt; the record has no time"
	}
	return "the source’s own"
}

// maxPretty bounds what is indented for reading; the exact bytes are shown anyway.
const maxPretty = 1 << 20

// pretty indents a record; it changes nothing but space between tokens.
func pretty(raw string) string {
	if len(raw) > maxPretty {
		return ""
	}
	v := jsontext.Value(raw)
	if err := v.Indent(jsontext.WithIndent("  "), jsontext.AllowDuplicateNames(true), jsontext.PreserveRawStrings(true)); err != nil {
		return ""
	}
	return string(v)
}

// changes reads the two shapes in which most sources write what they changed: an
// object of fields, each with before and after, or two objects before and after.
// Anything else is returned as it is.
func changes(text string) ([]views.Change, string) {
	if text == "" {
		return nil, ""
	}
	var both struct {
		Before map[string]jsontext.Value `json:"before"`
		After  map[string]jsontext.Value `json:"after"`
	}
	if err := json.Unmarshal([]byte(text), &both, json.RejectUnknownMembers(true)); err == nil && len(both.Before)+len(both.After) > 0 {
		var out []views.Change
		for _, field := range keys(both.Before, both.After) {
			before, after := plain(both.Before[field]), plain(both.After[field])
			if before != after {
				out = append(out, views.Change{Field: field, Before: before, After: after})
			}
		}
		return out, ""
	}
	var pairs map[string][]jsontext.Value
	if err := json.Unmarshal([]byte(text), &pairs); err != nil || len(pairs) == 0 {
		return nil, text
	}
	var out []views.Change
	for _, field := range keys(pairs) {
		if len(pairs[field]) != 2 {
			return nil, text
		}
		out = append(out, views.Change{Field: field, Before: plain(pairs[field][0]), After: plain(pairs[field][1])})
	}
	return out, ""
}

// plain prints a JSON value as people read it: a text without its quotes.
func plain(v jsontext.Value) string {
	var s string
	if err := json.Unmarshal(v, &s); err == nil && len(v) > 0 && v[0] == '"' {
		return s
	}
	return string(v)
}

// keys returns the keys of all maps together, sorted.
func keys[V any](all ...map[string]V) []string {
	var out []string
	for _, m := range all {
		out = slices.AppendSeq(out, maps.Keys(m))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
