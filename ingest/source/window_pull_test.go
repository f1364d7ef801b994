package source_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
	"exhibit/internal/coverage"
)

// A windowed is a kind of the shape Window with its vendor.
type windowed struct {
	t        *testing.T
	line     *vendortest.Line
	kind     source.Kind
	settings map[string]string
	now      time.Time
	secrets  []string
	happen   func(n int, at, seen time.Time) []byte
	given    map[string]time.Time // records, with their times
	retry    source.Retry
}

func newWindowed(t *testing.T, name string, vendor func(now func() time.Time) http.Handler, settings map[string]string, secrets ...string) *windowed {
	t.Helper()
	f := &windowed{t: t, kind: kind(t, name), settings: map[string]string{"requests_per_hour": "10000000"}, secrets: secrets,
		now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), given: map[string]time.Time{},
		retry: source.Retry{Times: 8, Min: time.Millisecond, Max: 20 * time.Millisecond, Timeout: 2 * time.Second}}
	f.line = &vendortest.Line{Next: vendor(func() time.Time { return f.now })}
	server := httptest.NewServer(f.line)
	t.Cleanup(server.Close)
	f.settings["url"] = server.URL
	for name, value := range settings {
		f.settings[name] = value
	}
	return f
}

func newTerracotta(t *testing.T, form vendortest.TerracottaForm) (*windowed, *vendortest.Terracotta) {
	fake := &vendortest.Terracotta{Key: "tc-secret-key", Form: form}
	f := newWindowed(t, "terracotta", func(now func() time.Time) http.Handler { fake.Now = now; return fake },
		map[string]string{"token": fake.Key}, fake.Key)
	f.happen = fake.Happen
	return f, fake
}

func newDatadog(t *testing.T) (*windowed, *vendortest.Datadog) {
	fake := &vendortest.Datadog{APIKey: "dd-api-secret", ApplicationKey: "dd-app-secret", Query: `source:scalr "audit"`}
	f := newWindowed(t, "datadog", func(now func() time.Time) http.Handler { fake.Now = now; return fake },
		map[string]string{"api_key": fake.APIKey, "application_key": fake.ApplicationKey, "query": fake.Query}, fake.APIKey, fake.ApplicationKey)
	f.happen = fake.Happen
	return f, fake
}

func newEntra(t *testing.T, feed, list string) (*windowed, *vendortest.Entra) {
	var fake *vendortest.Entra
	f := newWindowed(t, "entra-id", func(now func() time.Time) http.Handler { fake = vendortest.NewEntra(now, 0); return fake },
		map[string]string{"feed": feed}, "s3cret~value", "eyJ0eXAi")
	for name, value := range map[string]string{"login_url": f.settings["url"], "tenant": fake.Tenant, "client_id": fake.Client, "client_secret": fake.Secret} {
		f.settings[name] = value
	}
	f.happen = func(n int, at, seen time.Time) []byte { return fake.Happen(list, n, at, seen) }
	return f, fake
}

// everyWindowed is each kind once.
func everyWindowed(t *testing.T, test func(t *testing.T, f *windowed)) {
	t.Run("terracotta", func(t *testing.T) {
		f, _ := newTerracotta(t, vendortest.TerracottaForm{List: "data", Paging: "link", Size: 20})
		test(t, f)
	})
	t.Run("datadog", func(t *testing.T) {
		f, _ := newDatadog(t)
		test(t, f)
	})
	t.Run("entra-id", func(t *testing.T) {
		f, _ := newEntra(t, "directory-audits", vendortest.DirectoryAudits)
		test(t, f)
	})
}

// event lets an event happen.
func (f *windowed) event(n int, at time.Time) { f.given[string(f.happen(n, at, at))] = at }

// minutes lets n events happen, one a minute, the last a minute ago.
func (f *windowed) minutes(n int) {
	for i := range n {
		f.event(i, f.now.Add(-time.Duration(n-i)*time.Minute))
	}
}

