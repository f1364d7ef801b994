package source_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/demo"
)

const token = "secret-audit-token"

// trail is a demo server with n events, one each minute up to now.
type trail struct {
	*demo.HCP
	now time.Time
	url string
}

func newTrail(t *testing.T, n int, opt demo.HCPOptions) *trail {
	t.Helper()
	tr := &trail{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	opt.Token, opt.Now = token, func() time.Time { return tr.now }
	tr.HCP = demo.NewHCP(opt)
	for i := range n {
		tr.Append(trailEvent(fmt.Sprintf("e-%d", i), tr.now.Add(-time.Second-time.Duration(i)*time.Minute)))
	}
	server := httptest.NewServer(tr.HCP)
	t.Cleanup(server.Close)
	tr.url = server.URL
	return tr
}

func trailEvent(id string, at time.Time) demo.Record {
	raw := fmt.Sprintf(`{"id":%q, "timestamp":"%s","resource":{"id":"ws-1","type":"workspace","action":"lock","meta":null}}`, id, at.Format("2006-01-02T15:04:05.000Z"))
	return demo.Record{ID: id, Time: at, Raw: []byte(raw)}
}

func (tr *trail) config(size int) source.Config {
	return source.Config{
		Name:     "hcp-test",
		Settings: map[string]string{"token": token, "url": tr.url, "page_size": fmt.Sprint(size)},
		Now:      func() time.Time { return tr.now },
		Retry:    source.Retry{Times: 8, Min: time.Millisecond, Max: 20 * time.Millisecond, Timeout: 2 * time.Second},
	}
}

func puller(t testing.TB, c source.Config) source.Puller {
	t.Helper()
	k := kind(t, "hcp-terraform")
	p, err := k.NewPuller(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// pull reads everything since a moment and returns the records by their bytes.
func pull(p source.Puller, from time.Time) (records map[string]int, answer source.Answer, err error) {
	records = map[string]int{}
	answer, err = p.Pull(context.Background(), source.Ask{Window: coverage.Interval{From: from}}, func(page source.Page) error {
		for _, r := range page.Records {
			records[string(r)]++
		}
		return nil
	})
	return records, answer, err
}

// wantAll checks that exactly the events that the server has were read.
func wantAll(t *testing.T, tr *trail, from time.Time, got map[string]int) {
	t.Helper()
	var want []string
	for _, r := range tr.Records(from, tr.now.Add(time.Nanosecond)) {
		want = append(want, string(r.Raw))
	}
	slices.Sort(want)
	if have := slices.Sorted(maps.Keys(got)); !slices.Equal(have, want) {
		t.Errorf("got %d different records, want the %d of the trail", len(have), len(want))
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	for _, tt := range []struct {
		name              string
		events, size      int
		back              time.Duration
		requests, records int
	}{
		{"nothing", 0, 10, day, 1, 0},
		{"one page", 7, 10, day, 1, 7},
		{"a full page", 10, 10, day, 1, 10},
		{"pages to the end", 95, 10, day, 11, 95},
		{"since is sent", 95, 10, 30 * time.Minute, 4, 30},
		{"page size of the server wins", 1500, 5000, 2 * day, 3, 1500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrail(t, tt.events, demo.HCPOptions{RateLimit: -1})
			from := tr.now.Add(-tt.back)
			got, answer, err := pull(puller(t, tr.config(tt.size)), from)
			if err != nil {
				t.Fatal(err)
			}
			wantAll(t, tr, from, got)
			want := source.Answer{Total: tt.records, Distinct: tt.records, Requests: tt.requests, Through: tr.now}
			if answer != want {
				t.Errorf("got  %+v\nwant %+v", answer, want)
			}
			if made := tr.Counters().Requests; made != tt.requests {
				t.Errorf("got %d requests at the server, want %d", made, tt.requests)
			}
		})
	}
}

// Events that arrive while pages are read shift the pages; nothing gets lost, and
// what arrived is read too.
func TestPullMovingList(t *testing.T) {
	t.Parallel()
	tr := newTrail(t, 50, demo.HCPOptions{RateLimit: -1})
	n := 0
	arrivals := func(count int, age time.Duration) (out []demo.Record) {
		for range count {
			n++
			out = append(out, trailEvent(fmt.Sprintf("new-%d", n), tr.now.Add(-age)))
		}
		return out
	}
	// The second wave is larger than a page.
	tr.Inject(demo.Arrive(arrivals(3, 0)...), demo.Arrive(arrivals(25, 0)...), demo.Arrive(arrivals(1, 0)...))
	from := tr.now.Add(-24 * time.Hour)
	got, answer, err := pull(puller(t, tr.config(10)), from)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, tr, from, got)
	if answer.Total != 79 || answer.Distinct != 79 {
		t.Errorf("got %+v, want 79 events", answer)
	}

	// Events that come late stand on pages already read.
	tr.Inject(demo.Status(500), demo.Status(500), demo.Arrive(arrivals(2, 30*time.Second)...), demo.Arrive(arrivals(15, 30*time.Second)...))
	if got, answer, err = pull(puller(t, tr.config(10)), from); err != nil {
		t.Fatal(err)
	}
	wantAll(t, tr, from, got)
	if answer.Total != 96 || answer.Distinct != 96 {
		t.Errorf("got %+v, want 96 events", answer)
	}

	// A list that never stands still ends the read after some rounds all the same.
	tr.Plan(func(int) *demo.Fault { f := demo.Arrive(arrivals(1, 0)...); return &f })
	before := tr.Counters().Requests
	if _, answer, err = pull(puller(t, tr.config(10)), from); err != nil {
		t.Fatal(err)
	}
	if made := tr.Counters().Requests - before; made > 60 || answer.Distinct < 96 {
		t.Errorf("got %d requests, %+v", made, answer)
	}
}

func TestPullFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults []demo.Fault
	}{
		{"retry-after seconds", []demo.Fault{demo.RetryAfterSeconds(0)}},
		{"retry-after far away is cut", []demo.Fault{demo.RetryAfterSeconds(3600)}},
		{"retry-after date", []demo.Fault{demo.RetryAfterDate(time.Hour)}},
		{"x-ratelimit-reset", []demo.Fault{demo.RateLimitReset(0.004)}},
		{"server errors", []demo.Fault{demo.Status(500), demo.Status(502), demo.Status(503)}},
		{"proxy page", []demo.Fault{demo.ProxyPage()}},
		{"cut body", []demo.Fault{demo.CutBody(), demo.CutBody()}},
		{"reset", []demo.Fault{demo.ResetConnection()}},
		{"broken json", []demo.Fault{demo.BrokenJSON()}},
		{"slow", []demo.Fault{demo.SlowBody(time.Millisecond)}},
		{"same id twice", []demo.Fault{demo.Twice()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrail(t, 35, demo.HCPOptions{RateLimit: -1})
			tr.Inject(tt.faults...)
			from := tr.now.Add(-24 * time.Hour)
			got, answer, err := pull(puller(t, tr.config(10)), from)
			if err != nil {
				t.Fatal(err)
			}
			wantAll(t, tr, from, got)
			if answer.Total != 35 || answer.Distinct != 35 || answer.Requests != tr.Counters().Requests {
				t.Errorf("got %+v, %d requests at the server", answer, tr.Counters().Requests)
			}
		})
	}
	t.Run("a third of all requests", func(t *testing.T) {
		for seed := range uint64(5) {
			tr := newTrail(t, 35, demo.HCPOptions{RateLimit: -1})
			tr.Plan(demo.RandomFaults(seed, 0.33))
			from := tr.now.Add(-24 * time.Hour)
			got, answer, err := pull(puller(t, tr.config(10)), from)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			wantAll(t, tr, from, got)
			if answer.Distinct != 35 {
				t.Errorf("seed %d: got %+v", seed, answer)
			}
		}
	})
}

func TestPullErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fault demo.Fault
		is    error
		says  string
		tries int
	}{
		{"token", demo.Status(401), source.ErrToken, "make a new audit trail token", 1},
		{"plan", demo.Status(404), source.ErrPlan, "user or team token", 1},
		{"forbidden", demo.Status(403), nil, `"403 Forbidden"`, 1},
		{"elsewhere", demo.Status(302), nil, "check the url setting", 1},
		{"down", demo.Status(503), nil, `after 3 attempts: the server answered "503 Service Unavailable"`, 3},
		{"too many", demo.RetryAfterSeconds(0), nil, `"429 Too Many Requests"`, 3},
		{"broken json", demo.BrokenJSON(), nil, "not a page of events", 3},
		{"proxy", demo.ProxyPage(), nil, "of text/html", 3},
		{"no connection", demo.ResetConnection(), nil, "after 3 attempts", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := newTrail(t, 5, demo.HCPOptions{RateLimit: -1})
			tr.Down(tt.fault)
			c := tr.config(10)
			c.Retry.Times = 2
			got, answer, err := pull(puller(t, c), tr.now.Add(-time.Hour))
			if err == nil || len(got) != 0 {
				t.Fatalf("got %d records, error %v", len(got), err)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("error %v is not %v", err, tt.is)
			}
			for _, part := range []string{tt.says, "/api/v2/organization/audit-trail page 1"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the error shows the token: %v", err)
			}
			if answer.Requests != tt.tries {
				t.Errorf("got %d requests, want %d", answer.Requests, tt.tries)
			}
		})
	}
}

