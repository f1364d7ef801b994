package source

import "strings"

// kebab writes names as Scalr does: ip-address.
func kebab(name string) string {
	if strings.IndexByte(name, '_') < 0 {
		return name
	}
	return strings.ReplaceAll(name, "_", "-")
}

// member reads a member of any level: of Datadog's log (whose two APIs and archive
// nest attributes in their own ways), of EventBridge's envelope, of an entry.
func (v *scalrRecord) member(f *fields, name string) {
	switch kebab(name) {
	case "content", "attributes", "detail", "data", "message":
		v.deeper(f)
	case "event":
		if f.kind() == '"' {
			v.event = f.text()
			return
		}
		v.deeper(f)
	case "id", "-id":
		v.levels[v.depth].id = f.text()
	case "timestamp", "time", "date":
		v.levels[v.depth].time = f.text()
	case "detail-type":
		v.detailType = f.text()
	case "actor":
		v.found()
		f.object(v.actorMember)
	case "request":
		v.found()
		f.object(v.requestMember)
	case "outcome":
		v.found()
		f.object(v.outcomeMember)
	case "target":
		v.found()
		f.object(v.targetMember)
	default:
		v.runMember(f, name)
	}
}

// deeper reads what a level carries.
func (v *scalrRecord) deeper(f *fields) {
	if v.depth == len(v.levels)-1 {
		f.value()
		return
	}
	v.depth++
	f.embedded(v.member)
	v.depth--
}

// found notes that what Scalr says is at this level.
func (v *scalrRecord) found() { v.body = max(v.body, v.depth) }

// runMember reads what EventBridge tells of a run.
func (v *scalrRecord) runMember(f *fields, name string) {
	switch kebab(name) {
	case "result", "status":
		if said := f.text(); v.depth > 0 && said != "" && (v.runResult == "" || name == "result") {
			v.runResult = said
		}
	case "run", "run-id":
		v.found()
		scalrNamed(f, &v.run, nil)
	case "workspace", "workspace-id", "workspace-name":
		v.found()
		if name == "workspace-id" {
			v.workspace = f.text()
			return
		}
		scalrNamed(f, &v.workspace, &v.workspaceN)
	case "environment", "environment-id":
		v.found()
		scalrNamed(f, &v.environment, &v.environment)
	case "account", "account-id":
		if v.depth == 0 {
			f.value() // the AWS account of an envelope
			return
		}
		scalrNamed(f, &v.account, &v.account)
	default:
		f.value()
	}
}

// scalrNamed reads an object with an id and a display-name, or one of them alone:
// where there is a place for names, a text alone is one.
func scalrNamed(f *fields, id, name *string) {
	if f.kind() != '{' {
		if name != nil {
			id = name
		}
		*id = f.text()
		return
	}
	var called string
	f.object(func(f *fields, member string) {
		switch kebab(member) {
		case "id":
			*id = f.text()
		case "display-name", "name":
			called = f.text()
		default:
			f.value()
		}
	})
	if name != nil && (name != id || *id == "") {
		*name = called
	}
}

func (v *scalrRecord) actorMember(f *fields, name string) {
	switch kebab(name) {
	case "access-token":
		f.object(func(f *fields, name string) {
			if name == "token" {
				v.token = f.text()
				return
			}
			f.value()
		})
	case "display-name", "username":
		v.actor.Name = f.text()
	default:
		v.actor.member(f, name)
	}
}

func (v *scalrRecord) requestMember(f *fields, name string) {
	switch kebab(name) {
	case "id":
		v.request = f.text()
	case "action":
		v.action = f.text()
	case "ip-address", "ip":
		v.ip = f.text()
	case "user-agent":
		v.agent = f.text()
	default:
		f.value()
	}
}

func (v *scalrRecord) outcomeMember(f *fields, name string) {
	switch kebab(name) {
	case "result":
		v.result = f.text()
	case "status-code":
		v.status = f.text()
	default:
		f.value()
	}
}

func (v *scalrRecord) targetMember(f *fields, name string) {
	switch kebab(name) {
	case "display-name":
		v.target.Name = f.text()
	case "context":
		f.object(v.contextMember)
	default:
		v.target.member(f, name)
	}
}

func (v *scalrRecord) contextMember(f *fields, name string) {
	switch name {
	case "account":
		scalrNamed(f, &v.account, &v.account)
	case "environment":
		scalrNamed(f, &v.environment, &v.environment)
	case "workspace":
		scalrNamed(f, &v.workspace, &v.workspaceN)
	default:
		f.value()
	}
}
