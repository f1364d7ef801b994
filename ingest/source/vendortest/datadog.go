package vendortest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Datadog answers for Logs Search v2.
type Datadog struct {
	Log
	APIKey, ApplicationKey string
	Query                  string   // the only one that finds anything
	Indexes                []string // that there are; nil: any
	PerHour                int      // searches that are answered; 0: any number

	// Partial answers with what was found until the search ran out of time, when the
	// window is longer than this; 0: never.
	Partial time.Duration
	// Twice repeats the last log of a page at the begin of the next one.
	Twice bool

	hour   time.Time // in which searches are counted
	inHour int
}

// DatadogPath is where logs are searched.
const DatadogPath = "/api/v2/logs/events/search"

// Happen adds an event of Scalr that was sent to Datadog, and returns it as a search gives it.
func (d *Datadog) Happen(n int, at, seen time.Time) []byte {
	at = at.Truncate(time.Millisecond)
	id := fmt.Sprintf("AgAAA%06d", n)
	raw := fmt.Appendf(nil, `{"id":%q,"type":"log", "attributes":{"service":"audit-log","host":"scalr","status":"info","timestamp":%q,`+
		`"tags":["source:scalr","env:prod"],"message":"workspace %d was updated","attributes":{"request":{"ip-address":"198.51.100.%d","user-agent":"curl/8"},`+
		`"target":{"type":"workspace","id":"ws-%[3]d"},"outcome":{"result":"SUCCESS"},"actor":{"id":"user-%d","email":"dev%[5]d@example.com"},"action":"update-workspace"}}}`,
		id, at.UTC().Format("2006-01-02T15:04:05.000Z"), n, n%250, n%9)
	d.Add(Entry{ID: id, At: at, Seen: seen, Raw: raw})
	return raw
}

type datadogQuestion struct {
	Filter struct {
		Query, From, To string
		Indexes         []string
		StorageTier     string `json:"storage_tier"`
	}
	Sort string
	Page struct {
		Limit  int
		Cursor string
	}
}

// ServeHTTP answers one request.
func (d *Datadog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != DatadogPath || r.URL.RawQuery != "" {
		http.NotFound(w, r)
		return
	}
	if r.Header.Get("DD-API-KEY") != d.APIKey || r.Header.Get("DD-APPLICATION-KEY") != d.ApplicationKey {
		fail(w, http.StatusForbidden, `{"errors":["Forbidden"]}`)
		return
	}
	if left := d.count(); left > 0 {
		w.Header().Set("X-RateLimit-Limit", strconv.Itoa(d.PerHour))
		w.Header().Set("X-RateLimit-Period", "3600")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.Itoa(int(left.Seconds())+1))
		fail(w, http.StatusTooManyRequests, `{"errors":["Rate limit of 300 requests in 3600 seconds reached. Please try again later."]}`)
		return
	}
	var q datadogQuestion
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		fail(w, http.StatusBadRequest, `{"errors":["Invalid JSON"]}`)
		return
	}
	d.search(w, &q)
}

// count counts a request, and returns how long the hour still is when it was one too many.
func (d *Datadog) count() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.Now()
	if hour := now.Truncate(time.Hour); !hour.Equal(d.hour) {
		d.hour, d.inHour = hour, 0
	}
	if d.inHour++; d.PerHour > 0 && d.inHour > d.PerHour {
		return d.hour.Add(time.Hour).Sub(now)
	}
	return 0
}

func (d *Datadog) search(w http.ResponseWriter, q *datadogQuestion) {
	from, err1 := time.Parse(time.RFC3339, q.Filter.From)
	to, err2 := time.Parse(time.RFC3339, q.Filter.To)
	switch {
	case err1 != nil || err2 != nil || to.Before(from):
		fail(w, http.StatusBadRequest, `{"errors":["Invalid time range"]}`)
		return
	case q.Page.Limit < 1 || q.Page.Limit > 1000 || q.Sort != "timestamp":
		fail(w, http.StatusBadRequest, `{"errors":["Invalid page limit or sort"]}`)
		return
	}
	meta := map[string]any{"elapsed": 12, "request_id": "MWlFUjVaWGZT", "status": "done"}
	var entries []Entry
	if q.Filter.Query == d.Query {
		entries = d.Shown(from, to)
	}
	if unknown := d.unknown(q.Filter.Indexes); unknown != "" {
		meta["warnings"] = []map[string]string{{"code": "unknown_index", "detail": "indexes: " + unknown,
			"title": "One or several indexes are missing or invalid, results hold data from the other indexes"}}
	}
	begin := 0
	if q.Page.Cursor != "" {
		last, err := base64.StdEncoding.DecodeString(q.Page.Cursor)
		if err != nil {
			fail(w, http.StatusBadRequest, `{"errors":["Invalid cursor"]}`)
			return
		}
		// The cursor is the last log that was given: those that came in front of it
		// since are not seen by this search.
		for begin < len(entries) && datadogKey(entries[begin]) <= string(last) {
			begin++
		}
	}
	end := min(begin+q.Page.Limit, len(entries))
	if end < len(entries) {
		meta["page"] = map[string]string{"after": base64.StdEncoding.EncodeToString([]byte(datadogKey(entries[end-1])))}
	}
	if d.Twice && begin > 0 {
		begin--
	}
	if d.Partial > 0 && to.Sub(from) > d.Partial {
		meta["status"] = "timeout"
		delete(meta, "page")
		end = begin + (end-begin)/2
	}
	frame := map[string]any{"data": recordsHere, "meta": meta}
	if after, ok := meta["page"].(map[string]string); ok {
		frame["links"] = map[string]string{"next": "https://app.datadoghq.com/api/v2/logs/events?page[cursor]=" + after["after"]}
	}
	write(w, frame, entries[begin:end])
}

func datadogKey(e Entry) string { return e.At.UTC().Format("2006-01-02T15:04:05.000Z ") + e.ID }

func (d *Datadog) unknown(asked []string) string {
	var names []string
	for _, name := range asked {
		known := name == "*" || d.Indexes == nil
		for _, index := range d.Indexes {
			known = known || index == name
		}
		if !known {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func fail(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, body)
}
