package source

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
)

// entraID is the sign-ins and directory audits of Microsoft Entra ID, formerly Azure
// Active Directory: as Microsoft Graph gives them, or diagnostic settings send them.
func entraID() Kind {
	x := &entra{rules: mustRules("entra-id")}
	x.rules.fold = true
	logged := Ability{Grade: Logged}
	return Kind{
		Name:   "entra-id",
		Title:  "Microsoft Entra ID",
		Docs:   "https://learn.microsoft.com/en-us/entra/identity/monitoring-health/overview-monitoring-health",
		Keeps:  7 * 24 * time.Hour, // 30 days with P1 or P2
		Settle: 24 * time.Hour,     // minutes as a rule; there is no upper bound
		Shape:  Window,
		Piece:  4 * time.Hour, // a list of hundreds of thousands is cut off by throttling before its end
		Settings: []Setting{
			{Name: "feed", Values: slices.Sorted(maps.Keys(entraFeeds())), Required: true, Doc: "which of its logs; sign-ins are the interactive ones; " +
				"all but the first need Entra ID P1 or P2: then set the source's keeps to 720h"},
			{Name: "tenant", Required: true, Doc: "id or domain of the tenant"},
			{Name: "client_id", Required: true, Doc: "id of the app registration, which has the application permission AuditLog.Read.All (and Directory.Read.All for sign-ins)"},
			{Name: "client_secret", Required: true, Secret: true, Doc: "client secret of the app registration"},
			{Name: "url", Type: URL, Default: "https://graph.microsoft.com", Doc: "where Microsoft Graph is; https://graph.microsoft.us for US Government"},
			{Name: "login_url", Type: URL, Default: "https://login.microsoftonline.com", Doc: "where tokens are given; https://login.microsoftonline.us for US Government"},
			budgetSetting(entraPerHour),
		},
		Mapping: entraMapping,
		Rules:   x.rules.hash,
		Abilities: map[event.Section]Ability{
			event.Logins:           {Partly, "only with Entra ID P1 or P2, and of the feeds that are switched on: interactive, non-interactive, service principals, managed identities"},
			event.FailedAuth:       {Partly, "only with Entra ID P1 or P2; where a federated identity provider checks passwords, it logs the ones that fail there"},
			event.MFA:              {Partly, "changes of methods and policies; a second factor that was asked for is part of its sign-in"},
			event.Credentials:      logged,
			event.AccessGrants:     {Partly, "roles, groups and consents of the directory; roles of Azure subscriptions are in the Azure activity log"},
			event.AdminChanges:     logged,
			event.ChangeManagement: {NotLogged, "Entra ID changes no infrastructure; connect the Azure activity log"},
			event.DataAccess:       {Partly, "lists that were downloaded in the portal; other reads are not in the audit log, and calls to Microsoft Graph are a feed of their own, which is filed under other"},
			event.AuditLogConfig:   {Partly, "diagnostic settings of the directory are changed in Azure; the Azure activity log has it"},
			event.Other:            logged,
		},
		Lacks: []string{"actor.impersonator", "scope.workspace", "scope.project", "scope.account"},
		Wraps: listsOr(),
		Datadog: DatadogLogs{Senders: []string{"azure.activedirectory", "azure.active_directory"},
			Shapes: []string{"category operationName properties", "activityDisplayName initiatedBy", "createdDateTime userPrincipalName"}, Moved: map[string]string{"operationName": "evt.name"}},
		Normalize: x.normalize,
		NewPuller: newEntraPuller,
		rules:     x.rules,
	}
}

// entraMapping is the version of entra.normalize and rules/entra-id.tsv.
const entraMapping = 1

type entra struct {
	rules   *rules
	readers readers
}

const (
	auditLogs     = "AuditLogs"
	signInLogs    = "SignInLogs"
	graphActivity = "MicrosoftGraphActivityLogs"
)

