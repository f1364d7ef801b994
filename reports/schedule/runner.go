package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Times that a runner goes by.
const (
	tick      = 30 * time.Second // between looks at what is due
	remake    = time.Hour        // between tries to make a run
	giveUp    = 24 * time.Hour   // after which a run says that it could not be made
	deferFor  = 48 * time.Hour   // for which a deferred delivery is tried at the least
	minTries  = 12               // before it is given up: a machine that slept has not tried
	firstWait = 5 * time.Minute  // before the second try; then twice as long each time
	maxWait   = 4 * time.Hour
)

// A Runner runs what is due and delivers what was made. One runner writes at a time:
// the process that holds the data directory runs it.
//
// Every step is written before and after it is done, and what is not written as done
// is done again: a run is begun, then made with its letter, then each delivery is
// queued, sending, and sent, deferred or failed. A crash after "sending" leaves a
// delivery of which nobody knows whether the server took it. It goes out again with
// the same Message-ID, and its record says so; no other step can send twice.
type Runner struct {
	Records  Records
	Evidence Evidence
	Post     Post
	// Directories and Buckets put packs into those that the configuration names.
	Directories Post
	Buckets     Post
	Domains     []string // that mail may go to; none: all
	MailDomain  string   // of Message-IDs
	Base        string   // address of the pages: scheme and host
	Diary       func(ctx context.Context, e Entry) error
	Now         func() time.Time
	Slog        *slog.Logger
	After       func(time.Duration) <-chan time.Time
	Wake        <-chan struct{} // there may be something to do at once

	// since is from when on the next tick reads runs and deliveries: a while before the
	// last tick that did all there was to do. What was unfinished then had changed in
	// that while, as no try waits longer. Zero: all, as the process has just begun.
	since    time.Time
	putSince time.Time     // the same of Put
	put      chan struct{} // Tick tells Put that there is something to do
}

// remember is longer than any run or delivery goes without a change before it is
// settled, and as long as mails tell of failures.
const remember = failingFor + deferFor

// Run looks at what is due until the context ends. Mails go out in a loop of their own:
// a directory or bucket that hangs holds up no mail.
func (r *Runner) Run(ctx context.Context) error {
	r.put = make(chan struct{}, 1)
	var group errgroup.Group
	group.Go(func() error {
		for {
			if err := r.Tick(ctx); err != nil && ctx.Err() == nil {
				r.Slog.Error("schedules stand still", "error", err)
			}
			select {
			case <-r.After(tick):
			case <-r.Wake:
			case <-ctx.Done():
				return nil
			}
		}
	})
	group.Go(func() error {
		for {
			select {
			case <-r.put:
			case <-ctx.Done():
				return nil
			}
			if err := r.Put(ctx); err != nil && ctx.Err() == nil {
				r.Slog.Error("packs are not put into their places", "error", err)
			}
		}
	})
	return group.Wait()
}

