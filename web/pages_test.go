package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/views"
	"exhibit/web"
)

func (s *site) days(from, to int) url.Values {
	today := s.clock.now().UTC().Truncate(24 * time.Hour)
	return url.Values{"framework": {"soc2"}, "zone": {"Europe/Berlin"}, "from": {today.AddDate(0, 0, -from).Format(time.DateOnly)}, "to": {today.AddDate(0, 0, -to).Format(time.DateOnly)}}
}

func TestPages(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Reviewer)
	report := "/reports/soc2?" + s.days(89, 0).Encode()
	for _, c := range []struct {
		path  string
		words []string
	}{
		{"/", []string{"Coverage, last 30 days", "5 d 6 h", "before anything is lost", "okta-workforce: the token was rejected", "3,412 segments agree with the ledger", "#8,114", "covered, silent", "The same as numbers"}},
		{"/reports", []string{"Make a report", "PCI DSS", "SHA-256", "Last day, included"}},
		{"/reports/hipaa", []string{"Make a report"}},
		{report, []string{"none found, collection proven", "none received, stream up", "none in the file that Ada Lindqvist states to be complete", "unknown: not collected",
			"not evidenced: no source logs this; connect an identity provider", "our own operation", "Bring besides", "In scope, but without a source", "tsc:2017r2022:CC6.1", "/events?from=20", "&section=logins&to=20"}},
		{"/coverage", []string{"recoverable until", "Abilities", "cannot emit", "proven empty", "Europe/Berlin", "OPS-2291"}},
		{"/sources", []string{"token rejected", "Rejects"}},
		{"/sources/okta-workforce", []string{"Invalid token provided", "Make a new API token", "Cursor"}},
		{"/sources/hcp-prod", []string{"stack.deployment_group_approve", "not-json", "41,464", "14 d"}},
		{"/events", []string{"Older", "workspace.create"}},
		{"/events?source=hcp-prod,k8s-prod&from=2026-01-01T00:00:00Z&to=2190-01-01T00:00:00Z", []string{"rolebindings.patch", "run.apply", "To, not included", "hcp-prod,k8s-prod"}},
		{"/events?outcome=failure&actor=nobody", []string{"No stored event fits this filter", "no proof that there was none"}},
	} {
		must(t, b.get(t, c.path), http.StatusOK, c.words...)
	}
}

func TestNeverCompliant(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	for _, path := range []string{"/", "/reports", "/reports/soc2?" + s.days(89, 0).Encode(), "/coverage", "/sources", "/sources/hcp-prod", "/events"} {
		if a := b.get(t, path); regexp.MustCompile(`(?i)compliant|score`).MatchString(a.body) {
			t.Errorf("%s judges", path)
		}
	}
}

func TestFirstMinute(t *testing.T) {
	s := newSite(t)
	s.data.Bare = true
	b := s.signedIn(t, web.Admin)
	must(t, b.get(t, "/"), http.StatusOK, "No source is configured yet", "Nothing.", "nobody")
	must(t, b.get(t, "/reports"), http.StatusOK, "No packs yet")
	must(t, b.get(t, "/coverage"), http.StatusOK, "No source to show")
	must(t, b.get(t, "/sources"), http.StatusOK, "No source is configured yet")
	must(t, b.get(t, "/events"), http.StatusOK, "No events yet")
}

