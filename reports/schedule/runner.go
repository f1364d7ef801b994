package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
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
	since time.Time
}

// remember is longer than any run or delivery goes without a change before it is
// settled, and as long as mails tell of failures.
const remember = failingFor + deferFor

// Run looks at what is due until the context ends.
func (r *Runner) Run(ctx context.Context) error {
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
}

// Tick does all that can be done now. An error says that the records could not be
// read or written: nothing was done unrecorded, and the next tick goes on.
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
	var errs []error
	for _, history := range book.Histories {
		errs = append(errs, r.begin(ctx, book, ran, history))
	}
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
			err = r.deliver(ctx, book, history[len(history)-1], made)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.since = started.Add(-remember)
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

// deliver moves each delivery of a run on by one step.
func (r *Runner) deliver(ctx context.Context, book *Book, newest Schedule, run Run) error {
	var errs []error
	for _, target := range run.Targets {
		d, there := book.Delivery(run.ID(), target)
		if !there {
			d = Delivery{Run: run.ID(), Target: target, Number: -1}
			if err := r.add(ctx, &d, func(d *Delivery) { d.State, d.Since = Queued, d.At }); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		if d.State.Settled() || d.State == Deferred && r.Now().Before(d.Next) {
			continue
		}
		errs = append(errs, r.send(ctx, newest, run, d))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return errors.Join(errs...)
}

// add writes the next state of a delivery.
func (r *Runner) add(ctx context.Context, d *Delivery, change func(*Delivery)) error {
	next := *d
	next.Number, next.At, next.Next, next.Reply, next.Note = d.Number+1, r.Now().UTC(), time.Time{}, "", ""
	change(&next)
	if err := r.Records.AddDelivery(ctx, next); err != nil {
		return err
	}
	*d = next
	return nil
}

// send has one conversation about a delivery.
func (r *Runner) send(ctx context.Context, newest Schedule, run Run, d Delivery) error {
	post, domains := r.Post, r.Domains
	if run.Schedule == Checkpoint {
		domains = nil // the configuration names these addresses itself
	}
	switch {
	case strings.HasPrefix(d.Target, directoryPrefix):
		post = r.Directories
	case strings.HasPrefix(d.Target, bucketPrefix):
		post = r.Buckets
	default:
		if err := CheckAddress(d.Target, domains); err != nil {
			return r.skip(ctx, d, err.Error())
		}
	}
	stored := strings.HasPrefix(d.Target, directoryPrefix) || strings.HasPrefix(d.Target, bucketPrefix)
	if newest.State == Removed {
		return r.skip(ctx, d, "the schedule was removed before this was sent")
	}
	if stored && run.Pack == "" {
		return r.skip(ctx, d, "there is no pack to put there")
	}
	if err := r.add(ctx, &d, func(next *Delivery) {
		next.State, next.Attempt, next.MessageID = Sending, d.Attempt+1, messageID(d, r.MailDomain)
		switch {
		case d.State == Sending:
			next.Unsure = true
			next.Note = "Exhibit stopped during the conversation, so it is not known whether the server took the mail: it goes out again with the same Message-ID."
		case d.Unsure:
			next.Note = maySent
		}
	}); err != nil {
		return err
	}
	outcome := post.Send(ctx, Parcel{Letter: run.Letter, To: d.Target, MessageID: d.MessageID, At: d.At, Pack: run.Pack, Attach: run.Letter.Attach})
	// How it ended must be on record even when we are being stopped.
	return r.record(context.WithoutCancel(ctx), run, d, outcome)
}

// maySent is said of each state after a conversation whose end is not known.
const maySent = "The end of an earlier conversation is not known: the mail may have been sent."

func (r *Runner) record(ctx context.Context, run Run, d Delivery, outcome Outcome) error {
	unsure := d.Unsure
	err := r.add(ctx, &d, func(d *Delivery) {
		d.State, d.Reply, d.Note = outcome.State, outcome.Reply, outcome.Note
		switch {
		case outcome.Lost:
			d.Unsure = true
			d.Note = "The server's answer was lost: the mail may have been sent. " + d.Note
		case unsure && outcome.State == Sent:
			d.Note = "Sent again with the same Message-ID, because it was not known whether an earlier one was taken. " + d.Note
		case unsure:
			d.Note = maySent + " " + d.Note
		}
		d.Note = strings.TrimSpace(d.Note)
		if outcome.State != Deferred {
			return
		}
		if d.At.Sub(d.Since) >= deferFor && d.Attempt >= minTries {
			d.State, d.Note = Failed, strings.TrimSpace(fmt.Sprintf("Given up after two days and %d tries. %s", d.Attempt, d.Note))
			return
		}
		if d.Unsure {
			d.Note += " It goes out again with the same Message-ID."
		}
		d.Next = d.At.Add(min(maxWait, firstWait<<min(d.Attempt-1, 6)))
	})
	if err != nil {
		return err
	}
	if d.State.Settled() {
		r.note(ctx, Entry{Action: "delivery." + string(d.State), OK: d.State == Sent, Type: "delivery", ID: d.MessageID, Name: d.Target,
			Details: run.Letter.Name + ", " + run.Span.Words() + ". " + d.Reply + " " + d.Note})
	}
	return nil
}

func (r *Runner) skip(ctx context.Context, d Delivery, why string) error {
	unsure := d.Unsure || d.State == Sending // Exhibit stopped during a conversation
	if err := r.add(ctx, &d, func(d *Delivery) {
		d.State, d.Note, d.Unsure = Skipped, why, unsure
		if unsure {
			d.Note += ". " + maySent
		}
	}); err != nil {
		return err
	}
	r.note(ctx, Entry{Action: "delivery.skipped", Type: "delivery", ID: d.Run, Name: d.Target, Details: d.Note})
	return nil
}
