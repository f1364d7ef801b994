package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"exhibit/internal/event"
)

// scalr is the audit log of Scalr, as it sends it to Datadog, to Amazon EventBridge,
// or once a day as a file to a bucket.
func scalr() Kind {
	s := &scalrLog{rules: mustRules("scalr")}
	logged := Ability{Grade: Logged}
	factors := Ability{NotLogged, "Scalr does not say that its audit log holds second factors; connect the identity provider"}
	return Kind{
		Name:    "scalr",
		Title:   "Scalr",
		Docs:    "https://docs.scalr.io/docs/audit-logs",
		Settle:  26 * time.Hour,
		Shape:   Pushed,
		Mapping: scalrMapping,
		Rules:   s.rules.hash,
		// Not published: the date is looked for in the names. A day's export is one object.
		Layout:   Layout{LookBack: 72 * time.Hour, Closed: 48 * time.Hour, Whole: true},
		Settings: []Setting{closedAfter("48h")},
		Abilities: map[event.Section]Ability{
			event.Logins:           {Partly, "Scalr says that it logs authentications and does not publish which; sign-ins by SSO are checked by the identity provider"},
			event.FailedAuth:       {Partly, "Scalr says that it logs authentications and does not publish which; a wrong password at an identity provider is not in it; connect the identity provider"},
			event.MFA:              factors,
			event.Credentials:      logged,
			event.AccessGrants:     logged,
			event.AdminChanges:     logged,
			event.ChangeManagement: logged,
			event.DataAccess:       {Partly, "Scalr does not publish which reads it logs"},
			event.AuditLogConfig:   logged,
			event.Other:            logged,
		},
		Lacks:     []string{"actor.impersonator", "scope.account", "changes"},
		Wraps:     listsOr(),
		Datadog:   DatadogLogs{Senders: []string{"scalr"}, Shapes: []string{"request target outcome", "request target actor"}},
		Normalize: s.normalize,
		rules:     s.rules,
	}
}

// scalrMapping is the version of scalrLog.normalize and rules/scalr.tsv.
const scalrMapping = 1

type scalrLog struct {
	rules   *rules
	readers readers
}

// The types of events that Scalr sends to EventBridge beside entries of the audit log.
const (
	scalrEntry       = "AuditLog"
	scalrRunExecuted = "RunExecuted"
	scalrDisabled    = "AuditLogDisabled" // the last that it sends
)

// scalrRecord is what a record says, in its own words. What Scalr says is inside
// what carries it, one or more levels deep.
type scalrRecord struct {
	levels [8]scalrLevel
	depth  int
	body   int // the level that holds what Scalr says

	detailType, event                           string
	action, request, ip, agent                  string
	result, status                              string // of the entry
	run, runResult                              string // of a run
	actor                                       Party
	token                                       string
	target                                      Party
	account, environment, workspace, workspaceN string
}

// scalrLevel is what each level may have of its own.
type scalrLevel struct{ id, time string }

func (s *scalrLog) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v scalrRecord
	raw, mangled, err := s.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	name := cmp.Or(v.action, v.event)
	if v.detailType != "" && v.detailType != scalrEntry {
		name = v.detailType
	}
	if name = cmp.Or(name, v.detailType); name == "" {
		return nil, &RejectError{Reason: ReasonNoType, Detail: "request.action is not there; is it an entry of Scalr's audit log?"}
	}
	c := s.rules.classify(action{verb: name})
	out := []Result{{Unmapped: c.catchAll, Ends: name == scalrDisabled}}
	e := &out[0].Event
	*e = event.Event{
		Received: r.Received, Raw: raw, Mapping: scalrMapping,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(v.outcome(name)),
		Actor: v.who(), Target: v.what(),
		IP: address(v.ip), UserAgent: v.agent, RequestID: v.request, SessionID: v.token,
		Organisation: v.account, Scope: v.scope(),
	}
	e.Section = c.section(e.Outcome)
	own, carried := v.times()
	out[0].Claimed = setTime(e, own, carriedAt(carried, r.Transport))
	e.ID = v.id(e)
	if mangled {
		e.Clean()
	}
	return out, nil
}

// id is the same for an event by whichever of the three ways it came. Scalr gives
// its events none; their requests have a random one, and a request may do several
// things.
func (v *scalrRecord) id(e *event.Event) string {
	if v.request == "" {
		for at := v.body; at >= 0; at-- {
			if id := v.levels[at].id; id != "" {
				return id
			}
		}
		return ""
	}
	moment := ""
	if v.levels[v.body].time != "" {
		moment = strconv.FormatInt(e.Time.UnixMicro(), 10)
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{v.request, v.action, v.target.ID, moment}, "\x00")))
	return "sha256:" + hex.EncodeToString(sum[:20])
}

// times returns the time that Scalr states, and that of what carried it.
func (v *scalrRecord) times() (own, carried string) {
	for at := v.body - 1; at >= 0 && carried == ""; at-- {
		carried = v.levels[at].time
	}
	return v.levels[v.body].time, carried
}

// outcome is what the entry says; a code stands in where the word is missing.
func (v *scalrRecord) outcome(name string) string {
	if name == scalrRunExecuted {
		return strings.ToLower(v.runResult)
	}
	if v.result != "" {
		if strings.EqualFold(v.result, event.Success) {
			return event.Success
		}
		return event.Failure
	}
	switch code, err := strconv.Atoi(v.status); {
	case err != nil:
		return event.Unknown
	case code < 400:
		return event.Success
	}
	return event.Failure
}

func (v *scalrRecord) who() event.Actor {
	a := event.Actor{ID: v.actor.ID, Name: cmp.Or(v.actor.Name, v.actor.Email), Email: v.actor.Email}
	switch kind := strings.TrimSuffix(kebab(v.actor.Type), "s"); {
	case kind == "user", kind == "" && strings.HasPrefix(a.ID, "user-"):
		a.Type = event.User
	case kind == "system":
		a.Type = event.System
	case kind != "", a.ID != "":
		a.Type = event.Service // service accounts, agents
	}
	return a
}

// what is the target; of a run, EventBridge names only the workspace.
func (v *scalrRecord) what() event.Target {
	t := event.Target{Type: v.target.Type, ID: v.target.ID, Name: v.target.Name}
	if t == (event.Target{}) {
		switch {
		case v.run != "":
			return event.Target{Type: "runs", ID: v.run}
		case v.workspace != "" || v.workspaceN != "":
			return event.Target{Type: "workspaces", ID: v.workspace, Name: v.workspaceN}
		}
	}
	return t
}

func (v *scalrRecord) scope() event.Scope {
	s := event.Scope{Workspace: cmp.Or(v.workspace, v.workspaceN), Project: v.environment}
	switch v.target.Type {
	case "workspaces":
		s.Workspace = cmp.Or(s.Workspace, v.target.ID)
	case "environments":
		s.Project = cmp.Or(s.Project, v.target.ID)
	}
	return s
}