// entraRecord is what a record says, in its own words: what diagnostic settings put
// around it, and the object of Microsoft Graph inside.
type entraRecord struct {
	time, category, table, operation, tenant, result, caller, identity string // around it
	unified, metric, hasStatus                                         bool

	id, request, correlation, ip, agent string
	created, activity, detected, stamp  string // times
	user, userName, principalName       string
	service, serviceName, app, appName  string
	resource, code, session, original   string
	resourceTenant, homeTenant          string
	riskType, riskState, provisioned    string
	name, outcome, statusCode           string // activityDisplayName, result
	byUser, byApp                       entraParty
	isAudit                             bool
	target                              entraParty
	targets                             int
	changes                             string
}

// entraParty is who or what is named in a directory audit.
type entraParty struct{ id, kind, name, principal, ip string }

func (x *entra) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v entraRecord
	raw, mangled, err := x.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	act := v.action()
	if act.verb == "" && v.metric {
		return nil, fmt.Errorf("%w: a metric of Azure is no event", ErrSkip)
	}
	if act.verb == "" {
		return nil, &RejectError{Reason: ReasonNoType, Detail: v.strange()}
	}
	c := x.rules.classify(act)
	out := []Result{{Unmapped: c.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		ID: cmp.Or(v.id, v.request), Received: r.Received, Raw: raw, Mapping: entraMapping,
		OCSF: event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: act.verb, Outcome: v.outcomeOf(c, act.noun),
		Actor: v.actor(act.noun), Target: v.what(act.noun),
		IP: v.address(act.noun), UserAgent: v.agent,
		RequestID:    cmp.Or(v.correlation, v.original),
		SessionID:    v.session,
		Organisation: cmp.Or(v.tenant, v.resourceTenant, v.homeTenant),
		Changes:      v.changes,
	}
	e.Section = c.section(e.Outcome)
	out[0].Claimed = setTimeBy(e, v.when(act.noun), r.Transport, microsoftTime)
	if mangled {
		e.Clean()
	}
	return out, nil
}

// strange says what a record that is none of Entra ID's may be.
func (v *entraRecord) strange() string {
	if v.unified {
		return "it is of Microsoft 365's unified audit log; give it to a source of kind json with a mapping"
	}
	return "it is neither a sign-in nor a directory audit, and has no operationName"
}

// action returns the feed of the record and what happened. Records of Microsoft Graph
// do not name their feed; it shows in what they hold.
func (v *entraRecord) action() action {
	category := cmp.Or(v.category, strings.TrimPrefix(v.table, "AAD"))
	known := logOf(category)
	switch {
	case known == signInLogs:
		return action{category, "signIn"}
	case known == "" && v.isAudit && v.riskType == "" && v.provisioned == "":
		return action{auditLogs, strings.TrimSuffix(strings.TrimSpace(cmp.Or(v.name, v.operation)), ".")}
	case v.unified:
		return action{}
	case v.operation == "Sign-in activity", v.operation == "signIn", category == "" && v.operation == "" && v.signedIn():
		return action{signInLogs, "signIn"}
	case v.riskType != "":
		return action{cmp.Or(category, "UserRiskEvents"), cmp.Or(v.operation, "User Risk Detection")}
	case v.provisioned != "":
		return action{cmp.Or(category, "ProvisioningLogs"), cmp.Or(v.operation, "Provisioning activity")}
	case v.riskState != "" && v.detected != "":
		return action{cmp.Or(category, "RiskyUsers"), cmp.Or(v.operation, "Risky user")}
	case category == graphActivity:
		return action{category, cmp.Or(v.operation, "Microsoft Graph Activity")}
	}
	return action{category, strings.TrimSpace(v.operation)}
}

// logOf returns which of the logs the category of diagnostic settings, or the
// table of Log Analytics, has: sign-ins of every sort, audits, or some other; nothing
// when it is the category of an activity, or not said.
func logOf(category string) string {
	is := func(suffix string) bool {
		from := len(category) - len(suffix)
		return from >= 0 && strings.EqualFold(category[from:], suffix)
	}
	switch {
	case is(signInLogs):
		return signInLogs
	case is("logs") && !is(auditLogs):
		return category
	}
	return ""
}

// signedIn reports whether an object that does not say what it is is a sign-in. Much
// else in the directory was created at some time, and much of that names an application.
func (v *entraRecord) signedIn() bool {
	return v.created != "" && (v.hasStatus || cmp.Or(v.code, v.ip, v.correlation) != "") ||
		v.principalName != "" && (v.result != "" || v.stamp != "" && v.code != "")
}

