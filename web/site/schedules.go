package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"exhibit/reports/schedule"
	"exhibit/views"
	"exhibit/web"
)

// Mailing is what the pages about schedules are filled from.
type Mailing struct {
	Desk     *schedule.Desk
	Evidence *schedule.FromReports
	Mailbox  *schedule.Mailbox // nil: mails are sent
}

// Schedules fills the pages about schedules.
type Schedules struct {
	*site
	*Mailing
}

var _ web.Schedules = Schedules{}

// shownRuns is how many runs a schedule's page shows.
const shownRuns = 24

// List implements web.Schedules.
func (s Schedules) List(ctx context.Context) (views.Schedules, error) {
	book, err := schedule.ReadNewest(ctx, s.Desk.Records, s.Now().Add(-failingFor))
	if err != nil {
		return views.Schedules{}, err
	}
	v := views.Schedules{Zone: s.Zone, Mailbox: s.Mailbox != nil, Failing: failing(book, s.Now())}
	for _, one := range book.Newest() {
		v.List = append(v.List, s.view(one))
	}
	if s.Mailbox == nil {
		return v, nil
	}
	kept, err := s.Mailbox.List()
	for _, k := range kept {
		v.Kept = append(v.Kept, views.KeptMail(k))
	}
	return v, err
}

func (s Schedules) view(one schedule.Schedule) views.Schedule {
	v := views.Schedule{ID: one.ID, Name: one.Name, Sources: one.Sources, Period: one.Period, Every: one.Every.Words(), At: one.Zone, Targets: one.Targets(),
		Grace: one.Grace, Attach: one.Attach, State: string(one.State), BuiltIn: one.ID == schedule.Checkpoint, By: one.By, Since: one.At, Version: one.Version, Zone: s.Zone}
	if one.Framework != "" {
		v.Framework = s.choice(one.Framework).Title
	}
	if one.State == schedule.Active {
		for _, o := range one.Next(s.Now(), 3) {
			v.Next = append(v.Next, o.At)
		}
	}
	return v
}

// failingFor is how long a failed delivery is shown where it is not looked for.
const failingFor = 30 * 24 * time.Hour

func failing(book *schedule.Book, now time.Time) []views.Delivery {
	var out []views.Delivery
	for _, d := range book.Failing() {
		r, ok := book.Run(d.Run)
		history := book.History(r.Schedule)
		if ok && len(history) > 0 && now.Sub(d.At) < failingFor {
			out = append(out, delivery(history[len(history)-1], r, d))
		}
	}
	return out
}

func delivery(s schedule.Schedule, r schedule.Run, d schedule.Delivery) views.Delivery {
	return views.Delivery{Schedule: s.ID, Run: d.Run, Name: s.Name, Words: r.Span.Words(), Target: d.Target, State: string(d.State), At: d.At, Next: d.Next,
		Reply: d.Reply, Note: d.Note, Attempt: d.Attempt, Again: d.State.Settled()}
}

// Schedule implements web.Schedules.
func (s Schedules) Schedule(ctx context.Context, id string) (views.Schedule, error) {
	one, err := s.Desk.Find(ctx, id)
	if err != nil {
		return views.Schedule{}, scheduleError(err)
	}
	book, err := schedule.ReadOne(ctx, s.Desk.Records, id, shownRuns)
	if err != nil {
		return views.Schedule{}, err
	}
	v := s.view(one)
	for _, r := range book.RunsOf(id) {
		run := views.ScheduleRun{Schedule: id, Key: r.Key, Words: r.Span.Words(), State: string(r.State), At: r.At, Waited: r.Waited, Problem: r.Problem,
			Pack: r.Pack != "" && r.Letter != nil && s.Now().Before(r.Letter.LinkUntil)}
		if r.Letter != nil {
			run.Subject = r.Letter.Subject
		}
		for _, target := range r.Targets {
			if d, ok := book.Delivery(r.ID(), target); ok {
				run.Deliveries = append(run.Deliveries, delivery(one, r, d))
			}
		}
		v.Runs = append(v.Runs, run)
	}
	return v, nil
}

// NewID implements web.Schedules.
func (s Schedules) NewID() (string, error) { return s.Desk.NewID() }

// Create implements web.Schedules.
func (s Schedules) Create(ctx context.Context, id string, f views.ScheduleForm, by web.Identity) error {
	one, err := parse(f)
	if err != nil {
		return err
	}
	one.ID = id
	_, err = s.Desk.Create(ctx, one, person(by))
	return scheduleError(err)
}

// Save implements web.Schedules.
func (s Schedules) Save(ctx context.Context, f views.ScheduleForm, by web.Identity) error {
	one, err := parse(f)
	if err != nil {
		return err
	}
	_, err = s.Desk.Save(ctx, one, person(by))
	return scheduleError(err)
}

func person(by web.Identity) string { return cmp.Or(by.Name, by.Email, by.Subject) }

// SetState implements web.Schedules.
func (s Schedules) SetState(ctx context.Context, id, state string, by web.Identity) error {
	_, err := s.Desk.SetState(ctx, id, schedule.State(state), person(by))
	return scheduleError(err)
}

