package source_test

import (
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

const siteRules1 = `
# what our systems do
hcp-terraform:
  - pattern: "hyok_*"
    section: credentials
  - {pattern: workspace.create, section: access-grants, class: 3005, activity: Assign Privileges}
okta:
  - {pattern: "vendor.new.login", section: logins}
  - {pattern: "vendor.*", section: change-management, outcome: success}
json:
  - {pattern: "Payroll.*", section: data-access, failure: failed-auth}
`

func siteKinds(t *testing.T, text string) []source.Kind {
	t.Helper()
	own, err := source.ParseSiteRules("rules.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return own.Kinds()
}

// A site's own rules come before ours, keep what ours say of outcomes, and show in
// the hash of the kind and of what carries it.
func TestSiteRules(t *testing.T) {
	kinds := siteKinds(t, siteRules1)
	for _, c := range []struct {
		kind, raw string
		section   event.Section
		class     uint32
		outcome   string
		unmapped  bool
	}{
		{"hcp-terraform", `{"id":"1","resource":{"type":"hyok_key","action":"create"}}`, event.Credentials, 3004, event.Unknown, false},
		{"hcp-terraform", `{"id":"1","resource":{"type":"hy","action":"create"}}`, event.Other, 6003, event.Unknown, true},
		{"okta", `{"uuid":"1","eventType":"vendor.done","outcome":{"result":"FAILURE"}}`, event.ChangeManagement, 6003, event.Success, false},
		{"hcp-terraform", `{"id":"1","resource":{"type":"workspace","action":"create"}}`, event.AccessGrants, 3005, event.Success, false},
		{"okta", `{"uuid":"1","eventType":"vendor.new.login","outcome":{"result":"FAILURE"}}`, event.FailedAuth, 3002, event.Failure, false},
		{"okta", `{"uuid":"1","eventType":"Vendor.new.login","outcome":{"result":"FAILURE"}}`, event.Other, 6003, event.Failure, true},
		{"json", `{"action":"payroll.READ"}`, event.DataAccess, 6003, event.Unknown, false},
		{"json", `{"action":"payroll.read","result":"failed"}`, event.FailedAuth, 6003, event.Failure, false},
	} {
		k, err := source.Lookup(kinds, c.kind)
		if err != nil {
			t.Fatal(err)
		}
		out := normalize(t, k, c.raw)
		if e := out.Event; e.Section != c.section || e.Class != c.class || e.Outcome != c.outcome || out.Unmapped != c.unmapped {
			t.Errorf("%s %s: got %s, class %d, %s, unmapped %t", c.kind, c.raw, e.Section, e.Class, e.Outcome, out.Unmapped)
		}
	}
	for _, k := range source.Kinds() {
		own, err := source.Lookup(kinds, k.Name)
		if err != nil {
			t.Fatal(err)
		}
		ruled := strings.Contains("hcp-terraform okta json datadog", k.Name) // datadog carries the others
		if (own.Rules != k.Rules) != ruled {
			t.Errorf("%s: the hash of its rules: changed %t, want %t", k.Name, own.Rules != k.Rules, ruled)
		}
	}
}

// Where a rule stands and what is said beside it does not change the hash; what it
// says does.
func TestSiteRulesHash(t *testing.T) {
	hash := func(text string) string { return kindOf(t, siteKinds(t, text), "okta").Rules }
	one := hash("okta: [{pattern: a, section: other}]")
	if other := hash("# why\n\nokta:\n  - section: other\n    pattern: a\n"); other != one {
		t.Error("the same rule in other words has another hash")
	}
	if other := hash("okta: [{pattern: a, section: logins}]"); other == one {
		t.Error("another rule has the same hash")
	}
}

func kindOf(t *testing.T, kinds []source.Kind, name string) source.Kind {
	t.Helper()
	k, err := source.Lookup(kinds, name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A mapping of one source takes the site's rules too.
func TestCatalog(t *testing.T) {
	own, err := source.ParseSiteRules("rules.yaml", []byte(siteRules1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := source.ParseMapping([]byte("fields: {action: did}"))
	if err != nil {
		t.Fatal(err)
	}
	c := source.Catalog{Kinds: own.Kinds()}
	c.Map("pay", m, own)
	for _, x := range []struct{ source, kind, raw string }{{"pay", "json", `{"did":"payroll.read"}`}, {"other", "json", `{"action":"payroll.read"}`}} {
		k, err := c.Of(x.source, x.kind)
		if err != nil {
			t.Fatal(err)
		}
		if e := normalize(t, k, x.raw).Event; e.Section != event.DataAccess {
			t.Errorf("%s: got %s", x.source, e.Section)
		}
	}
	if k, err := c.Of("pay", "okta"); err != nil || k.Name != "okta" {
		t.Errorf("got %s and %v", k.Name, err)
	}
	if _, err := c.Of("pay2", "nothing"); err == nil {
		t.Error("there is a kind nothing")
	}
}

// How long a vendor keeps events may differ by source, where it can be asked at all.
func TestCatalogKeep(t *testing.T) {
	c := source.Catalog{Kinds: source.Kinds()}
	if err := c.Keep("entra", "entra-id", 720*time.Hour); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]time.Duration{"entra": 720 * time.Hour, "entra2": 168 * time.Hour} {
		if k, err := c.Of(name, "entra-id"); err != nil || k.Keeps != want || k.Name != "entra-id" {
			t.Errorf("%s: got %v %v, want %v", name, k.Keeps, err, want)
		}
	}
	for kind, says := range map[string]string{"scalr": "cannot be asked", "entra-id": "not longer", "nothing": "no kind"} {
		if err := c.Keep("x", kind, 2*time.Hour); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want %q", kind, err, says)
		}
	}
}

// What is wrong is said with the file and the line.
func TestSiteRulesErrors(t *testing.T) {
	for text, want := range map[string]string{
		"nokta: [{pattern: a, section: other}]":                                      `rules r.yaml: there is no kind "nokta"`,
		"exhibit: [{pattern: a, section: other}]":                                    `there is no kind "exhibit" that takes rules`,
		"okta:\n  - {pattern: a, section: other}\n  - {pattern: b, section: login}":  `rules r.yaml: line 3: okta: b: there is no section "login"`,
		"okta:\n  - pattern: a\n    section: other\n  - section: other\n":            "line 4: okta: a rule needs a pattern",
		"okta:\n  - pattern: a\n":                                                    `line 2: okta: "a" needs a section`,
		"okta: [{pattern: a, section: logins, failure: x}]":                          `there is no section "x"`,
		"okta: [{pattern: a, section: logins, class: 17}]":                           "class 17 is not in",
		"okta: [{pattern: a, section: logins, activity: Dance}]":                     `no activity "Dance"`,
		"okta:\n  - {pattern: a, sections: logins}":                                  "[2:",
		"okta: [{pattern: a, section: logins, outcome: fine}]":                       `"fine" is not success`,
		"okta: {pattern: a}":                                                         "rules r.yaml:",
		"- okta":                                                                     "rules r.yaml:",
		"okta: [":                                                                    "rules r.yaml:",
		"okta: [{pattern: a, section: nope}]\nscalr: [{pattern: b, section: nope2}]": "line 2: scalr",
	} {
		if _, err := source.ParseSiteRules("r.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	if own, err := source.ParseSiteRules("r.yaml", nil); err != nil || len(own.Kinds()) != len(source.Kinds()) {
		t.Errorf("no rules: %v", err)
	}
}

func FuzzSiteRules(f *testing.F) {
	f.Add([]byte(siteRules1))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 {
			return
		}
		own, err := source.ParseSiteRules("r.yaml", text)
		if (err == nil) != (own != nil) {
			t.Fatalf("got %v and %v", own, err)
		}
	})
}
