package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"
)

const testToken = "audit-token"

var testNow = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)

// testHCP is a server that holds the clock still at now.
func testHCP(t *testing.T, change func(*HCPOptions)) (*HCP, string) {
	t.Helper()
	opt := HCPOptions{Token: testToken, WrongKind: []string{"user-token"}, RateLimit: -1,
		Now: func() time.Time { return testNow }}
	if change != nil {
		change(&opt)
	}
	h := NewHCP(opt)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return h, srv.URL
}

// testRecords are n records, one per second, the last at last.
func testRecords(n int, last time.Time) []Record {
	var out []Record
	for i := range n {
		at := last.Add(time.Duration(i-n+1) * time.Second)
		id := fmt.Sprintf("%s-%d", at.Format("150405"), i)
		out = append(out, Record{id, at, fmt.Appendf(nil, `{"id":%q,"timestamp":%q}`, id, at.Format(stampLayout))})
	}
	return out
}

type testPage struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
	Pagination struct {
		Current int  `json:"current_page"`
		Prev    *int `json:"prev_page"`
		Next    *int `json:"next_page"`
		Pages   int  `json:"total_pages"`
		Total   int  `json:"total_count"`
	} `json:"pagination"`
}

func (p testPage) ids() []string {
	var out []string
	for _, d := range p.Data {
		out = append(out, d.ID)
	}
	return out
}

func ids(records []Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.ID)
	}
	return out
}

func request(t *testing.T, base, token string, query url.Values) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequest("GET", base+AuditTrailPath+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func getPage(t *testing.T, base string, number, size int, since time.Time) testPage {
	t.Helper()
	q := url.Values{"page[number]": {strconv.Itoa(number)}, "page[size]": {strconv.Itoa(size)}}
	if !since.IsZero() {
		q.Set("since", since.Format(stampLayout))
	}
	resp, body, err := request(t, base, testToken, q)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("page %d: %v %s %v", number, resp, body, err)
	}
	var p testPage
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatalf("page %d: %v in %s", number, err, body)
	}
	return p
}

func TestHCPPages(t *testing.T) {
	h, base := testHCP(t, nil)
	records := testRecords(25, testNow)
	h.Append(records...)

	var got []string
	for n := 1; ; n++ {
		p := getPage(t, base, n, 10, time.Time{})
		got = append(got, p.ids()...)
		if p.Pagination.Current != n || p.Pagination.Pages != 3 || p.Pagination.Total != 25 {
			t.Errorf("page %d: pagination %+v", n, p.Pagination)
		}
		if (p.Pagination.Prev == nil) != (n == 1) {
			t.Errorf("page %d: prev_page %v", n, p.Pagination.Prev)
		}
		if p.Pagination.Next == nil {
			break
		}
	}
	want := ids(records)
	slices.Reverse(want) // newest first
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if p := getPage(t, base, 4, 10, time.Time{}); len(p.Data) != 0 || p.Pagination.Next != nil {
		t.Errorf("page beyond the last: %+v", p)
	}
}

func TestHCPDefaultAndLargestPage(t *testing.T) {
	h, base := testHCP(t, nil)
	h.Append(testRecords(1500, testNow)...)
	for _, size := range []int{0, 5000} {
		if p := getPage(t, base, 1, size, time.Time{}); len(p.Data) != 1000 || p.Pagination.Pages != 2 {
			t.Errorf("page[size]=%d: %d records, %d pages, want 1000 and 2", size, len(p.Data), p.Pagination.Pages)
		}
	}
}

func TestHCPPlainBody(t *testing.T) {
	h, base := testHCP(t, nil)
	_, body, err := request(t, base, testToken, nil)
	want := `{"data":[],"pagination":{"current_page":1,"prev_page":null,"next_page":null,"total_pages":0,"total_count":0}}`
	if err != nil || string(body) != want {
		t.Errorf("empty trail: got %s %v, want %s", body, err, want)
	}
	// The record goes out with the very bytes that came in.
	h.Append(Record{"x", testNow, []byte(`{"id":"x", "odd" : "\u0041\/"}`)})
	_, body, _ = request(t, base, testToken, nil)
	want = `{"data":[{"id":"x", "odd" : "\u0041\/"}],"pagination":{"current_page":1,"prev_page":null,"next_page":null,"total_pages":1,"total_count":1}}`
	if string(body) != want {
		t.Errorf("got %s\nwant %s", body, want)
	}
}

