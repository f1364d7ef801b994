package demo

import (
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// oktaKeeps is how long Okta keeps its System Log.
const oktaKeeps = 90 * 24 * time.Hour

// Okta is an http.Handler that answers polling requests as Okta's System Log does:
// oldest first, every page, an empty one as well, with a link to the next.
type Okta struct {
	Token string
	Now   func() time.Time
	Log   []Record // in order of time; what lies ahead becomes visible when its time comes
}

// ServeHTTP answers one request.
func (o *Okta) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given, want := r.Header.Get("Authorization"), "SSWS "+o.Token
	switch {
	case subtle.ConstantTimeCompare([]byte(given), []byte(want)) != 1:
		oktaError(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return
	case r.Method != http.MethodGet || r.URL.Path != "/api/v1/logs":
		oktaError(w, http.StatusNotFound, "E0000007", "Not found: Resource not found")
		return
	}
	query, now := r.URL.Query(), o.Now()
	begin, err := o.begin(query.Get("after"), query.Get("since"), now)
	limit, limitErr := strconv.Atoi(query.Get("limit"))
	if err != nil || limitErr != nil || limit < 1 || limit > 1000 {
		oktaError(w, http.StatusBadRequest, "E0000001", "Api validation failed")
		return
	}
	i := o.index(begin)
	page := o.Log[i:min(i+limit, max(i, o.index(now)))]
	if len(page) > 0 {
		begin = page[len(page)-1].Time.Add(time.Millisecond)
	}
	self := "http://" + r.Host + r.URL.Path
	w.Header().Add("Link", fmt.Sprintf(`<%s?%s>; rel="self"`, self, query.Encode()))
	query.Set("after", strconv.FormatInt(begin.UnixMilli(), 10))
	w.Header().Add("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, self, query.Encode()))
	w.Header().Set("Content-Type", "application/json")
	body := []byte{'['}
	for i, e := range page {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, e.Raw...)
	}
	w.Write(append(body, ']')) // the client may have gone: nobody left to tell
}

// begin returns the moment at which a page begins. A cursor is such a moment, so that
// it still holds after the demo was stopped.
func (o *Okta) begin(after, since string, now time.Time) (time.Time, error) {
	if after != "" {
		ms, err := strconv.ParseInt(after, 10, 64)
		return time.UnixMilli(ms), err
	}
	from, err := time.Parse(time.RFC3339, since)
	if kept := now.Add(-oktaKeeps); from.Before(kept) {
		from = kept
	}
	return from, err
}

// index is the place of the first record that is not before t.
func (o *Okta) index(t time.Time) int {
	i, _ := slices.BinarySearchFunc(o.Log, t, func(r Record, t time.Time) int { return r.Time.Compare(t) })
	return i
}

func oktaError(w http.ResponseWriter, status int, code, summary string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":%q,"errorLink":%[1]q,"errorId":"oae-demo","errorCauses":[]}`, code, summary)
}
