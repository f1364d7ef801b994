package source

import "cmp"

// lowerFirst writes the name of a member as Microsoft Graph does: Log Analytics has
// the same names with a large first letter.
func lowerFirst(name string) string {
	if name == "" || name[0] < 'A' || name[0] > 'Z' {
		return name
	}
	switch name {
	case "IPAddress":
		return "ipAddress"
	case "AADTenantId":
		return "tenantId"
	}
	return string(name[0]+'a'-'A') + name[1:]
}

func (v *entraRecord) member(f *fields, name string) {
	switch name = lowerFirst(name); name {
	case "time", "timeGenerated":
		v.time = f.text()
	case "category":
		v.category = f.text()
	case "operationName":
		v.operation = f.text()
	case "tenantId":
		v.tenant = f.text()
	case "resultType":
		v.result = f.text()
	case "callerIpAddress":
		v.caller = f.text()
	case "identity":
		v.identity = f.text()
	case "properties":
		v.envelope = true
		f.embedded(v.property)
	case "event", "body": // Splunk, Event Hubs
		f.embedded(v.carried)
	case "status": // also in Log Analytics, as text
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
	case "status":
		f.object(v.status)
	case "createdDateTime":
		v.created = f.text()
	case "activityDateTime":
		v.activity = f.text()
	case "detectedDateTime":
		v.detected = f.text()
	default:
		v.party(f, name)
	}
}

// nobodyID stands where there is no user: a service principal signed in.
const nobodyID = "00000000-0000-0000-0000-000000000000"

// party reads what says who did what to what.
func (v *entraRecord) party(f *fields, name string) {
	switch name {
	case "userId":
		if id := f.text(); id != nobodyID {
			v.user = id
		}
	case "userDisplayName":
		v.userName = f.text()
	case "userPrincipalName":
		v.principalName = f.text()
	case "servicePrincipalId":
		v.service = f.text()
	case "servicePrincipalName":
		v.serviceName = f.text()
	case "appId":
		v.app = f.text()
	case "appDisplayName":
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
		v.isAudit = true
		f.embeddedArray(v.targetResource)
	case "additionalDetails":
		f.embeddedArray(v.detail)
	default:
		f.value()
	}
}

func (v *entraRecord) status(f *fields, name string) {
	if name == "errorCode" {
		v.code = f.text()
		return
	}
	f.value()
}

func (v *entraRecord) initiatedBy(f *fields, name string) {
	switch name {
	case "user":
		f.object(v.byUser.member)
	case "app":
		f.object(v.byApp.member)
	default:
		f.value()
	}
}

func (p *entraParty) member(f *fields, name string) {
	switch name {
	case "id", "servicePrincipalId":
		p.id = cmp.Or(f.text(), p.id)
	case "appId":
		p.id = cmp.Or(p.id, f.text())
	case "type":
		p.kind = f.text()
	case "displayName":
		p.name = f.text()
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
		if name == "modifiedProperties" && f.kind() == '[' {
			if list := f.value(); len(list) > len("[ ]") {
				v.changes = list
			}
			return
		}
		v.target.member(f, name)
	})
}

// detail takes the user agent from the details of a directory audit.
func (v *entraRecord) detail(f *fields) {
	var key, value string
	f.object(func(f *fields, name string) {
		switch name {
		case "key":
			key = f.text()
		case "value":
			value = f.text()
		default:
			f.value()
		}
	})
	if key == "User-Agent" {
		v.agent = cmp.Or(v.agent, value)
	}
}