func (f *windowed) puller() source.Puller {
	f.t.Helper()
	p, err := f.kind.NewPuller(source.Config{Name: "w", Settings: f.settings, UserAgent: "exhibit-test", Now: func() time.Time { return f.now }, Retry: f.retry})
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

// pull reads a window and returns how often each record was handed over.
func (f *windowed) pull(w coverage.Interval) (map[string]int, source.Answer, error) {
	return pullWindow(f.puller(), w)
}

func pullWindow(p source.Puller, w coverage.Interval) (map[string]int, source.Answer, error) {
	records := map[string]int{}
	answer, err := p.Pull(context.Background(), source.Ask{Window: w}, func(page source.Page) error {
		for _, r := range page.Records {
			records[string(r)]++
		}
		return nil
	})
	return records, answer, err
}

// last is the window of the last hours.
func (f *windowed) last(d time.Duration) coverage.Interval {
	return coverage.Interval{From: f.now.Add(-d), To: f.now}
}

// wants checks that every event of the window was read, and nothing that there is not.
func (f *windowed) wants(got map[string]int, w coverage.Interval) {
	f.t.Helper()
	missing := 0
	for raw, at := range f.given {
		if w.Contains(at) && got[raw] == 0 {
			if missing++; missing < 3 {
				f.t.Errorf("not read: %s", raw)
			}
		}
	}
	for raw := range got {
		if _, there := f.given[raw]; !there {
			f.t.Errorf("read, and there is none: %s", raw)
		}
	}
	if missing > 0 {
		f.t.Errorf("%d events were not read", missing)
	}
}

func TestWindowPull(t *testing.T) {
	t.Parallel()
	everyWindowed(t, func(t *testing.T, f *windowed) {
		f.minutes(90)
		// On the edges: the first moment of a window is in it, the last one is not asked to be.
		for i, at := range []time.Time{f.now.Add(-time.Hour), f.now.Add(-time.Hour).Add(time.Millisecond), f.now.Add(-30 * time.Minute).Add(-time.Millisecond)} {
			f.event(1000+i, at)
		}
		for _, w := range []coverage.Interval{f.last(2 * time.Hour), f.last(30 * time.Minute),
			{From: f.now.Add(-time.Hour), To: f.now.Add(-30 * time.Minute)},
			{From: f.now.Add(-time.Hour).Add(500 * time.Microsecond), To: f.now.Add(-30*time.Minute - 999*time.Microsecond)},
			{From: f.now.Add(-100 * time.Hour), To: f.now.Add(-99 * time.Hour)}} {
			got, answer, err := f.pull(w)
			if err != nil {
				t.Fatal(err)
			}
			f.wants(got, w)
			if answer.Total != -1 || answer.Requests == 0 || !answer.Through.Equal(f.now) {
				t.Errorf("answer %+v, want it complete through %v", answer, f.now)
			}
		}
		for _, q := range f.line.Questions() {
			if q.Header.Get("User-Agent") != "exhibit-test" && !strings.HasSuffix(q.Path, "/token") {
				t.Errorf("%s: from %q", q, q.Header.Get("User-Agent"))
			}
			for _, secret := range f.secrets {
				if strings.Contains(q.Path+q.Query, secret) {
					t.Errorf("a secret is in the address: %s", q)
				}
			}
		}
	})
}

// Whatever goes wrong and gets better costs nothing but patience.
func TestWindowPullFaults(t *testing.T) {
	t.Parallel()
	clock := func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }
	faults := map[string]vendortest.Fault{
		"retry-after seconds":          vendortest.RetryAfter("0"),
		"retry-after far away is cut":  vendortest.RetryAfter("3600"),
		"retry-after date":             vendortest.RetryAfterDate(clock, 10*time.Millisecond),
		"retry-after date far away":    vendortest.RetryAfterDate(clock, time.Hour),
		"x-ratelimit-reset":            vendortest.RateLimitReset(0.004),
		"500":                          vendortest.Status(500, "oops"),
		"502":                          vendortest.Status(502, "<html>Bad Gateway</html>"),
		"503":                          vendortest.Status(503, ""),
		"504":                          vendortest.Status(504, ""),
		"a proxy's page":               vendortest.ProxyPage,
		"a cut body":                   vendortest.Cut,
		"a slow body":                  vendortest.Slow(3 * time.Millisecond),
		"a body without its end":       vendortest.Short,
		"a connection that was broken": vendortest.Reset,
	}
	everyWindowed(t, func(t *testing.T, f *windowed) {
		f.minutes(50)
		signIns := 0
		if f.kind.Name == "entra-id" {
			signIns = 1 // the faults are for the lists, not for the token
		}
		for name, fault := range faults {
			for range signIns {
				f.line.Spoil(nil)
			}
			f.line.Spoil(fault, fault, nil, fault)
			got, _, err := f.pull(f.last(2 * time.Hour))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			f.wants(got, f.last(2*time.Hour))
		}
	})
}

