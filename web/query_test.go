package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"exhibit/web"
)

func FuzzEventPath(f *testing.F) {
	for _, id := range []string{"ae-1", "a/b#1", "id?x=1", "%2F", "ü \x00 \xff", "a;b=c", "日本", ".", "..", "...", "../..", "./"} {
		f.Add("hcp-prod", id)
	}
	f.Fuzz(func(t *testing.T, source, id string) {
		if id == "" || source == "" || source == "." || source == ".." {
			t.Skip() // no event has no id, and no source is called so
		}
		u, err := url.Parse("https://exhibit.example.com" + web.EventPath(source, id, time.Time{}))
		if err != nil {
			t.Fatalf("path of %q: %v", id, err)
		}
		for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
			// What browsers and proxies take for a folder: WHATWG URL, dot segments.
			switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
			case ".", "..":
				t.Fatalf("path of %q %q leads elsewhere: %s", source, id, u.EscapedPath())
			}
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL = u
		gotSource, gotID, err := web.EventOf(r)
		if err != nil || gotSource != source || gotID != id {
			t.Errorf("path of %q %q leads to %q %q, %v", source, id, gotSource, gotID, err)
		}
	})
}
