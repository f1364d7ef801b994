package ingest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"exhibit/internal/ledger"
)

// A Committer takes parcels from all sources, imports and people, and commits what
// is there together, so that no source waits for another.
type Committer struct {
	MaxWait time.Duration // how long a parcel waits for others; set before Run

	log     *Log
	parcels chan submission
	stopped chan struct{} // closed when Run ended
	waiting atomic.Int64  // parcels that were handed in and have no receipt yet
	once    sync.Once
	err     error // why Run ended; read after stopped is closed

	redrives sync.Mutex // held by the redrive that writes
}

type submission struct {
	parcel Parcel
	done   chan Receipt
}

// A Receipt says what became of a parcel: the counts of its source in the record
// that holds it, or why there is none. After an error it is not known whether the
// parcel was committed; handing it in again is harmless.
type Receipt struct {
	Batch ledger.Batch
	Err   error
}

// ErrStopped is returned for parcels that come when no committer runs any more.
var ErrStopped = errors.New("ingest: the committer has stopped")

// NewCommitter returns a committer for the log. Run does its work.
func NewCommitter(log *Log) *Committer {
	return &Committer{MaxWait: maxWait, log: log, parcels: make(chan submission), stopped: make(chan struct{})}
}

// Submit hands in a parcel and returns where its receipt will come.
func (c *Committer) Submit(ctx context.Context, p Parcel) (<-chan Receipt, error) {
	s := submission{p, make(chan Receipt, 1)}
	c.waiting.Add(1)
	select {
	case c.parcels <- s:
		return s.done, nil
	case <-c.stopped:
		c.waiting.Add(-1)
		return nil, errors.Join(ErrStopped, c.err)
	case <-ctx.Done():
		c.waiting.Add(-1)
		return nil, context.Cause(ctx)
	}
}

// Waiting returns how many parcels are not committed yet.
func (c *Committer) Waiting() int { return int(c.waiting.Load()) }

// Commit hands in a parcel and waits until it is committed. When the context ends
// first, it is not known whether it was.
func (c *Committer) Commit(ctx context.Context, p Parcel) (ledger.Batch, error) {
	done, err := c.Submit(ctx, p)
	if err != nil {
		return ledger.Batch{}, err
	}
	select {
	case r := <-done:
		return r.Batch, r.Err
	case <-ctx.Done():
		return ledger.Batch{}, context.Cause(ctx)
	}
}

// Run commits until the context ends, which lets the record that is being made be
// finished, or until the log cannot be written any more. Whoever waits for a
// receipt gets one.
func (c *Committer) Run(ctx context.Context) error {
	var held *submission
	defer c.once.Do(func() {
		close(c.stopped)
		if held != nil {
			held.done <- Receipt{Err: errors.Join(ErrStopped, c.err)}
		}
	})
	// A commit that has begun is not given up because the program ends, unless it
	// takes too long: an engine that is gone must not keep the program from ending.
	committing, release := outlive(ctx, lastCommit)
	defer release()
	for {
		group := c.gather(ctx, &held)
		if len(group) == 0 {
			return nil
		}
		c.commit(committing, group)
		if failed := c.log.Failed(); failed != nil {
			c.err = failed
			return failed
		}
	}
}

// commit commits a group and hands out its receipts. A parcel that breaks a rule of
// the ledger must not cost the others, which would meet it again and again: then
// each is committed alone.
func (c *Committer) commit(ctx context.Context, group []submission) {
	parcels := make([]Parcel, len(group))
	for i, s := range group {
		parcels[i] = s.parcel
	}
	batches, err := c.log.Commit(ctx, parcels)
	if errors.Is(err, ledger.ErrRule) && len(group) > 1 {
		for i := range group {
			c.commit(ctx, group[i:i+1])
		}
		return
	}
	for _, s := range group {
		s.done <- receiptFor(s.parcel.Source, batches, err)
		c.waiting.Add(-1)
	}
}

// lastCommit is how long a commit may go on after the program was told to end.
const lastCommit = 20 * time.Second

// outlive returns a context that ends a while after ctx does.
func outlive(ctx context.Context, while time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(while)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}

func receiptFor(source string, batches []ledger.Batch, err error) Receipt {
	for _, b := range batches {
		if b.Source == source {
			return Receipt{Batch: b}
		}
	}
	return Receipt{Err: err}
}

// gather collects parcels until a record is full, somebody waits, or the first has
// waited for long enough. What would not fit stays in held for the next record.
func (c *Committer) gather(ctx context.Context, held **submission) []submission {
	var group []submission
	events, bytes, urgent := 0, 0, false
	take := func(s submission) bool {
		n := len(s.parcel.Items) + len(s.parcel.Rejects)
		if len(group) > 0 && (events+n > maxEvents || bytes+s.parcel.bytes > maxBytes) {
			*held = &s
			return false
		}
		group = append(group, s)
		events, bytes, urgent = events+n, bytes+s.parcel.bytes, urgent || s.parcel.Urgent
		return !urgent && events < maxEvents && bytes < maxBytes
	}
	if *held != nil {
		first := **held
		*held = nil
		if !take(first) {
			return group
		}
	} else {
		select {
		case s := <-c.parcels:
			if !take(s) {
				return group
			}
		case <-ctx.Done():
			return nil
		}
	}
	timer := time.NewTimer(c.MaxWait)
	defer timer.Stop()
	for {
		select {
		case s := <-c.parcels:
			if !take(s) {
				return group
			}
		case <-timer.C:
			return group
		case <-ctx.Done():
			return group
		}
	}
}
