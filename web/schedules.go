package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

// Schedules keeps recurring reports. Methods answer ErrNotFound for what is not there
// and an *InputError for what cannot be done as it was asked for.
type Schedules interface {
	List(ctx context.Context) (views.Schedules, error)
	Schedule(ctx context.Context, id string) (views.Schedule, error)
	// Form returns a schedule to be changed; without id a new one.
	Form(ctx context.Context, id string) (views.ScheduleForm, error)
	// Options fills in what may be chosen in a form.
	Options(ctx context.Context, f views.ScheduleForm) (views.ScheduleForm, error)
	// Check returns what Save would refuse.
	Check(ctx context.Context, f views.ScheduleForm) error
	// NewID returns the id of a schedule that is not there yet.
	NewID() (string, error)
	// Create keeps a new schedule under an id of NewID, Save a new version of one.
	Create(ctx context.Context, id string, f views.ScheduleForm, by Identity) error
	Save(ctx context.Context, f views.ScheduleForm, by Identity) error
	SetState(ctx context.Context, id, state string, by Identity) error
	RunNow(ctx context.Context, id string, by Identity) error
	Resend(ctx context.Context, id, run, target string, by Identity) error
	// Preview returns the mail that would be sent now; with a run, the mail of the run.
	Preview(ctx context.Context, id, run string) (p views.SchedulePreview, html string, err error)
	// Pack returns the id of a run's pack while its link works.
	Pack(ctx context.Context, id, run string) (string, error)
	// Mail returns a mail of the local mailbox with its HTML.
	Mail(ctx context.Context, name string) (m views.Mail, html string, err error)
	// MailFile writes a file that is attached to the mail, or without a name the mail
	// itself, to what open returns once it is found.
	MailFile(ctx context.Context, name, file string, open func() (io.Writer, error)) error
}

// withSchedules refuses where no mail is configured.
func (s *server) withSchedules(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if s.Schedules == nil {
			return &Problem{Status: http.StatusNotFound, Heading: "No mail is configured",
				Sentence: "Schedules need a mail server. The administrator adds it to the configuration, under mail."}
		}
		return next(c)
	}
}

func (s *server) scheduleList(c echo.Context) error {
	v, err := s.Schedules.List(c.Request().Context())
	if err != nil {
		return fmt.Errorf("schedules: %w", err)
	}
	return s.render(c, "Schedules", views.SchedulesPage(v))
}

func (s *server) schedule(c echo.Context) error { return s.showSchedule(c, http.StatusOK, "") }

func (s *server) showSchedule(c echo.Context, status int, problem string) error {
	v, err := s.Schedules.Schedule(c.Request().Context(), c.Param("schedule"))
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	v.Problem = problem
	return s.renderStatus(c, status, views.Page{Title: v.Name}, views.SchedulePage(v))
}

func (s *server) scheduleForm(c echo.Context) error {
	f, err := s.Schedules.Form(c.Request().Context(), c.Param("schedule"))
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	return s.showScheduleForm(c, http.StatusOK, f)
}

func (s *server) showScheduleForm(c echo.Context, status int, f views.ScheduleForm) error {
	f, err := s.Schedules.Options(c.Request().Context(), f)
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	f.Zones = s.zones()
	title := "New schedule"
	if f.ID != "" {
		title = "Edit " + f.Name
	}
	return s.renderStatus(c, status, views.Page{Title: title}, views.ScheduleFormPage(f))
}

func parseSchedule(id string, form url.Values) (views.ScheduleForm, error) {
	get := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	f := views.ScheduleForm{ID: id, Version: get("version"), Name: get("name"), Framework: get("framework"), Period: get("period"), Kind: get("kind"),
		Weekday: get("weekday"), Day: get("day"), Month: get("month"), Time: get("time"), Cron: get("cron"), Zone: get("zone"), Recipients: get("recipients"),
		Place: get("place"), Grace: get("grace"), Attach: get("attach") != ""}
	for _, name := range form["source"] {
		if name != "" && !slices.Contains(f.Sources, name) {
			f.Sources = append(f.Sources, name)
		}
	}
	if len(f.Sources) > maxSources {
		return f, badInput("More than %d sources are named. Name none to take all.", maxSources)
	}
	return f, nil
}

