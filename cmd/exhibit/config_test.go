package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
)

const goodConfig = `
data: store
zone: Europe/Berlin
min_free: 512MiB
web:
  base_url: https://exhibit.example.com
  oidc: {issuer: https://id.example.com, client_id: exhibit, roles: {admins: admin}}
sources:
  - name: hcp-prod
    kind: hcp-terraform
    since: 2026-01-01
    settings: {token_env: HCP_TOKEN}
engagements:
  - {name: audit, framework: soc2, from: 2026-01-01, to: 2026-12-31, sources: [hcp-prod], people: [a@example.com], expires: 2027-03-31}
`

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "exhibit.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(path)
	if err == nil && c.Data != filepath.Join(filepath.Dir(path), "store") {
		t.Errorf("data is %s, want it beside the file", c.Data)
	}
	return c, err
}

func TestLoadConfig(t *testing.T) {
	c, err := load(t, goodConfig)
	if err != nil {
		t.Fatal(err)
	}
	if c.MinFree != 512<<20 || c.Sources[0].Every != time.Minute || c.ClickHouse.Database != "exhibit" || c.Web.Listen != "127.0.0.1:8080" ||
		c.Spool.Max != 4<<30 || c.Sources[0].Heartbeat != time.Hour {
		t.Errorf("got %+v", c)
	}
	e, err := c.Engagements[0].engagement()
	if err != nil || !e.Expires.Equal(time.Date(2027, 4, 1, 0, 0, 0, 0, e.Zone)) {
		t.Errorf("engagement %+v, %v: it must last through its last day", e, err)
	}
	if err := c.checkServe(); err != nil {
		t.Error(err)
	}
}

// Each mistake gets an error that says where it is and what is wrong.
func TestLoadConfigSaysWhatIsWrong(t *testing.T) {
	tests := []struct{ name, from, to, want string }{
		{"unknown key", "data: store", "dta: store", `unknown field "dta"`},
		{"unknown zone", "Europe/Berlin", "Europe/Bonn", "zone: unknown time zone Europe/Bonn"},
		{"unknown kind", "kind: hcp-terraform", "kind: hcp", `there is no kind "hcp"`},
		{"bad name", "name: hcp-prod", "name: HCP Prod", "small letters"},
		{"our own name", "name: hcp-prod", "name: exhibit", "Exhibit's own"},
		{"bad date", "since: 2026-01-01", "since: 2026-02-30", "since"},
		{"keeps", "kind: hcp-terraform", "kind: hcp-terraform\n    keeps: 5m", `source "hcp-prod": keeps: 5m0s is not longer`},
		{"unknown source", "sources: [hcp-prod]", "sources: [okta]", `there is no source "okta"`},
		{"bad size", "512MiB", "512 potatoes", "512MiB or 4GiB"},
		{"heartbeat", "kind: hcp-terraform", "kind: hcp-terraform\n    heartbeat: 25h", `source "hcp-prod": heartbeat: 25h0m0s is not between`},
		{"small spool", "data: store", "data: store\nspool: {max: 63MiB}", "spool.max: 63 MiB is too little"},
		{"cluster", "zone: Europe/Berlin", "clickhouse: {cluster: prod}", "clickhouse.cluster"},
		{"a tag over a wrong value", "settings: {token_env: HCP_TOKEN}", "settings: !x 1", "configuration"},
		{"a space in the origin", "data: store", "origin: a b", "origin"},
		{"unknown framework in the scope", "data: store", "data: store\nscope: {soc-2: [Okta]}", `scope: unknown framework "soc-2"`},
		{"unknown framework of an engagement", "framework: soc2", "framework: SOC2", `engagement "audit": unknown framework "SOC2"`},
		{"period reversed", "from: 2026-01-01, to", "from: 2027-01-01, to", `engagement "audit": give a period`},
		{"nobody invited", "people: [a@example.com]", "people: []", `engagement "audit": invite people or groups`},
		{"proxies", "web:", "web:\n  proxies: [example.com]", "web.proxies"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, strings.Replace(goodConfig, tt.from, tt.to, 1))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "exhibit.yaml") {
				t.Errorf("got %v, want it to say %q and the file", err, tt.want)
			}
		})
	}
}

func TestCheckServeWantsHTTPS(t *testing.T) {
	for url, good := range map[string]bool{"https://exhibit.example.com": true, "http://127.0.0.1:8080": true, "http://localhost:1": true,
		"http://exhibit.example.com": false, "": false, "exhibit.example.com": false} {
		c := Config{Web: Web{BaseURL: url}}
		if err := c.checkServe(); (err == nil) != good {
			t.Errorf("base_url %q: %v", url, err)
		}
	}
}

func TestSecretsAreNotInTheFile(t *testing.T) {
	c, err := load(t, goodConfig)
	if err != nil {
		t.Fatal(err)
	}
	kind := kindOf(t, "hcp-terraform")
	if _, err := c.Sources[0].settings(kind); err == nil || !strings.Contains(err.Error(), "the environment has no HCP_TOKEN") {
		t.Errorf("without the variable: %v", err)
	}
	t.Setenv("HCP_TOKEN", "s3cret")
	got, err := c.Sources[0].settings(kind)
	if err != nil || got["token"] != "s3cret" {
		t.Errorf("got %d settings, %v", len(got), err)
	}
	c.Sources[0].Settings = map[string]string{"token": "s3cret"}
	if _, err := c.Sources[0].settings(kind); err == nil || !strings.Contains(err.Error(), "token_file or token_env") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a secret in the file: %v", err)
	}
}

func kindOf(t *testing.T, name string) source.Kind {
	t.Helper()
	k, err := source.Lookup(source.Kinds(), name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
