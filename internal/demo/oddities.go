package demo

import (
	"fmt"
	"time"
)

// Oddities returns records as a client may meet them beside the usual: null
// fields, types that no table knows, a number where a string is documented, a
// name with quotes and other scripts, equal times. All are valid JSON with an id
// and a time, so all must be kept.
func Oddities(at time.Time) []Record {
	const user = `{"accessor_id":"user-1","description":"amara-okafor","type":"Client","impersonator_id":null,"organization_id":"org-1"}`
	shapes := []string{
		`"version":"0","type":"Resource","auth":{"accessor_id":"user-1","description":null,"type":"Client","impersonator_id":null,"organization_id":"org-1"},"request":{"id":"r"},"resource":{"id":"run-1","type":"run","action":"apply","meta":null}`,
		`"version":"0","type":"Resource","auth":{"accessor_id":"user-1","description":"amara-okafor","type":null,"impersonator_id":null,"organization_id":"org-1"},"request":{"id":"r"},"resource":{"id":"run-1","type":"run","action":"apply","meta":null}`,
		`"version":"0","type":"Resource","auth":` + user + `,"request":{"id":null},"resource":{"id":"run-1","type":"run","action":"apply","meta":{}}`,
		`"version":"0","type":"Resource","auth":` + user + `,"request":null,"resource":{"id":"run-1","type":"run","action":"apply"}`,
		`"version":0,"type":"Resource","auth":` + user + `,"request":{"id":"r"},"resource":{"id":"mod-1","type":"registry_module","action":"destroy_version","meta":{"version":"1.2.0"}}`,
		`"version":"0","type":"Resource","auth":` + user + `,"request":{"id":"r"},"resource":{"id":"sds-1","type":"stacks-deployment_step","action":"advance","meta":null}`,
		`"version":"0","type":"Resource","auth":` + user + `,"request":{"id":"r"},"resource":{"id":"stp-1","type":"stack_plan","action":" approve","meta":null}`,
		`"version":"1","type":"Hologram","auth":` + user + `,"request":{"id":"r"},"resource":{"id":"x-1","type":"not_yet_invented","action":"transmogrify","meta":{"deep":[{"er":[1e999,-0.0,"\u0000"]}]}},"surprise":true`,
		`"version":"0","type":"Resource","auth":{"accessor_id":"user-2","description":"Zoë \"Zed\" 王\u2028😀\\","type":"Impersonated","impersonator_id":"user-9","organization_id":"org-1"},"request":{"id":"r"},"resource":{"id":"team-1","type":"team","action":"add_member","meta":{"user":"Łukasz <b>&amp;"}}`,
		`"version":"0","type":"Resource","auth":{"accessor_id":"user-1","description":"amara-okafor","type":"Client","impersonator_id":null,"organization_id":null},"request":{"id":""},"resource":{"id":null,"type":"user","action":"index","meta":[]}`,
	}
	var out []Record
	for i, shape := range shapes {
		id := fmt.Sprintf("0ddb0a11-0000-4000-8000-%012d", i)
		out = append(out, Record{ID: id, Time: at, Raw: fmt.Appendf(nil, `{"id":"%s","timestamp":"%s",%s}`,
			id, at.UTC().Format(stampLayout), shape)})
	}
	return out
}