// What a person has to resolve is an error that says how, at once, and with no secret in it.
func TestWindowPullErrors(t *testing.T) {
	t.Parallel()
	everyWindowed(t, func(t *testing.T, f *windowed) {
		f.minutes(5)
		f.retry.Times = 2
		for _, x := range []struct {
			name  string
			fault vendortest.Fault
			is    error
			says  string
			tries int
		}{
			{"unknown token", vendortest.Status(401, ""), source.ErrToken, "", 1},
			{"elsewhere", vendortest.Status(302, ""), nil, "check the url setting", 1},
			{"not there", vendortest.Status(404, ""), nil, "url setting", 1},
			{"bad question", vendortest.Status(400, `{"errors":["no"]}`), nil, `"400 Bad Request"`, 1},
			{"down", vendortest.Status(503, ""), nil, `after 3 attempts: the server answered "503 Service Unavailable"`, 3},
			{"too many", vendortest.RetryAfter("0"), nil, `"429 Too Many Requests"`, 3},
			{"proxy", vendortest.ProxyPage, nil, "of text/html", 3},
			{"cut", vendortest.Cut, nil, "after 3 attempts", 3},
			{"no connection", vendortest.Reset, nil, "after 3 attempts", 3},
		} {
			fault := x.fault
			f.line.Down(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if strings.HasSuffix(r.URL.Path, "/token") {
					next.ServeHTTP(w, r)
					return
				}
				fault(w, r, next)
			})
			before := len(f.line.Questions())
			_, answer, err := f.pull(f.last(time.Hour))
			if err == nil {
				t.Errorf("%s: no error", x.name)
				continue
			}
			if x.is != nil && !errors.Is(err, x.is) || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%s: got %v, want %v and %q", x.name, err, x.is, x.says)
			}
			f.noSecret(err)
			want := x.tries
			if f.kind.Name == "entra-id" {
				want++ // for the token
				if x.name == "unknown token" {
					want += 2
				}
			}
			// Go's client itself repeats a GET on a connection that was kept and broke.
			if made := len(f.line.Questions()) - before; made < want || answer.Requests != want {
				t.Errorf("%s: %d requests were made, %d counted, want %d", x.name, made, answer.Requests, want)
			}
		}
	})
}

func (f *windowed) noSecret(err error) {
	f.t.Helper()
	for _, secret := range f.secrets {
		if strings.Contains(err.Error(), secret) {
			f.t.Errorf("a secret is in the error: %v", err)
		}
	}
	if text := err.Error(); strings.Contains(text, "?") {
		f.t.Errorf("a query is in the error: %v", err)
	}
}

// When the vendor's clock is behind ours, nothing is said to be complete that the
// vendor has not reached.
func TestWindowPullClockAhead(t *testing.T) {
	t.Parallel()
	everyWindowed(t, func(t *testing.T, f *windowed) {
		f.line.Down(vendortest.Dated(func() time.Time { return f.now }, -2*time.Hour))
		_, answer, err := f.pull(f.last(time.Hour))
		if want := f.now.Add(-2 * time.Hour); err != nil || !answer.Through.Equal(want) {
			t.Errorf("got complete through %v, error %v; want %v", answer.Through, err, want)
		}
	})
}

func TestWindowPullStops(t *testing.T) {
	t.Parallel()
	everyWindowed(t, func(t *testing.T, f *windowed) {
		f.minutes(5)
		full := errors.New("disk full")
		_, err := f.puller().Pull(t.Context(), source.Ask{Window: f.last(time.Hour)}, func(source.Page) error { return full })
		if !errors.Is(err, full) {
			t.Errorf("got %v, want the caller's error", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		f.line.Down(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { cancel(); w.WriteHeader(503) })
		f.retry = source.Retry{Min: time.Hour, Max: time.Hour}
		if _, err := f.puller().Pull(ctx, source.Ask{Window: f.last(time.Hour)}, func(source.Page) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
}

// Settings that cannot work are told at once, without their values.
func TestWindowPullerSettings(t *testing.T) {
	t.Parallel()
	everyWindowed(t, func(t *testing.T, f *windowed) {
		for _, s := range f.kind.Settings {
			if !s.Required {
				continue
			}
			settings := maps.Clone(f.settings)
			delete(settings, s.Name)
			f.badSettings(settings, s.Name)
		}
		bad := map[string]string{"url": "http://example.com", "requests_per_hour": "often", "limit": "many", "storage_tier": "glacier", "feed": "all", "tenant": "a/b", "login_url": "ftp://x"}
		for name, value := range bad {
			if !slices.ContainsFunc(f.kind.Settings, func(s source.Setting) bool { return s.Name == name }) {
				continue
			}
			settings := maps.Clone(f.settings)
			settings[name] = value
			f.badSettings(settings, name)
		}
	})
}

func (f *windowed) badSettings(settings map[string]string, name string) {
	f.t.Helper()
	_, err := f.kind.NewPuller(source.Config{Name: "w", Settings: settings})
	if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "source w") {
		f.t.Errorf("%s: got %v, want an error that names it", name, err)
		return
	}
	f.noSecret(err)
}

func ask(from, to string) coverage.Interval {
	at := func(text string) time.Time {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			panic(fmt.Sprint("a test's own time: ", err))
		}
		return t
	}
	return coverage.Interval{From: at(from), To: at(to)}
}
