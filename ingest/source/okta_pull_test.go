package source_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
	"exhibit/internal/coverage"
)

// An oktaOrg is a fake organization with the line to it.
type oktaOrg struct {
	t *testing.T
	*vendortest.Okta
	line     *vendortest.Line
	now      time.Time
	settings map[string]string
	retry    source.Retry
	age      time.Duration // of events when they are added
	given    []string
}

const oktaToken = "00secret-of-okta"

func newOktaOrg(t *testing.T, events int) *oktaOrg {
	t.Helper()
	o := &oktaOrg{t: t, age: time.Hour, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		retry: source.Retry{Times: 8, Min: time.Millisecond, Max: 20 * time.Millisecond, Timeout: 2 * time.Second}}
	o.Okta = &vendortest.Okta{Now: func() time.Time { return o.now }, Token: oktaToken}
	o.line = &vendortest.Line{Next: o.Okta}
	server := httptest.NewServer(o.line)
	t.Cleanup(server.Close)
	o.settings = map[string]string{"url": server.URL, "token": oktaToken, "requests_per_hour": "10000000"}
	o.events(events)
	return o
}

// events lets n more events happen, one a second until an age before now; every seventh is stored
// after those that follow it.
func (o *oktaOrg) events(n int) {
	for i := range n {
		at := o.now.Add(time.Duration(i-n)*time.Second - o.age)
		seen := at
		if i%7 == 0 {
			seen = at.Add(5 * time.Second)
		}
		o.given = append(o.given, string(o.Happen(len(o.given), at, seen)))
	}
	o.now = o.now.Add(10 * time.Second)
}

func (o *oktaOrg) puller() source.Puller {
	o.t.Helper()
	p, err := kind(o.t, "okta").NewPuller(source.Config{Name: "okta-prod", Settings: o.settings, UserAgent: "exhibit-test", Now: func() time.Time { return o.now }, Retry: o.retry})
	if err != nil {
		o.t.Fatal(err)
	}
	return p
}

// day asks for the last day.
func (o *oktaOrg) day() source.Ask {
	return source.Ask{Window: coverage.Interval{From: o.now.Add(-24 * time.Hour), To: o.now}}
}

// follow reads from a cursor, or the last day when it is empty.
func (o *oktaOrg) follow(cursor string) (records []string, next string, answer source.Answer, err error) {
	ask := o.day()
	ask.Cursor = cursor
	answer, err = o.puller().Pull(context.Background(), ask, func(p source.Page) error {
		for _, r := range p.Records {
			records = append(records, string(r))
		}
		if !p.Received.Equal(o.now) || p.Cursor == "" {
			o.t.Errorf("page received %v, cursor %q", p.Received, p.Cursor)
		}
		next = p.Cursor
		return nil
	})
	if err != nil {
		o.noSecret(err)
	}
	return records, next, answer, err
}

func (o *oktaOrg) noSecret(err error) {
	o.t.Helper()
	if text := err.Error(); strings.Contains(text, oktaToken) || strings.Contains(text, "?") {
		o.t.Errorf("a secret or a query is in the error: %v", err)
	}
}

// wants checks that each of the events came once.
func (o *oktaOrg) wants(got, want []string) {
	o.t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		o.t.Errorf("got %d events, want %d", len(got), len(want))
	}
}

// The first read begins at a time, every other one where the last one ended; each
// event comes once, also one that was stored late, and an empty page keeps its place.
func TestOktaFollow(t *testing.T) {
	t.Parallel()
	for _, joined := range []bool{false, true} {
		o := newOktaOrg(t, 95)
		o.Limit, o.Joined = 10, joined
		got, cursor, answer, err := o.follow("")
		if err != nil {
			t.Fatal(err)
		}
		o.wants(got, o.given)
		if !answer.Through.Equal(o.now) || answer.Total != -1 || answer.Distinct != 95 || answer.Requests != 11 {
			t.Errorf("got %+v", answer)
		}
		first := o.line.Questions()[0]
		query, _ := url.ParseQuery(first.Query)
		if want := (url.Values{"since": {o.now.Add(-24 * time.Hour).Format("2006-01-02T15:04:05.000Z")}, "limit": {"1000"}, "sortOrder": {"ASCENDING"}}); !maps.EqualFunc(query, want, slices.Equal) {
			t.Errorf("asked for %v, want %v", query, want)
		}
		if h := first.Header; h.Get("Authorization") != "SSWS "+oktaToken || h.Get("Accept") != "application/json" || h.Get("User-Agent") != "exhibit-test" {
			t.Errorf("asked with %v", h)
		}
		late := string(o.Happen(9000, o.now.Add(-3*time.Hour), o.now.Add(time.Minute)))
		o.now = o.now.Add(2 * time.Minute)
		o.given = append(o.given, late)
		got, next, _, err := o.follow(cursor)
		if err != nil {
			t.Fatal(err)
		}
		o.wants(got, []string{late})
		got, last, _, err := o.follow(next)
		if err != nil || len(got) > 0 || last != next {
			t.Errorf("nothing new: %d events, %v, and the cursor moved: %v", len(got), err, last != next)
		}
	}
}

