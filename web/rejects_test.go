package web_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"exhibit/web"
	"exhibit/web/webtest"
)

func TestRejectPages(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	must(t, b.get(t, "/rejects"), http.StatusOK, "not JSON", "hcp-prod", ">129<", "exhibit redrive")
	must(t, b.get(t, "/rejects?source=k8s-prod"), http.StatusOK, "None: every record")
	must(t, b.get(t, "/sources/hcp-prod"), http.StatusOK, `href="/rejects?source=hcp-prod"`)

	// Each reject is on one of the pages of the list.
	row := regexp.MustCompile(`href="(/rejects/hcp-prod/[0-9a-f]{64}\?reason=not\+JSON)"`)
	seen := map[string]bool{}
	path := "/rejects/hcp-prod?reason=not+JSON"
	for path != "" {
		a := b.get(t, path)
		must(t, a, http.StatusOK, "Newest first")
		for _, m := range row.FindAllStringSubmatch(a.body, -1) {
			seen[m[1]] = true
		}
		path = ""
		if m := regexp.MustCompile(`<a href="([^"]+)" rel="next">`).FindStringSubmatch(a.body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
	}
	if len(seen) != webtest.RejectCount {
		t.Errorf("the pages hold %d rejects, want %d", len(seen), webtest.RejectCount)
	}
	must(t, b.get(t, "/rejects/hcp-prod?state=resolved"), http.StatusOK, "it is an event now", "/events/hcp-prod/ae-1", "This is the oldest")

	for one := range seen {
		a := b.get(t, one)
		must(t, a, http.StatusOK, `\u{202e}`, "Download all")
		if strings.Contains(a.body, "<script>alert") {
			t.Error("bytes of a reject are markup")
		}
		r := b.request(t, http.MethodGet, strings.Replace(one, "?", "/bytes?", 1), nil)
		answer := b.do(t, r)
		must(t, answer, http.StatusOK, "<script>alert(1)")
		if h := answer.Header; h.Get("Content-Type") != "application/octet-stream" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("got %v", h)
		}
		break
	}
	var names []string
	for _, x := range s.audit.Actions() {
		names = append(names, x.Name)
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "reject.view reject.download") {
		t.Errorf("recorded %s", got)
	}
	for _, wrong := range []string{"/rejects/hcp-prod/12?reason=x", "/rejects/hcp-prod/" + strings.Repeat("0", 64) + "?reason=x", "/rejects/hcp-prod/" + strings.Repeat("0", 64) + "/bytes"} {
		must(t, b.get(t, wrong), http.StatusNotFound)
	}
}

// Bytes of rejects are as they came, with whatever is in them: they are for
// administrators.
func TestRejectsAreForAdministrators(t *testing.T) {
	s := newSite(t)
	for _, role := range []web.Role{web.Reviewer, web.Auditor} {
		b := s.signedIn(t, role)
		for _, path := range []string{"/rejects", "/rejects/hcp-prod", "/rejects/hcp-prod/" + strings.Repeat("0", 64), "/rejects/hcp-prod/" + strings.Repeat("0", 64) + "/bytes"} {
			must(t, b.get(t, path), http.StatusForbidden)
		}
		if a := b.get(t, "/reports"); strings.Contains(a.body, `href="/rejects"`) {
			t.Errorf("%s is shown a way to the rejects", role)
		}
	}
}

// What cannot be recorded is not handed out.
func TestRejectsAreRecordedFirst(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	a := b.get(t, "/rejects")
	m := regexp.MustCompile(`href="(/rejects/hcp-prod/[0-9a-f]{64})\?reason=not\+JSON"`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatal("no example")
	}
	s.audit.Fail(io.ErrClosedPipe)
	must(t, b.get(t, m[1]+"/bytes?reason=not+JSON"), http.StatusServiceUnavailable, "could not be recorded")
	must(t, b.get(t, m[1]+"?reason=not+JSON"), http.StatusOK)
}
