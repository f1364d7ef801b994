package source

import "cmp"

func (v *platformRecord) member(f *fields, name string) {
	switch name {
	case "id":
		v.id = f.text()
	case "timestamp":
		v.time(f)
	case "time": // HCP Boundary, Splunk
		v.carrier = f.text()
	case "stream":
		f.object(v.streamMember)
	case "control_plane_event":
		f.object(v.eventMember)
	case "service_log_event": // of a product
		f.object(func(f *fields, name string) {
			if name == "json_payload" {
				f.embedded(v.carriedMember)
				return
			}
			f.value()
		})
	case "resource":
		f.object(v.resource.member)
	case "hcp_product":
		v.product = f.text()
	case "organization_id":
		v.organisation = f.text()
	case "project_id":
		v.project = f.text()
	case "data":
		f.object(v.boundary.member)
	case "message", "event": // CloudWatch, Splunk
		f.embedded(v.carriedMember)
	default:
		v.eventMember(f, name)
	}
}

// carriedMember is member for what is inside of what a carrier made.
func (v *platformRecord) carriedMember(f *fields, name string) {
	switch name {
	case "message", "event":
		f.value()
	case "id":
		v.carried = f.text()
	default:
		v.member(f, name)
	}
}

// time takes the time of the record. A number is what CloudWatch adds.
func (v *platformRecord) time(f *fields) {
	if f.kind() == '0' {
		v.carrier = f.text()
		return
	}
	v.timestamp = f.text()
}

// eventMember reads what is at the top of a bare record or under control_plane_event.
func (v *platformRecord) eventMember(f *fields, name string) {
	switch name {
	case "request_info":
		f.object(v.requestMember)
	case "authentication_info":
		f.object(func(f *fields, name string) {
			if name == "principal" {
				f.object(v.actor.member)
				return
			}
			f.value()
		})
	case "principal":
		f.object(v.principal.member)
	case "authorization_info":
		f.array(func(f *fields) { f.object(v.authorizationMember) })
	case "metadata":
		f.object(v.meta.member)
	case "operation_info":
		f.object(func(f *fields, name string) {
			if name == "operation_id" {
				v.operation = f.text()
				return
			}
			f.value()
		})
	case "description":
		v.description = f.text()
	case "action":
		v.verb = f.text()
	case "status_code":
		v.status = f.text()
	default:
		f.value()
	}
}

func (v *platformRecord) streamMember(f *fields, name string) {
	switch name {
	case "organization_id":
		v.streamOrg = f.text()
	case "project_id":
		v.streamProject = f.text()
	case "topic":
		v.topic = f.text()
	default:
		f.value()
	}
}

func (v *platformRecord) requestMember(f *fields, name string) {
	switch name {
	case "http_verb":
		v.method = f.text()
	case "http_path":
		v.path = f.text()
	case "http_client_ip":
		v.ip = f.text()
	case "http_user_agent":
		v.agent = f.text()
	default:
		f.value()
	}
}

// authorizationMember takes the first of each that was asked for.
func (v *platformRecord) authorizationMember(f *fields, name string) {
	switch name {
	case "organization_id":
		v.organisation = cmp.Or(v.organisation, f.text())
	case "project_id":
		v.project = cmp.Or(v.project, f.text())
	case "resource_id":
		v.target = cmp.Or(v.target, f.text())
	case "permissions":
		f.array(func(f *fields) { v.permission = cmp.Or(v.permission, f.text()) })
	default:
		f.value()
	}
}

func (r *platformResource) member(f *fields, name string) {
	switch name {
	case "type":
		r.kind = f.text()
	case "id":
		r.id = f.text()
	case "description":
		r.name = f.text()
	default:
		f.value()
	}
}

// member reads a principal. A person or service principal has an object of its own.
func (p *platformPrincipal) member(f *fields, name string) {
	switch name {
	case "id", "principal_id":
		p.id = cmp.Or(f.text(), p.id)
	case "type":
		p.kind = f.text()
	case "email":
		p.email = f.text()
	case "full_name", "name":
		p.name = f.text()
	case "user":
		f.object(p.ownMember)
		p.kind = cmp.Or(p.kind, "PRINCIPAL_TYPE_USER")
	case "service", "service_principal":
		f.object(p.ownMember)
		p.kind = cmp.Or(p.kind, "PRINCIPAL_TYPE_SERVICE")
	case "internal_operator":
		f.object(p.ownMember)
	default:
		f.value()
	}
}

func (p *platformPrincipal) ownMember(f *fields, name string) {
	switch name {
	case "id":
		p.id = cmp.Or(p.id, f.text())
	case "email":
		p.email = f.text()
	case "full_name", "name":
		p.name = f.text()
	default:
		f.value()
	}
}

// member reads metadata. That of HCP Packer says all that there is to say.
func (m *platformMeta) member(f *fields, name string) {
	switch name {
	case "status":
		m.status = f.text()
	case "action":
		m.action = f.text()
	case "description":
		m.description = f.text()
	case "organization_id":
		m.organisation = f.text()
	case "project_id":
		m.project = f.text()
	case "actor":
		f.object(m.actor.member)
	case "event_type":
		m.eventType = f.text()
	case "timestamp":
		m.timestamp = f.text()
	case "ip":
		m.ip = f.text()
	case "message":
		m.message = f.text()
	case "email":
		m.email = f.text()
	case "user_id":
		m.user = f.text()
	case "action_success":
		m.success = f.text()
	case "correlation_id":
		m.correlation = f.text()
	default:
		f.value()
	}
}
