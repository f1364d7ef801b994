package source

import (
	"cmp"
	"strings"
	"time"

	"exhibit/internal/event"
)

// hcpTerraform is the audit trail of HCP Terraform, formerly Terraform Cloud.
func hcpTerraform() Kind {
	h := &hcp{rules: mustRules("hcp-terraform")}
	signIns := Ability{NotLogged, "HCP Terraform's audit trail does not log sign-ins; connect the identity provider or the HCP platform stream"}
	logged := Ability{Grade: Logged}
	return Kind{
		Name:    "hcp-terraform",
		Title:   "HCP Terraform",
		Docs:    "https://developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails",
		Keeps:   14 * 24 * time.Hour,
		Settle:  10 * time.Minute,
		Shape:   Since,
		Mapping: hcpMapping,
		Rules:   h.rules.hash,
		Settings: []Setting{
			{Name: "token", Required: true, Secret: true,
				Doc: "audit trail token or organization token of the organization; user and team tokens are refused by HCP Terraform"},
			{Name: "url", Type: URL, Default: "https://app.terraform.io",
				Doc: "where the API is; https://app.eu.terraform.io for organizations in HCP Europe"},
			{Name: "page_size", Type: Number, Default: "1000", Doc: "events asked for at a time"},
		},
		Abilities: map[event.Section]Ability{
			event.Logins:           signIns,
			event.FailedAuth:       signIns,
			event.MFA:              {NotLogged, "HCP Terraform's audit trail does not log second factors; connect the identity provider or the HCP platform stream"},
			event.Credentials:      logged,
			event.AccessGrants:     logged,
			event.AdminChanges:     logged,
			event.ChangeManagement: logged,
			event.DataAccess:       logged,
			event.AuditLogConfig:   {NotLogged, "no event is documented for switching the audit trail off or over to streaming; a day without events from a busy organization is the sign of it"},
			event.Other:            logged,
		},
		Lacks:     []string{"actor.email", "ip", "user_agent", "session_id", "scope.account", "changes"},
		Wraps:     listsOr(),
		Datadog:   DatadogLogs{Senders: []string{"hcp-terraform", "terraform-cloud"}, Shapes: []string{"resource auth"}},
		Normalize: h.normalize,
		rules:     h.rules,
		NewPuller: newHCPPuller,
	}
}

// hcpMapping is the version of hcp.normalize and rules/hcp-terraform.tsv.
const hcpMapping = 1

type hcp struct {
	rules   *rules
	readers readers
}

// hcpRecord is what a record says, in its own words.
type hcpRecord struct {
	id, timestamp                                      string
	accessor, description, auth, impersonator, orgName string
	request                                            string
	resource, kind, action                             string
	meta                                               hcpMeta
}

// hcpMeta is what the many shapes of resource.meta have in common.
type hcpMeta struct {
	workspace, workspaceID          string
	project, projectID              string
	name, task, orgTask, team, user string
	status                          string // of a run task's result
}

func (h *hcp) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v hcpRecord
	raw, mangled, err := h.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	act := action{strings.TrimSpace(v.kind), strings.TrimSpace(v.action)}
	if act.noun == "" && act.verb == "" {
		return nil, &RejectError{Reason: ReasonNoType, Detail: "neither resource.type nor resource.action is there"}
	}
	c := h.rules.classify(act)
	out := []Result{{Unmapped: c.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		ID: v.id, Received: r.Received, Raw: raw, Mapping: hcpMapping,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(v.meta.status),
		Actor:        v.actor(),
		Target:       event.Target{Type: act.noun, ID: v.resource, Name: v.meta.targetName(act.noun)},
		RequestID:    v.request,
		Organisation: v.orgName,
		Scope:        v.scope(act.noun),
	}
	e.Section = c.section(e.Outcome)
	out[0].Claimed = setTime(e, v.timestamp, r.Transport)
	if mangled {
		e.Clean()
	}
	return out, nil
}

func (v *hcpRecord) member(f *fields, name string) {
	switch name {
	case "id":
		v.id = f.text()
	case "timestamp":
		v.timestamp = f.text()
	case "auth":
		f.object(v.authMember)
	case "request":
		f.object(v.requestMember)
	case "resource":
		f.object(v.resourceMember)
	default:
		f.value()
	}
}

func (v *hcpRecord) authMember(f *fields, name string) {
	switch name {
	case "accessor_id":
		v.accessor = f.text()
	case "description":
		v.description = f.text()
	case "type":
		v.auth = f.text()
	case "impersonator_id":
		v.impersonator = f.text()
	case "organization_id":
		v.orgName = f.text()
	default:
		f.value()
	}
}

func (v *hcpRecord) requestMember(f *fields, name string) {
	if name == "id" {
		v.request = f.text()
		return
	}
	f.value()
}

func (v *hcpRecord) resourceMember(f *fields, name string) {
	switch name {
	case "id":
		v.resource = f.text()
	case "type":
		v.kind = f.text()
	case "action":
		v.action = f.text()
	case "meta":
		f.object(v.meta.member)
	default:
		f.value()
	}
}

// member reads a member of resource.meta. Policy evaluations hold what policy
// checks have at the top under "payload".
func (m *hcpMeta) member(f *fields, name string) {
	switch name {
	case "payload":
		f.object(m.member)
	case "workspace":
		m.named(f, &m.workspace, &m.workspaceID)
	case "project":
		m.named(f, &m.project, &m.projectID)
	case "workspace_id":
		m.workspaceID = f.text()
	case "project_id":
		m.projectID = f.text()
	case "name":
		m.name = f.text()
	case "task_name":
		m.task = f.text()
	case "organization_task":
		m.orgTask = f.text()
	case "team":
		m.team = f.text()
	case "user":
		m.user = f.text()
	case "task_result_status":
		m.status = f.text()
	default:
		f.value()
	}
}

// named reads what is either an object with id and name, or the name alone.
func (m *hcpMeta) named(f *fields, name, id *string) {
	if f.kind() != '{' {
		*name = f.text()
		return
	}
	f.object(func(f *fields, member string) {
		switch member {
		case "id":
			*id = f.text()
		case "name":
			*name = f.text()
		default:
			f.value()
		}
	})
}

// targetName is the name that the meta gives for a target of the type. Where it
// names something else, that belongs to the target or was added to it, the name
// says what: "team platform" on a workspace is no name of the workspace.
func (m *hcpMeta) targetName(kind string) string {
	for _, n := range []struct{ what, name string }{
		{"workspace", m.workspace}, {"task", m.task}, {"task", m.orgTask},
		{"team", m.team}, {"user", m.user}, {"project", m.project},
	} {
		switch {
		case n.name == "":
		case n.what == kind:
			return n.name
		default:
			return n.what + " " + n.name
		}
	}
	return m.name
}

func (v *hcpRecord) actor() event.Actor {
	a := event.Actor{ID: v.accessor, Name: cmp.Or(v.description, v.accessor), Impersonator: v.impersonator}
	switch {
	case v.auth == "System":
		a.Type = event.System
	case v.auth == "Impersonated", strings.HasPrefix(v.accessor, "user-"):
		a.Type = event.User
	case v.accessor != "" || v.auth != "":
		a.Type = event.Service // team and organization tokens
	}
	return a
}

func (v *hcpRecord) scope(kind string) event.Scope {
	s := event.Scope{Workspace: v.meta.workspaceID, Project: v.meta.projectID}
	if kind == "workspace" {
		s.Workspace = cmp.Or(s.Workspace, v.resource)
	}
	if kind == "project" {
		s.Project = cmp.Or(s.Project, v.resource)
	}
	return s
}
