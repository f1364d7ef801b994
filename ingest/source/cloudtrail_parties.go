package source

import (
	"cmp"
	"strings"

	"exhibit/internal/event"
)

// trailUser is userIdentity: who called.
type trailUser struct {
	kind, principal, arn, account, accessKey, name, invokedBy, provider string
	mfa                                                                 string // "true" or "false"
	issuerARN, issuerName                                               string // of a role's session
	sourceIdentity, onBehalfOf                                          string // the person behind it
}

func (u *trailUser) member(f *fields, name string) {
	switch name {
	case "type":
		u.kind = f.text()
	case "principalId", "principalid":
		u.principal = f.text()
	case "arn":
		u.arn = f.text()
	case "accountId", "accountid":
		u.account = f.text()
	case "accessKeyId", "accesskeyid":
		u.accessKey = f.text()
	case "userName", "username":
		u.name = f.text()
	case "invokedBy", "invokedby":
		u.invokedBy = f.text()
	case "identityProvider", "identityprovider":
		u.provider = f.text()
	case "sessionContext", "sessioncontext":
		f.object(u.session)
	case "onBehalfOf", "onbehalfof":
		f.object(u.behalf)
	default:
		f.value()
	}
}

func (u *trailUser) session(f *fields, name string) {
	switch name {
	case "sessionIssuer", "sessionissuer":
		f.object(u.issuer)
	case "attributes":
		f.object(u.attribute)
	case "sourceIdentity", "sourceidentity":
		u.sourceIdentity = f.text()
	default:
		f.value()
	}
}

func (u *trailUser) issuer(f *fields, name string) {
	switch name {
	case "arn":
		u.issuerARN = f.text()
	case "userName", "username":
		u.issuerName = f.text()
	default:
		f.value()
	}
}

func (u *trailUser) attribute(f *fields, name string) {
	if name == "mfaAuthenticated" || name == "mfaauthenticated" {
		u.mfa = f.text()
		return
	}
	f.value()
}

func (u *trailUser) behalf(f *fields, name string) {
	if name == "userId" || name == "userid" {
		u.onBehalfOf = f.text()
		return
	}
	f.value()
}

// actor returns who called; login is the name that a sign-in states beside the
// identity.
func (u *trailUser) actor(login string) event.Actor {
	account := u.account
	if u.kind == "AWSService" {
		account = "" // of the caller, who is not known
	}
	a := event.Actor{Type: u.actorType(login)}
	switch u.kind {
	case "IdentityCenterUser", "Unknown": // a user of the identity center acts on their own behalf
		a.ID = cmp.Or(u.arn, u.onBehalfOf)
		a.Impersonator = u.sourceIdentity
	default:
		a.Impersonator = cmp.Or(u.sourceIdentity, u.onBehalfOf)
	}
	a.ID = cmp.Or(a.ID, u.arn, u.principal, u.onBehalfOf, u.provider, account, u.invokedBy)
	_, session, _ := strings.Cut(u.principal, ":")
	switch _, role, isRole := strings.Cut(u.arn, ":assumed-role/"); {
	case u.kind == "Root":
		a.Name = "root"
	case isRole:
		a.Name = role // role/session
		_, session, _ = strings.Cut(role, "/")
	case u.kind == "AssumedRole" && u.issuerName != "" && session != "":
		a.Name = u.issuerName + "/" + session
	default:
		a.Name = cmp.Or(u.name, last(u.arn), login, session, u.issuerName, u.invokedBy)
	}
	for _, s := range []string{u.name, session, login, u.sourceIdentity} {
		if strings.IndexByte(s, '@') > 0 && !strings.ContainsAny(s, " /:") {
			a.Email = s
			break
		}
	}
	if u.kind != "AWSService" && a.Impersonator == "" {
		a.Impersonator = u.invokedBy
	}
	if a.Impersonator == a.ID {
		a.Impersonator = ""
	}
	return a
}

// last returns the name at the end of an ARN of a user, federated user or role.
func last(arn string) string {
	if i := strings.LastIndexByte(arn, '/'); i >= 0 {
		return arn[i+1:]
	}
	return ""
}

