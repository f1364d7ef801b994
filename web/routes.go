package web

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
)

// A Role is what somebody may do here.
type Role string

// The roles, the one that may do most first.
const (
	Admin    Role = "admin"
	Reviewer Role = "reviewer"
	Auditor  Role = "auditor"
)

func roles() []Role { return []Role{Admin, Reviewer, Auditor} }

// access says who may use a route: everybody, or the roles that are listed.
type access struct {
	public bool
	roles  []Role
}

func (a access) admits(r Role) bool { return a.public || slices.Contains(a.roles, r) }

type route struct {
	method, path string
	access
	handle echo.HandlerFunc
	around []echo.MiddlewareFunc
}

func (r route) check() error {
	if !r.public && len(r.roles) == 0 {
		return fmt.Errorf("route %s %s admits nobody: list its roles", r.method, r.path)
	}
	if r.public && len(r.roles) > 0 {
		return fmt.Errorf("route %s %s is public and lists roles: choose one", r.method, r.path)
	}
	return nil
}

// routes is the whole table: what exists and who may use it. A route that is not
// here cannot be registered, and a request that matches none is refused.
// Auditors see only what their engagements hold; the handlers of their routes
// ask for that (engagement.go).
func (s *server) routes() []route {
	const get, head, post = http.MethodGet, http.MethodHead, http.MethodPost
	public := access{public: true}
	admin := access{roles: []Role{Admin}}
	staff := access{roles: []Role{Admin, Reviewer}}
	all := access{roles: []Role{Admin, Reviewer, Auditor}}
	slow := []echo.MiddlewareFunc{s.limitRate()}
	mail := []echo.MiddlewareFunc{s.withSchedules}
	seldom := []echo.MiddlewareFunc{s.limitPerson(0.2, 20)} // a pack every 5 seconds
	often := []echo.MiddlewareFunc{s.limitPerson(2, 60)}    // browsers fetch a large file in pieces
	return []route{
		{get, "/healthz", public, s.healthz, nil},
		{head, "/healthz", public, s.healthz, nil},
		{get, "/metrics", public, s.metrics, nil}, // asks for a token of its own
		{get, "/favicon.ico", public, s.icon, nil},
		{get, "/static/:name", public, s.asset, nil},
		{get, signInPath, public, s.signIn, nil},
		{get, startPath, public, s.startSignIn, slow},
		{get, callbackPath, public, s.finishSignIn, slow},
		{post, "/sign-out", public, s.signOut, nil},
		{get, signedOutPath, public, s.signedOut, nil},

		{get, "/", all, s.overview, nil}, // sends auditors on to their reports
		{get, "/reports", all, s.reports, nil},
		{get, "/reports/:framework", all, s.report, nil},
		{post, "/packs", all, s.makePack, seldom},
		{get, "/packs/jobs/:job", all, s.job, nil},
		{get, "/packs/:pack/download", all, s.download, often},
		{head, "/packs/:pack/download", all, s.download, often},

		{get, "/coverage", staff, s.coverage, nil},
		{get, "/sources", staff, s.sourceList, nil},
		{get, "/sources/:source", staff, s.source, nil},
		{get, "/events", staff, s.eventList, nil},
		{get, "/events/:source/*", staff, s.event, nil},

		{get, "/rejects", admin, s.rejects, nil},
		{get, "/rejects/:source", admin, s.rejectList, nil},
		{get, "/rejects/:source/:sha256", admin, s.reject, nil},
		{get, "/rejects/:source/:sha256/bytes", admin, s.rejectBytes, often},

		{get, "/tokens", admin, s.tokens, nil},
		{post, "/tokens", admin, s.createToken, seldom},
		{post, "/tokens/:token/revoke", admin, s.revokeToken, nil},

		{get, "/schedules", staff, s.scheduleList, mail},
		{post, "/schedules", staff, s.saveSchedule, mail},
		{get, "/schedules/new", staff, s.scheduleForm, mail},
		{get, "/schedules/:schedule", staff, s.schedule, mail},
		{post, "/schedules/:schedule", staff, s.saveSchedule, mail},
		{get, "/schedules/:schedule/edit", staff, s.scheduleForm, mail},
		{get, "/schedules/:schedule/preview", staff, s.previewSchedule, mail},
		{get, "/schedules/:schedule/mail", staff, s.scheduleMail, mail},
		{get, schedulePackPath, staff, s.schedulePack, mail},
		{post, "/schedules/:schedule/state", staff, s.setScheduleState, mail},
		{post, "/schedules/:schedule/run", staff, s.runSchedule, mail},
		{post, "/schedules/:schedule/resend", staff, s.resend, mail},
		{get, "/mailbox/:mail", staff, s.keptMail, mail},
		{get, "/mailbox/:mail/html", staff, s.keptHTML, mail},
		{get, "/mailbox/:mail/file", staff, s.keptFile, mail},
		{get, "/mailbox/:mail/files/:file", staff, s.keptFile, mail},
	}
}
