package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/spool"

	"github.com/go-json-experiment/json/jsontext"
)

// A PushedSource is a configured source that records are pushed to.
type PushedSource struct {
	Name   string
	Kind   source.Kind
	Settle time.Duration // how late events may appear
	// Heartbeat is how long the path may be silent and still count as alive; 0: what is
	// pushed proves nothing, because the source is read in another way.
	Heartbeat time.Duration
}

// DefaultHeartbeat is the Heartbeat of a source that is only pushed to.
const DefaultHeartbeat = time.Hour

// A Spool holds what was pushed; *spool.Spool is one.
type Spool interface {
	Next() (*spool.Entry, error)
	Arrived() <-chan struct{}
	State() jsontext.Value
	Commit(mark uint64, state jsontext.Value) error
	Committed() uint64
	Missed(names []string) error
	Status() spool.Status
}

// DrainOptions are the parts of a Drain.
type DrainOptions struct {
	Spool     Spool
	Log       *Log
	Committer *Committer
	Sources   []PushedSource
	Kinds     source.Catalog // for sources that are not configured any more
	Secret    []byte
	Random    io.Reader
	Now       func() time.Time
	Slog      *slog.Logger
	After     func(time.Duration) <-chan time.Time // nil: time.After
	Wait      time.Duration                        // how long records wait for others; 0: as long as in the committer
}

// A Drain takes pushed records out of the spool, in the order in which they came,
// and has them committed. It holds two loads at most: one is committed while the next
// is prepared. The spool is told to forget what is in the ledger; a crash before that
// brings records again, which dedupe counts as duplicates.
//
// While nothing can be committed it tries again for ever, and the spool fills.
type Drain struct {
	o         DrainOptions
	preparers map[string]*Preparer
	hearings  map[string]*hearing
	kept      jsontext.Value // the last that the spool was given
	entry     *spool.Entry   // being taken
	taken     int            // of its records
	arrival   arrival        // of the entry
	load      *load
	due       <-chan time.Time // when the load goes, full or not
	pending   *load
	done      chan error // of the pending load

	mu     sync.Mutex
	status DrainStatus
	sent   time.Time // when the pending load was handed in; zero: none is pending
}

// A DrainStatus says how a drain is doing.
type DrainStatus struct {
	Failing time.Time // since when nothing can be committed; zero: it can
	Problem string    // why
	Damaged time.Time // when damage was last found in the spool; zero: never since the start
	Damage  string    // what was found, in words
	Sources map[string]Hearing
}

// NewDrain returns a drain, which goes on where the one before left the spool.
func NewDrain(o DrainOptions) (*Drain, error) {
	if o.After == nil {
		o.After = time.After
	}
	if o.Wait == 0 {
		o.Wait = maxWait
	}
	d := &Drain{o: o, preparers: make(map[string]*Preparer), hearings: make(map[string]*hearing), load: new(load), done: make(chan error, 1),
		status: DrainStatus{Sources: make(map[string]Hearing)}}
	if err := d.resume(); err != nil {
		return nil, err
	}
	for name, h := range d.hearings {
		d.status.Sources[name] = Hearing{Last: h.Last, Off: !h.on()}
	}
	return d, nil
}

// Status returns how the drain is doing.
func (d *Drain) Status() DrainStatus {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.status
	if s.Failing.IsZero() && !d.sent.IsZero() && d.o.Now().Sub(d.sent) > slowCommit {
		s.Failing, s.Problem = d.sent, "the database does not answer, or is very slow"
	}
	s.Sources = maps.Clone(s.Sources)
	return s
}

// slowCommit is how long a commit may take before the pages say that it does not come
// to an end. The log itself tries for longer before it gives up.
const slowCommit = 15 * time.Second

func (d *Drain) set(change func(*DrainStatus)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.status)
}

// drainLast is how long a commit may go on after the program was told to end. It is
// short: what is not committed is on disk.
const drainLast = 5 * time.Second

// Run drains until the context ends. Then it commits what it has, when that is quick.
func (d *Drain) Run(ctx context.Context) error {
	if err := d.run(ctx); err != nil {
		return err
	}
	d.leave()
	return nil
}

