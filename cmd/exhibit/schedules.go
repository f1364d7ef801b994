package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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
	List schedulesListCmd `cmd:"" default:"1" help:"List schedules, and mails that did not arrive."`
	Run  schedulesRunCmd  `cmd:"" help:"Run a schedule now: the process that serves makes and sends it."`
}

// failingFor is how long a mail that did not arrive is listed.
const failingFor = 30 * 24 * time.Hour

type schedulesListCmd struct{}

// Run lists schedules.
func (schedulesListCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	s, err := open(ctx, config, log)
	if err != nil {
		return err
	}
	now := time.Now()
	book, err := schedule.ReadNewest(ctx, schedule.Stored{DB: s.db}, now.Add(-failingFor))
	if err := errors.Join(err, s.Close()); err != nil {
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
