package demo

import (
	"fmt"
	"math/rand/v2"
)

// organisation is the invented company: who works there, what they run, and the
// ids that HCP Terraform would have given all of it. One seed gives one
// organisation.
type organisation struct {
	id, name   string
	people     []actor
	services   []actor // team and organisation tokens
	system     actor   // HCP Terraform itself
	support    actor   // vendor support, signed in as one of the people
	teams      []object
	projects   []object
	workspaces []object
}

// actor is somebody who does things; auth is the finished "auth" object.
type actor struct {
	id, name string
	auth     []byte
}

type object struct{ id, name string }

var (
	peopleNames = []string{
		"amara-okafor", "bjorn-lindgren", "chiara-monti", "daan-visser", "elif-kaya", "farid-nasser",
		"greta-holm", "hana-mori", "ivo-horvat", "joana-reis", "kofi-boateng", "lena-brandt",
	}
	serviceNames   = []string{"api-team_40117", "api-team_40352", "api-team_41960", "api-org-fernhill-parcel"}
	teamNames      = []string{"owners", "platform", "payments", "data", "security", "readers"}
	projectNames   = []string{"network", "payments", "data", "platform"}
	workspaceNames = []string{
		"network-core-prod", "network-core-staging", "network-dns", "network-vpn", "network-edge-eu", "network-edge-us",
		"payments-api-prod", "payments-api-staging", "payments-ledger-prod", "payments-ledger-staging", "payments-vault", "payments-queue",
		"data-warehouse-prod", "data-warehouse-dev", "data-lake", "data-ingest", "data-notebooks", "data-catalog",
		"platform-kubernetes-prod", "platform-kubernetes-staging", "platform-registry", "platform-ci", "platform-iam", "platform-observability", "platform-backup",
	}
	permissions = []string{"read", "plan", "write", "maintain", "admin"}
)

func newOrganisation(seed uint64) *organisation {
	rng := rand.New(rand.NewPCG(seed, 0))
	id := func(prefix string) string { return string(appendID([]byte(prefix), rng)) }
	objects := func(prefix string, names []string) []object {
		var out []object
		for _, n := range names {
			out = append(out, object{id(prefix), n})
		}
		return out
	}
	o := &organisation{id: id("org-"), name: "fernhill-parcel"}
	o.teams = objects("team-", teamNames)
	o.projects = objects("prj-", projectNames)
	o.workspaces = objects("ws-", workspaceNames)
	for _, n := range peopleNames {
		o.people = append(o.people, o.actor(id("user-"), n, "Client", ""))
	}
	for i, n := range serviceNames {
		account := o.id
		if i < len(serviceNames)-1 {
			account = o.teams[1+i].id
		}
		o.services = append(o.services, o.actor(account, n, "Client", ""))
	}
	o.system = o.actor("system", "", "System", "")
	victim := o.people[3]
	o.support = o.actor(victim.id, victim.name, "Impersonated", id("user-"))
	return o
}

func (o *organisation) actor(id, name, kind, impersonator string) actor {
	quoted := func(s string) string {
		if s == "" {
			return "null"
		}
		return `"` + s + `"` // the names above need no escaping
	}
	return actor{id, name, fmt.Appendf(nil,
		`"auth":{"accessor_id":%s,"description":%s,"type":%s,"impersonator_id":%s,"organization_id":"%s"}`,
		quoted(id), quoted(name), quoted(kind), quoted(impersonator), o.id)}
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// appendID appends sixteen characters as in "run-CZcmD7eagjhyX0vN".
func appendID(b []byte, rng *rand.Rand) []byte {
	x := rng.Uint64()
	for i := range 16 {
		if i == 8 {
			x = rng.Uint64()
		}
		b = append(b, base58[x%58])
		x /= 58
	}
	return b
}

// appendUUID appends a version 4 UUID.
func appendUUID(b []byte, rng *rand.Rand) []byte {
	const hex = "0123456789abcdef"
	hi := rng.Uint64()&^0xf000 | 0x4000
	lo := rng.Uint64()&^(0b11<<62) | 0b10<<62
	for i := range 32 {
		switch i {
		case 8, 12, 16, 20:
			b = append(b, '-')
		}
		x := hi
		if i >= 16 {
			x = lo
		}
		b = append(b, hex[x>>(60-4*(i%16))&0xf])
	}
	return b
}
