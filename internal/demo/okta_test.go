package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func signIns(t *testing.T, from, to time.Time) []Record {
	t.Helper()
	return slices.Collect(History{Seed: 7, Zone: berlin(t)}.SignIns(from, to))
}

// Whatever part of the log is told, it is the same log.
func TestSignInsAgree(t *testing.T) {
	all := signIns(t, periodFrom, periodTo)
	if len(all) < 3000 {
		t.Fatalf("%d events in %s", len(all), periodTo.Sub(periodFrom))
	}
	cut := periodFrom.AddDate(0, 0, 40).Add(37 * time.Minute)
	parts := append(signIns(t, periodFrom, cut), signIns(t, cut, periodTo)...)
	same := func(a, b Record) bool {
		return a.ID == b.ID && a.Time.Equal(b.Time) && string(a.Raw) == string(b.Raw)
	}
	if !slices.EqualFunc(all, parts, same) {
		t.Errorf("two parts have %d events, the whole %d", len(parts), len(all))
	}
	seen := map[string]bool{}
	for i, r := range all {
		var e oktaEvent
		if err := json.Unmarshal(r.Raw, &e); err != nil || e.UUID != r.ID || seen[r.ID] || i > 0 && r.Time.Before(all[i-1].Time) {
			t.Fatalf("event %d: %v\n%s", i, err, r.Raw)
		}
		seen[r.ID] = true
	}
}

// A follower gets what is kept and what comes, each once, also from a server that was
// started on another day.
func TestOktaIsFollowed(t *testing.T) {
	now := periodTo
	server := func(days int) *httptest.Server {
		s := httptest.NewServer(&Okta{Token: "secret", Now: func() time.Time { return now }, Log: signIns(t, periodTo.AddDate(0, 0, -days), periodTo.AddDate(0, 0, 3))})
		t.Cleanup(s.Close)
		return s
	}
	var got []string
	follow := func(s *httptest.Server, query string) string {
		for {
			link, records := oktaGet(t, s.URL+"/api/v1/logs?"+query)
			if query = link; len(records) == 0 {
				return query
			}
			got = append(got, records...)
		}
	}
	cursor := follow(server(100), "limit=100&since="+periodFrom.Format(time.RFC3339))
	now = now.AddDate(0, 0, 2)
	follow(server(98), cursor)
	var want []string
	for _, r := range signIns(t, periodTo.AddDate(0, 0, -90), now) {
		want = append(want, string(r.Raw))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d events were given, want %d", len(got), len(want))
	}
}

// oktaGet returns the query of the next page and the records of this one.
func oktaGet(t *testing.T, address string) (next string, records []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "SSWS secret")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", answer.Status, err, body)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatal(err)
	}
	for _, raw := range list {
		records = append(records, string(raw))
	}
	for _, link := range answer.Header.Values("Link") {
		if rest, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
			_, next, _ = strings.Cut(rest, "?")
		}
	}
	return next, records
}

func TestOktaRefuses(t *testing.T) {
	o := &Okta{Token: "secret", Now: func() time.Time { return periodTo }}
	for name, tt := range map[string]struct {
		token, path string
		want        int
	}{
		"token":  {"other", "/api/v1/logs?limit=1", http.StatusUnauthorized},
		"path":   {"secret", "/api/v1/users?limit=1", http.StatusNotFound},
		"limit":  {"secret", "/api/v1/logs?limit=1001&since=2026-01-01T00:00:00Z", http.StatusBadRequest},
		"since":  {"secret", "/api/v1/logs?limit=1&since=yesterday", http.StatusBadRequest},
		"cursor": {"secret", "/api/v1/logs?limit=1&after=yesterday", http.StatusBadRequest},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.path, nil)
		r.Header.Set("Authorization", "SSWS "+tt.token)
		w := httptest.NewRecorder()
		o.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s: %d, want %d", name, w.Code, tt.want)
		}
	}
}