// A log that is never still does not keep a read from its end, which is then an
// event: what was stored before it has come.
func TestOktaBusy(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 2500)
	o.age = 0
	o.line.Next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.events(3)
		o.Okta.ServeHTTP(w, r)
	})
	var got []string
	cursor := ""
	for range 4 {
		events, next, answer, err := o.follow(cursor)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{true: 5, false: 3}[cursor == ""]; answer.Requests != want {
			t.Errorf("%d requests, want %d: full pages and three that are not", answer.Requests, want)
		}
		got, cursor = append(got, events...), next
		if late := o.now.Sub(answer.Through); late < time.Second || late > 15*time.Second {
			t.Errorf("complete through %v at %v", answer.Through, o.now)
		}
	}
	o.line.Next = o.Okta
	rest, _, answer, err := o.follow(cursor)
	if err != nil || !answer.Through.Equal(o.now) {
		t.Errorf("got complete through %v at %v, error %v", answer.Through, o.now, err)
	}
	o.wants(append(got, rest...), o.given)
}

// However small the pages are, a read does not end in the middle of the past.
func TestOktaSmallPages(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 500)
	o.Limit = 7
	got, _, answer, err := o.follow("")
	if err != nil || !answer.Through.Equal(o.now) {
		t.Errorf("got complete through %v at %v, error %v", answer.Through, o.now, err)
	}
	o.wants(got, o.given)
}

// Faults that pass cost nothing but time.
func TestOktaFaults(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 60)
	o.Limit = 20
	for name, fault := range map[string]vendortest.Fault{
		"429 with seconds":             vendortest.RetryAfter("0"),
		"429 with a date":              vendortest.RetryAfterDate(func() time.Time { return o.now }, 0),
		"a query of 30 seconds":        vendortest.Status(500, `{"errorCode":"E0000009","errorSummary":"Internal Server Error"}`),
		"502":                          vendortest.Status(502, "<html>"),
		"503":                          vendortest.Status(503, ""),
		"a proxy's page":               vendortest.ProxyPage,
		"a cut body":                   vendortest.Cut,
		"a slow body":                  vendortest.Slow(3 * time.Millisecond),
		"a body without its end":       vendortest.Short,
		"a connection that was broken": vendortest.Reset,
		"no link":                      func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { fmt.Fprint(w, "[]") },
		"no list":                      vendortest.Status(200, `{"events":[]}`),
	} {
		o.line.Spoil(fault, nil, fault, fault)
		got, _, _, err := o.follow("")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		o.wants(got, o.given)
	}
	o.Twice = true
	got, _, _, err := o.follow("")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	o.wants(slices.Compact(got), o.given)
}

// A slow answer is given up and asked for again.
func TestOktaSlow(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 5)
	o.retry.Timeout = 50 * time.Millisecond
	o.line.Spoil(vendortest.Slow(time.Hour))
	got, _, answer, err := o.follow("")
	if err != nil || answer.Requests < 2 {
		t.Fatalf("%d requests, error %v", answer.Requests, err)
	}
	o.wants(got, o.given)
}

// The limit is the organization's and ends when X-Rate-Limit-Reset says, in seconds
// since 1970 by the server's clock.
func TestOktaRateLimit(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 0)
	o.now = o.now.Truncate(time.Minute).Add(59 * time.Second)
	o.Minute = 3
	o.retry = source.Retry{Times: 2, Min: time.Millisecond, Max: time.Minute}
	for range 2 {
		if _, _, _, err := o.follow(""); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	refusals := 0
	o.line.Next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refusals++; refusals == 2 {
			o.now = o.now.Add(time.Second) // so long it should have waited
		}
		o.Okta.ServeHTTP(w, r)
	})
	o.Minute = 1
	if _, _, answer, err := o.follow(""); err != nil || answer.Requests != 2 {
		t.Errorf("%d requests, error %v", answer.Requests, err)
	}
	if waited := time.Since(began); waited < time.Second {
		t.Errorf("waited %v, the server asked for a second", waited)
	}
}

