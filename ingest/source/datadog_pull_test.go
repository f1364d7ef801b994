package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"
	"exhibit/internal/coverage"
)

// The pages of a search are followed by their cursor to the last, whatever comes in between.
func TestDatadogPages(t *testing.T) {
	t.Parallel()
	f, fake := newDatadog(t)
	fake.Twice = true
	for i := range 2500 {
		f.event(i, f.now.Add(-time.Hour).Add(time.Duration(i/3)*time.Second)) // three in a second
	}
	late := 0
	f.line.Down(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		// After each page one comes in front of it, and one behind.
		fake.Happen(5000+late, f.now.Add(-59*time.Minute), f.now)
		f.event(6000+late, f.now.Add(-time.Minute))
		late++
	})
	got, answer, err := f.pull(f.last(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	questions := f.line.Questions()
	if len(questions) != 3 || answer.Requests != 3 {
		t.Errorf("%d requests, %+v; want 3", len(questions), answer)
	}
	for raw := range f.given {
		if strings.Contains(raw, "AgAAA006002") {
			delete(f.given, raw) // came after the last page
		}
	}
	f.wants(got, f.last(time.Hour))
	cursor := ""
	for i, q := range questions {
		var body struct {
			Filter struct{ Query, From, To string }
			Sort   string
			Page   struct {
				Limit  int
				Cursor string
			}
		}
		if err := json.Unmarshal([]byte(q.Body), &body); err != nil {
			t.Fatal(err)
		}
		if body.Filter.Query != fake.Query || body.Filter.From != "2026-03-01T10:59:59.999Z" || body.Filter.To != "2026-03-01T12:00:00.002Z" ||
			body.Sort != "timestamp" || body.Page.Limit != 1000 || (body.Page.Cursor == "") != (i == 0) || i > 0 && body.Page.Cursor == cursor {
			t.Errorf("question %d: %s", i, q)
		}
		cursor = body.Page.Cursor
		if q.Header.Get("Dd-Api-Key") != fake.APIKey || q.Header.Get("Dd-Application-Key") != fake.ApplicationKey || q.Header.Get("Authorization") != "" {
			t.Errorf("question %d has the headers %v", i, q.Header)
		}
	}
}

// A search that runs out of time is made of shorter ones, and never taken for whole.
func TestDatadogPartial(t *testing.T) {
	t.Parallel()
	f, fake := newDatadog(t)
	f.retry.Times = 1
	f.minutes(110)
	fake.Partial = 20 * time.Minute
	got, _, err := f.pull(f.last(2 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(got, f.last(2*time.Hour))
	if n := len(f.line.Questions()); n != 22 { // 7 windows that are too long, twice each, and 8 that are not
		t.Errorf("%d requests", n)
	}
	fake.Partial = time.Millisecond
	if _, _, err := f.pull(f.last(2 * time.Hour)); err == nil || !strings.Contains(err.Error(), "ran out of time") {
		t.Errorf("got %v", err)
	}
}

// What Datadog warns of, such as an index that is not there, makes an answer incomplete.
func TestDatadogWarnings(t *testing.T) {
	t.Parallel()
	f, fake := newDatadog(t)
	fake.Indexes = []string{"main", "audit"}
	f.settings["indexes"] = "main, audit"
	f.minutes(3)
	if _, _, err := f.pull(f.last(time.Hour)); err != nil {
		t.Fatal(err)
	}
	f.settings["indexes"] = "main,adit"
	got, _, err := f.pull(f.last(time.Hour))
	if err == nil || !strings.Contains(err.Error(), "indexes: adit") || !strings.Contains(err.Error(), "check the indexes") || len(f.line.Questions()) != 2 {
		t.Errorf("got %v after %d requests", err, len(f.line.Questions()))
	}
	f.wants(got, f.last(time.Hour))
}

// Its 300 searches an hour are not used up; when others do, it waits for the hour's end.
func TestDatadogBudget(t *testing.T) {
	t.Parallel()
	f, fake := newDatadog(t)
	fake.PerHour = 2
	f.minutes(3)
	f.retry = source.Retry{Min: time.Millisecond, Max: time.Millisecond}
	p := f.puller()
	for range 2 {
		if _, _, err := pullWindow(p, f.last(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := pullWindow(p, f.last(time.Hour)); err == nil || !strings.Contains(err.Error(), "429") {
		t.Errorf("got %v", err)
	}
	// The clock goes on while it waits.
	waits := 0
	f.line.Down(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if waits++; waits == 3 {
			f.now = f.now.Add(time.Hour)
		}
		next.ServeHTTP(w, r)
	})
	if _, _, err := pullWindow(p, f.last(time.Hour)); err != nil || waits != 3 {
		t.Errorf("got %v after %d attempts", err, waits)
	}
}

// Pages that do not come through are asked for in smaller ones.
func TestDatadogHalvesPages(t *testing.T) {
	t.Parallel()
	f, _ := newDatadog(t)
	f.retry.Times = 1
	f.minutes(300)
	f.line.Down(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if q := f.line.Questions(); strings.Contains(q[len(q)-1].Body, `"limit":125`) {
			next.ServeHTTP(w, r)
			return
		}
		vendortest.Cut(w, r, next)
	})
	got, _, err := f.pull(f.last(6 * time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	f.wants(got, f.last(6*time.Hour))
	if n := len(f.line.Questions()); n != 9 { // 3 sizes twice, and 3 pages
		t.Errorf("%d requests", n)
	}
}

func TestDatadogErrors(t *testing.T) {
	t.Parallel()
	f, fake := newDatadog(t)
	fake.ApplicationKey = "another"
	_, answer, err := f.pull(f.last(time.Hour))
	if !errors.Is(err, source.ErrToken) || !strings.Contains(err.Error(), "logs_read_data") || !strings.Contains(err.Error(), "site setting") || answer.Requests != 1 {
		t.Errorf("got %v, %+v", err, answer)
	}
	f.noSecret(err)
	f.retry.Times = 1
	for body, says := range map[string]string{
		``:                                     "not a page",
		`null`:                                 "it has 0 data",
		`{}`:                                   "it has 0 data",
		`{"data":{}}`:                          "not a list",
		`{"data":[],"data":[]}`:                "it has 2 data",
		`{"data":[]}7`:                         "not a page",
		`{"data":[],"meta":{"status":"soon"}}`: `"soon"`,
		`{"data":[],"meta":{"page":{"after":{}}}}`:                       "neither a text nor a number",
		`{"data":[],"meta":{"warnings":"uh"}}`:                           "not a list",
		`{"data":[],"meta":{"page":{"after":"a"},"status":"done"}}`:      "leads back",
		`{"data":[],"meta":{"page":{"after":"a"},"status":"timeout"}}`:   "ran out of time",
		`{"meta":{"status":"timeout"},"data":[{"id":"a"},{"id":"b"}]}  `: "ran out of time",
	} {
		f.line.Down(vendortest.Status(200, body))
		if _, _, err := f.pull(coverage.Interval{From: f.now.Add(-time.Minute), To: f.now}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, want an error that says %q", body, err, says)
		}
	}
}

// The site leads to the API.
func TestDatadogSite(t *testing.T) {
	t.Parallel()
	for site, want := range map[string]string{"": "api.datadoghq.com", "datadoghq.eu": "api.datadoghq.eu", "us3.datadoghq.com": "api.us3.datadoghq.com"} {
		asked := ""
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL.Scheme + "://" + r.URL.Host + r.URL.Path
			return nil, fmt.Errorf("no network")
		})
		p, err := kindNamed(t, "datadog").NewPuller(source.Config{Name: "dd", Transport: transport, Retry: source.Retry{Times: 1, Min: 1, Max: 1},
			Settings: map[string]string{"api_key": "a", "application_key": "b", "query": "*", "site": site}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := pullWindow(p, coverage.Interval{From: received, To: received.Add(time.Hour)}); err == nil || asked != "https://"+want+vendortest.DatadogPath {
			t.Errorf("site %q: %v was asked, error %v", site, asked, err)
		}
	}
	for _, site := range []string{"https://datadoghq.com", "datadoghq.com/x?y", "evil.example.com@x"} {
		if _, err := kindNamed(t, "datadog").NewPuller(source.Config{Name: "dd", Settings: map[string]string{"api_key": "a", "application_key": "b", "query": "*", "site": site}}); err == nil {
			t.Errorf("site %q was taken", site)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func kindNamed(t *testing.T, name string) *source.Kind {
	k := kind(t, name)
	return &k
}
