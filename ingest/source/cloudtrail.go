package source

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"exhibit/internal/event"
)

// cloudTrail is the log of calls to Amazon Web Services.
func cloudTrail() Kind {
	c := &trail{rules: mustRules("aws-cloudtrail")}
	c.rules.name = trailAction
	logged := Ability{Grade: Logged}
	return Kind{
		Name:    "aws-cloudtrail",
		Title:   "AWS CloudTrail",
		Docs:    "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference.html",
		Settle:  time.Hour,
		Shape:   Pushed,
		Mapping: trailMapping,
		Rules:   c.rules.hash,
		Layout:  trailLayout(),
		Settings: []Setting{
			{Name: "public_keys_file", Type: File, Doc: "of a source with a bucket: file with what 'aws cloudtrail list-public-keys' prints for the trail's regions, or PEM; without it the signatures of digests are not checked"},
			{Name: "ended_chains", Doc: "of a source with a bucket: chains of digests that have ended for good, as its page names them, separated by commas"},
		},
		Abilities: map[event.Section]Ability{
			event.Logins:           {Partly, "sign-ins to AWS: console, root, IAM users, SAML, OIDC and IAM Identity Center; a second factor and password at a company's identity provider are not in it"},
			event.FailedAuth:       {Partly, "failed sign-ins to AWS and denied roles; a wrong password at a company's identity provider is not in it; connect the identity provider"},
			event.MFA:              {Partly, "second factors of root and IAM users; those of a company's identity provider are not in it"},
			event.Credentials:      logged,
			event.AccessGrants:     logged,
			event.AdminChanges:     logged,
			event.ChangeManagement: logged,
			event.DataAccess:       {Partly, "reads of objects and tables are logged only where the trail records data events"},
			event.AuditLogConfig:   logged,
			event.Other:            logged,
		},
		Lacks: []string{"scope.project", "scope.account", "changes"},
		Wraps: listsOr("Events"),
		Datadog: DatadogLogs{Senders: []string{"cloudtrail"}, Shapes: []string{"eventSource eventName", "eventSource userIdentity"},
			Moved: map[string]string{"eventName": "evt.name", "sourceIPAddress": "network.client.ip", "userAgent": "http.useragent", "errorCode": "error.kind", "errorMessage": "error.message"}},
		Normalize: c.normalize,
		rules:     c.rules,
	}
}

// trailMapping is the version of trail.normalize and rules/aws-cloudtrail.tsv.
const trailMapping = 1

type trail struct {
	rules   *rules
	readers readers
}

// readOnlyCall is what rules are asked about a call that CloudTrail says to be a
// read and that no rule knows by name.
const readOnlyCall = "(read only)"

// ends reports whether a call, when it succeeds, switches a trail off. UpdateTrail may
// send it elsewhere and PutEventSelectors may leave events out; both go on logging.
func (v *trailRecord) ends() bool {
	return strings.HasPrefix(v.source, "cloudtrail.amazonaws.com") && (v.name == "StopLogging" || v.name == "DeleteTrail")
}

// trailARN matches the ARN of a trail: its home region and its name.
var trailARN = regexp.MustCompile(`^arn:[a-z0-9-]+:cloudtrail:([a-z0-9-]+):[0-9]{12}:trail/([A-Za-z0-9._-]+)$`)

var trailName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// trail returns name and home region of the trail that a call is for, as the keys of
// its digests have them, or nothing. Logging of a trail can be stopped in its home
// region only, by its name or its ARN, and stops in all regions.
// https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_StopLogging.html
func (v *trailRecord) trail() string {
	if v.target.param != "name" {
		return ""
	}
	if m := trailARN.FindStringSubmatch(v.target.name); m != nil {
		return m[2] + "_" + m[1]
	}
	if v.region == "" || !trailName.MatchString(v.target.name) {
		return ""
	}
	return v.target.name + "_" + v.region
}

// trailAction names a call as policies do: iam:CreateUser.
func trailAction(a action) string {
	service := strings.TrimSuffix(strings.TrimSuffix(a.noun, ".cn"), ".amazonaws.com")
	if service == "" {
		return a.verb
	}
	return service + ":" + a.verb
}

// trailRecord is what a record says, in its own words.
type trailRecord struct {
	id, time, source, name, region, ip, agent    string
	errorCode, errorMessage, requestID, category string
	readOnly, recipient, loginName               string
	failed                                       bool // something in the answer says so
	user                                         trailUser
	target                                       trailTarget
	insight                                      trailInsight
	updated, original                            string // of an addendum: why, and of which event
	digest                                       bool
	carrierTime, carrierAccount                  string // of the EventBridge envelope
}