// What a person has to resolve is an error that says how, at once.
func TestOktaErrors(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name   string
		change func(*oktaOrg)
		cursor bool
		is     error
		says   string
		tries  int
	}{
		{"unknown token", func(o *oktaOrg) { o.Token = "other" }, true, source.ErrToken, "an API token ends when", 1},
		{"wrong scheme", func(o *oktaOrg) { o.settings["scheme"] = "Bearer" }, true, source.ErrToken, "see that scheme says", 1},
		{"no role", func(o *oktaOrg) { o.NoRole = true }, true, source.ErrPlan, "okta.logs.read", 1},
		{"too long ago", func(o *oktaOrg) {
			o.now = o.now.AddDate(0, 0, -200)
			o.Now = func() time.Time { return o.now.AddDate(0, 0, 200) }
		}, false, nil, "since", 1},
		{"forgotten cursor", func(o *oktaOrg) { o.Forget() }, true, source.ErrCursor, "400 Bad Request", 1},
		{"old cursor", func(o *oktaOrg) { o.now = o.now.AddDate(0, 0, 200) }, true, source.ErrCursor, "since", 1},
		{"not there", func(o *oktaOrg) { o.line.Down(vendortest.Status(404, "")) }, false, nil, "404", 1},
		{"elsewhere", func(o *oktaOrg) { o.line.Down(vendortest.Status(302, "")) }, true, nil, "check the url setting", 1},
		{"slow queries", func(o *oktaOrg) { o.Timeout = true }, true, nil, "500 Internal Server Error", 3},
		{"down", func(o *oktaOrg) { o.line.Down(vendortest.Status(503, "")) }, true, nil, "after 3 attempts", 3},
		{"link to another host", func(o *oktaOrg) { o.Host = "169.254.169.254" }, false, nil, "check the url setting", 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			o := newOktaOrg(t, 5)
			o.retry.Times = 2
			_, cursor, _, err := o.follow("")
			if err != nil {
				t.Fatal(err)
			}
			if !x.cursor {
				cursor = ""
			}
			x.change(o)
			got, _, answer, err := o.follow(cursor)
			if err == nil || len(got) > 0 {
				t.Fatalf("%d events, error %v", len(got), err)
			}
			if x.is != nil && !errors.Is(err, x.is) || x.is == nil && errors.Is(err, source.ErrCursor) || !strings.Contains(err.Error(), x.says) {
				t.Errorf("got %v, want %v and %q", err, x.is, x.says)
			}
			if answer.Requests != x.tries {
				t.Errorf("%d requests, want %d", answer.Requests, x.tries)
			}
		})
	}
}

// A cursor is only ever sent to the log that is configured, whoever wrote it.
func TestOktaCursorElsewhere(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 5)
	base, _ := url.Parse(o.settings["url"])
	for _, cursor := range []string{
		"https://evil.example/api/v1/logs?after=1", "//evil.example/api/v1/logs", "https://" + base.Host + "/api/v1/logs",
		"http://" + base.Host + "/api/v1/users", "http://" + base.Host + "@evil.example/api/v1/logs", "http://u:p@" + base.Host + "/api/v1/logs",
		"http://" + base.Host + "/api/v1/logs/../users", "::", "\x00",
	} {
		if _, _, _, err := o.follow(cursor); !errors.Is(err, source.ErrCursor) {
			t.Errorf("%q: got %v, want ErrCursor", cursor, err)
		}
	}
	if n := len(o.line.Questions()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestOktaStops(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 5)
	full := errors.New("disk full")
	_, err := o.puller().Pull(t.Context(), source.Ask{Window: coverage.Interval{From: o.now.Add(-time.Hour), To: o.now}}, func(source.Page) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("got %v, want the caller's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	o.line.Down(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) { cancel(); w.WriteHeader(503) })
	o.retry = source.Retry{Min: time.Hour, Max: time.Hour}
	if _, err := o.puller().Pull(ctx, source.Ask{}, func(source.Page) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// When the organization's clock is behind ours, nothing is complete that it has not reached.
func TestOktaClockBehind(t *testing.T) {
	t.Parallel()
	o := newOktaOrg(t, 5)
	o.line.Down(vendortest.Dated(func() time.Time { return o.now }, -2*time.Hour))
	_, _, answer, err := o.follow("")
	if want := o.now.Add(-2 * time.Hour); err != nil || !answer.Through.Equal(want) {
		t.Errorf("got complete through %v, error %v; want %v", answer.Through, err, want)
	}
}

func TestOktaSettings(t *testing.T) {
	k := kind(t, "okta")
	good := map[string]string{"url": "https://example.okta.com", "token": oktaToken}
	if _, err := k.NewPuller(source.Config{Name: "okta-prod", Settings: good}); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{"url": "http://example.okta.com", "token": "", "scheme": "Basic", "requests_per_hour": "often"} {
		settings := maps.Clone(good)
		settings[name] = value
		_, err := k.NewPuller(source.Config{Name: "okta-prod", Settings: settings})
		if err == nil || !strings.Contains(err.Error(), "setting "+name) || !strings.Contains(err.Error(), "okta-prod") || strings.Contains(err.Error(), oktaToken) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
