package source

import (
	"strings"
	"time"

	"exhibit/internal/event"

	"github.com/go-json-experiment/json"
)

// Own is the name of the kind, and of the one source of that kind, whose events
// are what people and tokens do in Exhibit itself.
const Own = "exhibit"

// exhibit is Exhibit's own source. It never evidences another system's controls.
func exhibit() Kind {
	x := &own{rules: mustRules(Own)}
	logged := Ability{Grade: Logged}
	none := func(words string) Ability { return Ability{NotLogged, words} }
	return Kind{
		Name:    Own,
		Title:   "Exhibit itself",
		Shape:   Pushed,
		Mapping: ownMapping,
		Rules:   x.rules.hash,
		Abilities: map[event.Section]Ability{
			event.Logins:           logged,
			event.FailedAuth:       {Partly, "sign-ins that Exhibit refused; a wrong password is refused by the identity provider, before Exhibit"},
			event.MFA:              none("second factors are checked by the identity provider"),
			event.Credentials:      logged,
			event.AccessGrants:     none("roles come from the groups of the identity provider"),
			event.AdminChanges:     logged,
			event.ChangeManagement: none("Exhibit changes no infrastructure"),
			event.DataAccess:       logged,
			event.AuditLogConfig:   none("changes of sources are records of the ledger"),
			event.Other:            logged,
		},
		Lacks:     []string{"scope.workspace", "scope.project", "scope.account", "changes"},
		Normalize: x.normalize,
	}
}

// ownMapping is the version of own.normalize and rules/exhibit.tsv.
const ownMapping = 1

type own struct {
	rules   *rules
	readers readers
}

// An Act is one thing that was done in Exhibit: the record of the kind Own. Action
// is noun and verb, as "session.sign-in"; an empty Outcome is unknown.
type Act struct {
	ID        string    `json:"id,omitempty"`
	Time      time.Time `json:"time,omitzero"`
	Action    string    `json:"action"`
	Outcome   string    `json:"outcome,omitempty"`
	Actor     Party     `json:"actor,omitzero"`
	Target    Party     `json:"target,omitzero"`
	IP        string    `json:"ip,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	Reason    string    `json:"reason,omitempty"` // why it was refused, or what else there is to say
}

// A Party is who acted in an Act, or what was acted upon.
type Party struct {
	Type  string `json:"type,omitempty"`
	ID    string `json:"id,omitempty"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Raw returns the record of the act.
func (a Act) Raw() ([]byte, error) { return json.Marshal(a, json.Deterministic(true)) }

// ownRecord is what a record says, in its own words.
type ownRecord struct {
	id, time, action, outcome                string
	actor, target                            Party
	ip, userAgent, requestID, sessionID, org string
}

func (x *own) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v ownRecord
	raw, mangled, err := x.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	if v.action == "" {
		return nil, &RejectError{Reason: ReasonNoType, Detail: "action is not there"}
	}
	noun, verb, _ := strings.Cut(v.action, ".")
	c := x.rules.classify(action{noun, verb})
	out := []Result{{Unmapped: c.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		ID: v.id, Received: r.Received, Raw: raw, Mapping: ownMapping,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(v.outcome),
		Actor:  event.Actor{ID: v.actor.ID, Name: v.actor.Name, Email: v.actor.Email, Type: v.actor.Type},
		Target: event.Target{Type: v.target.Type, ID: v.target.ID, Name: v.target.Name},
		IP:     address(v.ip), UserAgent: v.userAgent, RequestID: v.requestID, SessionID: v.sessionID,
		Organisation: v.org,
	}
	e.Section = c.section(e.Outcome)
	out[0].Claimed = setTime(e, v.time, r.Transport)
	if mangled {
		e.Clean()
	}
	return out, nil
}

func (v *ownRecord) member(f *fields, name string) {
	switch name {
	case "id":
		v.id = f.text()
	case "time":
		v.time = f.text()
	case "action":
		v.action = f.text()
	case "outcome":
		v.outcome = f.text()
	case "actor":
		f.object(v.actor.member)
	case "target":
		f.object(v.target.member)
	case "ip":
		v.ip = f.text()
	case "user_agent":
		v.userAgent = f.text()
	case "request_id":
		v.requestID = f.text()
	case "session_id":
		v.sessionID = f.text()
	case "organisation":
		v.org = f.text()
	default:
		f.value()
	}
}

func (p *Party) member(f *fields, name string) {
	switch name {
	case "type":
		p.Type = f.text()
	case "id":
		p.ID = f.text()
	case "name":
		p.Name = f.text()
	case "email":
		p.Email = f.text()
	default:
		f.value()
	}
}