func TestHCPPagesShift(t *testing.T) {
	h, base := testHCP(t, nil)
	records := testRecords(21, testNow)
	h.Append(records[:20]...)
	h.Inject(Arrive(records[20]))
	first := getPage(t, base, 1, 10, time.Time{}).ids()
	second := getPage(t, base, 2, 10, time.Time{}).ids()
	if first[9] != second[0] {
		t.Errorf("last of page 1 %s, first of page 2 %s: want the same record twice", first[9], second[0])
	}
	if got := getPage(t, base, 1, 10, time.Time{}).ids()[0]; got != records[20].ID {
		t.Errorf("newest is %s, want the arrival %s", got, records[20].ID)
	}
}

func TestHCPSince(t *testing.T) {
	for _, exclusive := range []bool{false, true} {
		h, base := testHCP(t, func(o *HCPOptions) { o.SinceExclusive = exclusive })
		h.Append(testRecords(10, testNow)...)
		want := 4
		if exclusive {
			want = 3
		}
		p := getPage(t, base, 1, 100, testNow.Add(-3*time.Second))
		if len(p.Data) != want || p.Pagination.Total != want {
			t.Errorf("exclusive %v: %d records, total %d, want %d", exclusive, len(p.Data), p.Pagination.Total, want)
		}
	}
}

func TestHCPKeepsFourteenDays(t *testing.T) {
	h, base := testHCP(t, nil)
	h.Append(Record{"old", testNow.Add(-14*24*time.Hour - time.Second), []byte(`{"id":"old"}`)},
		Record{"edge", testNow.Add(-14 * 24 * time.Hour), []byte(`{"id":"edge"}`)})
	p := getPage(t, base, 1, 10, testNow.Add(-30*24*time.Hour))
	if got := p.ids(); !slices.Equal(got, []string{"edge"}) {
		t.Errorf("got %v, want only edge", got)
	}
	if n := len(h.Records(time.Time{}, testNow)); n != 2 {
		t.Errorf("true set has %d records, want 2", n)
	}
}

func TestHCPFutureAndLag(t *testing.T) {
	now := testNow
	h, base := testHCP(t, func(o *HCPOptions) { o.Now = func() time.Time { return now } })
	h.Append(testRecords(1, testNow.Add(time.Minute))...)
	h.AppendLate(10*time.Minute, testRecords(1, testNow)...)
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{0, 0}, {time.Minute, 1}, {9 * time.Minute, 1}, {10 * time.Minute, 2}} {
		now = testNow.Add(c.after)
		if p := getPage(t, base, 1, 10, time.Time{}); len(p.Data) != c.want {
			t.Errorf("after %v: %d records, want %d", c.after, len(p.Data), c.want)
		}
	}
}

func TestHCPAuth(t *testing.T) {
	now := testNow
	h, base := testHCP(t, func(o *HCPOptions) { o.Now = func() time.Time { return now } })
	h.Append(testRecords(1, testNow)...)
	h.ExpireToken(testNow.Add(time.Hour))
	check := func(name, token string, want int) {
		t.Helper()
		resp, body, err := request(t, base, token, nil)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s: %v %v, want %d", name, resp, err, want)
		}
		if want == 200 {
			return
		}
		var e struct {
			Errors []struct{ Status, Title string }
		}
		if err := json.Unmarshal(body, &e); err != nil || len(e.Errors) != 1 || e.Errors[0].Status != strconv.Itoa(want) {
			t.Errorf("%s: %s is no JSON:API error: %v", name, body, err)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/vnd.api+json" {
			t.Errorf("%s: content type %s", name, ct)
		}
	}
	check("good", testToken, 200)
	check("bad", "nonsense", 401)
	check("empty", "", 401)
	check("wrong kind", "user-token", 404)
	now = testNow.Add(time.Hour)
	check("expired", testToken, 401)
	h.SetToken("next")
	h.ExpireToken(time.Time{})
	check("old after a change", testToken, 401)
	check("new", "next", 200)
	if got := h.Counters().ByStatus; got[200] != 2 || got[401] != 4 || got[404] != 1 {
		t.Errorf("counters %v", got)
	}
	resp, err := http.Get(base + AuditTrailPath)
	if err != nil || resp.StatusCode != 401 {
		t.Errorf("no token: %v %v", resp, err)
	}
}