func TestWrongInput(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	for path, want := range map[string]string{
		"/reports/soc2?from=2026-02-30&to=2026-03-01":                          `The first date "2026-02-30" is not a date`,
		"/reports/soc2?from=2026-03-02&to=2026-03-01":                          "ends (2026-03-01) before it begins",
		"/reports/soc2?from=0001-01-01&to=2026-03-01":                          "outside of 1970 through 2199",
		"/reports/soc2?from=1980-01-01&to=2026-03-01":                          "longer than ten years",
		"/reports/soc2?from=2190-01-01&to=2190-03-01":                          "has not begun yet",
		"/reports/soc2?from=2026-01-01&to=2026-03-01&zone=Mars/Base":           `zone "Mars/Base" is not known`,
		"/reports/soc2?from=2026-01-01&to=2026-03-01&zone=Local":               `zone "Local" is not known`,
		"/reports/soc2?from=2026-01-01&to=2026-03-01&zone=../../../etc/passwd": "is not known",
		"/reports/soc2?from=2026-01-01&to=2026-03-01&source=nope":              `There is no source "nope"`,
		"/coverage?from=x&to=2026-01-01":                                       "is not a date",
		"/reports/soc2?from=2026-01-01":                                        "The last day is missing",
		"/coverage?from=2026-01-02&to=2026-01-01":                              "Show the last days",
		"/events?from=yesterday":                                               "is not a time",
		"/events?section=nope":                                                 "There is no section",
		"/events?from=2026-01-02&to=2026-01-01":                                "The end is not after the beginning",
		"/events?before=nonsense":                                              "The address of this page is damaged",
		"/events?actor=" + strings.Repeat("x", 501):                            "longer than 500 bytes",
	} {
		must(t, b.get(t, path), http.StatusBadRequest, want)
	}
	for _, path := range []string{"/reports/nope?from=2026-01-01&to=2026-03-01", "/reports/nope", "/sources/nope", "/events/hcp-prod/nope", "/packs/nope/download", "/packs/jobs/nope", "/nope", "/static/nope.css"} {
		if a := b.get(t, path); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	must(t, b.post(t, "/reports", url.Values{}), http.StatusMethodNotAllowed)
	must(t, b.post(t, "/packs", url.Values{"framework": {strings.Repeat("x", 70_000)}}), http.StatusRequestEntityTooLarge, "Too large")
}

func TestPackFromFormToFile(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Auditor)
	s.audit.Actions()
	a := b.post(t, "/packs", s.days(89, 0))
	must(t, a, http.StatusSeeOther)
	job := a.Header.Get("Location")
	must(t, b.get(t, job), http.StatusOK, "Waiting", `http-equiv="refresh" content="2"`, "data-poll=\"1000\"")
	must(t, b.get(t, job), http.StatusOK, "writing sections", "192,800 of 301,255")
	must(t, b.get(t, job), http.StatusOK)
	done := b.get(t, job)
	must(t, done, http.StatusOK, "The pack is ready", "exhibit-verify")
	if strings.Contains(done.body, "http-equiv") {
		t.Error("a finished job goes on refreshing")
	}
	link := regexp.MustCompile(`href="(/packs/[^"]+/download)"`).FindStringSubmatch(done.body)
	if link == nil {
		t.Fatal("no download link")
	}
	file := b.get(t, link[1])
	must(t, file, http.StatusOK)
	sum := sha256.Sum256([]byte(file.body))
	if digest := hex.EncodeToString(sum[:]); file.Header.Get("ETag") != `"`+digest+`"` || !strings.Contains(done.body, digest) {
		t.Errorf("digest %s, ETag %s", digest, file.Header.Get("ETag"))
	}
	if d := file.Header.Get("Content-Disposition"); !strings.HasPrefix(d, `attachment; filename="exhibit-soc2-2`) {
		t.Errorf("disposition %q", d)
	}
	r := b.request(t, http.MethodGet, link[1], nil)
	r.Header.Set("Range", "bytes=5-9")
	r.Header.Set("If-Range", file.Header.Get("ETag"))
	if part := b.do(t, r); part.StatusCode != http.StatusPartialContent || part.body != file.body[5:10] {
		t.Errorf("range: %d %q", part.StatusCode, part.body)
	}
	must(t, b.get(t, "/reports"), http.StatusOK, link[1])
	var names []string
	for _, x := range s.audit.Actions() {
		names = append(names, x.Name+" "+x.Outcome+" "+x.Target.ID)
		if x.Actor.Email != "audrey@audit.example" || x.IP == "" || x.RequestID == "" {
			t.Errorf("recorded %+v", x)
		}
	}
	want := "pack.create success job-1;pack.download success p0003;pack.download success p0003"
	if got := strings.Join(names, ";"); got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestFailedJobSaysWhy(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	job := b.post(t, "/packs", s.days(10, 0)).Header.Get("Location")
	s.data.Break("hcp-prod, 2026-11-03, logins: rows do not agree with the ledger.")
	a := b.get(t, job)
	must(t, a, http.StatusOK, "No pack was made", "rows do not agree with the ledger")
	if strings.Contains(a.body, "http-equiv") {
		t.Error("a failed job goes on refreshing")
	}
}

func TestPacksAreRefusedWhenTheyCannotBeRecorded(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Reviewer)
	s.audit.Fail(errors.New("ledger stopped"))
	must(t, b.post(t, "/packs", s.days(10, 0)), http.StatusServiceUnavailable, "could not be recorded")
	must(t, b.get(t, "/packs/jobs/job-1"), http.StatusNotFound)
	a := b.get(t, "/packs/p0001/download")
	must(t, a, http.StatusServiceUnavailable, "could not be recorded")
	if strings.Contains(a.body, "an evidence pack soc2") {
		t.Error("the pack was sent")
	}
	must(t, b.get(t, "/reports"), http.StatusOK)
}

