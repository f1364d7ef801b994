package web_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"exhibit/web"
)

func TestMetricsNeedTheirToken(t *testing.T) {
	const token = "a-token-of-more-than-twenty-letters"
	asked := 0
	s := newSite(t, func(d *web.Deps) {
		d.Metrics = &web.Metrics{Token: token, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			_, _ = io.WriteString(w, "exhibit_build_info 1\n") // a test's connection
		})}
	})
	for header, want := range map[string]int{"Bearer " + token: http.StatusOK, "": http.StatusUnauthorized, "Bearer ": http.StatusUnauthorized, "Bearer " + token[1:]: http.StatusUnauthorized,
		token: http.StatusUnauthorized, "Basic " + token: http.StatusUnauthorized, "Bearer " + token + " ": http.StatusOK} {
		for name, b := range map[string]*browser{"nobody": s.browser(t), "an admin": s.cached(t, web.Admin)} {
			before := asked
			r := b.request(t, http.MethodGet, "/metrics", nil)
			if header != "" {
				r.Header.Set("Authorization", header)
			}
			a := b.do(t, r)
			if a.StatusCode != want || asked-before != map[int]int{http.StatusOK: 1}[want] || want == http.StatusUnauthorized && a.Header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: status %d, want %d", name, header, a.StatusCode, want)
			}
		}
	}
	if strings.Contains(s.log.String(), token) {
		t.Error("the token is in the log")
	}
	d := s.deps
	d.Metrics = &web.Metrics{Token: "short", Handler: http.NotFoundHandler()}
	if _, err := web.New(d); err == nil {
		t.Error("a short token is taken")
	}
}

func TestNoTokenNoMetrics(t *testing.T) {
	s := newSite(t)
	must(t, s.cached(t, web.Admin).get(t, "/metrics"), http.StatusNotFound)
	must(t, s.browser(t).get(t, "/metrics"), http.StatusNotFound)
}
