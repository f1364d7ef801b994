package source

import (
	"bytes"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func FuzzTerracottaPage(f *testing.F) {
	for _, seed := range []string{`[{"id":"1"},{"id":"2"}]`, `{"data":[{}],"links":{"next":"/v1/audit-logs?offset=2"}}`, `{"audit_logs":[],"next_cursor":"abc","has_more":true}`,
		`{"result":{"entries":[1,null,"x"]},"pagination":{"next_page":2,"total":7}}`, `{"events":null,"meta":{"page":1,"total_pages":3}}`, `{"error":"no","data":[]}`,
		`{"data":{"items":[{"a":{}}]},"_links":{"next":{"href":"https://api.terracotta.ai/v1/x"}}}`, `{"page_info":{"end_cursor":"x","has_next_page":false},"logs":[]}`} {
		f.Add([]byte(seed), "", "", "")
		f.Add([]byte(seed), "data", "next_cursor", "mark")
	}
	base, _ := url.Parse("https://api.terracotta.ai/v1/audit-logs?from=2026-01-01&to=2026-01-02")
	f.Fuzz(func(t *testing.T, body []byte, list, next, param string) {
		page, err := parseTerracotta(body, terracottaPaths{plainPath(list), plainPath(next)})
		checkRecords(t, body, page.records, err)
		if err != nil {
			return
		}
		onward, err := page.following(base, param)
		switch {
		case err != nil:
		case onward == nil && page.more:
			t.Error("there is more, and nothing follows")
		case onward != nil && (onward.Scheme != base.Scheme || !strings.EqualFold(onward.Host, base.Host) || page.ended()):
			t.Errorf("after %q (ended %t) follows %s", page.next, page.ended(), onward)
		}
	})
}

func FuzzDatadogPage(f *testing.F) {
	for _, seed := range []string{`{"data":[{"id":"a","type":"log"}],"meta":{"page":{"after":"xyz"},"status":"done"}}`, `{"data":[],"meta":{"status":"timeout"}}`,
		`{"data":[],"meta":{"warnings":[{"code":"unknown_index","title":"t","detail":"indexes: foo"}]}}`, `{"errors":["Forbidden"]}`, `{"data":[{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := parseDatadog(body)
		checkRecords(t, body, page.records, err)
		var want struct {
			Data []jsontext.Value `json:"data"`
			Meta struct {
				Status string `json:"status"`
				Page   struct {
					After jsontext.Value `json:"after"`
				} `json:"page"`
			} `json:"meta"`
		}
		if err == nil && readsOneWay(body, &want) {
			var after string
			if json.Unmarshal(want.Meta.Page.After, &after) == nil && after != page.after || len(want.Data) != len(page.records) || want.Meta.Status == "timeout" {
				t.Errorf("got %d records and the cursor %q, of %+v", len(page.records), page.after, want)
			}
		}
	})
}

func FuzzEntraPage(f *testing.F) {
	for _, seed := range []string{`{"@odata.context":"c","@odata.nextLink":"https://graph.microsoft.com/v1.0/auditLogs/signIns?$skiptoken=1","value":[{"id":"a"},{"id":"b"}]}`,
		`{"value":[]}`, `{"value":[1,2`, `{"error":{"code":"x"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		page, err := parseEntra(body)
		checkRecords(t, body, page.records, err)
		var want struct {
			Value []jsontext.Value `json:"value"`
			Next  jsontext.Value   `json:"@odata.nextLink"`
		}
		if err == nil && readsOneWay(body, &want) {
			var next string
			if json.Unmarshal(want.Next, &next) == nil && next != page.next || len(want.Value) != len(page.records) {
				t.Errorf("got %d records and the link %q, of %+v", len(page.records), page.next, want)
			}
		}
	})
}

// checkRecords checks that records are JSON values that stand in the body one after
// the other, and that an answer which is taken is whole.
func checkRecords(t *testing.T, body []byte, records [][]byte, err error) {
	t.Helper()
	lenient := []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}
	if err == nil && !jsontext.Value(body).IsValid(lenient...) {
		t.Error("what is no JSON was taken")
	}
	rest := body
	for _, raw := range records {
		at := bytes.Index(rest, raw)
		if at < 0 || len(raw) == 0 || !jsontext.Value(raw).IsValid(lenient...) {
			t.Fatalf("the record %q is not in its place, or no value", raw)
		}
		rest = rest[at+len(raw):]
	}
}

// readsOneWay reads an object that every reader understands in one way: no name is
// there twice, and names are as they are written.
func readsOneWay(body []byte, v any) bool { return json.Unmarshal(body, v) == nil }