func TestAuditorsSeeTheirEngagementsOnly(t *testing.T) {
	s := newSite(t, func(d *web.Deps) {
		d.Engagements[0].Sources = []string{"hcp-prod", "okta-workforce"}
		d.Engagements[0].Expires = d.Now().Add(20 * time.Minute)
	})
	b := s.signedIn(t, web.Auditor)
	a := b.get(t, "/reports")
	must(t, a, http.StatusOK, "SOC 2 Type 2, 2026", "hcp-prod, okta-workforce")
	for _, not := range []string{"Last year", "/packs/p0001", "/packs/p0002", "k8s-prod", `href="/events"`, `href="/sources"`, `href="/"` + `>Overview`} {
		if strings.Contains(a.body, not) {
			t.Errorf("the auditor sees %q", not)
		}
	}
	if to := b.get(t, "/").Header.Get("Location"); to != "/reports" {
		t.Errorf("an auditor's first page is %q", to)
	}
	within := s.days(89, 0)
	a = b.get(t, "/reports/soc2?"+within.Encode())
	must(t, a, http.StatusOK, "hcp-prod, okta-workforce")
	if strings.Contains(a.body, "k8s-prod") || strings.Contains(a.body, "/events?") {
		t.Error("the report shows a source outside of the engagement, or links to events")
	}
	s.audit.Actions()
	change := func(key, value string) url.Values {
		q := s.days(89, 0)
		q.Set(key, value)
		return q
	}
	for name, q := range map[string]url.Values{
		"a day before": s.days(120, 0), "another zone": change("zone", "America/Los_Angeles"), "another source": change("source", "k8s-prod"),
		"another engagement": change("engagement", "Last year"),
	} {
		must(t, b.get(t, "/reports/soc2?"+q.Encode()), http.StatusForbidden, "None of your engagements holds this")
		must(t, b.post(t, "/packs", q), http.StatusForbidden)
		if x := s.audit.Actions(); len(x) != 2 || x[0].Name != "access.refuse" || x[0].Outcome != event.Failure {
			t.Errorf("%s: recorded %+v", name, x)
		}
	}
	must(t, b.get(t, "/reports/pci?"+within.Encode()), http.StatusForbidden)
	must(t, b.get(t, "/packs/p0001/download"), http.StatusNotFound)
	job := s.signedIn(t, web.Admin).post(t, "/packs", s.days(89, 0)).Header.Get("Location")
	must(t, b.get(t, job), http.StatusNotFound)

	s.clock.move(21 * time.Minute)
	must(t, b.get(t, "/reports/soc2?"+within.Encode()), http.StatusForbidden)
	must(t, b.get(t, "/reports"), http.StatusOK, "not invited to an engagement, or it has expired")
}

func TestEventListPages(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	seen, path := map[string]bool{}, "/events?source=hcp-prod"
	older := regexp.MustCompile(`href="([^"]+)" rel="next"`)
	row := regexp.MustCompile(`href="(/events/hcp-prod/[^"]+)"`)
	for range 10 {
		a := b.get(t, path)
		must(t, a, http.StatusOK)
		for _, m := range row.FindAllStringSubmatch(a.body, -1) {
			if seen[m[1]] {
				t.Fatalf("%s is on two pages", m[1])
			}
			seen[m[1]] = true
		}
		next := older.FindStringSubmatch(a.body)
		if next == nil {
			break
		}
		path = strings.ReplaceAll(next[1], "&amp;", "&")
	}
	all, err := s.deps.Events.List(context.Background(), web.EventQuery{Sources: []string{"hcp-prod"}, Limit: 1000})
	if err != nil || len(seen) != len(all) || len(all) < 101 {
		t.Errorf("%d events on the pages, %d in all, %v", len(seen), len(all), err)
	}
}