func (d *Drain) run(ctx context.Context) error {
	committing, release := outlive(ctx, drainLast)
	defer release()
	retry := (<-chan time.Time)(nil)
	for {
		full, err := d.fill()
		if err != nil {
			d.o.Slog.Error("the spool cannot be read; what is in it stays, and is read again", "error", err)
			d.fail(err)
			retry = d.o.After(10 * time.Second)
		}
		if full && d.pending == nil {
			d.send(ctx, committing)
			continue
		}
		arrived := d.o.Spool.Arrived()
		if full || retry != nil {
			arrived = nil
		}
		select {
		case <-arrived:
		case <-retry:
			retry = nil
		case <-d.due:
			d.due, d.load.due = nil, true
			if d.pending == nil {
				d.send(ctx, committing)
			}
		case err := <-d.done:
			if err := d.settle(err); err != nil {
				return unlessEnding(err)
			}
			if d.load.due {
				d.send(ctx, committing)
			}
		case <-ctx.Done():
			return d.end(ctx, committing)
		}
	}
}

// end commits what is there: a restart then knows it as committed.
func (d *Drain) end(ctx, committing context.Context) error {
	for range 2 {
		if d.pending != nil {
			if err := d.settle(<-d.done); err != nil {
				return unlessEnding(err)
			}
		}
		if d.load.mark > 0 && d.Status().Failing.IsZero() {
			d.send(ctx, committing)
		}
	}
	return nil
}

// fill reads on until the load is full or nothing is left.
func (d *Drain) fill() (full bool, err error) {
	for {
		if d.entry == nil {
			if d.entry, err = d.o.Spool.Next(); err != nil || d.entry == nil {
				return d.load.full(), err
			}
			d.begin()
		}
		if d.load.full() {
			return true, nil
		}
		if err := d.take(); err != nil {
			return false, err
		}
	}
}

// send hands the load to the committer.
func (d *Drain) send(ctx, committing context.Context) {
	l := d.load
	l.parcels, l.state = d.parcels(), encodeHearings(d.hearings, d.o.Now())
	d.pending, d.load, d.due = l, new(load), nil
	d.set(func(*DrainStatus) { d.sent = d.o.Now() })
	go func() { d.done <- d.commit(ctx, committing, l.parcels) }()
}

// settle ends the pending load. After an error nothing may be sent any more: the spool
// would forget this load with the next one.
func (d *Drain) settle(err error) error {
	l := d.pending
	d.pending = nil
	if err != nil {
		return err
	}
	d.set(func(s *DrainStatus) {
		s.Failing, s.Problem, d.sent = time.Time{}, "", time.Time{}
		for name, h := range s.Sources {
			h.Uncommitted = d.load.covers(name)
			s.Sources[name] = h
		}
	})
	if l.mark == 0 {
		return nil // a part of one request
	}
	d.kept = l.state
	if err := d.o.Spool.Commit(l.mark, l.state); err != nil {
		// Its records are in the ledger. After a crash they come again.
		d.o.Slog.Error("records are committed, but the spool did not take note", "error", err)
	}
	return nil
}

// commit has parcels committed, however long that takes.
func (d *Drain) commit(ctx, committing context.Context, parcels []Parcel) error {
	for attempt := 0; ; attempt++ {
		var err error
		if parcels, err = d.offer(committing, parcels); err == nil {
			return nil
		}
		if failed := d.o.Log.Failed(); failed != nil || errors.Is(err, ErrStopped) {
			return errors.Join(err, failed)
		}
		if ctx.Err() != nil {
			return errEnding
		}
		pause := min(time.Second<<min(attempt, 5), 30*time.Second)
		d.o.Slog.Error("pushed records cannot be committed; they stay in the spool", "error", err, "next_in", pause)
		d.fail(err)
		select {
		case <-d.o.After(pause):
		case <-ctx.Done():
			return errEnding
		}
	}
}

// errEnding says that the program ended before something was committed. It comes again
// at the next start.
var errEnding = errors.New("ingest: told to end")

// unlessEnding returns what Run ends with after an error of settle.
func unlessEnding(err error) error {
	if errors.Is(err, errEnding) {
		return nil
	}
	return err
}

// offer hands parcels in and returns those that were not committed.
func (d *Drain) offer(ctx context.Context, parcels []Parcel) (left []Parcel, err error) {
	receipts := make([]<-chan Receipt, len(parcels))
	for i := range parcels {
		parcels[i].Urgent = i == len(parcels)-1 // the load is complete
		if receipts[i], err = d.o.Committer.Submit(ctx, parcels[i]); err != nil {
			return parcels, err
		}
	}
	for i, receipt := range receipts {
		select {
		case r := <-receipt:
			if r.Err != nil {
				left, err = append(left, parcels[i]), r.Err
			}
		case <-ctx.Done():
			return parcels, context.Cause(ctx)
		}
	}
	return left, err
}

func (d *Drain) fail(err error) {
	d.set(func(s *DrainStatus) {
		if s.Problem = err.Error(); s.Failing.IsZero() {
			s.Failing = d.o.Now()
		}
	})
}
