package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

// makePack starts the job that makes a pack, after it was recorded.
func (s *server) makePack(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	q, err := s.parseReport(form.Get("framework"), form)
	if err != nil {
		return s.wrongChoice(c, form, err)
	}
	q, ok := s.narrow(who(c), q)
	if !ok {
		return s.refuseReport(c, q)
	}
	id, err := s.Packs.NewID() // first, so that the event before the pack has its name
	if err != nil {
		return fmt.Errorf("name a pack: %w", err)
	}
	if err := s.record(c, who(c), Action{Name: "pack.create", Outcome: success,
		Target: target("pack", id, q.Framework), Details: q.details()}); err != nil {
		return err
	}
	job, err := s.Packs.Start(c.Request().Context(), PackRequest{ID: id, ReportQuery: q, By: who(c)})
	if err != nil {
		details := q.details()
		details["reason"] = "the job did not start"
		s.recordOrLog(c, who(c), Action{Name: "pack.create", Outcome: failure, Target: target("pack", id, q.Framework), Details: details})
		return s.wrongChoice(c, form, fmt.Errorf("start pack: %w", err))
	}
	return c.Redirect(http.StatusSeeOther, "/packs/jobs/"+url.PathEscape(job))
}

func (q ReportQuery) details() map[string]string {
	d := map[string]string{"framework": q.Framework, "from": q.From.Format(time.DateOnly), "to": q.To.Format(time.DateOnly), "zone": q.Zone.String()}
	if len(q.Sources) > 0 {
		d["sources"] = strings.Join(q.Sources, ", ")
	}
	if q.Engagement != "" {
		d["engagement"] = q.Engagement
	}
	return d
}

// job shows how far a pack is.
func (s *server) job(c echo.Context) error {
	j, err := s.Packs.Job(c.Request().Context(), c.Param("job"))
	if err != nil {
		return fmt.Errorf("job: %w", err)
	}
	if !s.maySee(who(c), j.Framework.ID, j.Period, j.Sources) {
		return ErrNotFound // not even that it exists
	}
	j.Zone = s.Zone
	p := views.Page{Title: "Evidence pack"}
	if j.State == views.Queued || j.State == views.Running {
		p.Refresh = 2
	}
	return s.renderStatus(c, http.StatusOK, p, views.JobPage(j))
}

// download sends a pack, after it was recorded. Browsers resume broken downloads
// with ranges; each request is recorded.
func (s *server) download(c echo.Context) error {
	p, content, err := s.Packs.Open(c.Request().Context(), c.Param("pack"))
	if err != nil {
		return fmt.Errorf("open pack: %w", err)
	}
	defer content.Close() // read only: nothing can be lost
	if !s.maySee(who(c), p.Framework.ID, p.Period, p.Sources) {
		s.recordRefusal(c, who(c), Action{Name: "pack.download", Target: target("pack", p.ID, p.File),
			Details: map[string]string{"reason": "no engagement holds this pack"}})
		return ErrNotFound
	}
	details := map[string]string{"sha256": p.Digest}
	if r := c.Request().Header.Get("Range"); r != "" {
		details["range"] = cut(r)
	}
	if c.Request().Method == http.MethodGet {
		if err := s.record(c, who(c), Action{Name: "pack.download", Outcome: success, Target: target("pack", p.ID, p.File), Details: details}); err != nil {
			return err
		}
	}
	h := c.Response().Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", attachment(p.File))
	h.Set("ETag", `"`+p.Digest+`"`)
	h.Set("Cache-Control", "private, no-cache")
	http.ServeContent(&patient{c.Response(), http.NewResponseController(c.Response())}, c.Request(), p.File, p.At, content)
	return nil
}

// attachment names the file for browsers in letters that all of them take.
func attachment(name string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, name)
	return `attachment; filename="` + safe + `"`
}

// patient lets a download take as long as it needs while its reader keeps
// reading: each piece has a minute.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (p *patient) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(pageTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("download: %w", err)
	}
	return p.ResponseWriter.Write(b)
}