func TestEventPage(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Reviewer)
	s.audit.Actions()
	first, err := s.deps.Events.List(context.Background(), web.EventQuery{Sources: []string{"hcp-prod"}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	path := web.EventPath("hcp-prod", first[0].ID, first[0].Time) // holds a slash and a number sign
	a := b.get(t, path)
	must(t, a, http.StatusOK, first[0].ID, "terraform-version", "Leaf hash", "ledger record #8,092", "<b>&amp;</b>")
	if strings.Contains(a.body, "<b>&amp;</b>") {
		t.Error("the record is not escaped")
	}
	x := s.audit.Actions()
	if len(x) != 1 || x[0].Name != "event.view" || x[0].Target.ID != first[0].ID || x[0].Target.Name != "hcp-prod" {
		t.Errorf("recorded %+v", x)
	}
}

func TestHeaders(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	for _, path := range []string{"/", "/nope", "/sign-in?return=/", "/healthz"} {
		h := b.get(t, path).Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: policy %q lacks %s", path, csp, want)
			}
		}
		if strings.Contains(csp, "unsafe") || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("Cross-Origin-Opener-Policy") != "same-origin" ||
			h.Get("Cache-Control") != "no-store" || len(h.Get("X-Request-Id")) != 16 || h.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
	a := b.get(t, "/")
	if regexp.MustCompile(`(?i)<[^>]+ (style|on[a-z]+)=`).MatchString(a.body) || strings.Contains(a.body, "<style") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(a.body) {
		t.Error("the page has inline style or script")
	}
	css := regexp.MustCompile(`href="(/static/app\.[0-9a-f]{16}\.css)"`).FindStringSubmatch(a.body)
	if css == nil {
		t.Fatal("no style sheet")
	}
	if file := s.browser(t).get(t, css[1]); file.StatusCode != http.StatusOK || !strings.Contains(file.Header.Get("Cache-Control"), "immutable") || file.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style sheet: %d %v", file.StatusCode, file.Header)
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	for _, h := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}, {"Origin": {"null"}}} {
		r := b.request(t, http.MethodPost, "/packs", s.days(10, 0))
		for k, v := range h {
			r.Header[k] = v
		}
		must(t, b.do(t, r), http.StatusForbidden, "came from another site")
	}
	r := b.request(t, http.MethodPost, "/packs", s.days(10, 0))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	must(t, b.do(t, r), http.StatusSeeOther)
}

func TestErrorsShowOurSentenceOnly(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	s.data.Err = fmt.Errorf("select from events: %w", errors.New("code 241: memory limit; password=hunter2"))
	for _, path := range []string{"/", "/reports", "/coverage", "/sources", "/events", "/sources/hcp-prod", "/events/hcp-prod/1", "/packs/p0001/download", "/packs/jobs/1"} {
		a := b.get(t, path+"?secretish=in-the-query")
		must(t, a, http.StatusInternalServerError, "Something went wrong here", "Nothing was changed or lost", a.Header.Get("X-Request-Id"))
		if strings.Contains(a.body, "memory limit") || strings.Contains(a.body, "select") {
			t.Errorf("%s shows the chain", path)
		}
	}
	s.data.Err = fmt.Errorf("query: %w", context.DeadlineExceeded)
	must(t, b.get(t, "/"), http.StatusServiceUnavailable, "This took too long")
	log := s.log.String()
	if !strings.Contains(log, "memory limit") || strings.Contains(log, "in-the-query") || strings.Contains(log, "exhibit_session") {
		t.Error("the log lacks the chain, or holds a query string or a cookie")
	}
}

type panicking struct{ web.Overviews }

func (panicking) Overview(context.Context) (views.Overview, error) { panic("nil map of secrets") }

func TestPanicBecomesAPage(t *testing.T) {
	s := newSite(t, func(d *web.Deps) { d.Overview = panicking{} })
	b := s.signedIn(t, web.Admin)
	a := b.get(t, "/")
	must(t, a, http.StatusInternalServerError, "Something went wrong here")
	if strings.Contains(a.body, "nil map") || !strings.Contains(s.log.String(), "nil map of secrets") {
		t.Error("the panic is on the page, or not in the log")
	}
}

func TestForwardedAddressIsBelievedFromProxiesOnly(t *testing.T) {
	s := newSite(t)
	b := s.browser(t)
	r := b.request(t, http.MethodGet, "/sign-in/callback", nil)
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	b.do(t, r)
	if x := s.audit.Actions(); len(x) != 1 || x[0].IP != "127.0.0.1" {
		t.Errorf("recorded %+v", x)
	}
}
