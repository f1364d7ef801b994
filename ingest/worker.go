package ingest

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A Feed is a configured source that is polled.
type Feed struct {
	Name   string
	Kind   source.Kind
	Puller source.Puller
	Since  time.Time     // start of the required time; zero: what the vendor keeps
	Settle time.Duration // how late events may appear
	Every  time.Duration // between turns
}

// States of a feed.
const (
	Idle     = "ok"
	Reading  = "reading"
	Backoff  = "backing off"
	Rejected = "token rejected"
	Stopped  = "stopped"
	Unheard  = "unheard" // pushed: nothing came for longer than the heartbeat
	Alarm    = "alarm"   // it is read, and what it holds is not what it should be
)

// A Status is how a feed is doing.
type Status struct {
	Name        string
	State       string
	Problem     string // what to do about it, in words for people
	Turn        time.Time
	Next        time.Time
	Read        time.Time     // when it was last read to its end
	Missing     coverage.Set  // what the last turn found missing and readable
	Uncommitted coverage.Set  // covered, not yet committed
	Method      string        // of Uncommitted; empty: read
	Heartbeat   time.Duration // of a pushed source: how long nothing may come
	Told        *ledger.Told  // of the last read
	Requests    int           // of the last read
	Note        string        // what was out of the ordinary since the start, and is dealt with
}

// A Worker polls one feed: it computes what is missing, reads it and commits it.
// A normal minute and a healed outage are the same turn.
type Worker struct {
	feed      Feed
	log       *Log
	committer *Committer
	secret    []byte
	now       func() time.Time
	slog      *slog.Logger
	after     func(time.Duration) <-chan time.Time

	mu     sync.Mutex
	status Status

	// Only Run touches these.
	held     Parcel                       // coverage and duplicates that wait for an hour to gather
	since    time.Time                    // when held began to gather; zero: it is empty
	looked   time.Time                    // when covered time was last read again; zero: not known yet
	tailed   time.Time                    // Window: when the whole settle time was last read again
	cursor   string                       // Follow: of the newest parcel that is committed or held, see position
	stuck    []coverage.Interval          // Window: pieces that failed, the last at the end
	off      coverage.Set                 // when the source's log was switched off, as it says
	unlogged coverage.Set                 // of off: what was read
	settled  map[string][sha256.Size]byte // records of the tail that are stored, by id, with the hash of the record
}

// WorkerOptions are the parts of a Worker.
type WorkerOptions struct {
	Feed      Feed
	Log       *Log
	Committer *Committer
	Secret    []byte
	Now       func() time.Time
	Slog      *slog.Logger
	After     func(time.Duration) <-chan time.Time // nil: time.After
}

// NewWorker returns a worker for a feed.
func NewWorker(o WorkerOptions) *Worker {
	if o.After == nil {
		o.After = time.After
	}
	return &Worker{feed: o.Feed, log: o.Log, committer: o.Committer, secret: o.Secret, now: o.Now, slog: o.Slog.With("source", o.Feed.Name),
		after: o.After, status: Status{Name: o.Feed.Name, State: Idle}, settled: make(map[string][sha256.Size]byte)}
}

// Status returns how the feed is doing.
func (w *Worker) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Worker) set(change func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.status)
}

// Run takes turns until the context ends. Then it commits what it held back.
func (w *Worker) Run(ctx context.Context) error {
	if err := (Turns{Every: w.feed.Every, Longest: 15 * time.Minute, Log: w.log, Now: w.now, After: w.after, Slog: w.slog, Set: w.set}).Run(ctx, w.Turn); err != nil {
		return err
	}
	return w.flush(context.WithoutCancel(ctx))
}

// Turn reads what is missing, once.
func (w *Worker) Turn(ctx context.Context) error {
	now := w.now().UTC().Round(0)
	missing := w.missing(now)
	w.set(func(s *Status) { s.State, s.Turn, s.Missing = Reading, now, missing })
	if len(missing) == 0 {
		w.set(func(s *Status) { s.State, s.Problem = Idle, "" })
		return nil
	}
	err := w.read(ctx, now, missing)
	err = errors.Join(err, w.release(ctx, w.now().UTC().Round(0)))
	w.set(func(s *Status) {
		switch {
		case err == nil:
			s.State, s.Problem = Idle, ""
		case errors.Is(err, source.ErrToken), errors.Is(err, source.ErrPlan):
			s.State, s.Problem = Rejected, err.Error()
		default:
			s.State, s.Problem = Backoff, err.Error()
		}
	})
	return err
}