// outcomeOf returns the outcome of an event of the class in the feed. A reason for a
// failure may stand beside a code that says success, and does not count.
func (v *entraRecord) outcomeOf(c *class, feed string) string {
	switch {
	case feed == auditLogs, v.provisioned != "":
		return c.outcomeOf(entraResult(cmp.Or(v.outcome, v.result)))
	case logOf(feed) == signInLogs:
		code := cmp.Or(v.code, v.result)
		if _, known := c.outcomes[code]; !known {
			code = entraResult(code)
		}
		return c.outcomeOf(code)
	case len(v.statusCode) == 3 && v.statusCode < "400":
		return c.outcomeOf(event.Success)
	case len(v.statusCode) == 3:
		return c.outcomeOf(event.Failure)
	}
	return c.outcomeOf("")
}

// entraResult is the outcome that a word or code stands for. A time-out leaves open
// whether anything was done.
func entraResult(s string) string {
	switch strings.ToLower(s) {
	case "0", "success":
		return event.Success
	case "", "timeout", "unknownfuturevalue", "none", "skipped", "warning":
		return event.Unknown
	}
	return event.Failure
}

func (v *entraRecord) when(feed string) string {
	switch {
	case feed == auditLogs:
		return cmp.Or(v.activity, v.time)
	case logOf(feed) == signInLogs:
		return cmp.Or(v.created, v.time, v.stamp)
	}
	return cmp.Or(v.time, v.activity, v.detected, v.created)
}

// microsoftTime reads a time as Microsoft writes it: in some the month comes first, with
// or without an AM or PM.
func microsoftTime(s string) (time.Time, error) {
	if i := strings.IndexByte(s, '/'); i == 1 || i == 2 {
		if t, err := time.Parse("1/2/2006 15:04:05", s); err == nil {
			return t, nil
		}
	}
	return parseTime(s)
}

func (v *entraRecord) address(feed string) string {
	if feed == auditLogs {
		return cmp.Or(address(v.byUser.ip), address(v.caller), address(v.ip))
	}
	return cmp.Or(address(v.ip), address(v.caller))
}

func (v *entraRecord) actor(feed string) event.Actor {
	if feed == auditLogs || v.provisioned != "" {
		return v.initiator()
	}
	if v.user == "" && v.principalName == "" && (v.service != "" || v.serviceName != "" || v.app != "") {
		return event.Actor{ID: cmp.Or(v.service, v.app), Name: cmp.Or(v.serviceName, v.appName, v.service, v.app), Type: event.Service}
	}
	a := event.Actor{ID: v.user, Name: cmp.Or(v.userName, v.principalName, v.identity), Email: v.principalName}
	if a != (event.Actor{}) {
		a.Type = event.User
	}
	return a
}

// initiator is who changed the directory: a person, though through an app, or an app.
func (v *entraRecord) initiator() event.Actor {
	u, p := &v.byUser, &v.byApp
	switch {
	case u.id != "" || u.principal != "" || u.name != "":
		return event.Actor{ID: u.id, Name: cmp.Or(u.name, u.principal), Email: u.principal, Type: event.User}
	case *p != (entraParty{}):
		return event.Actor{ID: p.id, Name: cmp.Or(p.name, p.principal), Type: event.Service}
	case strings.Contains(v.identity, "@"):
		return event.Actor{Name: v.identity, Email: v.identity, Type: event.User}
	case v.identity != "NA":
		return event.Actor{Name: v.identity}
	}
	return event.Actor{}
}

func (v *entraRecord) what(feed string) event.Target {
	switch {
	case feed == auditLogs, v.provisioned != "":
		return event.Target{Type: v.target.kind, ID: v.target.id, Name: cmp.Or(v.target.name, v.target.principal)}
	case logOf(feed) == signInLogs:
		t := event.Target{ID: v.app, Name: cmp.Or(v.appName, v.resource)}
		if v.resource != "" && v.resource != t.Name {
			t.Name += " / " + v.resource
		}
		if t != (event.Target{}) {
			t.Type = "Application"
		}
		return t
	}
	return event.Target{}
}