func TestHCPBadSince(t *testing.T) {
	_, base := testHCP(t, nil)
	resp, _, err := request(t, base, testToken, url.Values{"since": {"yesterday"}})
	if err != nil || resp.StatusCode != 400 {
		t.Errorf("got %v %v, want 400", resp, err)
	}
}

func TestHCPRateLimit(t *testing.T) {
	wall := testNow
	h, base := testHCP(t, func(o *HCPOptions) { o.RateLimit, o.Wall = 0, func() time.Time { return wall } })
	for i := range 30 {
		if resp, _, err := request(t, base, testToken, nil); err != nil || resp.StatusCode != 200 {
			t.Fatalf("request %d: %v %v", i+1, resp, err)
		}
	}
	resp, body, err := request(t, base, testToken, nil)
	if err != nil || resp.StatusCode != 429 {
		t.Fatalf("request 31: %v %v, want 429", resp, err)
	}
	want := `{"errors":[{"detail":"You have exceeded the API's rate limit.","status":429,"title":"Too many requests"}]}`
	if string(body) != want || resp.Header.Get("X-Ratelimit-Limit") != "30" || resp.Header.Get("X-Ratelimit-Reset") != "1.000" {
		t.Errorf("got %s %v", body, resp.Header)
	}
	wall = wall.Add(time.Second)
	if resp, _, _ := request(t, base, testToken, nil); resp.StatusCode != 200 {
		t.Errorf("a second later: %d", resp.StatusCode)
	}
	if c := h.Counters(); c.Requests != 32 || c.ByStatus[429] != 1 {
		t.Errorf("counters %+v", c)
	}
}

func TestHCPFaults(t *testing.T) {
	type result struct {
		resp *http.Response
		body []byte
		err  error
	}
	header := func(key, want string) func(t *testing.T, r result) {
		return func(t *testing.T, r result) {
			if r.err != nil || r.resp.StatusCode != 429 || r.resp.Header.Get(key) != want {
				t.Errorf("got %v %v, want 429 with %s: %s", r.resp, r.err, key, want)
			}
		}
	}
	status := func(want int) func(t *testing.T, r result) {
		return func(t *testing.T, r result) {
			if r.err != nil || r.resp.StatusCode != want {
				t.Errorf("got %v %v, want %d", r.resp, r.err, want)
			}
		}
	}
	wall := func() time.Time { return testNow }
	cases := []struct {
		fault Fault
		check func(t *testing.T, r result)
	}{
		{RetryAfterSeconds(7), header("Retry-After", "7")},
		{RetryAfterDate(time.Minute), header("Retry-After", "Wed, 20 May 2026 12:01:00 GMT")},
		{RateLimitReset(0.25), header("X-Ratelimit-Reset", "0.25")},
		{Status(500), status(500)},
		{Status(502), status(502)},
		{Status(503), status(503)},
		{ProxyPage(), func(t *testing.T, r result) {
			if r.resp.StatusCode != 200 || json.Valid(r.body) {
				t.Errorf("got %d %s, want 200 and no JSON", r.resp.StatusCode, r.body)
			}
		}},
		{SlowBody(time.Millisecond), func(t *testing.T, r result) {
			if r.err != nil || !json.Valid(r.body) {
				t.Errorf("got %s %v, want the whole body", r.body, r.err)
			}
		}},
		{CutBody(), func(t *testing.T, r result) {
			if !errors.Is(r.err, io.ErrUnexpectedEOF) {
				t.Errorf("got %v, want unexpected EOF", r.err)
			}
		}},
		{ResetConnection(), func(t *testing.T, r result) {
			if r.resp != nil || r.err == nil {
				t.Errorf("got %v %v, want no answer", r.resp, r.err)
			}
		}},
		{BrokenJSON(), func(t *testing.T, r result) {
			if r.err != nil || json.Valid(r.body) {
				t.Errorf("got %s %v, want a whole body that is no JSON", r.body, r.err)
			}
		}},
		{Twice(), func(t *testing.T, r result) {
			var p testPage
			if err := json.Unmarshal(r.body, &p); err != nil || len(p.Data) != 4 || p.Data[0] != p.Data[3] || p.Pagination.Total != 3 {
				t.Errorf("got %s %v, want 3 records and the first again", r.body, err)
			}
		}},
		{WrongTotal(5), func(t *testing.T, r result) {
			var p testPage
			if err := json.Unmarshal(r.body, &p); err != nil || p.Pagination.Total != 8 || p.Pagination.Pages != 1 {
				t.Errorf("got %s %v, want total 8 in 1 page", r.body, err)
			}
		}},
	}
	for _, c := range cases {
		t.Run(c.fault.Name(), func(t *testing.T) {
			h, base := testHCP(t, func(o *HCPOptions) { o.Wall = wall })
			h.Append(testRecords(3, testNow)...)
			h.Inject(c.fault)
			resp, body, err := request(t, base, testToken, nil)
			c.check(t, result{resp, body, err})
			if h.Counters().Faults[c.fault.Name()] != 1 {
				t.Errorf("counters %+v", h.Counters())
			}
			if p := getPage(t, base, 1, 10, time.Time{}); len(p.Data) != 3 || p.Pagination.Total != 3 {
				t.Errorf("the request after the fault: %+v", p)
			}
		})
	}
}

