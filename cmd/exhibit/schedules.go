package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/reports/framework"
	"exhibit/reports/schedule"
)

type schedulesCmd struct {
	List   schedulesListCmd   `cmd:"" default:"1" help:"List schedules, and mails that did not arrive."`
	Show   schedulesShowCmd   `cmd:"" help:"Show a schedule, its last runs and how each was delivered."`
	Run    schedulesRunCmd    `cmd:"" help:"Run a schedule now: the process that serves makes and sends it."`
	Pause  schedulesPauseCmd  `cmd:"" help:"Pause a schedule: what becomes due meanwhile is left out."`
	Resume schedulesResumeCmd `cmd:"" help:"Resume a schedule that is paused."`
}

// failingFor is how long a mail that did not arrive is listed.
const failingFor = 30 * 24 * time.Hour

type schedulesListCmd struct{}

// Run lists schedules.
func (schedulesListCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	now := time.Now()
	var book *schedule.Book
	err := c.look(ctx, log, func(s *installation) (err error) {
		book, err = schedule.ReadNewest(ctx, schedule.Stored{DB: s.db}, now.Add(-failingFor))
		return err
	})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tSTATE\tPERIOD\tWHEN\tNEXT\tLAST\tTO")
	for _, one := range book.Newest() {
		next, last := "-", "-"
		if list := one.Next(now, 1); len(list) > 0 && one.State == schedule.Active {
			next = list[0].At.UTC().Format("2006-01-02 15:04Z")
		}
		if runs := book.RunsOf(one.ID); len(runs) > 0 {
			last = runs[0].Key + " " + string(runs[0].State)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s %s\t%s\t%s\t%s\n", one.ID, one.Name, one.State, one.Period, one.Every.Words(), one.Zone, next, last, strings.Join(one.Recipients, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, d := range book.Failing() {
		fmt.Printf("%s  %s to %s: %s %s\n", strings.ToUpper(string(d.State)), d.Run, d.Target, d.Reply, d.Note)
	}
	return nil
}

type schedulesRunCmd struct {
	ID string `arg:"" help:"Of the schedule, as listed."`
}

// Run asks for a run. The process that serves does it, within half a minute.
func (cmd schedulesRunCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	frameworks, err := framework.Load()
	if err != nil {
		return err
	}
	s, d, err := openDiary(ctx, config, log)
	if err != nil {
		return err
	}
	return errors.Join(cmd.ask(ctx, s.desk(frameworks), d, operator()), s.Close())
}

func (cmd schedulesRunCmd) ask(ctx context.Context, desk *schedule.Desk, d diary, by source.Party) error {
	s, err := desk.Find(ctx, cmd.ID)
	if err != nil {
		return err
	}
	act := source.Act{Action: "schedule.ask", Outcome: event.Success, Actor: by, Target: source.Party{Type: "schedule", ID: s.ID, Name: s.Name}}
	if err := d.Write(ctx, act); err != nil {
		return err
	}
	run, err := desk.RunNow(ctx, cmd.ID, cmp.Or(by.Name, by.ID))
	if err != nil {
		return err
	}
	where := "'exhibit serve' makes and sends it within a minute"
	if _, ok := d.(*ingest.Diary); ok {
		where = "'exhibit serve' is not running: it makes and sends it when it is started"
	}
	fmt.Printf("%s of %s is asked for; %s\n", run.Span.Words(), s.Name, where)
	return nil
}

type schedulesShowCmd struct {
	ID string `arg:"" help:"Of the schedule, as listed."`
}

// shownRuns is how many runs are shown of a schedule.
const shownRuns = 10

// Run shows a schedule.
func (cmd schedulesShowCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	return c.look(ctx, log, func(s *installation) error {
		book, err := schedule.ReadOne(ctx, schedule.Stored{DB: s.db}, cmd.ID, shownRuns)
		if err != nil {
			return err
		}
		return showSchedule(os.Stdout, book, cmd.ID, time.Now())
	})
}

// showSchedule prints a schedule with its runs, newest first, and their deliveries.
func showSchedule(w io.Writer, book *schedule.Book, id string, now time.Time) error {
	history := book.History(id)
	if len(history) == 0 {
		return fmt.Errorf("%w: %s", schedule.ErrNone, id)
	}
	one := history[len(history)-1]
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("name", "%s", one.Name)
	line("state", "%s", one.State)
	line("report", "%s of %s, %s", cmp.Or(one.Framework, "checkpoint"), cmp.Or(strings.Join(one.Sources, ", "), "all sources"), one.Period)
	line("when", "%s %s", one.Every.Words(), one.Zone)
	for _, next := range one.Next(now, 1) {
		if one.State == schedule.Active {
			line("next", "%s", next.At.UTC().Format(time.RFC3339))
		}
	}
	line("to", "%s", strings.Join(one.Targets(), " "))
	line("version", "%d by %s, %s", one.Version, one.By, one.At.UTC().Format(time.RFC3339))
	for _, r := range book.RunsOf(id) {
		what := r.Problem
		if r.Letter != nil {
			what = r.Letter.Verdict
		}
		fmt.Fprintf(t, "\nrun %s\t%s %s: %s\n", r.Key, r.State, r.At.UTC().Format(time.RFC3339), what)
		for _, target := range r.Targets {
			if d, ok := book.Delivery(r.ID(), target); ok {
				line("  "+target, "%s", strings.TrimSpace(strings.Join([]string{string(d.State), d.At.UTC().Format(time.RFC3339), d.Reply, d.Note}, " ")))
			}
		}
	}
	return t.Flush()
}

type schedulesPauseCmd struct {
	ID string `arg:"" help:"Of the schedule, as listed."`
}

// Run pauses a schedule.
func (cmd schedulesPauseCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	return setScheduleState(ctx, c, log, cmd.ID, schedule.Paused)
}

type schedulesResumeCmd struct {
	ID string `arg:"" help:"Of the schedule, as listed."`
}

// Run resumes a schedule.
func (cmd schedulesResumeCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	return setScheduleState(ctx, c, log, cmd.ID, schedule.Active)
}

func setScheduleState(ctx context.Context, c *cli, log *slog.Logger, id string, state schedule.State) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	s, d, err := openDiary(ctx, config, log)
	if err != nil {
		return err
	}
	return errors.Join(changeState(ctx, s.desk(nil), d, operator(), id, state), s.Close())
}

// changeState pauses or resumes a schedule, after that was recorded.
func changeState(ctx context.Context, desk *schedule.Desk, d diary, by source.Party, id string, state schedule.State) error {
	s, err := desk.Find(ctx, id)
	switch {
	case err != nil:
		return err
	case id == schedule.Checkpoint:
		return schedule.ErrBuiltIn
	case s.State == state:
		fmt.Printf("%s is %s already\n", s.Name, state)
		return nil
	}
	act := source.Act{Action: map[schedule.State]string{schedule.Paused: "schedule.pause", schedule.Active: "schedule.resume"}[state], Outcome: event.Success, Actor: by,
		Target: source.Party{Type: "schedule", ID: s.ID, Name: s.Name}}
	if err := d.Write(ctx, act); err != nil {
		return err
	}
	if _, err := desk.SetState(ctx, id, state, cmp.Or(by.Name, by.ID)); err != nil {
		act.Outcome = event.Failure
		return errors.Join(err, d.Write(ctx, act))
	}
	fmt.Printf("%s is %s\n", s.Name, state)
	return nil
}
