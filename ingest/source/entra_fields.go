package source

import (
	"cmp"
	"strings"
)

// lowerFirst writes the name of a member as Microsoft Graph does: Log Analytics and
// PowerShell have the same names with a large first letter, and tables that were
// exported say the zone of a time in its name.
func lowerFirst(name string) string {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return name
	}
	switch name {
	case "IPAddress":
		return "ipAddress"
	case "AADTenantId":
		return "aadTenantId"
	}
	return string(name[0]+'a'-'A') + strings.TrimSuffix(name[1:], " [UTC]")
}

func (v *entraRecord) member(f *fields, name string) {
	switch name = lowerFirst(name); name {
	case "time", "timeGenerated":
		v.time = f.text()
	case "category":
		v.category = f.text()
	case "type", "$table": // of Log Analytics, where the category may be the one of an activity
		v.table = f.text()
	case "recordType", "auditData": // of Microsoft 365
		v.unified = f.value() != ""
	case "metricName": // diagnostic settings of Azure send these beside logs
		v.metric = f.value() != ""
	case "operationName":
		v.operation = f.text()
	case "tenantId": // in Log Analytics that of the workspace
		v.tenant = cmp.Or(v.tenant, f.text())
	case "aadTenantId":
		v.tenant = cmp.Or(f.text(), v.tenant)
	case "resultType":
		v.result = f.text()
	case "callerIpAddress":
		v.caller = f.text()
	case "identity":
		v.identity = f.text()
	case "properties":
		f.embedded(v.property)
	case "event", "body": // Splunk, Event Hubs
		f.embedded(v.carried)
	case "status": // also in Log Analytics, as text; a word is the status of something else
		v.hasStatus = f.kind() != '"'
		f.embedded(v.status)
	default:
		v.property(f, name)
	}
}

// carried is member for what is inside of what a carrier made.
func (v *entraRecord) carried(f *fields, name string) {
	switch name {
	case "event", "body":
		f.value()
	default:
		v.member(f, name)
	}
}

// property reads a member of a signIn, directoryAudit or other object.
func (v *entraRecord) property(f *fields, name string) {
	switch name = lowerFirst(name); name {
	case "id":
		v.id = f.text()
	case "correlationId":
		v.correlation = cmp.Or(f.text(), v.correlation)
	case "requestId": // all that a call to Microsoft Graph has for an id
		v.request = f.text()
	case "ipAddress":
		v.ip = f.text()
	case "userAgent":
		v.agent = cmp.Or(f.text(), v.agent)
	case "sessionId":
		v.session = f.text()
	case "originalRequestId":
		v.original = f.text()
	case "resourceTenantId":
		v.resourceTenant = f.text()
	case "homeTenantId":
		v.homeTenant = f.text()
	case "riskEventType":
		v.riskType = f.text()
	case "responseStatusCode":
		v.statusCode = f.text()
	case "errorCode":
		v.code = f.text()
	case "status", "provisioningStatusInfo":
		v.hasStatus = v.hasStatus || f.kind() != '"'
		f.object(v.status)
	case "createdDateTime":
		v.created = f.text()
	case "timestamp": // in Defender's tables, whose other names are in party; queues say theirs so, too
		v.stamp = f.text()
	case "activityDateTime":
		v.activity = f.text()
	case "detectedDateTime", "riskLastUpdatedDateTime":
		v.detected = f.text()
	case "riskState":
		v.riskState = f.text()
	default:
		v.party(f, name)
	}
}

// nobodyID stands where there is no user: a service principal signed in.
const nobodyID = "00000000-0000-0000-0000-000000000000"

// party reads what says who did what to what.
func (v *entraRecord) party(f *fields, name string) {
	switch name {
	case "userId", "accountObjectId":
		if id := f.text(); id != nobodyID {
			v.user = id
		}
	case "userDisplayName", "accountDisplayName":
		v.userName = f.text()
	case "userPrincipalName", "accountUpn":
		v.principalName = f.text()
	case "servicePrincipalId":
		v.service = f.text()
	case "servicePrincipalName":
		v.serviceName = f.text()
	case "appId", "applicationId":
		v.app = f.text()
	case "appDisplayName", "application":
		v.appName = f.text()
	case "resourceDisplayName":
		v.resource = f.text()
	case "activityDisplayName":
		v.name = f.text()
		v.isAudit = v.isAudit || v.name != ""
	case "result":
		v.outcome = f.text()
	case "initiatedBy":
		v.isAudit = true
		f.embedded(v.initiatedBy)
	case "targetResources":
		v.isAudit, v.targets = true, 0 // a record is read again when its text is not Unicode
		f.embeddedArray(v.targetResource)
	case "auditEventCategory": // of the first schema of diagnostic settings, which has no activityDisplayName
		v.isAudit = f.value() != ""
	case "targetResourceName":
		v.target.name, _, _ = strings.Cut(f.text(), "__")
	case "sourceIdentity": // who or what was provisioned
		f.embedded(v.target.member)
	case "provisioningAction":
		v.provisioned = f.text()
	case "additionalDetails":
		f.embeddedArray(v.detail)
	default:
		f.value()
	}
}

func (v *entraRecord) status(f *fields, name string) {
	v.hasStatus = true
	switch lowerFirst(name) {
	case "errorCode":
		v.code = f.text()
	case "status": // of what was provisioned
		v.outcome = f.text()
	default:
		f.value()
	}
}

func (v *entraRecord) initiatedBy(f *fields, name string) {
	switch lowerFirst(name) {
	case "user":
		f.object(v.byUser.member)
	case "app":
		f.object(v.byApp.member)
	default: // a service that provisions has no more around it
		v.byApp.member(f, name)
	}
}

func (p *entraParty) member(f *fields, name string) {
	switch lowerFirst(name) {
	case "id", "servicePrincipalId":
		p.id = cmp.Or(f.text(), p.id)
	case "appId":
		p.id = cmp.Or(p.id, f.text())
	case "type", "identityType", "initiatorType":
		p.kind = f.text()
	case "displayName", "name":
		p.name = cmp.Or(f.text(), p.name)
	case "userPrincipalName", "servicePrincipalName":
		p.principal = f.text()
	case "ipAddress":
		p.ip = f.text()
	default:
		f.value()
	}
}

// targetResource takes the first resource; the others tell what it belongs to.
func (v *entraRecord) targetResource(f *fields) {
	v.targets++
	if v.targets > 1 {
		f.value()
		return
	}
	f.object(func(f *fields, name string) {
		if lowerFirst(name) == "modifiedProperties" && f.kind() == '[' {
			if list := f.value(); len(list) > len("[ ]") {
				v.changes = list
			}
			return
		}
		v.target.member(f, name)
	})
}

// detail takes the user agent and the address from the details of a directory audit.
func (v *entraRecord) detail(f *fields) {
	var key, value string
	f.object(func(f *fields, name string) {
		switch lowerFirst(name) {
		case "key":
			key = f.text()
		case "value":
			value = f.text()
		default:
			f.value()
		}
	})
	switch key {
	case "User-Agent":
		v.agent = cmp.Or(v.agent, value)
	case "ipaddr":
		v.ip = cmp.Or(v.ip, value)
	}
}