// actorType tells people from machines. The session of a role can be either; it is
// left open unless something says which.
func (u *trailUser) actorType(login string) string {
	switch u.kind {
	case "Root", "IAMUser", "FederatedUser", "IdentityCenterUser", "SAMLUser", "Directory":
		return event.User
	case "AWSService":
		return event.Service
	case "WebIdentityUser":
		for _, workloads := range []string{"oidc.eks.", "token.actions.githubusercontent.com", "app.terraform.io", "gitlab.com"} {
			if strings.Contains(u.provider, workloads) {
				return event.Service
			}
		}
		return event.User
	case "AssumedRole", "Role":
		session := last(u.arn)
		switch {
		case u.invokedBy != "", strings.Contains(u.issuerARN, ":role/aws-service-role/"), strings.HasPrefix(session, "i-0"):
			return event.Service
		case u.mfa == "true", u.sourceIdentity != "", u.onBehalfOf != "", strings.Contains(session, "@"),
			strings.Contains(u.arn, ":assumed-role/AWSReservedSSO_"):
			return event.User
		}
		return ""
	}
	if u.kind != "AWSAccount" && (u.name != "" || login != "") {
		return event.User
	}
	return ""
}

// trailTarget is what was called for: the first of the resources, else what the
// request names.
type trailTarget struct {
	kind, arn   string // of the first of resources
	rank        int    // of name among the parameters; 0: there is none
	param, name string
}

func (t *trailTarget) resource(f *fields) {
	if t.arn != "" || f.kind() != '{' {
		f.value()
		return
	}
	var arn, kind string
	f.object(func(f *fields, name string) {
		switch name {
		case "ARN", "arn":
			arn = f.text()
		case "type":
			kind = f.text()
		default:
			f.value()
		}
	})
	if f.err == nil { // else it is read again, from its beginning
		t.arn, t.kind = arn, kind
	}
}

// parameter reads a member of requestParameters. The parameters that name a target
// are ranked: a user is added to a group, a policy is attached to a role.
func (t *trailTarget) parameter(f *fields, name string) {
	rank := 0
	switch name {
	case "userName", "roleName":
		rank = 1
	case "groupName":
		rank = 2
	case "bucketName":
		rank = 3
	case "functionName", "instanceId", "secretId", "tableName", "stackName", "clusterName", "dBInstanceIdentifier",
		"dBSnapshotIdentifier", "volumeId", "snapshotId", "imageId", "keyId", "keyName", "trailName", "logGroupName":
		rank = 4
	case "roleArn", "policyArn", "resourceArn", "groupId", "vpcId", "subnetId", "networkInterfaceId",
		"routeTableId", "policyName", "instanceProfileName", "serialNumber", "accountId":
		rank = 5
	case "name":
		rank = 6
	case "instancesSet":
		f.object(t.instances)
		return
	default:
		f.value()
		return
	}
	t.offer(rank, name, f.text())
}

func (t *trailTarget) instances(f *fields, name string) {
	if name != "items" {
		f.value()
		return
	}
	f.array(func(f *fields) {
		f.object(func(f *fields, name string) {
			if name == "instanceId" {
				t.offer(4, name, f.text())
				return
			}
			f.value()
		})
	})
}

func (t *trailTarget) offer(rank int, param, name string) {
	if name != "" && (t.rank == 0 || rank < t.rank) {
		t.rank, t.param, t.name = rank, param, name
	}
}

// paramType is the type of what a parameter names: a userName names a user.
func paramType(param string) string {
	for _, end := range []string{"Identifier", "Name", "Id", "Arn"} {
		if kind, ok := strings.CutSuffix(param, end); ok {
			return kind
		}
	}
	return ""
}

// of returns the target of an event; that of an insight is the call that was unusual.
func (t *trailTarget) of(insight *trailInsight) event.Target {
	switch {
	case insight.kind != "":
		call := trailAction(action{insight.source, insight.name})
		return event.Target{Type: "call", ID: call, Name: strings.TrimSpace(insight.state + " " + insight.errorCode)}
	case t.arn != "":
		return event.Target{Type: t.kind, ID: t.arn}
	}
	return event.Target{Type: paramType(t.param), ID: t.name}
}

// trailInsight is insightDetails: what CloudTrail found unusual.
type trailInsight struct{ kind, state, source, name, errorCode string }

func (i *trailInsight) member(f *fields, name string) {
	switch name {
	case "insightType":
		i.kind = f.text()
	case "state":
		i.state = f.text()
	case "eventSource":
		i.source = f.text()
	case "eventName":
		i.name = f.text()
	case "errorCode":
		i.errorCode = f.text()
	default:
		f.value()
	}
}
