package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// deliver moves each mail of a run on by one step, and queues what goes to places. It
// reports whether something waits to be put there.
func (r *Runner) deliver(ctx context.Context, book *Book, newest Schedule, run Run) (waiting bool, err error) {
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
		switch {
		case !d.open(r.Now()):
			continue
		case stored(target):
			waiting = true
			continue
		}
		errs = append(errs, r.send(ctx, newest, run, d))
		if err := ctx.Err(); err != nil {
			return waiting, err
		}
	}
	return waiting, errors.Join(errs...)
}

// open reports whether a delivery is to be tried now.
func (d *Delivery) open(now time.Time) bool {
	return !d.State.Settled() && (d.State != Deferred || !now.Before(d.Next))
}

// stored reports whether a target is a directory or a bucket.
func stored(target string) bool {
	return strings.HasPrefix(target, directoryPrefix) || strings.HasPrefix(target, bucketPrefix)
}

// Put puts packs that Tick has queued into directories and buckets, one after the other.
// It alone writes how that goes on, as Tick alone does for mails, so both may be at work
// at once. What a stop leaves as sending is put there again: a pack that is there stays.
func (r *Runner) Put(ctx context.Context) error {
	started := r.Now()
	book, err := Read(ctx, r.Records, r.putSince)
	if err != nil {
		return err
	}
	var errs []error
	for _, run := range book.Runs {
		history := book.History(run.Schedule)
		if run.State != Made || len(history) == 0 {
			continue
		}
		for _, target := range run.Targets {
			if d, there := book.Delivery(run.ID(), target); stored(target) && there && d.open(r.Now()) {
				errs = append(errs, r.send(ctx, history[len(history)-1], run, d))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	r.putSince = started.Add(-remember)
	return nil
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
	if newest.State == Removed {
		return r.skip(ctx, d, "the schedule was removed before this was sent")
	}
	if stored(d.Target) && run.Pack == "" {
		return r.skip(ctx, d, "there is no pack to put there")
	}
	if err := r.add(ctx, &d, func(next *Delivery) {
		next.State, next.Attempt, next.MessageID = Sending, d.Attempt+1, messageID(d, r.MailDomain)
		switch {
		case d.State == Sending && stored(d.Target): // putting it there twice makes no second one
			next.Note = "Exhibit stopped while the pack was on its way: it goes there again, unless it is there."
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
	unsure := d.Unsure || d.State == Sending && !stored(d.Target) // Exhibit stopped during a conversation
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
