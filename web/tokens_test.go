package web_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"exhibit/web"
	"exhibit/web/webtest"
)

// The text of a token is in one answer: to the form that makes it.
func TestTokenIsShownOnce(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	must(t, b.get(t, "/tokens"), http.StatusOK, "a1b2c3d4e5", "expired", "Make a token")
	must(t, b.get(t, "/tokens?source=k8s-prod"), http.StatusOK, "/ingest/k8s-prod", "/services/collector/event", "/v1/logs", "/api/v2/logs", "$TOKEN")

	last := s.clock.now().AddDate(0, 0, 30).Format(time.DateOnly)
	a := b.post(t, "/tokens", url.Values{"source": {"k8s-prod"}, "expires": {last}})
	must(t, a, http.StatusOK, webtest.TokenText, "nothing shows it again", "Bearer $TOKEN", "--data-binary @events.jsonl "+s.url+"/ingest/k8s-prod")
	if n := strings.Count(a.body, webtest.TokenText); n != 1 {
		t.Errorf("the token stands %d times in the answer, also in a command that a shell remembers", n)
	}
	if strings.Contains(a.Request.URL.String(), "exh_") || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the answer is at %s, kept as %q", a.Request.URL, a.Header.Get("Cache-Control"))
	}
	for _, path := range []string{"/tokens", "/tokens?source=k8s-prod", "/sources/k8s-prod", "/events"} {
		if again := b.get(t, path); strings.Contains(again.body, webtest.TokenText) {
			t.Errorf("%s shows the token again", path)
		}
	}
	if strings.Contains(s.log.String(), "exh_") {
		t.Error("the log holds a token")
	}
	must(t, b.get(t, "/tokens"), http.StatusOK, "0123456789", "ada@example.com")

	must(t, b.follow(t, b.post(t, "/tokens/0123456789/revoke", url.Values{"source": {"k8s-prod"}})), http.StatusOK, "revoked", "Tokens of k8s-prod")
	must(t, b.post(t, "/tokens/nothing/revoke", nil), http.StatusNotFound)
}

func TestTokenForms(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	for words, form := range map[string]url.Values{
		"Choose the source":     {"source": {"nope"}},
		"is no date":            {"source": {"k8s-prod"}, "expires": {"tomorrow"}},
		"2020-01-01 has passed": {"source": {"k8s-prod"}, "expires": {"2020-01-01"}},
	} {
		a := b.post(t, "/tokens", form)
		must(t, a, http.StatusBadRequest, words, "Make a token")
		if strings.Contains(a.body, webtest.TokenText) {
			t.Errorf("%s: a token was made", words)
		}
	}
	must(t, b.get(t, "/tokens?source=nope"), http.StatusNotFound)

	// From another site nothing is made.
	r := b.request(t, http.MethodPost, "/tokens", url.Values{"source": {"k8s-prod"}})
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	must(t, b.do(t, r), http.StatusForbidden)

	s.data.Err = errors.New("ledger: disk full at /secret/place")
	r = b.request(t, http.MethodPost, "/tokens/a1b2c3d4e5/revoke", nil)
	a := b.do(t, r)
	must(t, a, http.StatusServiceUnavailable, "Revoked for now")
	if strings.Contains(a.body, "disk full") {
		t.Error("the page shows the chain of the error")
	}
}
