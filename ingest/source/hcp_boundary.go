package source

import "strings"

// boundaryData is what an event of HCP Boundary says under data.
type boundaryData struct {
	timestamp, method, path, ip, request, status string
	userID, email, name                          string
	resource, target                             string
}

func (b *boundaryData) member(f *fields, name string) {
	switch name {
	case "timestamp":
		b.timestamp = f.text()
	case "request_info":
		f.object(b.requestMember)
	case "response":
		f.object(func(f *fields, name string) {
			if name == "status_code" {
				b.status = f.text()
				return
			}
			f.value()
		})
	case "auth":
		f.object(b.authMember)
	default:
		f.value()
	}
}

func (b *boundaryData) requestMember(f *fields, name string) {
	switch name {
	case "client_ip":
		b.ip = f.text()
	case "id":
		b.request = f.text()
	case "method":
		b.method = f.text()
	case "path":
		b.path = f.text()
	default:
		f.value()
	}
}

func (b *boundaryData) authMember(f *fields, name string) {
	switch name {
	case "email":
		b.email = redacted(f.text())
	case "name":
		b.name = redacted(f.text())
	case "user_info":
		f.object(func(f *fields, name string) {
			if name == "id" {
				b.userID = f.text()
				return
			}
			f.value()
		})
	default:
		f.value()
	}
}

// redacted leaves out what HCP Boundary writes in place of what it hides.
func redacted(s string) string {
	if s == "[REDACTED]" {
		return ""
	}
	return s
}

// action names a request to HCP Boundary: POST /v1/auth-methods/ampw_1:authenticate
// is boundary.auth-methods.authenticate. It notes what the request was for.
func (b *boundaryData) action() string {
	path, _, _ := strings.Cut(b.path, "?")
	path, custom, _ := strings.Cut(path, ":")
	parts := strings.Split(strings.Trim(strings.TrimPrefix(path, "/v1"), "/"), "/")
	b.resource = parts[0]
	verb := custom
	if len(parts) > 1 {
		b.target = parts[1]
	}
	if verb == "" {
		switch b.method {
		case "GET":
			verb = "list"
			if b.target != "" {
				verb = "get"
			}
		case "POST":
			verb = "create"
		case "PATCH", "PUT":
			verb = "update"
		default:
			verb = strings.ToLower(b.method)
		}
	}
	if b.resource == "" && verb == "" {
		return ""
	}
	return "boundary." + b.resource + "." + verb
}