func (c *trail) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	var v trailRecord
	raw, mangled, err := c.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	act := v.action()
	switch {
	case act.verb == "" && strings.Contains(raw, "CWL CONTROL MESSAGE"):
		return nil, fmt.Errorf("%w: a message with which CloudWatch Logs tries its destination", ErrSkip)
	case v.digest && act.verb == "":
		return nil, fmt.Errorf("%w: a digest file, which proves log files and holds no event", ErrSkip)
	case act.verb == "":
		return nil, &RejectError{Reason: ReasonNoType, Detail: "neither eventName nor eventType is there; is it a record of CloudTrail?"}
	}
	class := c.rules.classify(act)
	name := class.action
	if v.readOnly == "true" && class.pattern == "*" {
		class = c.rules.classify(action{verb: readOnlyCall})
	}
	out := []Result{{Unmapped: class.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		ID: v.eventID(), Received: r.Received, Raw: raw, Mapping: trailMapping,
		OCSF: event.OCSFVersion, Class: class.class, Activity: class.activityID,
		Action: name, Outcome: class.outcomeOf(v.outcome()),
		Actor: v.user.actor(v.loginName), Target: v.target.of(&v.insight),
		IP: address(v.ip), UserAgent: v.agent, RequestID: v.requestID, SessionID: v.user.accessKey,
		Organisation: cmp.Or(v.recipient, v.carrierAccount, v.user.account),
		Scope:        event.Scope{Workspace: v.region},
	}
	e.Section = class.section(e.Outcome)
	if out[0].Ends = v.ends() && e.Outcome == event.Success; out[0].Ends {
		out[0].EndsOf = v.trail()
	}
	out[0].Claimed = setTime(e, v.time, carriedAt(v.carrierTime, r.Transport))
	if mangled {
		e.Clean()
	}
	return out, nil
}

// action is eventSource and eventName. Insight events have neither, and say what
// was unusual instead.
func (v *trailRecord) action() action {
	switch {
	case v.insight.kind != "":
		return action{"insight", v.insight.kind}
	case v.name == "" && strings.HasPrefix(v.category, "Aws"): // as all types of CloudTrail's own do
		return action{"event", v.category}
	}
	return action{v.source, v.name}
}

// eventID tells an event from a later record that corrects it under the same id.
func (v *trailRecord) eventID() string {
	if v.updated == "UPDATED_DATA" && v.original == v.id && v.id != "" {
		return v.id + "/" + v.updated
	}
	return v.id
}

// outcome says whether the call failed. A failed sign-in has no errorCode: it says
// so in errorMessage and in the answer.
func (v *trailRecord) outcome() string {
	if v.errorCode != "" || v.errorMessage != "" || v.failed {
		return event.Failure
	}
	return event.Success
}

// member reads a member of a record, or of what carries one: the envelope of
// EventBridge, an answer of LookupEvents, an entry of CloudWatch Logs, an activity in
// CloudTrail Lake.
func (v *trailRecord) member(f *fields, name string) {
	switch name {
	case "eventID":
		v.id = f.text()
	case "eventTime":
		v.time = f.text()
	case "eventSource":
		v.source = f.text()
	case "eventName":
		v.name = f.text()
	case "awsRegion":
		v.region = f.text()
	case "sourceIPAddress":
		v.ip = f.text()
	case "userAgent":
		v.agent = f.text()
	case "errorCode":
		v.errorCode = f.text()
	case "errorMessage":
		v.errorMessage = f.text()
	case "requestID":
		v.requestID = f.text()
	case "eventType":
		v.category = f.text()
	case "readOnly":
		v.readOnly = f.text()
	case "recipientAccountId":
		v.recipient = f.text()
	case "userIdentity":
		f.embedded(v.user.member)
	case "requestParameters":
		f.embedded(v.target.parameter)
	case "responseElements":
		f.embedded(v.answer)
	case "serviceEventDetails":
		f.embedded(v.details)
	case "additionalEventData":
		f.embedded(v.additional)
	case "resources":
		f.array(v.target.resource)
	case "eventVersion", "eventCategory", "managementEvent", "tlsDetails", "apiVersion", "sharedEventID", "sessionCredentialFromConsole", "vpcEndpointId":
		f.value()
	default:
		v.rareMember(f, name)
	}
}

func (v *trailRecord) rareMember(f *fields, name string) {
	switch name {
	case "insightDetails":
		f.embedded(v.insight.member)
	case "addendum":
		f.object(v.addendum)
	case "digestStartTime", "digestS3Object":
		f.value()
		v.digest = true
	case "detail", "CloudTrailEvent", "message", "eventData":
		f.embedded(v.member)
	case "time", "@timestamp":
		v.carrierTime = f.text()
	case "account":
		v.carrierAccount = f.text()
	default:
		v.column(f, name)
	}
}

// answer reads responseElements, where sign-ins say "ConsoleLogin": "Failure" and
// EC2 says "_return": false.
func (v *trailRecord) answer(f *fields, name string) {
	said := f.text()
	if said == "Failure" || name == "_return" && said == "false" {
		v.failed = true
	}
}

// details reads serviceEventDetails, where services say by a status how it ended:
// "createAccountStatus": {"state": "FAILED"}.
func (v *trailRecord) details(f *fields, name string) {
	switch {
	case f.kind() == '{':
		f.object(v.details)
	case name == "status" || name == "state":
		v.failed = f.text() == "FAILED" || v.failed
	default:
		v.answer(f, name)
	}
}

// additional reads additionalEventData, where the identity center says who signs in.
func (v *trailRecord) additional(f *fields, name string) {
	if name == "UserName" {
		v.loginName = f.text()
		return
	}
	f.value()
}

func (v *trailRecord) addendum(f *fields, name string) {
	switch name {
	case "reason":
		v.updated = f.text()
	case "originalEventID":
		v.original = f.text()
	default:
		f.value()
	}
}
