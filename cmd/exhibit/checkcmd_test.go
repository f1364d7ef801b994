package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source/vendortest"
)

// exhibit check says of each polled source whether it can be read, and if not, what to do.
func TestTrySource(t *testing.T) {
	t.Parallel()
	terracotta := &vendortest.Terracotta{Key: "right", Form: vendortest.TerracottaForm{List: "data"}, Log: vendortest.Log{Now: time.Now}}
	datadog := &vendortest.Datadog{APIKey: "right", ApplicationKey: "right", Query: "*", Log: vendortest.Log{Now: time.Now}}
	entra := vendortest.NewEntra(time.Now, 0)
	entra.Secret = "right"
	free := vendortest.NewEntra(time.Now, 0)
	free.Secret, free.Free = "right", true
	right, wrong := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "wrong")
	for path, text := range map[string]string{right: "right\n", wrong: "wr0ng-s3cret\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := func(server *httptest.Server) string { t.Cleanup(server.Close); return server.URL }
	microsoft, small := address(httptest.NewServer(entra)), address(httptest.NewServer(free))
	signIns := map[string]string{"url": microsoft, "login_url": microsoft, "tenant": entra.Tenant, "client_id": entra.Client, "feed": "sign-ins"}
	without := maps.Clone(signIns)
	without["url"], without["login_url"] = small, small
	for _, x := range []struct {
		kind     string
		settings map[string]string
		secrets  []string
		says     string // with a wrong secret; empty: with the right one
	}{
		{"terracotta", map[string]string{"url": address(httptest.NewServer(terracotta))}, []string{"token"}, "make a new one in Terracotta"},
		{"datadog", map[string]string{"url": address(httptest.NewServer(datadog)), "query": "*"}, []string{"api_key", "application_key"}, "check both keys"},
		{"entra-id", signIns, []string{"client_secret"}, "Invalid client secret"},
		{"entra-id", without, nil, "P1 or P2"},
	} {
		c := Source{Name: "checked", Kind: x.kind, Settings: maps.Clone(x.settings)}
		c.Settings["client_secret_file"] = right
		if x.secrets != nil {
			delete(c.Settings, "client_secret_file")
			for _, name := range x.secrets {
				c.Settings[name+"_file"] = right
			}
			if err := trySource(t.Context(), c, kindOf(t, x.kind)); err != nil {
				t.Errorf("%s: %v", x.kind, err)
			}
			c.Settings[x.secrets[0]+"_file"] = wrong
		}
		err := trySource(t.Context(), c, kindOf(t, x.kind))
		if err == nil || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want it to say %q", x.kind, err, x.says)
		}
	}
}

// Reports name the host and the tenant of a source.
func TestSourceHost(t *testing.T) {
	for want, s := range map[string]Source{
		"app.terraform.io":                        {Kind: "hcp-terraform"},
		"tfe.example.com":                         {Kind: "hcp-terraform", Settings: map[string]string{"url": "https://tfe.example.com"}},
		"graph.microsoft.com, tenant contoso.com": {Kind: "entra-id", Settings: map[string]string{"tenant": "contoso.com"}},
		"datadoghq.eu":                            {Kind: "datadog", Settings: map[string]string{"site": "datadoghq.eu"}},
		"datadoghq.com":                           {Kind: "datadog"},
		"audit-logs":                              {Kind: "datadog", Bucket: "s3://audit-logs/x?region=y"},
		"":                                        {Kind: "datadog", Push: true},
	} {
		if got := s.host(kindOf(t, s.Kind)); got != want {
			t.Errorf("%+v: got %q, want %q", s, got, want)
		}
	}
}