// RunNow implements web.Schedules.
func (s Schedules) RunNow(ctx context.Context, id string, by web.Identity) error {
	_, err := s.Desk.RunNow(ctx, id, person(by))
	return scheduleError(err)
}

// Resend implements web.Schedules.
func (s Schedules) Resend(ctx context.Context, id, run, target string, by web.Identity) error {
	if !strings.HasPrefix(run, id+"/") {
		return web.ErrNotFound
	}
	return scheduleError(s.Desk.Resend(ctx, run, target, person(by)))
}

// Preview implements web.Schedules.
func (s Schedules) Preview(ctx context.Context, id, run string) (views.SchedulePreview, string, error) {
	one, err := s.Desk.Find(ctx, id)
	if err != nil {
		return views.SchedulePreview{}, "", scheduleError(err)
	}
	letter, how, err := s.letter(ctx, one, run)
	if err != nil {
		return views.SchedulePreview{}, "", inputError(scheduleError(err))
	}
	html, err := letter.HTML(ctx, how)
	return views.SchedulePreview{ID: id, Name: one.Name, Subject: letter.Subject, Text: letter.Text(how)}, html, err
}

// letter returns the letter of a run, or without one what would be written now.
func (s Schedules) letter(ctx context.Context, one schedule.Schedule, key string) (*schedule.Letter, string, error) {
	if key != "" {
		r, err := s.run(ctx, one.ID, key)
		if err != nil {
			return nil, "", err
		}
		if r.Letter == nil {
			return nil, "", schedule.ErrNone
		}
		return r.Letter, "Whether the pack was attached stands with each delivery.", nil
	}
	span, err := one.Latest(s.Now())
	if err != nil {
		return nil, "", err
	}
	r := schedule.Run{Schedule: one.ID, Span: span, Waited: "A preview."}
	if one.Framework == "" {
		letter, err := s.Evidence.Checkpoint(ctx, one, r)
		return letter, "", err
	}
	letter, err := s.Evidence.Letter(ctx, one, r)
	return letter, "", err
}

// run returns a run, or schedule.ErrNone.
func (s Schedules) run(ctx context.Context, id, key string) (schedule.Run, error) {
	list, err := s.Desk.Records.RunsNamed(ctx, id+"/"+key)
	if err != nil {
		return schedule.Run{}, err
	}
	if len(list) == 0 {
		return schedule.Run{}, schedule.ErrNone
	}
	return list[0], nil
}

// Pack implements web.Schedules.
func (s Schedules) Pack(ctx context.Context, id, key string) (string, error) {
	r, err := s.run(ctx, id, key)
	if err != nil {
		return "", scheduleError(err)
	}
	switch {
	case r.Pack == "":
		return "", web.ErrNotFound
	case !s.Now().Before(r.Letter.LinkUntil):
		return "", &web.InputError{Sentence: "This link has expired. The pack is on the Reports page, or can be made again there."}
	}
	return r.Pack, nil
}

// Mail implements web.Schedules.
func (s Schedules) Mail(_ context.Context, name string) (views.Mail, string, error) {
	if s.Mailbox == nil {
		return views.Mail{}, "", web.ErrNotFound
	}
	m, err := s.Mailbox.Read(name)
	if err != nil {
		return views.Mail{}, "", mailError(err)
	}
	v := views.Mail{KeptMail: views.KeptMail(m.Kept), From: m.From, MessageID: m.MessageID, Text: m.Text, Zone: s.Zone}
	for _, f := range m.Files {
		v.Files = append(v.Files, views.MailFile(f))
	}
	return v, m.HTML, nil
}

// MailFile implements web.Schedules.
func (s Schedules) MailFile(_ context.Context, name, file string, open func() (io.Writer, error)) error {
	if s.Mailbox == nil {
		return web.ErrNotFound
	}
	if file != "" {
		return mailError(s.Mailbox.File(name, file, open))
	}
	f, err := s.Mailbox.Open(name)
	if err != nil {
		return mailError(err)
	}
	defer f.Close() // read only
	w, err := open()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

func mailError(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	}
	return err
}

// scheduleError turns errors of package schedule into those of package web.
func scheduleError(err error) error {
	var input schedule.InputError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, schedule.ErrNone):
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	case errors.As(err, &input), errors.Is(err, schedule.ErrChanged), errors.Is(err, schedule.ErrBuiltIn):
		return &web.InputError{Sentence: schedule.Sentence(err)}
	}
	return err
}

// mailTasks lists deliveries that need somebody.
func mailTasks(book *schedule.Book, now time.Time) []views.Task {
	var out []views.Task
	for _, d := range failing(book, now) {
		severity := views.Act
		if d.State == string(schedule.Deferred) {
			severity = views.Look
		}
		out = append(out, views.Task{Severity: severity, Title: "Mail to " + d.Target + " " + d.State + ": " + d.Name + ", " + d.Words,
			Detail: cmp.Or(d.Reply, d.Note), Link: &views.Link{Text: "Open schedule", Path: "/schedules/" + d.Schedule}})
	}
	return out
}
