package vendortest

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Terracotta answers for an audit log as Terracotta may: its vendor publishes the
// address and its two dates, and nothing of the answer.
type Terracotta struct {
	Log
	Key  string
	Form TerracottaForm

	// Twice repeats the last entry of a page at the begin of the next one.
	Twice bool
}

// A TerracottaForm is what is not published.
type TerracottaForm struct {
	List        string // path of the list; empty: the answer is the list
	Paging      string // how an answer goes on: link, path, header, cursor, number, pages; empty: it does not
	Size        int    // of a page; 0: any
	Zone        *time.Location
	Including   bool // the day of to
	OldestFirst bool
}

// TerracottaPath is where the audit log is.
const TerracottaPath = "/v1/audit-logs"

// Happen adds an event, and returns it as the API gives it. Some have no id.
func (t *Terracotta) Happen(n int, at, seen time.Time) []byte {
	id := ""
	if n%4 > 0 {
		id = fmt.Sprintf(`"id":"evt_%06d",`, n)
	}
	raw := fmt.Appendf(nil, `{%s "timestamp":%q,"event_type":"guardrail.updated","user":{"id":"usr_%d","email":"dev%[3]d@example.com"},`+
		`"resource":{"type":"guardrail","id":"gr_%d"},"ip_address":"203.0.113.%d","user_agent":"Mozilla/5.0",`+
		`"before":{"level":%d},"after":{"level":%d},"metadata":{"api_key_id":"key_%[3]d","session_id":"ses_%[4]d"}}`,
		id, at.UTC().Format("2006-01-02T15:04:05.000Z"), n%7, n, n%250, n, n+1)
	t.Add(Entry{ID: fmt.Sprintf("%06d", n), At: at, Seen: seen, Raw: raw})
	return raw
}

// ServeHTTP answers one request.
func (t *Terracotta) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	zone := t.Form.Zone
	if zone == nil {
		zone = time.UTC
	}
	from, err1 := time.ParseInLocation(time.DateOnly, query.Get("from"), zone)
	to, err2 := time.ParseInLocation(time.DateOnly, query.Get("to"), zone)
	switch {
	case r.Header.Get("Authorization") != "Bearer "+t.Key:
		http.Error(w, `{"error":"invalid API key"}`, http.StatusUnauthorized)
		return
	case r.Method != http.MethodGet || r.URL.Path != TerracottaPath:
		http.NotFound(w, r)
		return
	case err1 != nil || err2 != nil || to.Before(from) || to.After(t.Now().Add(72*time.Hour)):
		http.Error(w, `{"error":"invalid dates"}`, http.StatusBadRequest)
		return
	}
	if t.Form.Including {
		to = to.AddDate(0, 0, 1)
	}
	entries := t.Shown(from, to)
	if !t.Form.OldestFirst {
		slices.Reverse(entries)
	}
	t.page(w, r, query, entries)
}

func (t *Terracotta) page(w http.ResponseWriter, r *http.Request, query url.Values, entries []Entry) {
	begin := t.begin(query)
	size := cmp.Or(t.Form.Size, len(entries))
	begin = min(begin, len(entries))
	end := min(begin+size, len(entries))
	if t.Twice && begin > 0 && strings.HasPrefix(string(entries[begin-1].Raw), `{"id"`) {
		begin--
	}
	records := entries[begin:end]
	if t.Form.List == "" {
		t.link(w, r, end, end < len(entries))
		write(w, recordsHere, records)
		return
	}
	answer := map[string]any{}
	inner := answer
	steps := strings.Split(t.Form.List, ".")
	for _, step := range steps[:len(steps)-1] {
		next := map[string]any{}
		inner[step], inner = next, next
	}
	inner[steps[len(steps)-1]] = recordsHere
	t.next(w, r, answer, end, len(entries))
	write(w, answer, records)
}

// begin returns where the page begins in the list.
func (t *Terracotta) begin(query url.Values) int {
	text := cmp.Or(query.Get("offset"), "0")
	switch t.Form.Paging {
	case "cursor":
		cursor, err := base64.RawURLEncoding.DecodeString(query.Get("cursor"))
		if err != nil {
			return 0
		}
		text = string(cursor)
	case "number", "pages":
		if number, err := strconv.Atoi(query.Get("page")); err == nil {
			return (number - 1) * t.Form.Size
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// next says how the answer goes on.
func (t *Terracotta) next(w http.ResponseWriter, r *http.Request, answer map[string]any, end, all int) {
	more := end < all
	var value any
	number := 1
	if t.Form.Size > 0 {
		number = (end + t.Form.Size - 1) / t.Form.Size
	}
	switch t.Form.Paging {
	case "link", "path":
		if more {
			value = t.address(r, end, t.Form.Paging == "link")
		}
		answer["links"] = map[string]any{"self": r.URL.String(), "next": value}
	case "header":
		t.link(w, r, end, more)
	case "cursor":
		if more {
			value = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
		}
		answer["next_cursor"], answer["has_more"] = value, more
	case "number":
		if more {
			value = number + 1
		}
		answer["pagination"] = map[string]any{"next_page": value, "total": all}
	case "pages":
		pages := 1
		if t.Form.Size > 0 {
			pages = (all + t.Form.Size - 1) / t.Form.Size
		}
		answer["meta"] = map[string]any{"page": number, "total_pages": pages}
	}
}

func (t *Terracotta) link(w http.ResponseWriter, r *http.Request, end int, more bool) {
	w.Header().Add("Link", `<`+t.address(r, 0, true)+`>; rel="first"`)
	if t.Form.Paging == "header" && more {
		w.Header().Add("Link", `<`+t.address(r, end, true)+`>; rel="next"`)
	}
}

func (t *Terracotta) address(r *http.Request, offset int, whole bool) string {
	query := r.URL.Query()
	query.Set("offset", strconv.Itoa(offset))
	address := r.URL.Path + "?" + query.Encode()
	if whole {
		return "http://" + r.Host + address
	}
	return address
}
