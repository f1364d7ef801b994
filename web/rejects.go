package web

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

// Rejects gives what could not become events. It is for administrators: the bytes are
// as they came, with whatever is in them.
type Rejects interface {
	// Groups counts rejects by source and reason.
	Groups(ctx context.Context, f views.RejectFilter) ([]views.RejectGroup, error)
	// List returns up to q.Limit rejects, newest first, without their bytes.
	List(ctx context.Context, q RejectQuery) ([]views.Reject, error)
	// Reject answers ErrNotFound for a reject that is not stored. Shown is filled.
	Reject(ctx context.Context, key RejectKey) (views.Reject, error)
	// Bytes returns what is kept of a reject.
	Bytes(ctx context.Context, key RejectKey) ([]byte, error)
}

// A RejectKey names a reject: the same bytes may be there for several reasons.
type RejectKey struct {
	Source, Reason string
	SHA256         [32]byte
}

// A RejectQuery chooses rejects of one source.
type RejectQuery struct {
	views.RejectFilter
	// Before continues a list: only rejects that sort before this one.
	Before *RejectPosition
	Limit  int
}

// A RejectPosition is a place in the order of rejects.
type RejectPosition struct {
	Received time.Time
	Key      RejectKey
}

func rejectFilter(form url.Values) views.RejectFilter {
	f := views.RejectFilter{Source: cut(form.Get("source")), Reason: cut(form.Get("reason")), State: form.Get("state")}
	if f.State != "open" && f.State != "resolved" {
		f.State = ""
	}
	return f
}

func (s *server) rejects(c echo.Context) error {
	ctx := c.Request().Context()
	v := views.Rejects{Filter: rejectFilter(c.QueryParams()), Zone: s.Zone}
	var err error
	if v.Sources, err = s.Deps.Sources.Names(ctx); err != nil {
		return fmt.Errorf("rejects: %w", err)
	}
	if v.Groups, err = s.Deps.Rejects.Groups(ctx, v.Filter); err != nil {
		return fmt.Errorf("rejects: %w", err)
	}
	return s.render(c, "Rejects", views.RejectsPage(v))
}

func (s *server) rejectList(c echo.Context) error {
	form := c.QueryParams()
	q := RejectQuery{RejectFilter: rejectFilter(form), Limit: pageRows + 1}
	q.Source = pathValue(c, "source")
	v := views.RejectList{Filter: q.RejectFilter, Zone: s.Zone}
	if q.Before = rejectPosition(q.Source, form); q.Before != nil {
		v.Newest = views.RejectListPath(v.Filter)
	}
	rows, err := s.Deps.Rejects.List(c.Request().Context(), q)
	if err != nil {
		return fmt.Errorf("rejects of %q: %w", q.Source, err)
	}
	if len(rows) > pageRows {
		rows = rows[:pageRows]
		last := rows[pageRows-1]
		page := url.Values{"at": {strconv.FormatInt(last.Received.UnixNano(), 10)}, "sha256": {last.SHA256}, "last": {last.Reason}}
		for name, value := range map[string]string{"reason": v.Filter.Reason, "state": v.Filter.State} {
			if value != "" {
				page.Set(name, value)
			}
		}
		v.Older = "/rejects/" + url.PathEscape(q.Source) + "?" + page.Encode()
	}
	v.Rows = rows
	return s.render(c, "Rejects of "+q.Source, views.RejectsListPage(v))
}

// rejectPosition reads where a list goes on; nil: at its beginning.
func rejectPosition(source string, form url.Values) *RejectPosition {
	at, err := strconv.ParseInt(form.Get("at"), 10, 64)
	sum, ok := parseSum(form.Get("sha256"))
	if err != nil || !ok {
		return nil
	}
	return &RejectPosition{Received: time.Unix(0, at).UTC(), Key: RejectKey{Source: source, Reason: form.Get("last"), SHA256: sum}}
}

func parseSum(text string) (sum [32]byte, ok bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return sum, false
	}
	return [32]byte(b), true
}

// rejectOf reads which reject an address means.
func rejectOf(c echo.Context) (RejectKey, error) {
	sum, ok := parseSum(c.Param("sha256"))
	if !ok {
		return RejectKey{}, ErrNotFound
	}
	return RejectKey{Source: pathValue(c, "source"), Reason: c.QueryParam("reason"), SHA256: sum}, nil
}

// pathValue is a part of the path as it was meant.
func pathValue(c echo.Context, name string) string {
	value := c.Param(name)
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}

// reject shows one reject. Looking at one is recorded, but not prevented when it
// cannot be: that is when somebody must look.
func (s *server) reject(c echo.Context) error {
	key, err := rejectOf(c)
	if err != nil {
		return err
	}
	v, err := s.Deps.Rejects.Reject(c.Request().Context(), key)
	if err != nil {
		return fmt.Errorf("reject of %q: %w", key.Source, err)
	}
	s.recordOrLog(c, who(c), Action{Name: "reject.view", Outcome: success, Target: target("reject", v.SHA256, key.Source)})
	v.Zone = s.Zone
	return s.render(c, "Reject "+v.SHA256[:12], views.RejectPage(v))
}

// rejectBytes sends the bytes of a reject, after that was recorded. They are never
// shown by a browser.
func (s *server) rejectBytes(c echo.Context) error {
	key, err := rejectOf(c)
	if err != nil {
		return err
	}
	b, err := s.Deps.Rejects.Bytes(c.Request().Context(), key)
	if err != nil {
		return fmt.Errorf("reject of %q: %w", key.Source, err)
	}
	sum := hex.EncodeToString(key.SHA256[:])
	if err := s.record(c, who(c), Action{Name: "reject.download", Outcome: success, Target: target("reject", sum, key.Source)}); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Disposition", attachment(key.Source+"-"+sum[:12]+".bin"))
	return c.Blob(http.StatusOK, "application/octet-stream", b)
}
