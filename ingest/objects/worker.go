// Package objects reads sources whose records lie in a bucket: it lists the bucket,
// reads each object once, and says which time the objects prove.
//
// What was read is known by key and tag (ETag) from the store, not from a cursor:
// whatever a crash or a restored database leaves, the next listing finds what is
// not there. Coverage comes from what the vendor's layout shows (source.Layout):
// digests of CloudTrail prove hours, closed days of an archive prove days, and a
// bucket of which nothing is known proves no time.
package objects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"gocloud.dev/blob"
)

// A Feed is a configured source that is read from a bucket.
type Feed struct {
	Name   string
	Kind   source.Kind
	Bucket *blob.Bucket
	Since  time.Time     // start of the required time; zero: all that is there
	Settle time.Duration // how long after an event its object is there
	Every  time.Duration // between turns
	Closed time.Duration // how long after its end a day is closed; 0: the layout's

	Keys  []source.DigestKey // of CloudTrail's signatures; empty: they are not checked
	Ended []string           // chains of digests that have ended for good
}

// lookFullyEvery is how often everything is listed, and not only what is recent:
// what appears or changes where nothing should any more is found then.
const lookFullyEvery = 24 * time.Hour

// maxAgain is how many objects that could not be read are tried again one by one;
// when there are more, everything is listed again.
const maxAgain = 1000

// A Worker reads one bucket.
type Worker struct {
	feed      Feed
	db        *store.DB
	log       *ingest.Log
	committer *ingest.Committer
	secret    []byte
	now       func() time.Time
	slog      *slog.Logger
	after     func(time.Duration) <-chan time.Time

	mu     sync.Mutex
	status ingest.Status

	// Only Run touches these.
	looked time.Time // when everything was listed last
	again  []string  // keys of objects that could not be read
	alarms []alarm
	past   *past // nil: not known yet
}

// Options are the parts of a Worker.
type Options struct {
	Feed      Feed
	DB        *store.DB
	Log       *ingest.Log
	Committer *ingest.Committer
	Secret    []byte
	Now       func() time.Time
	Slog      *slog.Logger
	After     func(time.Duration) <-chan time.Time // nil: time.After
}

// New returns a worker for a feed.
func New(o Options) *Worker {
	if o.After == nil {
		o.After = time.After
	}
	if o.Feed.Closed == 0 {
		o.Feed.Closed = o.Feed.Kind.Layout.Closed
	}
	return &Worker{feed: o.Feed, db: o.DB, log: o.Log, committer: o.Committer, secret: o.Secret, now: o.Now, slog: o.Slog.With("source", o.Feed.Name),
		after: o.After, status: ingest.Status{Name: o.Feed.Name, State: ingest.Idle}}
}

// Status returns how the feed is doing.
func (w *Worker) Status() ingest.Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

func (w *Worker) set(change func(*ingest.Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.status)
}

// Run takes turns until the context ends.
func (w *Worker) Run(ctx context.Context) error {
	turns := ingest.Turns{Every: w.feed.Every, Longest: max(w.feed.Every, 15*time.Minute), Log: w.log, Now: w.now, After: w.after, Slog: w.slog, Set: w.set}
	return turns.Run(ctx, w.Turn)
}

// Turn lists the bucket, reads what is new and commits what it proves, once. An
// object that cannot be read does not keep the others from being read; the error
// names it, and the next turn tries again.
func (w *Worker) Turn(ctx context.Context) error {
	now := w.now().UTC().Round(0)
	w.set(func(s *ingest.Status) { s.State, s.Turn = ingest.Reading, now })
	t := &turn{Worker: w, at: now, full: now.Sub(w.looked) >= lookFullyEvery, days: make(map[time.Time]*day), chains: make(map[string]*chain),
		doubts: make(map[string][]coverage.Interval)}
	err := t.run(ctx)
	if t.listed {
		w.again = t.again[:min(len(t.again), maxAgain)]
		// What was skipped is looked for again by the next listing of everything only.
		if t.full && (len(t.again) < maxAgain || t.skipped > 0) {
			w.looked = now
		}
	}
	words := w.words()
	w.set(func(s *ingest.Status) {
		s.Requests = t.reads
		switch {
		case err != nil && bucket.Refused(err):
			s.State, s.Problem = ingest.Rejected, err.Error()
		case err != nil:
			s.State, s.Problem = ingest.Backoff, err.Error()
			if words != "" {
				s.Problem += "; " + words
			}
		case len(w.alarms) > 0:
			s.State, s.Problem, s.Read = ingest.Alarm, words, now
		default:
			s.State, s.Problem, s.Read = ingest.Idle, words, now
		}
	})
	return err
}

// A turn is one look at the bucket.
type turn struct {
	*Worker
	at     time.Time
	full   bool
	from   time.Time // what is older was not listed; zero: all was
	parcel ingest.Parcel
	reads  int
	failed []error // objects that could not be read
	again  []string
	listed bool

	skipped int    // objects that were not even tried
	reason  string // of the first of them

	days   map[time.Time]*day
	newest time.Time // day of the newest object that was seen
	chains map[string]*chain
	doubts map[string][]coverage.Interval // by chain: time of which its backfill digests prove nothing
	offs   []off                          // when the log was switched off, as past.sorted has it
	files  int                            // log files that were seen, where digests should be
	alarms []alarm

	digesting bool // digests are listed, and not log files
}

func (t *turn) run(ctx context.Context) error {
	t.parcel.Source = t.feed.Name
	if err := t.loadPast(ctx); err != nil {
		return err
	}
	if err := t.list(ctx); err != nil {
		// What was read so far is right and is kept.
		return errors.Join(err, t.commit(ctx))
	}
	t.listed = true
	covers, err := t.closedDays(ctx)
	if err != nil {
		return err
	}
	if t.feed.Kind.Layout.Digests {
		covers = t.hours()
	}
	t.say()
	t.parcel.Covers = t.missing(covers)
	if err := t.commit(ctx); err != nil {
		return err
	}
	t.sound()
	if n := len(t.failed); n > 0 {
		return fmt.Errorf("%d objects could not be read, the first: %w", n, t.failed[0])
	}
	return nil
}

// commit commits what was read since the last commit.
func (t *turn) commit(ctx context.Context) error {
	p := t.parcel
	t.parcel = ingest.Parcel{Source: t.feed.Name}
	if p.Empty() {
		return nil
	}
	p.Urgent = true // there is nothing to wait for
	_, err := t.committer.Commit(ctx, p)
	return err
}

// missing cuts away what is covered already.
func (t *turn) missing(covers []ledger.Cover) []ledger.Cover {
	head := t.log.Head()
	known := head.State.Coverage(t.feed.Name, ledger.Read, ledger.Heard)
	var out []ledger.Cover
	for _, c := range covers {
		for _, i := range coverage.Of(c.Interval()).Subtract(known...) {
			if i.From.Before(t.feed.Since) {
				i.From = t.feed.Since
			}
			if !i.Empty() {
				c.From, c.To = i.From, i.To
				out = append(out, c)
			}
		}
	}
	return out
}