// Pages that never come through whole are asked for in smaller pieces.
func TestPullHalvesPages(t *testing.T) {
	t.Parallel()
	tr := newTrail(t, 500, demo.HCPOptions{RateLimit: -1})
	inner, cuts := tr.HCP, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page[size]") == "400" && r.URL.Query().Get("page[number]") == "2" {
			cuts++
			w.Header().Set("Content-Length", "1000")
			w.Write([]byte(`{"data":[`))
			return
		}
		if !strings.Contains(r.URL.RawQuery, "page%5Bsize%5D=") || r.UserAgent() != "exhibit-test" {
			t.Errorf("got query %q from %q", r.URL.RawQuery, r.UserAgent())
		}
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	c := tr.config(400)
	c.Settings["url"], c.UserAgent, c.Retry.Times = server.URL+"/", "exhibit-test", 1
	from := tr.now.Add(-24 * time.Hour)
	got, answer, err := pull(puller(t, c), from)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, tr, from, got)
	if cuts != 2 || answer.Distinct != 500 || answer.Total != 500 {
		t.Errorf("got %d cut bodies, %+v", cuts, answer)
	}
}

func TestPullWrongTotal(t *testing.T) {
	t.Parallel()
	tr := newTrail(t, 5, demo.HCPOptions{RateLimit: -1})
	tr.Inject(demo.WrongTotal(3))
	_, answer, err := pull(puller(t, tr.config(10)), tr.now.Add(-time.Hour))
	if err != nil || answer.Total != 8 || answer.Distinct != 5 {
		t.Errorf("got %+v, error %v; want 8 told and 5 read", answer, err)
	}
}

// A page that is not one, or that leaves open whether there is more, is never
// taken for the end.
func TestPullStrangePages(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"nothing":          ``,
		"null":             `null`,
		"no pagination":    `{"data":[]}`,
		"no data":          `{"pagination":{"next_page":null}}`,
		"data twice":       `{"data":[],"data":[],"pagination":{"next_page":null}}`,
		"data no list":     `{"data":{},"pagination":{"next_page":null}}`,
		"no next page":     `{"data":[],"pagination":{"total_count":0}}`,
		"next page a text": `{"data":[],"pagination":{"next_page":"2"}}`,
		"next page itself": `{"data":[],"pagination":{"next_page":1}}`,
		"page left out":    `{"data":[],"pagination":{"next_page":3}}`,
		"more follows":     `{"data":[],"pagination":{"next_page":null}}{}`,
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrail(t, 0, demo.HCPOptions{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(body)) }))
			defer server.Close()
			c := tr.config(10)
			c.Settings["url"], c.Retry.Times = server.URL, 1
			if _, answer, err := pull(puller(t, c), tr.now); err == nil || !strings.Contains(err.Error(), "page 1") {
				t.Errorf("got %+v, error %v; want an error about page 1", answer, err)
			}
		})
	}
}

