package source

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/event"
)

// okta is the System Log of an Okta organization: as its API gives it, as event
// hooks and log streams send it.
func okta() Kind {
	o := &oktaLog{rules: mustRules("okta")}
	logged := Ability{Grade: Logged}
	return Kind{
		Name:     "okta",
		Title:    "Okta System Log",
		Docs:     "https://developer.okta.com/docs/reference/system-log-query/",
		Keeps:    90 * 24 * time.Hour,
		Settle:   10 * time.Minute,
		Shape:    Follow,
		Mapping:  oktaMapping,
		Rules:    o.rules.hash,
		Settings: oktaSettings(),
		Abilities: map[event.Section]Ability{
			event.Logins:           {Partly, "sign-ins to Okta, and assertions issued to apps; whether the app let the person in, the app's own log tells"},
			event.FailedAuth:       {Partly, "failed sign-ins to Okta; where passwords are checked by another identity provider, it logs the ones that fail there"},
			event.MFA:              {Partly, "second factors checked by Okta; those of another identity provider in front of it are not in it"},
			event.Credentials:      logged,
			event.AccessGrants:     {Partly, "groups, apps and administrators in Okta; what a group means inside an app, the app's own log tells"},
			event.AdminChanges:     logged,
			event.ChangeManagement: {NotLogged, "Okta changes no infrastructure; connect the systems that do"},
			event.DataAccess:       {Partly, "only secrets shown by Okta Privileged Access; reads in the console and by the API are not logged"},
			event.AuditLogConfig:   {Partly, "changes of log streams; the System Log itself cannot be switched off"},
			event.Other:            logged,
		},
		Lacks:     []string{"organisation", "scope.workspace", "scope.project", "scope.account"},
		Wraps:     listsOr("data.events"),
		Datadog:   DatadogLogs{Senders: []string{"okta"}, Shapes: []string{"eventType published", "eventType uuid"}, Moved: map[string]string{"eventType": "evt.name"}},
		Normalize: o.normalize,
		NewPuller: newOktaPuller,
		rules:     o.rules,
	}
}

// oktaMapping is the version of oktaLog.normalize and rules/okta.tsv.
const oktaMapping = 1

// maxHook is the most events of one delivery that are kept with the whole delivery
// as their record. Records cuts deliveries into their events before that.
const maxHook = 1000

type oktaLog struct {
	rules   *rules
	readers readers
}

// oktaRecord is what a record says, in its own words.
type oktaRecord struct {
	id, published, kind, result string
	actor                       oktaParty
	targets                     []oktaParty
	ip, chain, agent            string
	transaction, token          string
	session, rootSession        string
	collected                   string       // when a collector had it
	events                      []oktaRecord // of an event hook
}

// oktaParty is an actor or target.
type oktaParty struct{ id, kind, alternate, name, changes, ip string }

func (o *oktaLog) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v oktaRecord
	raw, mangled, err := o.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	found := v.events
	if len(found) == 0 {
		if v.kind == "com.okta.event_hook" {
			return nil, fmt.Errorf("%w: an event hook without events", ErrSkip)
		}
		found = []oktaRecord{v}
	}
	if len(found) > maxHook {
		return nil, &RejectError{Reason: ReasonTooMany, Detail: "send or import them one by one"}
	}
	out := make([]Result, len(found))
	for i := range found {
		if found[i].kind == "" {
			return nil, &RejectError{Reason: ReasonNoType, Detail: "eventType is not there"}
		}
		out[i] = o.event(&found[i], r, raw)
		if mangled {
			out[i].Event.Clean()
		}
	}
	return out, nil
}

func (o *oktaLog) event(v *oktaRecord, r Record, raw string) Result {
	c := o.rules.classify(action{verb: v.kind})
	target := v.target()
	e := event.Event{
		ID: v.id, Received: r.Received, Raw: raw, Mapping: oktaMapping,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(oktaOutcome(v.result)),
		Actor:  v.actor.actor(),
		Target: event.Target{Type: target.kind, ID: target.id, Name: cmp.Or(known(target.name), known(target.alternate))},
		IP:     cmp.Or(address(v.ip), address(v.chain)), UserAgent: v.agent,
		RequestID: v.transaction, SessionID: cmp.Or(known(v.session), known(v.rootSession), v.token),
		Changes: target.changes,
	}
	e.Section = c.section(e.Outcome)
	return Result{Claimed: setTime(&e, v.published, carriedAt(v.collected, r.Transport)), Unmapped: c.catchAll, Event: e}
}

// oktaOutcome is the outcome that a result stands for. CHALLENGE, SKIPPED, DEFERRED,
// SCHEDULED and UNKNOWN leave it open.
func oktaOutcome(result string) string {
	switch result {
	case "SUCCESS", "ALLOW":
		return event.Success
	case "FAILURE", "DENY", "RATE_LIMIT", "ABANDONED", "UNANSWERED":
		return event.Failure
	}
	return event.Unknown
}

// known returns what Okta knows: it writes unknown where it does not.
func known(s string) string {
	if s == "unknown" {
		return ""
	}
	return s
}

func (p *oktaParty) actor() event.Actor {
	a := event.Actor{ID: p.id, Name: cmp.Or(known(p.name), known(p.alternate))}
	switch {
	case strings.HasSuffix(p.kind, "User"):
		a.Type = event.User
	case p.kind == "SystemPrincipal":
		a.Type = event.System
	case p.kind != "" && p.kind != "IP address":
		a.Type = event.Service // PublicClientApp, Client, Agent and the like
	}
	if strings.Contains(p.alternate, "@") {
		a.Email = p.alternate
	}
	return a
}

// target chooses from the targets, which come in no fixed order: the person that
// something was done to, else the app or group, else the first one.
func (v *oktaRecord) target() oktaParty {
	var best oktaParty
	rank := -1
	for i := range v.targets {
		t := &v.targets[i]
		n := 0
		switch {
		case t.kind == "User" && t.id != v.actor.id:
			n = 4
		case t.kind == "AppInstance":
			n = 3
		case t.kind == "UserGroup":
			n = 2
		case t.kind == "User":
			n = 1
		}
		if n > rank {
			best, rank = *t, n
		}
	}
	for i := range v.targets {
		best.changes = cmp.Or(best.changes, v.targets[i].changes)
	}
	return best
}
