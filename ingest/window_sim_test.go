package ingest_test

import (
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
)

// A terracottaVendor is a Terracotta organization in a simulation.
type terracottaVendor struct {
	*vendortest.Terracotta
	key string
}

func (v *terracottaVendor) Happen(h happening) []byte {
	return v.Terracotta.Happen(h.N, h.At, h.Seen)
}

func (v *terracottaVendor) Trouble(random *mathrand.Rand) {
	v.Key, v.Twice = v.key, false
	if random == nil {
		return
	}
	v.Twice = random.IntN(3) == 0
	if random.IntN(12) == 0 {
		v.Key = "a new one"
	}
}

// Its days may be those of any zone, with or without the last one, and an answer one
// list or pages that move.
func TestTerracottaSimulation(t *testing.T) {
	t.Parallel()
	kind := kindOf(t, "terracotta")
	kind.Keeps, kind.Settle = 10*24*time.Hour, 3*time.Hour // 12 months and 2 days, but for the test's time
	var trials []trial
	for _, form := range []vendortest.TerracottaForm{
		{List: "data", Paging: "number", Size: 40, Including: true, Zone: time.FixedZone("", -12*3600)},
		{List: "", Zone: time.FixedZone("", 14*3600)},
	} {
		trials = append(trials, trial{kind: kind, every: time.Hour,
			settings: map[string]string{"token": "t", "limit": "none", "requests_per_hour": "10000000"},
			vendor: func(w *world) vendor {
				return &terracottaVendor{&vendortest.Terracotta{Log: vendortest.Log{Now: w.now, Keeps: w.keeps}, Key: "t", Form: form}, "t"}
			}})
	}
	windows(t, trials...)
}

// A datadogVendor is a Datadog organization in a simulation.
type datadogVendor struct {
	*vendortest.Datadog
	key string
}

func (v *datadogVendor) Happen(h happening) []byte { return v.Datadog.Happen(h.N, h.At, h.Seen) }

func (v *datadogVendor) Trouble(random *mathrand.Rand) {
	v.APIKey, v.Twice, v.Partial, v.PerHour, v.Indexes = v.key, false, 0, 300, nil
	if random == nil {
		return
	}
	v.Twice = random.IntN(3) == 0
	switch random.IntN(12) {
	case 0:
		v.APIKey = "a new one"
	case 1:
		v.Partial = time.Millisecond // not even a minute can be searched
	case 2, 3:
		v.Partial = time.Duration(10+random.IntN(100)) * time.Minute
	case 4:
		v.PerHour = 5 // somebody else makes the rest
	case 5:
		v.Indexes = []string{"another"}
	}
}

func TestDatadogSimulation(t *testing.T) {
	t.Parallel()
	windows(t, trial{kind: kindOf(t, "datadog"), every: 20 * time.Minute,
		settings: map[string]string{"api_key": "k", "application_key": "k", "query": "*", "indexes": "main", "requests_per_hour": "10000000"},
		vendor: func(w *world) vendor {
			return &datadogVendor{&vendortest.Datadog{Log: vendortest.Log{Now: w.now, Keeps: w.keeps}, APIKey: "k", ApplicationKey: "k", Query: "*"}, "k"}
		}})
}

// An entraVendor is one feed of a tenant in a simulation. Other feeds have events, too.
type entraVendor struct {
	*vendortest.Entra
	feed   string
	secret string
}

func (v *entraVendor) Happen(h happening) []byte {
	for feed := range v.Logs {
		if feed != v.feed {
			v.Entra.Happen(feed, h.N, h.At, h.Seen)
		}
	}
	return v.Entra.Happen(v.feed, h.N, h.At, h.Seen)
}

func (v *entraVendor) Trouble(random *mathrand.Rand) {
	v.Secret, v.Twice, v.Denied, v.Lives, v.Limit = v.secret, false, false, 0, 0
	if random == nil {
		return
	}
	v.Twice = random.IntN(3) == 0
	switch random.IntN(12) {
	case 0:
		v.Secret = "a new one"
	case 1:
		v.Denied = true
	case 2:
		v.Lives = time.Second // it ends before the list is read
	case 3:
		v.Revoke()
	case 4, 5, 6, 7:
		v.Limit = 1 + random.IntN(20)
	}
}

func TestEntraSimulation(t *testing.T) {
	t.Parallel()
	kind := kindOf(t, "entra-id")
	kind.Settle = 3 * time.Hour // a day, but for the test's time
	fresh := kind.NewPuller
	kind.NewPuller = func(c source.Config) (source.Puller, error) {
		c.Settings = maps.Clone(c.Settings)
		c.Settings["login_url"] = c.Settings["url"] // the fake is both
		return fresh(c)
	}
	var trials []trial
	for _, x := range []struct{ feed, list string }{
		{"sign-ins-non-interactive", vendortest.NonInteractive},
		{"directory-audits", vendortest.DirectoryAudits},
	} {
		trials = append(trials, trial{kind: kind, every: 30 * time.Minute,
			settings: map[string]string{"feed": x.feed, "tenant": "contoso.onmicrosoft.com", "client_id": "app-1", "client_secret": "s3cret~value", "requests_per_hour": "10000000"},
			vendor: func(w *world) vendor {
				e := vendortest.NewEntra(w.now, w.keeps)
				return &entraVendor{e, x.list, e.Secret}
			}})
	}
	windows(t, trials...)
}

// windows runs the first trial for days, or all of them for months when soaking.
func windows(t *testing.T, trials ...trial) {
	t.Helper()
	if soak(t, 0) == 0 {
		simulate(t, trials[0], 1, 4)
		return
	}
	for i, tr := range trials {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			simulations(t, tr)
		})
	}
}
