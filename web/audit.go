package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/internal/event"
)

const (
	success = event.Success
	failure = event.Failure
)

// Audit keeps what people do here as events of the source "exhibit". Record must
// be durable when it returns nil: sign-ins and packs are refused otherwise.
type Audit interface {
	Record(ctx context.Context, a Action) error
}

// An Action is one thing that somebody did or tried to do. Its name is one of
// session.sign-in, session.sign-out, access.refuse, pack.create, pack.download,
// event.view.
type Action struct {
	Name      string
	Actor     event.Actor
	Target    event.Target
	Outcome   string // event.Success or event.Failure
	IP        string
	UserAgent string
	RequestID string
	Details   map[string]string // "reason", "role", "framework", …; never a secret
}

// recordTime is how long the ledger may take for one action.
const recordTime = 20 * time.Second

// record writes an action that must not happen unrecorded.
func (s *server) record(c echo.Context, who Identity, a Action) error {
	a = s.by(c, who, a)
	// A reader who hangs up at the right moment must not thereby stay unrecorded.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), recordTime)
	defer cancel()
	s.recordCounted(ctx)
	if err := s.Audit.Record(ctx, a); err != nil {
		return &Problem{Status: http.StatusServiceUnavailable, Heading: "Refused, because it could not be recorded",
			Sentence: "What people do here is kept in the ledger, and the ledger does not take records at the moment. Nothing was done.",
			Help:     []string{"Try again in a minute.", "If it stays so, the administrator finds the reason in the log."},
			Cause:    err}
	}
	return nil
}

// by returns the action with who does it, and from where.
func (s *server) by(c echo.Context, who Identity, a Action) Action {
	a.Actor = event.Actor{ID: who.Subject, Name: who.Name, Email: who.Email, Type: event.User}
	a.IP, a.UserAgent, a.RequestID = c.RealIP(), c.Request().UserAgent(), requestID(c)
	if len(a.UserAgent) > 512 {
		a.UserAgent = strings.ToValidUTF8(a.UserAgent[:512], "")
	}
	return a
}

// recordOrLog writes an action that is allowed to happen unrecorded, because
// keeping somebody from it would be worse: signing out, being refused.
func (s *server) recordOrLog(c echo.Context, who Identity, a Action) {
	if err := s.record(c, who, a); err != nil {
		s.Log.Error("action not recorded", "action", a.Name, "request", requestID(c), "error", err)
	}
}