// One bad record does not hide the others of its page.
func TestPullBadRecords(t *testing.T) {
	t.Parallel()
	records := []string{`{"id":"a","id":"b"}`, "{\"id\":\"\xff\"}", `7`, `"\ud800"`, `{ "id" : "ok" }`}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"data":[%s],"pagination":{"next_page":null,"total_count":5}}`, strings.Join(records, " , "))
	}))
	defer server.Close()
	c := (&trail{now: received}).config(10)
	c.Settings["url"] = server.URL
	got, answer, err := pull(puller(t, c), received)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if got[r] != 1 {
			t.Errorf("record %q came %d times", r, got[r])
		}
	}
	if answer.Distinct != 5 || answer.Total != 5 {
		t.Errorf("got %+v", answer)
	}
}

// When the source's clock is behind ours, nothing is said to be complete that the
// source has not reached.
func TestPullClockAhead(t *testing.T) {
	t.Parallel()
	tr := newTrail(t, 3, demo.HCPOptions{})
	theirs := tr.now.Add(-2 * time.Hour)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", theirs.Format(http.TimeFormat))
		tr.HCP.ServeHTTP(w, r)
	}))
	defer server.Close()
	c := tr.config(10)
	c.Settings["url"] = server.URL
	_, answer, err := pull(puller(t, c), tr.now.Add(-time.Hour))
	if err != nil || !answer.Through.Equal(theirs) {
		t.Errorf("got complete through %v, error %v; want %v", answer.Through, err, theirs)
	}
}

func TestPullStops(t *testing.T) {
	t.Parallel()
	tr := newTrail(t, 35, demo.HCPOptions{RateLimit: -1})
	p := puller(t, tr.config(10))
	full := errors.New("disk full")
	pages := 0
	_, err := p.Pull(context.Background(), source.Ask{Window: coverage.Interval{From: tr.now.Add(-time.Hour)}}, func(source.Page) error {
		if pages++; pages == 2 {
			return full
		}
		return nil
	})
	if !errors.Is(err, full) || pages != 2 {
		t.Errorf("got %v after %d pages, want the caller's error after 2", err, pages)
	}

	ctx, cancel := context.WithCancel(context.Background())
	tr.Down(demo.Status(503))
	c := tr.config(10)
	c.Retry.Min, c.Retry.Max = time.Hour, time.Hour
	c.Random = func() float64 { cancel(); return 0 } // called when it begins to wait
	if _, err := puller(t, c).Pull(ctx, source.Ask{Window: coverage.Interval{}}, func(source.Page) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// The limit of the server is never reached, over all pulls of a puller.
func TestPullRate(t *testing.T) {
	t.Parallel()
	tr := newTrail(t, 40, demo.HCPOptions{})
	p := puller(t, tr.config(1))
	from := tr.now.Add(-time.Hour)
	got, _, err := pull(p, from)
	if err != nil {
		t.Fatal(err)
	}
	wantAll(t, tr, from, got)
	if n := tr.Counters().ByStatus[http.StatusTooManyRequests]; n > 0 {
		t.Errorf("the server had to refuse %d requests", n)
	}
}

func TestNewPuller(t *testing.T) {
	t.Parallel()
	k := kind(t, "hcp-terraform")
	for name, settings := range map[string]map[string]string{
		"no token":     {},
		"plain http":   {"token": token, "url": "http://tfe.example.com"},
		"user in url":  {"token": token, "url": "https://u:p@tfe.example.com"},
		"no host":      {"token": token, "url": "app.terraform.io"},
		"bad url":      {"token": token, "url": "https://%zz"},
		"no page size": {"token": token, "page_size": "many"},
	} {
		if _, err := k.NewPuller(source.Config{Name: "x", Settings: settings}); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	c := source.Config{Name: "x", Settings: map[string]string{"token": token}}
	if _, err := k.NewPuller(c); err != nil {
		t.Errorf("defaults: %v", err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("config", "config", c)
	for _, text := range []string{log.String(), fmt.Sprint(c), fmt.Sprintf("%+v %#v", c, c)} {
		if strings.Contains(text, token) || !strings.Contains(text, "token") {
			t.Errorf("got %q, want the name of the setting without its value", text)
		}
	}
}
