package vendortest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// An Okta answers for the System Log of an organization. Polling requests (without
// until) give events in the order in which they were stored, which is not that of
// the times that they bear, and always say what comes next. It is safe for
// concurrent use.
type Okta struct {
	Now     func() time.Time
	Keeps   time.Duration // 0: for ever
	Token   string
	Bearer  bool   // Token is an OAuth access token, not an API token
	NoRole  bool   // the owner of the token may not read the log
	Host    string // of links; empty: as it was asked
	Joined  bool   // both links are in one header
	Limit   int    // the most events of a page; 0: 1000, Okta's
	Minute  int    // requests that a minute has; 0: any number
	Twice   bool   // a page begins with the last event of the one before
	Timeout bool   // every query takes longer than 30 seconds

	// A service app may ask for access tokens, which are good for an hour.
	Client string
	Key    jose.JSONWebKey // the public one
	DPoP   bool            // the app has to prove that it has the token

	mu       sync.Mutex
	hidden   []Entry              // not stored yet
	stored   []Entry              // in the order in which they were stored
	cursors  map[string]int       // how many stored events lie in front of each
	given    map[int]string       // the cursor behind so many events
	tokens   map[string]time.Time // access tokens, with their ends
	minute   time.Time            // in which requests are counted
	inMinute int
}

// OktaPath is where the System Log is.
const OktaPath = "/api/v1/logs"

// OktaTokenPath is where service apps get their access tokens.
const OktaTokenPath = "/oauth2/v1/token"

// Happen adds an event, and returns it as the API gives it.
func (o *Okta) Happen(n int, at, seen time.Time) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	id := fmt.Sprintf("%08x-2f4a-11f0-%04x-%012x", n*2654435761%(1<<32), n%(1<<16), n)
	kind, result := "user.session.start", "SUCCESS"
	if n%5 == 0 {
		result = "FAILURE"
	}
	if n%3 == 0 {
		kind = "group.user_membership.add"
	}
	raw := fmt.Appendf(nil, `{"actor":{"id":"00u%[1]d","type":"User","alternateId":"dev%[1]d@example.com","displayName":"Dev %[1]d","detailEntry":null},`+
		`"client":{"userAgent":{"rawUserAgent":"Mozilla/5.0","os":"Linux","browser":"FIREFOX"},"zone":"null","device":"Computer","id":null,"ipAddress":"198.51.100.%[2]d"},`+
		`"displayMessage":"said in words","eventType":%[3]q,"outcome":{"result":%[4]q,"reason":null},"published":%[5]q, "severity":"INFO","uuid":%[6]q,"version":"0",`+
		`"target":[{"id":"00g%[2]d","type":"UserGroup","alternateId":"unknown","displayName":"Group %[2]d"}],"transaction":{"type":"WEB","id":"t-%[7]d","detail":{}}}`,
		n%9, n%250, kind, result, at.UTC().Format("2006-01-02T15:04:05.000Z"), id, n)
	o.hidden = append(o.hidden, Entry{ID: id, At: at, Seen: seen, Raw: raw})
	return raw
}

// Forget makes all cursors that were given so far unknown.
func (o *Okta) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursors, o.given = nil, nil
}

// store moves events that have become visible to the end of what is stored: nothing
// is ever stored in front of a cursor.
func (o *Okta) store(now time.Time) {
	var visible []Entry
	o.hidden = slices.DeleteFunc(o.hidden, func(e Entry) bool {
		if e.Seen.After(now) {
			return false
		}
		visible = append(visible, e)
		return true
	})
	slices.SortStableFunc(visible, func(a, b Entry) int { return a.Seen.Compare(b.Seen) })
	o.stored = append(o.stored, visible...)
}

// ServeHTTP answers one request.
func (o *Okta) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.Now()
	o.store(now)
	switch left := o.count(w, now); {
	case r.Method == http.MethodPost && r.URL.Path == OktaTokenPath:
		o.grant(w, r, now)
	case r.Method != http.MethodGet || r.URL.Path != OktaPath:
		oktaError(w, http.StatusNotFound, "E0000007", "Not found: Resource not found: "+r.URL.Path)
	case !o.known(r.Header.Get("Authorization"), now):
		oktaError(w, http.StatusUnauthorized, "E0000011", "Invalid token provided")
	case o.NoRole:
		oktaError(w, http.StatusForbidden, "E0000006", "You do not have permission to perform the requested action")
	case left < 0:
		oktaError(w, http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.")
	case o.Timeout:
		oktaError(w, http.StatusInternalServerError, "E0000009", "Internal Server Error")
	default:
		o.answer(w, r, now)
	}
}

// known reports whether a request may be made with the credentials.
func (o *Okta) known(credentials string, now time.Time) bool {
	scheme, token, _ := strings.Cut(credentials, " ")
	if scheme == "Bearer" && now.Before(o.tokens[token]) {
		return true
	}
	return token == o.Token && o.Token != "" && scheme == map[bool]string{true: "Bearer", false: "SSWS"}[o.Bearer]
}

// Revoke ends all access tokens.
func (o *Okta) Revoke() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.tokens)
}

