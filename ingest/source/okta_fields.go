package source

func (v *oktaRecord) member(f *fields, name string) {
	switch name {
	case "uuid":
		v.id = f.text()
	case "published":
		v.published = f.text()
	case "eventType", "eventtype": // some collectors write names in small letters
		v.kind = f.text()
	case "outcome":
		f.object(v.outcomeMember)
	case "actor":
		f.object(v.actor.member)
	case "target":
		v.targets = nil // a record is read again when its text is not Unicode
		f.array(v.targetElement)
	case "client":
		f.object(v.clientMember)
	case "request":
		f.object(v.requestMember)
	case "transaction":
		f.object(v.transactionMember)
	case "authenticationContext", "authenticationcontext":
		f.object(v.authenticationMember)
	case "data": // an event hook
		f.object(v.hookMember)
	case "detail", "event": // EventBridge, Splunk
		f.object(v.member)
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
	case "data", "detail", "event":
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
	case "ipAddress":
		v.ip = f.text()
	case "userAgent":
		f.object(func(f *fields, name string) {
			if name == "rawUserAgent" {
				v.agent = f.text()
				return
			}
			f.value()
		})
	default:
		f.value()
	}
}

// requestMember takes the first address of the chain, the one nearest to the person.
func (v *oktaRecord) requestMember(f *fields, name string) {
	if name != "ipChain" {
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
			if name == "requestApiTokenId" {
				v.token = f.text()
				return
			}
			f.value()
		})
	default:
		f.value()
	}
}

func (v *oktaRecord) authenticationMember(f *fields, name string) {
	switch name {
	case "externalSessionId":
		v.session = f.text()
	case "rootSessionId":
		v.rootSession = f.text()
	default:
		f.value()
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
	case "type":
		p.kind = f.text()
	case "alternateId":
		p.alternate = f.text()
	case "displayName":
		p.name = f.text()
	case "changeDetails":
		if f.kind() == '{' {
			p.changes = f.value()
			return
		}
		f.value()
	default:
		f.value()
	}
}
