package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/views"
	"exhibit/web"
	"exhibit/web/webtest"
)

// Who is kept out cannot fill the ledger, from however many addresses, and the
// ledger gets the number of those that were not recorded one by one.
func TestRefusalsCannotFillTheLedger(t *testing.T) {
	s := newSite(t, func(d *web.Deps) { d.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	b := s.browser(t)
	const tries = 300
	for n := range tries {
		r := b.request(t, http.MethodGet, "/sign-in/callback?code=guess&state=guess", nil)
		r.Header.Set("X-Forwarded-For", "203.0.113."+strconv.Itoa(n%200))
		must(t, b.do(t, r), http.StatusBadRequest)
	}
	recorded := len(s.audit.Actions())
	if recorded == 0 || recorded > 40 {
		t.Errorf("%d of %d refusals of strangers were recorded", recorded, tries)
	}
	if lines := strings.Count(s.log.String(), `"path":"/sign-in/callback"`); lines != tries {
		t.Errorf("the log has %d of %d", lines, tries)
	}
	s.clock.move(31 * time.Minute)
	s.signedIn(t, web.Admin)
	actions := s.audit.Actions()
	if len(actions) != 2 || actions[0].Name != "access.refuse" || actions[0].Actor.Type != event.System ||
		!strings.HasPrefix(actions[0].Details["reason"], strconv.Itoa(tries-recorded)+" more refusals since ") || actions[1].Name != "session.sign-in" {
		t.Errorf("recorded %+v, want the number of the other %d and the sign-in", actions, tries-recorded)
	}
}

// One person's refusals do not hide another's.
func TestRefusalsOfOnePersonAreBounded(t *testing.T) {
	s := newSite(t)
	audrey := s.signedIn(t, web.Auditor)
	s.audit.Actions()
	for range 100 {
		must(t, audrey.get(t, "/events"), http.StatusForbidden)
	}
	if n := len(s.audit.Actions()); n == 0 || n > 20 {
		t.Errorf("%d of 100 refusals were recorded", n)
	}
	rita := s.browser(t)
	must(t, rita.get(t, "/sign-in/callback?error="+strings.Repeat("x", 9000)), http.StatusBadRequest)
	if x := s.audit.Actions(); len(x) != 1 || len(x[0].Details["reason"]) > 200 {
		t.Errorf("a stranger's refusal: %+v", x)
	}
	s.clock.move(11 * time.Minute) // the session lives, and one more is due
	must(t, audrey.get(t, "/events"), http.StatusForbidden)
	if x := s.audit.Actions(); len(x) != 1 || x[0].Actor.Email != "audrey@audit.example" {
		t.Errorf("later: %+v", x)
	}
}

func TestPacksAndDownloadsAreSlowedDown(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Auditor)
	limited := func(again func() answer) bool {
		for range 80 {
			if a := again(); a.StatusCode == http.StatusTooManyRequests {
				must(t, a, http.StatusTooManyRequests, "Too many at once")
				return true
			}
		}
		return false
	}
	if !limited(func() answer { return b.post(t, "/packs", url.Values{"framework": {"soc2"}}) }) {
		t.Error("80 packs in a row")
	}
	if !limited(func() answer { return b.get(t, "/packs/p0001/download") }) {
		t.Error("80 downloads in a row")
	}
	must(t, b.get(t, "/reports"), http.StatusOK)
}

func TestNetwork(t *testing.T) {
	for ip, want := range map[string]string{"203.0.113.9": "203.0.113.9", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::1": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "::ffff:203.0.113.9": "::ffff:203.0.113.9", "": "", "junk": "junk"} {
		if got := web.Network(ip); got != want {
			t.Errorf("%q: %q, want %q", ip, got, want)
		}
	}
}

// lateAudit refuses what comes with a context that has ended, as a ledger does.
type lateAudit struct{ *webtest.Audit }

func (a lateAudit) Record(ctx context.Context, x web.Action) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.Audit.Record(ctx, x)
}

// slowEvents answers when its reader has gone.
type slowEvents struct {
	web.Events
	asked chan struct{}
}

func (e slowEvents) Event(ctx context.Context, _, id string, _ time.Time) (views.Event, error) {
	close(e.asked)
	<-ctx.Done()
	return views.Event{ID: id}, nil
}

// A reader who hangs up once the event was read has seen it all the same.
func TestHangingUpHidesNothing(t *testing.T) {
	events := slowEvents{asked: make(chan struct{})}
	s := newSite(t, func(d *web.Deps) {
		d.Audit, d.Events = lateAudit{d.Audit.(*webtest.Audit)}, events
	})
	b := s.signedIn(t, web.Reviewer)
	s.audit.Actions()
	ctx, hangUp := context.WithCancel(t.Context())
	r := b.request(t, http.MethodGet, "/events/hcp-prod/x", nil).WithContext(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := b.http.Do(r); err == nil {
			t.Errorf("answered %s", res.Status)
			res.Body.Close()
		}
	}()
	<-events.asked
	hangUp()
	<-ended
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // the server notices by itself
		if x := s.audit.Actions(); len(x) == 1 && x[0].Name == "event.view" {
			return
		} else if len(x) > 0 || time.Now().After(deadline) {
			t.Fatalf("recorded %+v", x)
		}
	}
}

// tired is a store that gives up at the deadline and does not say so well.
type tired struct{ web.Overviews }

func (tired) Overview(ctx context.Context) (views.Overview, error) {
	if _, limited := ctx.Deadline(); !limited {
		return views.Overview{}, nil
	}
	ended, cancel := context.WithDeadline(ctx, time.Now())
	defer cancel()
	return views.Overview{}, ended.Err()
}

func TestPagesHaveADeadline(t *testing.T) {
	s := newSite(t, func(d *web.Deps) { d.Overview = tired{} })
	must(t, s.signedIn(t, web.Admin).get(t, "/"), http.StatusServiceUnavailable, "This took too long")
}

// A sign-in begun at localhost ends at 127.0.0.1, where its cookie must be too.
func TestSignInMovesToTheNameOfTheSite(t *testing.T) {
	s := newSite(t)
	d := s.deps
	d.BaseURL = "http://127.0.0.1:8080"
	h, err := web.New(d)
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{
		"localhost:8080":    "http://127.0.0.1:8080/sign-in/start?return=%2Fevents",
		"[::1]:8080":        "http://127.0.0.1:8080/sign-in/start?return=%2Fevents",
		"127.0.0.1:8080":    d.Provider.Issuer,
		"localhost:9090":    d.Provider.Issuer, // a tunnel
		"evil.example:8080": d.Provider.Issuer,
	} {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/sign-in/start?return=/events", nil)
		r.Host = host
		h.ServeHTTP(rec, r)
		if got := rec.Header().Get("Location"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: sent to %q, want %q", host, got, want)
		}
	}
}

func TestInvitationsFoldNoOtherLetters(t *testing.T) {
	e := web.Engagement{People: []string{"Kim@audit.example"}}
	for email, want := range map[string]bool{"kim@AUDIT.example": true, "\u212Aim@audit.example": false, "kim@audit.example ": false, "": false} {
		if got := web.Invites(e, web.Identity{Email: email}); got != want {
			t.Errorf("%q: %v", email, got)
		}
	}
}