// grant gives an access token to the service app.
func (o *Okta) grant(w http.ResponseWriter, r *http.Request, now time.Time) {
	refuse := func(code, words string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":%q,"error_description":%q}`, code, words)
	}
	var claims jwt.Claims
	signed, err := jwt.ParseSigned(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.ES256})
	if err == nil {
		err = signed.Claims(o.Key.Key, &claims)
	}
	if err == nil {
		err = claims.Validate(jwt.Expected{Issuer: o.Client, Subject: o.Client, AnyAudience: jwt.Audience{"http://" + r.Host + OktaTokenPath}, Time: now})
	}
	switch {
	case r.PostFormValue("grant_type") != "client_credentials",
		r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
		refuse("unsupported_grant_type", "The grant type is not supported.")
	case err != nil || signed.Headers[0].KeyID != o.Key.KeyID:
		refuse("invalid_client", "The client_assertion signature is invalid.")
	case r.PostFormValue("scope") != "okta.logs.read":
		refuse("invalid_scope", "The scope is not granted.")
	default:
		if o.tokens == nil {
			o.tokens = map[string]time.Time{}
		}
		token := fmt.Sprintf("eyJraWQi.%d.access", now.UnixNano())
		o.tokens[token] = now.Add(time.Hour)
		kind := map[bool]string{true: "DPoP", false: "Bearer"}[o.DPoP]
		fmt.Fprintf(w, `{"token_type":%q,"expires_in":3600,"access_token":%q,"scope":"okta.logs.read"}`, kind, token)
	}
}

// count counts a request and writes the headers that tell of the limit.
func (o *Okta) count(w http.ResponseWriter, now time.Time) (left int) {
	if o.Minute == 0 {
		return 0
	}
	if minute := now.Truncate(time.Minute); !minute.Equal(o.minute) {
		o.minute, o.inMinute = minute, 0
	}
	o.inMinute++
	left = o.Minute - o.inMinute
	w.Header().Set("X-Rate-Limit-Limit", strconv.Itoa(o.Minute))
	w.Header().Set("X-Rate-Limit-Remaining", strconv.Itoa(max(left, 0)))
	w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(o.minute.Add(time.Minute).Unix(), 10))
	w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	return left
}

func (o *Okta) answer(w http.ResponseWriter, r *http.Request, now time.Time) {
	query := r.URL.Query()
	limit, err := strconv.Atoi(query.Get("limit"))
	if query.Get("limit") == "" {
		limit, err = 100, nil
	}
	since, sinceErr := time.Parse(time.RFC3339, query.Get("since"))
	if query.Get("since") == "" {
		since, sinceErr = now.AddDate(0, 0, -7), nil
	}
	order := query.Get("sortOrder")
	switch {
	case err != nil || limit < 0 || limit > 1000 || order != "" && order != "ASCENDING" && order != "DESCENDING":
		oktaError(w, http.StatusBadRequest, "E0000001", "Api validation failed: limit or sortOrder")
		return
	case sinceErr != nil || since.Before(now.AddDate(0, 0, -180)):
		oktaError(w, http.StatusBadRequest, "E0000001", "Api validation failed: since")
		return
	case query.Get("until") != "" || order == "DESCENDING":
		oktaError(w, http.StatusNotImplemented, "E0000060", "Unsupported operation: this fake knows polling requests only")
		return
	}
	begin := 0
	if after := query.Get("after"); after != "" {
		known := false
		if begin, known = o.cursors[after]; !known {
			oktaError(w, http.StatusBadRequest, "E0000031", "Invalid search criteria: after")
			return
		}
	}
	if o.Limit > 0 {
		limit = min(limit, o.Limit)
	}
	page := []Entry{}
	if o.Twice && begin > 0 {
		page = append(page, o.stored[begin-1])
	}
	end := begin
	for ; end < len(o.stored) && len(page) < limit; end++ {
		e := o.stored[end]
		// What is asked for goes by when it was stored.
		if !e.Seen.Before(since) && (o.Keeps == 0 || e.At.After(now.Add(-o.Keeps))) {
			page = append(page, e)
		}
	}
	if o.Twice && end == begin {
		page = nil // only a page of events repeats one
	}
	o.link(w, r, end, now)
	write(w, recordsHere, page)
}

// link writes the links to this page and the next one.
func (o *Okta) link(w http.ResponseWriter, r *http.Request, end int, now time.Time) {
	if o.cursors == nil {
		o.cursors, o.given = map[string]int{}, map[int]string{}
	}
	after, known := o.given[end]
	if !known {
		after = fmt.Sprintf("%d_%d", now.UnixMilli(), end)
		o.given[end], o.cursors[after] = after, end
	}
	next := url.URL{Scheme: "http", Host: r.Host, Path: OktaPath}
	if o.Host != "" {
		next.Host = o.Host
	}
	query := r.URL.Query()
	self := next
	self.RawQuery = query.Encode()
	query.Set("after", after)
	next.RawQuery = query.Encode()
	links := []string{fmt.Sprintf(`<%s>; rel="self"`, &self), fmt.Sprintf(`<%s>; rel="next"`, &next)}
	if o.Joined {
		links = []string{strings.Join(links, ", ")}
	}
	w.Header()["Link"] = links
}

func oktaError(w http.ResponseWriter, status int, code, summary string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":%q,"errorLink":%[1]q,"errorId":"oae-1","errorCauses":[]}`, code, summary)
}
