package vendortest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Entra answers for a tenant's sign-ins and directory audits as Microsoft Graph
// does, and gives tokens as the Microsoft identity platform does.
type Entra struct {
	Logs   map[string]*Log // by feed: directoryAudits, or the type of sign-ins
	Now    func() time.Time
	Tenant string
	Client string
	Secret string
	Free   bool          // the tenant has no licence of P1 or P2
	Denied bool          // the app has no permission
	Lives  time.Duration // a token; 0: an hour
	Host   string        // of the links to next pages; empty: as it was asked

	// Twice repeats the last entry of a page at the begin of the next one.
	Twice bool
	// Limit is how many entries a page holds at most, whatever was asked for; 0: a thousand.
	Limit int

	mu     sync.Mutex
	tokens map[string]time.Time // until when they are good
	given  int
}

// The feeds of an Entra.
const (
	DirectoryAudits   = "directoryAudits"
	InteractiveUser   = "interactiveUser"
	NonInteractive    = "nonInteractiveUser"
	ServicePrincipal  = "servicePrincipal"
	ManagedIdentities = "managedIdentity"
)

// NewEntra returns a tenant without events.
func NewEntra(now func() time.Time, keeps time.Duration) *Entra {
	e := &Entra{Logs: map[string]*Log{}, Now: now, Tenant: "contoso.onmicrosoft.com", Client: "app-1", Secret: "s3cret~value", tokens: map[string]time.Time{}}
	for _, feed := range []string{DirectoryAudits, InteractiveUser, NonInteractive, ServicePrincipal, ManagedIdentities} {
		e.Logs[feed] = &Log{Now: now, Keeps: keeps}
	}
	return e
}

// Happen adds an event to a feed, and returns it as the API gives it.
func (e *Entra) Happen(feed string, n int, at, seen time.Time) []byte {
	id := fmt.Sprintf("%08x-0000-4000-8000-%012x", n*2654435761%(1<<32), n)
	when := at.UTC().Format("2006-01-02T15:04:05.0000000Z")
	var raw []byte
	switch feed {
	case DirectoryAudits:
		raw = fmt.Appendf(nil, `{"id":"Directory_%s","category":"UserManagement","correlationId":"%[1]s","result":"success","resultReason":"", "activityDisplayName":"Update user",`+
			`"activityDateTime":%q,"loggedByService":"Core Directory","operationType":"Update","initiatedBy":{"app":null,"user":{"id":"u-%d","displayName":null,`+
			`"userPrincipalName":"admin%[3]d@contoso.com","ipAddress":"192.0.2.%[3]d"}},"targetResources":[{"id":"t-%[4]d","displayName":"Dev %[4]d","type":"User","modifiedProperties":[]}],"additionalDetails":[]}`,
			id, when, n%8, n)
	case ServicePrincipal, ManagedIdentities:
		raw = fmt.Appendf(nil, `{"id":%q,"createdDateTime":%q,"userPrincipalName":"","userId":"00000000-0000-0000-0000-000000000000","servicePrincipalId":"sp-%d","servicePrincipalName":"deploy-%[3]d",`+
			`"appId":"app-%[3]d","appDisplayName":"Deploy","ipAddress":"192.0.2.%[3]d", "status":{"errorCode":0,"failureReason":"Other."},"signInEventTypes":[%q]}`, id, when, n%8, feed)
	default:
		raw = fmt.Appendf(nil, `{"id":%q,"createdDateTime":%q,"userDisplayName":"Dev %d","userPrincipalName":"dev%[3]d@contoso.com","userId":"u-%[3]d","appId":"app-9","appDisplayName":"Portal",`+
			`"ipAddress":"192.0.2.%[3]d", "correlationId":"c-%[4]d","status":{"errorCode":%[5]d,"failureReason":"Other."},"signInEventTypes":[%[6]q]}`, id, when, n%8, n, []int{0, 50126, 50140}[n%3], feed)
	}
	e.Logs[feed].Add(Entry{ID: id, At: at, Seen: seen, Raw: raw})
	return raw
}

// Revoke ends all tokens.
func (e *Entra) Revoke() {
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.tokens)
}

// Given returns how many tokens were given so far.
func (e *Entra) Given() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.given
}

// ServeHTTP answers one request.
func (e *Entra) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/"+e.Tenant+"/oauth2/v2.0/token" && r.Method == http.MethodPost:
		e.token(w, r)
	case r.Method == http.MethodGet && (strings.HasPrefix(path, "/v1.0/auditLogs/") || strings.HasPrefix(path, "/beta/auditLogs/")):
		e.graph(w, r)
	default:
		fail(w, http.StatusNotFound, `{"error":{"code":"ResourceNotFound","message":"Resource not found for the segment."}}`)
	}
}