func TestHCPDown(t *testing.T) {
	h, base := testHCP(t, nil)
	h.Down(Status(503))
	for range 3 {
		if resp, _, err := request(t, base, testToken, nil); err != nil || resp.StatusCode != 503 {
			t.Fatalf("while down: %v %v", resp, err)
		}
	}
	h.Up()
	getPage(t, base, 1, 10, time.Time{})
}

func TestRandomFaultsRepeat(t *testing.T) {
	a, b := RandomFaults(1, 0.3), RandomFaults(1, 0.3)
	names, spoiled := map[string]bool{}, 0
	for n := range 1000 {
		x, y := a(n), b(n)
		if (x == nil) != (y == nil) || x != nil && x.Name() != y.Name() {
			t.Fatalf("request %d: two plans of one seed differ", n)
		}
		if x != nil {
			spoiled++
			names[x.Name()] = true
		}
	}
	if spoiled < 250 || spoiled > 350 || len(names) != 12 {
		t.Errorf("%d of 1000 requests spoiled by %d kinds, want about 300 by 12", spoiled, len(names))
	}
}

// TestHCPPatientClient reads through random faults and arrivals as a client
// should: page 1 to the last, again from page 1 when a page fails.
func TestHCPPatientClient(t *testing.T) {
	h, base := testHCP(t, nil)
	records := testRecords(300, testNow)
	h.Append(records[:200]...)
	next := 200
	random := RandomFaults(7, 0.4)
	h.Plan(func(n int) *Fault {
		if n%3 == 0 && next < len(records) {
			f := Arrive(records[next : next+5]...)
			next += 5
			return &f
		}
		return random(n)
	})
	seen := map[string]bool{}
	for n, tries := 1, 0; tries < 5000; tries++ {
		resp, body, err := request(t, base, testToken, url.Values{"page[number]": {strconv.Itoa(n)}, "page[size]": {"20"}})
		var p testPage
		if err != nil || resp.StatusCode != 200 || json.Unmarshal(body, &p) != nil {
			continue
		}
		for _, id := range p.ids() {
			seen[id] = true
		}
		if n++; p.Pagination.Next == nil {
			n = 1
			if len(seen) == len(records) {
				return
			}
		}
	}
	t.Errorf("saw %d of %d records", len(seen), len(records))
}
