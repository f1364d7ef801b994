package web

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

func (s *server) previewSchedule(c echo.Context) error {
	p, _, err := s.Schedules.Preview(c.Request().Context(), c.Param("schedule"), "")
	if err != nil {
		return fmt.Errorf("preview: %w", err)
	}
	s.framed(c)
	return s.render(c, "Preview", views.SchedulePreviewPage(p))
}

// scheduleMail shows the mail itself. Its styles are inline, as mail programs want
// them; scripts and all else stay forbidden, and the page is a stranger to ours.
func (s *server) scheduleMail(c echo.Context) error {
	_, html, err := s.Schedules.Preview(c.Request().Context(), c.Param("schedule"), c.QueryParam("run"))
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return showMail(c, html)
}

// showMail answers with the HTML of a mail. Only our own pages may have it in a frame.
func showMail(c echo.Context, html string) error {
	c.Response().Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; "+
		"sandbox allow-popups allow-popups-to-escape-sandbox")
	return c.HTML(http.StatusOK, html)
}

// framed lets a page of ours show a mail in a frame.
func (s *server) framed(c echo.Context) {
	c.Response().Header().Set("Content-Security-Policy", s.policy()+"; frame-src 'self'")
}

// schedulePackPath is where the link to the pack in a mail leads.
const schedulePackPath = "/schedules/:schedule/packs/:run"

// askForPack tells somebody who got a mail, and may not open its link, how to get the pack.
const askForPack = "Ask who runs the schedule to send you the pack as a file, or an admin to invite you to an engagement that holds its period."

// schedulePack leads from a link in a mail to the pack, for a while.
func (s *server) schedulePack(c echo.Context) error {
	id, err := s.Schedules.Pack(c.Request().Context(), c.Param("schedule"), c.Param("run"))
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	return c.Redirect(http.StatusSeeOther, "/packs/"+url.PathEscape(id)+"/download")
}

// keptMail shows a mail of the local mailbox.
func (s *server) keptMail(c echo.Context) error {
	m, _, err := s.Schedules.Mail(c.Request().Context(), c.Param("mail"))
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	s.framed(c)
	return s.render(c, m.Subject, views.MailPage(m))
}

func (s *server) keptHTML(c echo.Context) error {
	_, html, err := s.Schedules.Mail(c.Request().Context(), c.Param("mail"))
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	return showMail(c, html)
}

// keptFile sends a mail of the local mailbox, or a file that is attached to it.
func (s *server) keptFile(c echo.Context) error {
	name, file := c.Param("mail"), c.Param("file")
	media, as := "message/rfc822", name
	if file != "" {
		media, as = "application/octet-stream", file
	}
	err := s.Schedules.MailFile(c.Request().Context(), name, file, func() (io.Writer, error) {
		c.Response().Header().Set("Content-Disposition", attachment(as))
		c.Response().Header().Set(echo.HeaderContentType, media)
		c.Response().WriteHeader(http.StatusOK)
		return c.Response(), nil
	})
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	return nil
}
