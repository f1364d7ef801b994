package source

import (
	"cmp"
	"strings"

	"exhibit/internal/event"

	"github.com/go-json-experiment/json/jsontext"
)

// datadogBody is an object that may be what another system sent.
type datadogBody struct {
	log                                *datadogLog
	text                               string
	has                                uint64 // which of the members that shapes ask for, or that pipelines move
	name, category, outcome, verb      string // evt
	uuid, id, user, email              string // usr
	actorType, ip, agent, request, org string
	delegator                          string // for whom an agent acts
	key, keyName                       string // the API or application key of a call
	status, code                       string // of the event, and of HTTP
	errorKind, errorMessage            string
	asset                              datadogAsset
}

type datadogAsset struct{ Type, ID, Name string }

// member reads the standard attributes of Datadog, and notes the others.
func (b *datadogBody) member(f *fields, name string) {
	b.has |= b.log.bits[name]
	switch name {
	case "evt":
		f.object(b.evtMember)
	case "usr":
		f.object(b.usrMember)
	case "asset":
		f.object(b.assetMember)
	case "http":
		f.object(b.httpMember)
	case "network":
		f.object(func(f *fields, name string) {
			if name == "client" {
				f.object(b.clientMember)
				return
			}
			f.value()
		})
	case "org":
		f.object(func(f *fields, name string) {
			if name == "uuid" || name == "id" || name == "name" {
				b.org = cmp.Or(b.org, f.text())
				return
			}
			f.value()
		})
	case "action":
		b.verb = f.text()
	case "status":
		b.status = f.text()
	case "error":
		f.object(b.errorMember)
	case "metadata":
		f.object(b.metadataMember)
	case "delegator":
		f.object(func(f *fields, name string) {
			if name == "name" || name == "email" {
				b.delegator = cmp.Or(b.delegator, f.text())
				return
			}
			f.value()
		})
	default:
		f.value()
	}
}

func (b *datadogBody) errorMember(f *fields, name string) {
	switch name {
	case "kind":
		b.errorKind = f.text()
	case "message":
		b.errorMessage = f.text()
	default:
		f.value()
	}
}

// metadataMember reads with which key a call was made.
func (b *datadogBody) metadataMember(f *fields, name string) {
	if name != "api_key" && name != "application_key" {
		f.value()
		return
	}
	f.object(func(f *fields, name string) {
		switch name {
		case "id":
			b.key = f.text()
		case "name":
			b.keyName = f.text()
		default:
			f.value()
		}
	})
}

// says reports whether the standard attributes say what was done.
func (b *datadogBody) says() bool { return b.name != "" || b.category != "" || b.verb != "" }

func (b *datadogBody) evtMember(f *fields, name string) {
	switch name {
	case "name":
		b.name = f.text()
	case "category":
		b.category = f.text()
	case "outcome":
		b.outcome = f.text()
	case "actor":
		f.object(func(f *fields, name string) {
			switch name {
			case "type":
				b.actorType = f.text()
			case "name":
				b.user = cmp.Or(b.user, f.text())
			default:
				f.value()
			}
		})
	default:
		f.value()
	}
}

func (b *datadogBody) usrMember(f *fields, name string) {
	switch name {
	case "uuid":
		b.uuid = f.text()
	case "id":
		b.id = f.text()
	case "name":
		b.user = cmp.Or(f.text(), b.user)
	case "email":
		b.email = f.text()
	default:
		f.value()
	}
}

func (b *datadogBody) assetMember(f *fields, name string) {
	switch name {
	case "type":
		b.asset.Type = f.text()
	case "id":
		b.asset.ID = f.text()
	case "name":
		b.asset.Name = f.text()
	default:
		f.value()
	}
}

func (b *datadogBody) httpMember(f *fields, name string) {
	switch name {
	case "useragent":
		b.agent = f.text()
	case "request_id":
		b.request = f.text()
	case "status_code":
		b.code = f.text()
	default:
		f.value()
	}
}

func (b *datadogBody) clientMember(f *fields, name string) {
	if name == "ip" {
		b.ip = f.text()
		return
	}
	f.value()
}

// action names a log by its standard attributes; sender is who sent it.
func (b *datadogBody) action(sender string) action {
	noun := cmp.Or(b.name, b.category)
	switch {
	case !b.says():
		return action{sender, "log"}
	case noun != "" && b.asset.Type != "":
		noun += "." + b.asset.Type
	}
	return action{noun, b.verb}
}

// result is the outcome that a word stands for.
func (b *datadogBody) result() string {
	switch strings.ToLower(b.outcome) {
	case "success", "ok", "allowed", "allow":
		return event.Success
	case "failure", "failed", "fail", "error", "denied", "deny":
		return event.Failure
	}
	return event.Unknown
}

// auditResult is the outcome of an event of the Audit Trail, which holds what was
// done: a sign-in that failed has the status of an error, a call that did the code.
func (b *datadogBody) auditResult(status string) string {
	if said := b.result(); said != event.Unknown {
		return said
	}
	switch strings.ToLower(cmp.Or(b.status, status)) {
	case "error", "critical", "alert", "emergency":
		return event.Failure
	}
	if len(b.code) == 3 && b.code >= "400" {
		return event.Failure
	}
	return event.Success
}

func (b *datadogBody) actor() event.Actor {
	a := event.Actor{ID: cmp.Or(b.uuid, b.id), Name: cmp.Or(b.user, b.email, b.id, b.uuid), Email: b.email, Impersonator: b.delegator}
	if a.Email == "" && strings.Contains(b.id, "@") {
		a.Email = b.id
	}
	if a.ID == "" && a.Name == "" && b.key != "" {
		a.ID, a.Name, a.Type = b.key, b.keyName, event.Service
		return a
	}
	switch kind := strings.ToLower(b.actorType); {
	case strings.Contains(kind, "user"):
		a.Type = event.User
	case strings.Contains(kind, "key"), strings.Contains(kind, "service"), strings.Contains(kind, "agent"):
		a.Type = event.Service
	case kind != "":
		a.Type = event.System
	case a != (event.Actor{}):
		a.Type = event.User
	}
	return a
}

// attribute returns one of Datadog's standard attributes.
func (b *datadogBody) attribute(name string) string {
	switch name {
	case "evt.name":
		return b.name
	case "network.client.ip":
		return b.ip
	case "http.useragent":
		return b.agent
	case "error.kind":
		return b.errorKind
	case "error.message":
		return b.errorMessage
	}
	return ""
}

// restored returns the text with the members that Datadog's pipelines moved to its
// standard attributes.
func (b *datadogBody) restored(moved []datadogMove) string {
	var back []byte
	for _, m := range moved {
		if said := b.attribute(m.to); said != "" && b.has&m.bit == 0 {
			back = append(back, `"`+m.from+`":`...)
			back, _ = jsontext.AppendQuote(back, said)
			back = append(back, ',')
		}
	}
	if len(back) == 0 {
		return b.text
	}
	return "{" + string(back) + b.text[1:]
}