// Tick does all that can be done now but what Put does. An error says that the records
// could not be read or written: nothing was done unrecorded, and the next tick goes on.
func (r *Runner) Tick(ctx context.Context) error {
	started := r.Now()
	book, err := Read(ctx, r.Records, r.since)
	if err != nil {
		return err
	}
	ids, err := r.Records.RunIDs(ctx)
	if err != nil {
		return err
	}
	ran := make(map[string]bool, len(ids))
	for _, id := range ids {
		ran[id] = true
	}
	errs := []error{r.redate(ctx, book)}
	for _, history := range book.Histories {
		errs = append(errs, r.begin(ctx, book, ran, history))
	}
	waiting := false // for Put
	for _, run := range book.Runs {
		if err := ctx.Err(); err != nil {
			return err
		}
		history := book.History(run.Schedule)
		if len(history) == 0 {
			continue // the next read has both
		}
		made, err := r.make(ctx, book, history, run)
		if err == nil && made.State == Made {
			var stored bool
			stored, err = r.deliver(ctx, book, history[len(history)-1], made)
			waiting = waiting || stored
		}
		errs = append(errs, err)
	}
	if waiting {
		select {
		case r.put <- struct{}{}:
		default: // it is at work, or told already
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.since = started.Add(-remember)
	return nil
}

// ahead is how far a version may lie in the future without a clock that was wrong.
const ahead = time.Minute

// redate lets the newest version of a schedule hold from now on where a clock that was
// ahead made it: somebody asked for it already, and what it changes or stops must not
// go on until then.
func (r *Runner) redate(ctx context.Context, book *Book) error {
	now := r.Now().UTC()
	for i, history := range book.Histories {
		s := history[len(history)-1]
		if s.At.Sub(now) <= ahead {
			continue
		}
		was := s.At
		s.Version, s.At = s.Version+1, now
		if err := r.Records.AddSchedule(ctx, s); err != nil {
			return err
		}
		book.Histories[i] = append(history, s)
		r.note(ctx, Entry{Action: "schedule.redate", OK: true, Type: "schedule", ID: s.ID, Name: s.Name,
			Details: fmt.Sprintf("Version %d was made by a clock that was ahead, which said %s. Version %d is the same and holds from now on.", s.Version-1, was.Format(time.RFC3339), s.Version)})
	}
	return nil
}

// begin begins what a schedule has due and no run yet.
func (r *Runner) begin(ctx context.Context, book *Book, ran map[string]bool, history []Schedule) error {
	now := r.Now().UTC()
	for _, o := range Due(history, now) {
		if ran[runID(o.Schedule.ID, o.Key())] {
			continue
		}
		waited := ""
		if o.Schedule.Framework != "" {
			settled, waits, err := r.Evidence.Ready(ctx, o.Schedule, o.Span)
			over := !now.Before(o.At.Add(time.Duration(o.Schedule.Grace) * time.Hour))
			switch {
			case err != nil && !over:
				r.Slog.Warn("coverage not known", "schedule", o.Schedule.ID, "error", err)
				continue
			case settled:
				waited = "The coverage of the period is settled."
			case over:
				waited = fmt.Sprintf("Sent after waiting %d h for coverage that is still open: %s.", o.Schedule.Grace, orElse(waits, "it is not known"))
			default:
				continue
			}
		}
		run := Run{Schedule: o.Schedule.ID, Key: o.Key(), State: Begun, At: now, First: now, Due: o.At.UTC(), Version: o.Schedule.Version, Span: o.Span, Waited: waited}
		if err := r.Records.AddRun(ctx, run); err != nil {
			return err
		}
		book.begun(run)
	}
	return nil
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// make makes a run that is not made yet, and returns it as it is then.
func (r *Runner) make(ctx context.Context, book *Book, history []Schedule, run Run) (Run, error) {
	now := r.Now().UTC()
	if run.State == Made || run.State == Broken && now.Before(run.At.Add(remake)) {
		return run, nil
	}
	i := slices.IndexFunc(history, func(s Schedule) bool { return s.Version == run.Version })
	if i < 0 {
		return run, fmt.Errorf("schedule: run %s is of a version %d that is not there", run.ID(), run.Version)
	}
	s := history[i]
	packID, letter, err := "", (*Letter)(nil), error(nil)
	if s.Framework == "" {
		letter, err = r.Evidence.Checkpoint(ctx, s, run)
	} else {
		packID, letter, err = r.Evidence.Make(ctx, s, run)
	}
	if ctx.Err() != nil {
		return run, ctx.Err() // stopped, not broken
	}
	run.Number, run.At = run.Number+1, r.Now().UTC()
	switch {
	case err == nil:
		run.State, run.Problem, run.Pack, run.Letter, run.Targets = Made, "", packID, letter, s.Targets()
	default:
		r.Slog.Error("run not made", "run", run.ID(), "error", err)
		run.State, run.Problem = Broken, r.Evidence.Problem(err)
		if run.At.Sub(run.First) >= giveUp || run.By != "" {
			run.State, run.Letter, run.Targets = Made, problemLetter(s, run, r.Base+pagePath(s.ID)), s.Targets()
		}
	}
	if run.Letter != nil {
		run.Letter.Name, run.Letter.Attach, run.Letter.Waited = s.Name, s.Attach, run.Waited
		run.Letter.Failing = book.failing(s.ID, run.At.Add(-failingFor))
	}
	if err := r.Records.AddRun(ctx, run); err != nil {
		return run, err
	}
	if run.State == Made {
		r.note(ctx, Entry{Action: "schedule.run", OK: run.Problem == "", Type: "schedule", ID: s.ID, Name: s.Name,
			Details: strings.TrimSpace(run.Span.Words() + ". " + run.Waited + " " + run.Problem)})
	}
	return run, nil
}

// note writes to the diary. What it tells of is on record already, so a diary that
// takes nothing does not stop it.
func (r *Runner) note(ctx context.Context, e Entry) {
	if err := r.Diary(ctx, e); err != nil {
		r.Slog.Error("act not recorded", "action", e.Action, "error", err)
	}
}