// missing is what can still be read and is not covered by anything that can be
// called collected: what a person stated is read again while it can be.
func (w *Worker) missing(now time.Time) coverage.Set {
	head := w.log.Head()
	from := w.oldest(now)
	if w.feed.Since.After(from) {
		from = w.feed.Since
	}
	covered := head.State.Coverage(w.feed.Name, ledger.Read, ledger.Heard).Union(w.unlogged...)
	for _, c := range w.held.Covers {
		covered = covered.Union(c.Interval())
	}
	return coverage.Gaps(coverage.Interval{From: from, To: now}, covered)
}

// oldest is the earliest time that can be asked for at now. What is older may be
// gone by the time that the source answers; its clock need not be ours.
func (w *Worker) oldest(now time.Time) time.Time { return now.Add(keepSlack - w.feed.Kind.Keeps) }

const keepSlack = time.Minute

// read reads what is missing, as the kind can be asked for it.
func (w *Worker) read(ctx context.Context, now time.Time, missing coverage.Set) error {
	switch w.feed.Kind.Shape {
	case source.Window:
		return w.readPieces(ctx, now, missing)
	case source.Follow:
		return w.follow(ctx, now, missing)
	default:
		return w.readSince(ctx, now, missing)
	}
}

// readSince reads once from the oldest missing moment to now, which serves all
// windows that are missing. Coverage is in the last parcel: it is only granted when
// everything in front of it was read.
func (w *Worker) readSince(ctx context.Context, now time.Time, missing coverage.Set) error {
	window := coverage.Interval{From: w.lookBack(now, missing[0].From), To: now}
	turn := w.turn(missing)
	answer, err := turn.pull(ctx, source.Ask{Window: window})
	if err != nil {
		return err
	}
	var told *ledger.Told
	if answer.Total >= 0 {
		told = &ledger.Told{Since: window.From, Total: uint64(answer.Total), Read: uint64(answer.Distinct)}
	}
	w.set(func(s *Status) { s.Read, s.Told, s.Requests = now, told, answer.Requests })
	if err := turn.finish(ctx, now, w.proven(now, answer), told); err != nil {
		return err
	}
	if w.lookDue(now) {
		w.lookedAt(now)
	}
	return nil
}

// proven is the time of which a read that began at now and has just ended brought
// everything: the source forgets while it is read, and may give its oldest last.
func (w *Worker) proven(now time.Time, answer source.Answer) coverage.Interval {
	through := answer.Through
	if through.IsZero() || through.After(now) {
		through = now
	}
	return coverage.Interval{From: w.oldest(later(now, w.now().UTC().Round(0))), To: through.Add(-w.feed.Settle)}
}

// How often, and how far, covered time is read again where the shape is Since or
// Window. An event that appears later than the settle time is in covered time: only
// such a read finds it, and then it counts as late. One that appears within a day
// after its settle time is always found, as long as the source keeps it. A cursor
// leads to late events by itself.
const lookBackEvery = 24 * time.Hour

func (w *Worker) lookBackFor() time.Duration { return w.feed.Settle + 2*lookBackEvery }

// lookDue reports whether covered time is to be read again; lookBack has said from when.
func (w *Worker) lookDue(now time.Time) bool { return now.Sub(w.looked) >= lookBackEvery }

// lookedAt keeps when covered time was last read again, for the next process as well:
// it is in the ledger as the cursor of a source that has no other. A kill before that
// makes the next process look once more.
func (w *Worker) lookedAt(now time.Time) {
	w.looked = now
	w.hold(Parcel{Source: w.feed.Name, Cursor: now.Format(event.TimeFormat)}, now)
}

// lastLook returns when covered time was last read again. Where nobody knows, it was
// not longer than a day before time began to be missing.
func (w *Worker) lastLook(missing time.Time) time.Time {
	if w.looked.IsZero() {
		head := w.log.Head()
		at, err := time.Parse(event.TimeFormat, head.State.Cursor(w.feed.Name))
		if err != nil {
			at = missing.Add(-lookBackEvery)
		}
		w.looked = at
	}
	return w.looked
}

// lookBack returns from when to read when time is missing from on.
func (w *Worker) lookBack(now, from time.Time) time.Time {
	last := w.lastLook(from)
	if !w.lookDue(now) {
		return from
	}
	// What appeared since the last look is looked for.
	back := now.Add(-w.lookBackFor())
	if far := last.Add(lookBackEvery - w.lookBackFor()); far.Before(back) {
		back = far
	}
	back = later(later(back, w.oldest(now)), w.feed.Since)
	if back.Before(from) {
		return back
	}
	return from
}