// token answers a request of a client for a token.
func (e *Entra) token(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	scheme := "https"
	if r.TLS == nil {
		scheme = "http"
	}
	switch {
	case r.ParseForm() != nil || r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("scope") != scheme+"://"+r.Host+"/.default":
		fail(w, http.StatusBadRequest, `{"error":"invalid_request","error_description":"AADSTS900144: The request body must contain the right parameters.\r\nTrace ID: 0000aaaa"}`)
	case r.PostForm.Get("client_id") != e.Client:
		fail(w, http.StatusBadRequest, `{"error":"unauthorized_client","error_description":"AADSTS700016: Application with identifier was not found in the directory.\r\nTrace ID: 0000aaaa"}`)
	case r.PostForm.Get("client_secret") != e.Secret:
		fail(w, http.StatusUnauthorized, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value.\r\nTrace ID: 0000aaaa\r\nTimestamp: 2026-01-09 02:02:12Z","error_codes":[7000215]}`)
	default:
		lives := e.Lives
		if lives == 0 {
			lives = time.Hour
		}
		e.given++
		name := fmt.Sprintf("eyJ0eXAi.%d.sig", e.given)
		e.tokens[name] = e.Now().Add(lives)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":%d,"ext_expires_in":%[1]d,"access_token":%q}`, int(lives.Seconds()), name)
	}
}

func (e *Entra) knows(r *http.Request) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	name, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	until, ok := e.tokens[name]
	return ok && e.Now().Before(until)
}

var entraFilter = regexp.MustCompile(`^\(?(createdDateTime|activityDateTime) ge (\S+Z) and (?:createdDateTime|activityDateTime) (le|lt) (\S+Z)\)?(?: and signInEventTypes/any\(t: t eq '(\w+)'\))?$`)

// graph answers a request for a list.
func (e *Entra) graph(w http.ResponseWriter, r *http.Request) {
	if !e.knows(r) {
		fail(w, http.StatusUnauthorized, `{"error":{"code":"InvalidAuthenticationToken","message":"Lifetime validation failed, the token is expired."}}`)
		return
	}
	audits := strings.HasSuffix(r.URL.Path, "/directoryAudits")
	switch {
	case e.Denied:
		fail(w, http.StatusForbidden, `{"error":{"code":"Authentication_MSGraphPermissionMissing","message":"The principal does not have required Microsoft Graph permission(s): AuditLog.Read.All to call this API."}}`)
		return
	case e.Free && !audits:
		fail(w, http.StatusForbidden, `{"error":{"code":"Authentication_RequestFromNonPremiumTenantOrB2CTenant","message":"Neither tenant is B2C or tenant doesn't have premium license"}}`)
		return
	}
	query := r.URL.Query()
	top, err := strconv.Atoi(query.Get("$top"))
	parts := entraFilter.FindStringSubmatch(query.Get("$filter"))
	if err != nil || top < 1 || top > 1000 || parts == nil || (parts[1] == "activityDateTime") != audits {
		fail(w, http.StatusBadRequest, `{"error":{"code":"BadRequest","message":"Invalid filter clause"}}`)
		return
	}
	feed := DirectoryAudits
	if !audits {
		feed = InteractiveUser
		if parts[5] != "" && strings.HasPrefix(r.URL.Path, "/beta/") {
			feed = parts[5]
		}
	}
	e.list(w, r, feed, parts, top)
}

// list answers with one page, newest first. The page after it begins behind the last
// entry of this one, whatever comes in between.
func (e *Entra) list(w http.ResponseWriter, r *http.Request, feed string, parts []string, top int) {
	from, err1 := time.Parse(time.RFC3339, parts[2])
	to, err2 := time.Parse(time.RFC3339, parts[4])
	log := e.Logs[feed]
	if err1 != nil || err2 != nil || log == nil {
		fail(w, http.StatusBadRequest, `{"error":{"code":"BadRequest","message":"Invalid filter clause"}}`)
		return
	}
	if parts[3] == "le" {
		to = to.Add(time.Nanosecond)
	}
	entries := log.Shown(from, to)
	slices.Reverse(entries)
	begin := 0
	if token := r.URL.Query().Get("$skiptoken"); token != "" {
		last, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			fail(w, http.StatusBadRequest, `{"error":{"code":"BadRequest","message":"Skip token is null."}}`)
			return
		}
		for begin < len(entries) && entraKey(entries[begin]) >= string(last) {
			begin++
		}
	}
	if e.Limit > 0 {
		top = min(top, e.Limit)
	}
	end := min(begin+top, len(entries))
	frame := map[string]any{"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#auditLogs/" + feed, "value": recordsHere}
	if end < len(entries) {
		host := r.Host
		if e.Host != "" {
			host = e.Host
		}
		query := r.URL.Query()
		query.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(entraKey(entries[end-1]))))
		frame["@odata.nextLink"] = "http://" + host + r.URL.Path + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")
	}
	if e.Twice && begin > 0 {
		begin--
	}
	write(w, frame, entries[begin:end])
}

func entraKey(e Entry) string { return e.At.UTC().Format("2006-01-02T15:04:05.000000000Z ") + e.ID }