// saveSchedule keeps a new schedule or a new version of one, after it was recorded.
func (s *server) saveSchedule(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	ctx := c.Request().Context()
	f, err := parseSchedule(c.Param("schedule"), form)
	if err == nil {
		err = s.Schedules.Check(ctx, f)
	}
	if err != nil {
		return s.wrongSchedule(c, f, err)
	}
	name, id, keep := "schedule.update", f.ID, func() error { return s.Schedules.Save(ctx, f, who(c)) }
	if f.ID == "" { // it is named first, so that the event before it has its name
		if id, err = s.Schedules.NewID(); err != nil {
			return fmt.Errorf("name a schedule: %w", err)
		}
		name, keep = "schedule.create", func() error { return s.Schedules.Create(ctx, id, f, who(c)) }
	}
	act := Action{Name: name, Outcome: success, Target: target("schedule", id, f.Name), Details: scheduleDetails(f)}
	if err := s.record(c, who(c), act); err != nil {
		return err
	}
	if err := keep(); err != nil {
		act.Outcome = failure
		s.recordOrLog(c, who(c), act)
		return s.wrongSchedule(c, f, err)
	}
	return c.Redirect(http.StatusSeeOther, "/schedules/"+url.PathEscape(id))
}

// scheduleDetails says what a form asks for, without what it leaves open.
func scheduleDetails(f views.ScheduleForm) map[string]string {
	d := map[string]string{"framework": f.Framework, "period": f.Period, "every": every(f), "zone": f.Zone, "to": f.Recipients, "place": f.Place,
		"sources": cmp.Or(strings.Join(f.Sources, ", "), "all"), "attach": strconv.FormatBool(f.Attach)}
	if f.Grace != "" {
		d["grace"] = f.Grace + " h"
	}
	maps.DeleteFunc(d, func(_, value string) bool { return value == "" })
	return d
}

// every says when a form asks to be due. The page sends the fields of all kinds.
func every(f views.ScheduleForm) string {
	on := ""
	switch f.Kind {
	case "cron":
		return "cron " + f.Cron
	case "weekly":
		on = " on " + f.Weekday
	case "monthly", "quarterly":
		on = " on day " + f.Day
	case "yearly":
		on = " on " + f.Month + " " + f.Day
	}
	return f.Kind + on + " at " + f.Time
}

func (s *server) wrongSchedule(c echo.Context, f views.ScheduleForm, err error) error {
	var input *InputError
	if !errors.As(err, &input) {
		return fmt.Errorf("save schedule: %w", err)
	}
	f.Problem = input.Sentence
	return s.showScheduleForm(c, http.StatusBadRequest, f)
}

// act does one thing to a schedule, after it was recorded, and shows the schedule.
func (s *server) act(c echo.Context, a Action, do func(ctx context.Context) error) error {
	ctx := c.Request().Context()
	v, err := s.Schedules.Schedule(ctx, c.Param("schedule"))
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	a.Outcome = success
	if a.Target.Type == "" {
		a.Target = target("schedule", v.ID, v.Name)
	}
	if err := s.record(c, who(c), a); err != nil {
		return err
	}
	if err := do(ctx); err != nil {
		a.Outcome = failure
		s.recordOrLog(c, who(c), a)
		var input *InputError
		if errors.As(err, &input) {
			return s.showSchedule(c, http.StatusBadRequest, input.Sentence)
		}
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return nil
}

func (s *server) setScheduleState(c echo.Context) error {
	state := c.FormValue("state")
	name, ok := map[string]string{"active": "schedule.resume", "paused": "schedule.pause", "removed": "schedule.delete"}[state]
	if !ok {
		return badInput("A schedule is active, paused or removed.")
	}
	id := c.Param("schedule")
	err := s.act(c, Action{Name: name}, func(ctx context.Context) error { return s.Schedules.SetState(ctx, id, state, who(c)) })
	if err != nil || c.Response().Committed {
		return err
	}
	if state == "removed" {
		return c.Redirect(http.StatusSeeOther, "/schedules")
	}
	return c.Redirect(http.StatusSeeOther, "/schedules/"+url.PathEscape(id))
}

func (s *server) runSchedule(c echo.Context) error {
	id := c.Param("schedule")
	err := s.act(c, Action{Name: "schedule.ask"}, func(ctx context.Context) error { return s.Schedules.RunNow(ctx, id, who(c)) })
	if err != nil || c.Response().Committed {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/schedules/"+url.PathEscape(id))
}

func (s *server) resend(c echo.Context) error {
	id, run, to := c.Param("schedule"), c.FormValue("run"), c.FormValue("target")
	err := s.act(c, Action{Name: "delivery.ask", Target: target("delivery", cut(run), cut(to))},
		func(ctx context.Context) error { return s.Schedules.Resend(ctx, id, run, to, who(c)) })
	if err != nil || c.Response().Committed {
		return err
	}
	return c.Redirect(http.StatusSeeOther, "/schedules/"+url.PathEscape(id))
}
