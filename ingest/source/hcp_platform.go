package source

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/event"
)

// hcpPlatform is the audit log stream of the HashiCorp Cloud Platform, which holds
// the sign-ins that the audit trail of HCP Terraform does not.
func hcpPlatform() Kind {
	h := &platform{rules: mustRules("hcp-platform")}
	h.rules.said, h.rules.fold = true, true
	logged := Ability{Grade: Logged}
	return Kind{
		Name:  "hcp-platform",
		Title: "HCP platform",
		Docs:  "https://developer.hashicorp.com/hcp/docs/hcp/audit-log",
		// It cannot be asked. What could not be delivered is tried again for 7 days.
		Settle:  time.Hour,
		Shape:   Pushed,
		Mapping: platformMapping,
		Rules:   h.rules.hash,
		Abilities: map[event.Section]Ability{
			event.Logins:           logged,
			event.FailedAuth:       {Partly, "HashiCorp lists failed sign-ins, wrong passwords and wrong second factors; where people sign in through an identity provider, it logs the ones that fail there"},
			event.MFA:              {Partly, "second factors of HCP's own accounts; those of an identity provider are not in it"},
			event.Credentials:      logged,
			event.AccessGrants:     logged,
			event.AdminChanges:     logged,
			event.ChangeManagement: {Partly, "projects and products of HCP; runs and workspaces are in the audit trail of HCP Terraform"},
			event.DataAccess:       {Partly, "sessions of HCP Boundary; reads of secrets are in the audit log of each Vault"},
			event.AuditLogConfig:   {Partly, "streaming destinations that are created or disabled; disabling the only one ends the stream before it is told"},
			event.Other:            logged,
		},
		Lacks:     []string{"session_id", "scope.workspace", "scope.account", "changes"},
		Wraps:     listsOr(),
		Datadog:   DatadogLogs{Senders: []string{"hcp"}, Shapes: []string{"control_plane_event", "authentication_info", "metadata description status_code", "hcp_product data"}},
		Normalize: h.normalize,
		rules:     h.rules,
	}
}

// platformMapping is the version of platform.normalize and rules/hcp-platform.tsv.
const platformMapping = 1

type platform struct {
	rules   *rules
	readers readers
}

// platformRecord is what a record says, in its own words. It comes bare, inside
// control_plane_event, or as an event of HCP Boundary; and in what a carrier adds.
type platformRecord struct {
	id, carried                               string // id of the record, and of what is inside it
	timestamp, carrier                        string
	streamOrg, streamProject, topic           string
	resource                                  platformResource
	method, path, ip, agent                   string
	actor, principal                          platformPrincipal // principal is an older place for the same
	organisation, project, permission, target string            // of authorization_info
	operation, description, verb, status      string
	meta                                      platformMeta
	product                                   string // boundary
	boundary                                  boundaryData
}

type platformResource struct{ kind, id, name string }

type platformPrincipal struct{ id, kind, email, name string }

type platformMeta struct {
	eventType, timestamp, ip, message, email, user string
	success, correlation                           string
	status, action, description                    string // of HCP Packer, as the rest
	organisation, project                          string
	actor                                          platformPrincipal
}

func (h *platform) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v platformRecord
	raw, mangled, err := h.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	if v.topic == "hashicorp.log.streaming.DestinationTest" {
		return nil, fmt.Errorf("%w: a test of the stream", ErrSkip)
	}
	act := v.action()
	if act == "" {
		return nil, &RejectError{Reason: ReasonNoType, Detail: "neither metadata.event_type nor description is there"}
	}
	c := h.rules.classify(action{act, cmp.Or(v.verb, v.meta.action)})
	out := []Result{{Unmapped: c.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		ID: cmp.Or(v.carried, v.id), Received: r.Received, Raw: raw, Mapping: platformMapping,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(v.outcome()),
		Actor: v.who(), Target: v.what(),
		IP:           cmp.Or(address(v.ip), address(v.meta.ip), address(v.boundary.ip)),
		UserAgent:    v.agent,
		RequestID:    cmp.Or(v.operation, v.meta.correlation, v.boundary.request),
		Organisation: cmp.Or(v.streamOrg, v.organisation, v.meta.organisation),
		Scope:        event.Scope{Project: cmp.Or(v.project, v.streamProject, v.meta.project)},
	}
	e.Section = c.section(e.Outcome)
	transport := r.Transport
	if t, err := parseTime(v.carrier); err == nil {
		transport = t
	}
	out[0].Claimed = setTime(e, cmp.Or(v.timestamp, v.boundary.timestamp, v.meta.timestamp), transport)
	if mangled {
		e.Clean()
	}
	return out, nil
}

func (v *platformRecord) action() string {
	if v.product == "boundary" {
		return v.boundary.action()
	}
	return strings.TrimSpace(cmp.Or(v.meta.eventType, v.description, v.meta.description, v.meta.message, v.permission))
}

// outcome is what the record says of its outcome; nothing said is unknown.
func (v *platformRecord) outcome() string {
	switch status := cmp.Or(v.status, v.boundary.status, v.meta.status); {
	case status == "OK", len(status) == 3 && (status[0] == '2' || status[0] == '3'):
		return event.Success
	case status != "", v.meta.success == "false":
		return event.Failure
	case v.meta.success == "true":
		return event.Success
	}
	return event.Unknown
}

func (v *platformRecord) who() event.Actor {
	a := event.Actor{
		ID:    cmp.Or(v.actor.id, v.principal.id, v.meta.actor.id, v.meta.user, v.boundary.userID),
		Email: cmp.Or(v.actor.email, v.principal.email, v.meta.actor.email, v.meta.email, v.boundary.email),
		Name:  cmp.Or(v.actor.name, v.principal.name, v.meta.actor.name, v.boundary.name),
	}
	a.Name = cmp.Or(a.Name, a.Email, a.ID)
	switch kind := cmp.Or(v.actor.kind, v.principal.kind, v.meta.actor.kind); {
	case strings.HasSuffix(kind, "_USER"):
		a.Type = event.User
	case strings.Contains(kind, "SERVICE"), strings.Contains(kind, "WORKLOAD"):
		a.Type = event.Service
	case strings.HasSuffix(kind, "_OPERATOR"): // HashiCorp's own
		a.Type = event.System
	case kind == "" && a.Email != "":
		a.Type = event.User
	}
	return a
}

func (v *platformRecord) what() event.Target {
	switch {
	case v.product == "boundary":
		return event.Target{Type: v.boundary.resource, ID: v.boundary.target}
	case v.resource != (platformResource{}):
		return event.Target{Type: v.resource.kind, ID: v.resource.id, Name: v.resource.name}
	}
	// The permission that was asked for names what it is for: resource-manager.projects.update.
	kind := ""
	if i := strings.LastIndexByte(v.permission, '.'); i > 0 {
		kind = v.permission[:i]
	}
	id := v.target
	if id == "" && strings.HasSuffix(kind, ".projects") {
		id = v.project
	}
	return event.Target{Type: kind, ID: id}
}
