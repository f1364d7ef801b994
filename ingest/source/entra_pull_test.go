package source_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
)

// Every feed is a list of its own, followed from link to link.
func TestEntraFeeds(t *testing.T) {
	t.Parallel()
	for feed, x := range map[string]struct{ list, path, filter string }{
		"directory-audits":            {vendortest.DirectoryAudits, "/v1.0/auditLogs/directoryAudits", "activityDateTime ge %s and activityDateTime le %s"},
		"sign-ins":                    {vendortest.InteractiveUser, "/v1.0/auditLogs/signIns", "createdDateTime ge %s and createdDateTime le %s"},
		"sign-ins-non-interactive":    {vendortest.NonInteractive, "/beta/auditLogs/signIns", "(createdDateTime ge %s and createdDateTime le %s) and signInEventTypes/any(t: t eq 'nonInteractiveUser')"},
		"sign-ins-service-principals": {vendortest.ServicePrincipal, "/beta/auditLogs/signIns", "(createdDateTime ge %s and createdDateTime le %s) and signInEventTypes/any(t: t eq 'servicePrincipal')"},
		"sign-ins-managed-identities": {vendortest.ManagedIdentities, "/beta/auditLogs/signIns", "(createdDateTime ge %s and createdDateTime le %s) and signInEventTypes/any(t: t eq 'managedIdentity')"},
	} {
		t.Run(feed, func(t *testing.T) {
			f, fake := newEntra(t, feed, x.list)
			fake.Twice = true
			for i := range 2300 {
				f.event(i, f.now.Add(-3*time.Hour).Add(time.Duration(i)*time.Second+1234567*100*time.Nanosecond))
			}
			for list := range fake.Logs {
				if list != x.list {
					fake.Happen(list, 9999, f.now.Add(-time.Hour), f.now)
				}
			}
			arrived := 0
			f.line.Down(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				next.ServeHTTP(w, r)
				arrived++ // newest first: what comes meanwhile is in front, and moves the rest
				fake.Happen(x.list, 10000+arrived, f.now.Add(-time.Second), f.now)
			})
			w := f.last(3 * time.Hour)
			w.From = w.From.Add(1500 * time.Millisecond)
			got, answer, err := f.pull(w)
			if err != nil {
				t.Fatal(err)
			}
			for raw := range got {
				if strings.Contains(raw, fmt.Sprintf("%012x", 10001)) {
					delete(got, raw) // came in front of the first page
				}
			}
			f.wants(got, w)
			questions := f.line.Questions()
			if len(questions) != 4 || answer.Requests != 4 {
				t.Fatalf("%d requests, %+v; want a token and 3 pages", len(questions), answer)
			}
			query, err := url.ParseQuery(strings.ReplaceAll(questions[1].Query, "+", "%2B"))
			want := fmt.Sprintf(x.filter, "2026-03-01T09:00:01Z", "2026-03-01T12:00:01Z")
			if err != nil || questions[1].Path != x.path || query.Get("$filter") != want || query.Get("$top") != "1000" {
				t.Errorf("asked %s\nwant %s", questions[1], want)
			}
			if !strings.Contains(questions[2].Query, "skiptoken") || questions[2].Path != x.path {
				t.Errorf("then asked %s", questions[2])
			}
		})
	}
}

