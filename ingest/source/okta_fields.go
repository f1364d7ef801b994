package source

import (
	"cmp"
	"strings"
)

// member reads a member of a record. Some collectors write names in small letters or
// with underscores, and some stores keep objects as texts. The records of the Events
// API, which the System Log replaced, have an action, actors and targets.
func (v *oktaRecord) member(f *fields, name string) {
	switch name {
	case "uuid", "eventId":
		v.id = f.text()
	case "published":
		v.published = f.text()
	case "eventType", "eventtype", "event_type":
		v.kind = f.text()
	case "action":
		f.object(v.actionMember)
	case "actors":
		v.actor = oktaParty{} // as for targets
		f.array(v.actorElement)
	case "requestId":
		v.transaction = f.text()
	case "sessionId":
		v.session = f.text()
	case "outcome":
		f.embedded(v.outcomeMember)
	case "actor":
		f.embedded(v.actor.member)
	case "target", "targets":
		v.targets = nil // a record is read again when its text is not Unicode
		f.embeddedArray(v.targetElement)
	case "client":
		f.embedded(v.clientMember)
	case "request":
		f.embedded(v.requestMember)
	case "transaction":
		f.embedded(v.transactionMember)
	case "authenticationContext", "authenticationcontext", "authentication_context":
		f.embedded(v.authenticationMember)
	case "data": // an event hook
		f.object(v.hookMember)
	case "detail", "event", "okta": // EventBridge, Splunk, Elasticsearch
		f.object(v.member)
	case "@timestamp", "TimeGenerated":
		v.collected = f.text()
	default:
		v.column(f, name)
	}
}

// column reads a member of a record that was made flat, as tables want it: such as
// actor_alternateId_s of Log Analytics, actor.alternateId or ACTOR_ALTERNATE_ID. Names
// with original in them are those of Microsoft Sentinel's newer table, OktaV2_CL.
func (v *oktaRecord) column(f *fields, name string) {
	if !strings.ContainsAny(name, "._") && (name == "" || name[0] < 'A' || name[0] > 'Z') {
		f.value()
		return
	}
	if i := len(name) - 2; i > 0 && name[i] == '_' {
		name = name[:i] // the type of the column
	}
	switch smallLetters(name) {
	case "uuid", "eventoriginaluid":
		v.id = f.text()
	case "published":
		v.published = f.text()
	case "eventtype", "eventoriginaltype":
		v.kind = f.text()
	case "outcomeresult", "originaloutcomeresult":
		v.result = f.text()
	case "actorid", "originaluserid":
		v.actor.id = f.text()
	case "actortype", "originalusertype":
		v.actor.kind = f.text()
	case "actoralternateid", "originalactoralternateid":
		v.actor.alternate = f.text()
	case "actordisplayname":
		v.actor.name = f.text()
	case "clientipaddress", "srcipaddr":
		v.ip = f.text()
	case "clientuseragentrawuseragent", "httpuseragent":
		v.agent = f.text()
	case "transactionid":
		v.transaction = f.text()
	case "authenticationcontextexternalsessionid", "actorsessionid":
		v.session = f.text()
	case "target", "originaltarget":
		v.targets = nil
		f.embeddedArray(v.targetElement)
	default:
		f.value()
	}
}

func (v *oktaRecord) hookMember(f *fields, name string) {
	if name != "events" {
		f.value()
		return
	}
	v.events = nil // as for targets
	f.array(func(f *fields) {
		var one oktaRecord
		f.object(one.eventMember)
		v.events = append(v.events, one)
	})
}

// eventMember is member for an event inside a hook, where there are no more hooks.
func (v *oktaRecord) eventMember(f *fields, name string) {
	switch name {
	case "data", "detail", "event", "okta":
		f.value()
	default:
		v.member(f, name)
	}
}

func (v *oktaRecord) outcomeMember(f *fields, name string) {
	if name == "result" {
		v.result = f.text()
		return
	}
	f.value()
}

func (v *oktaRecord) clientMember(f *fields, name string) {
	switch name {
	case "ipAddress", "ipaddress", "ip_address", "ip":
		v.ip = f.text()
	case "userAgent", "useragent", "user_agent":
		f.embedded(v.agentMember)
	default:
		f.value()
	}
}

func (v *oktaRecord) agentMember(f *fields, name string) {
	switch name {
	case "rawUserAgent", "rawuseragent", "raw_user_agent":
		v.agent = f.text()
	default:
		f.value()
	}
}

// requestMember takes the first address of the chain, the one nearest to the person.
func (v *oktaRecord) requestMember(f *fields, name string) {
	switch name {
	case "ipChain", "ipchain", "ip_chain":
	default:
		f.value()
		return
	}
	f.array(func(f *fields) {
		f.object(func(f *fields, name string) {
			if name == "ip" && v.chain == "" {
				v.chain = f.text()
				return
			}
			f.value()
		})
	})
}

func (v *oktaRecord) transactionMember(f *fields, name string) {
	switch name {
	case "id":
		v.transaction = f.text()
	case "detail":
		f.object(func(f *fields, name string) {
			switch name {
			case "requestApiTokenId", "requestapitokenid", "request_api_token_id":
				v.token = f.text()
			default:
				f.value()
			}
		})
	default:
		f.value()
	}
}

func (v *oktaRecord) authenticationMember(f *fields, name string) {
	switch name {
	case "externalSessionId", "externalsessionid", "external_session_id":
		v.session = f.text()
	case "rootSessionId", "rootsessionid", "root_session_id":
		v.rootSession = f.text()
	default:
		f.value()
	}
}

// actionMember reads what the Events API calls the type of an event.
func (v *oktaRecord) actionMember(f *fields, name string) {
	if name == "objectType" {
		v.kind = f.text()
		return
	}
	f.value()
}

// actorElement reads an actor of the Events API: who acted, or the client that they did
// it with, whose id is what it calls itself.
func (v *oktaRecord) actorElement(f *fields) {
	var p oktaParty
	f.object(p.member)
	switch {
	case p.kind == "Client":
		v.ip, v.agent = cmp.Or(v.ip, p.ip), cmp.Or(v.agent, p.id)
	case v.actor.id == "":
		v.actor = p
	}
}

func (v *oktaRecord) targetElement(f *fields) {
	var p oktaParty
	f.object(p.member)
	v.targets = append(v.targets, p)
}

func (p *oktaParty) member(f *fields, name string) {
	switch name {
	case "id":
		p.id = f.text()
	case "type", "objectType":
		p.kind = f.text()
	case "alternateId", "alternateid", "alternate_id", "login":
		p.alternate = f.text()
	case "displayName", "displayname", "display_name":
		p.name = f.text()
	case "ipAddress":
		p.ip = f.text()
	case "changeDetails", "changedetails", "change_details":
		if f.kind() == '{' {
			p.changes = f.value()
			return
		}
		f.value()
	default:
		f.value()
	}
}