// A token is used until shortly before its end, exchanged when it is refused, and
// asked for as patiently as a page.
func TestEntraTokens(t *testing.T) {
	t.Parallel()
	f, fake := newEntra(t, "sign-ins", vendortest.InteractiveUser)
	f.minutes(5)
	p := f.puller()
	pull := func(want int) {
		t.Helper()
		got, _, err := pullWindow(p, f.last(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		f.wants(got, f.last(time.Hour))
		if given := fake.Given(); given != want {
			t.Errorf("%d tokens were given, want %d", given, want)
		}
	}
	pull(1)
	f.now = f.now.Add(54 * time.Minute)
	pull(1)
	f.now = f.now.Add(2 * time.Minute)
	pull(2)
	fake.Revoke()
	pull(3)
	fake.Lives = time.Second // it ends before the list is read
	fake.Revoke()
	pull(4)
	fake.Lives = time.Hour
	pull(5)
	fake.Revoke()
	f.line.Spoil(nil, vendortest.Reset, vendortest.Status(503, ""), vendortest.Cut, vendortest.ProxyPage, vendortest.RetryAfter("0"))
	pull(7) // one was on the line when it was cut
	for _, q := range f.line.Questions() {
		if isLogin := strings.HasSuffix(q.Path, "/token"); isLogin != (q.Header.Get("Authorization") == "") || isLogin && q.Query != "" {
			t.Errorf("%s has the wrong authorization", q)
		}
	}
}

// What a person has to do is said: about the secret, the permission, the licence, the cloud.
func TestEntraErrors(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name string
		make func(f *windowed, fake *vendortest.Entra)
		is   error
		says []string
	}{
		{"wrong secret", func(f *windowed, fake *vendortest.Entra) {
			f.settings["client_secret"] = "other"
			f.secrets = []string{"other"}
		},
			source.ErrToken, []string{"AADSTS7000215: Invalid client secret provided. Ensure", "a client secret ends"}},
		{"wrong client", func(f *windowed, fake *vendortest.Entra) { f.settings["client_id"] = "app-2" }, source.ErrToken, []string{"AADSTS700016"}},
		{"wrong tenant", func(f *windowed, fake *vendortest.Entra) { f.settings["tenant"] = "fabrikam" }, source.ErrToken, []string{`"404 Not Found"`, "tenant"}},
		{"no licence", func(f *windowed, fake *vendortest.Entra) { fake.Free = true }, source.ErrPlan, []string{"P1 or P2", "directory-audits"}},
		{"no permission", func(f *windowed, fake *vendortest.Entra) { fake.Denied = true }, source.ErrPlan, []string{"AuditLog.Read.All", "consent"}},
		{"a token of no use", func(f *windowed, fake *vendortest.Entra) { fake.Lives = -time.Hour }, source.ErrToken, []string{"of the same cloud"}},
		{"no token", func(f *windowed, fake *vendortest.Entra) {
			f.line.Down(vendortest.Status(200, `{"token_type":"Bearer"}`))
		}, nil, []string{"sign in", "no token"}},
		{"a link to elsewhere", func(f *windowed, fake *vendortest.Entra) { fake.Host = "graph.example.com"; f.many() }, nil, []string{"graph.example.com", "url setting"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			f, fake := newEntra(t, "sign-ins", vendortest.InteractiveUser)
			f.retry.Times = 1
			x.make(f, fake)
			_, _, err := f.pull(f.last(time.Hour))
			if err == nil || x.is != nil && !errors.Is(err, x.is) {
				t.Fatalf("got %v, want %v", err, x.is)
			}
			for _, text := range x.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want it to say %q", err, text)
				}
			}
			f.noSecret(err)
		})
	}
}

// many lets more happen than a page holds.
func (f *windowed) many() {
	for i := range 1100 {
		f.event(i, f.now.Add(-time.Duration(i+1)*time.Second))
	}
}

func TestEntraStrangeAnswers(t *testing.T) {
	t.Parallel()
	for body, says := range map[string]string{
		``:                                      "not a page",
		`[]`:                                    "0 value",
		`{}`:                                    "0 value",
		`{"value":null}`:                        "not a list",
		`{"value":[],"value":[]}`:               "2 value",
		`{"value":[],"@odata.nextLink":{}}`:     "neither a text nor a number",
		`{"value":[],"@odata.nextLink":"?a=b"}`: "leads back",
		`{"value":[]}]`:                         "not a page",
	} {
		f, _ := newEntra(t, "sign-ins", vendortest.InteractiveUser)
		f.retry.Times = 1
		f.line.Down(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/token") {
				next.ServeHTTP(w, r)
				return
			}
			vendortest.Status(200, body)(w, r, next)
		})
		if _, _, err := f.pull(f.last(time.Hour)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want an error that says %q", body, err, says)
		}
	}
}

// The events of all feeds are understood.
func TestEntraNormalized(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	fake := vendortest.NewEntra(func() time.Time { return now }, 0)
	k := kind(t, "entra-id")
	for feed, actor := range map[string]string{vendortest.DirectoryAudits: "user", vendortest.InteractiveUser: "user", vendortest.NonInteractive: "user",
		vendortest.ServicePrincipal: "service", vendortest.ManagedIdentities: "service"} {
		r := normalize(t, k, string(fake.Happen(feed, 3, now, now)))
		if e := r.Event; r.Unmapped || e.ID == "" || !e.Time.Equal(now) || e.Actor.Type != actor || e.IP == "" {
			t.Errorf("%s: got %+v", feed, e)
		}
	}
}
