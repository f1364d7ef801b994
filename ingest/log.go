package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/note"
)

// Errors that stop a writer until a person decides.
var (
	// ErrTaken means that another process wrote the record that was ours to write.
	ErrTaken = errors.New("ingest: another process writes this ledger; this one stops. Keep one writer per store")
	// ErrForeign means that the store belongs to another data directory.
	ErrForeign = errors.New("ingest: the store has a ledger that this data directory has never seen")
	// ErrRolledBack means that the store lost records that the data directory has.
	ErrRolledBack = errors.New("ingest: the store lost records: it was restored to an older state")
	// ErrClock means that the clock cannot be trusted.
	ErrClock = errors.New("ingest: the clock jumped")
	// ErrFull means that the disk has too little room for another batch. Nothing is
	// lost: sources are read again, and so is what the worker holds.
	ErrFull = errors.New("ingest: disk nearly full")
)

// LogOptions are the parts of a Log.
type LogOptions struct {
	DB     *store.DB
	Key    ledger.SigningKey
	Path   string           // of ledger.jsonl
	Now    func() time.Time // must carry a monotonic reading, as time.Now does
	Log    *slog.Logger
	Random io.Reader
	Accept Accept // what an operator accepted beforehand
	// AcceptedAhead is how far ahead of the server's clock an operator has once
	// accepted this machine to be: Dir.AcceptedAhead.
	AcceptedAhead time.Duration
	// Renormalize makes a stored record into an event by the present rules; nil: the
	// stored event stands as it is.
	Renormalize func(stored event.Event, raw string) (event.Event, error)
	// Trace is told of each step of a commit before it is taken; nil: nobody is.
	Trace func(step string)
	// Wait waits before a repeated attempt; nil: a timer.
	Wait func(ctx context.Context, attempt int) error
	// MinFree is how many bytes the disk of the store must have left for a batch to be
	// taken: ClickHouse needs room for its merges, and does badly without any. 0:
	// nobody looks. Free tells how many there are; nil: the store's.
	MinFree uint64
	Free    func(ctx context.Context) (uint64, error)
}

// Accept is what an operator looked at and allows.
type Accept struct {
	Clock      bool   // the jump of the clock is right
	Rollback   string // name of who accepts that the store lost records
	Checkpoint string // held elsewhere: adopt the ledger that holds it
}

// A Log is the writing end of the ledger. There is one per store. Its methods may
// be called by several goroutines; writes take turns, reads do not wait for them.
type Log struct {
	LogOptions
	keys note.Verifiers

	turn chan struct{} // holds one while somebody writes; the members below are theirs

	file     *ledger.File
	cosigner note.Signer    // during a rotation: the key that takes over
	ahead    time.Duration  // of the server's clock, at the start
	written  time.Time      // when the last record was made, with monotonic reading
	open     *sealed        // offered, and not known whether the ledger has it
	spoiled  bool           // rows were sent under the next seq: only their own record or a void may take it
	uncopied []ledger.Entry // committed, not yet in ledger.jsonl

	mu     sync.Mutex // protects what follows
	head   store.Head
	failed error // why this log does not write any more
}

// A sealed record has its place, its signature and the head that it makes.
type sealed struct {
	row  store.LedgerRow
	next store.Head
}

// OpenLog opens the ledger for writing. It compares the store with ledger.jsonl,
// takes in what a crash left unfinished, and writes a void record that fences off
// any older writer. It writes nothing before everything was checked.
func OpenLog(ctx context.Context, o LogOptions) (*Log, error) {
	verifier, err := o.Key.Verifier()
	if err != nil {
		return nil, err
	}
	if o.Trace == nil {
		o.Trace = func(string) {}
	}
	if o.Wait == nil {
		o.Wait = waitLonger
	}
	if o.Free == nil {
		o.Free = o.DB.Free
	}
	l := &Log{LogOptions: o, keys: note.VerifierList(verifier), turn: make(chan struct{}, 1)}
	if err := l.load(ctx); err != nil {
		if l.file != nil {
			err = errors.Join(err, l.file.Close())
		}
		return nil, err
	}
	return l, nil
}

// Head returns the ledger as far as it is written.
func (l *Log) Head() store.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

func (l *Log) setHead(head store.Head) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = head
}

// Ahead returns how far this machine's clock was ahead of the server's at the start.
func (l *Log) Ahead() time.Duration { return l.ahead }

// Failed returns why the log does not write any more, or nil.
func (l *Log) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *Log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
}

// Append commits a record that has no rows. After an error it may be committed all
// the same: the log finds out before it writes another.
func (l *Log) Append(ctx context.Context, r ledger.Record) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	defer l.end()
	return l.append(ctx, r, time.Time{})
}

// begin waits for the turn to write and finishes what the one before left open.
func (l *Log) begin(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := l.heal(ctx); err != nil {
		l.end()
		return err
	}
	return nil
}

func (l *Log) end() { <-l.turn }

// heal brings the log into a state from which a new record can be written. A
// record whose fate is not known is offered again until it is; a seq under which
// rows were sent that no record came for becomes void, as they may still land.
func (l *Log) heal(ctx context.Context) error {
	if failed := l.Failed(); failed != nil {
		return failed
	}
	if err := l.copyOut(); err != nil {
		return err
	}
	if l.open != nil {
		if err := l.offer(ctx, *l.open); err != nil {
			return err
		}
	}
	if l.spoiled {
		return l.void(ctx, "given up")
	}
	return nil
}

func (l *Log) void(ctx context.Context, reason string) error {
	return l.append(ctx, ledger.Record{Kind: ledger.KindVoid, Void: &ledger.Void{Reason: reason}}, time.Time{})
}

// stamp returns the time of the next record, which never goes back and is not
// before notBefore (the receipt of what it holds).
func (l *Log) stamp(notBefore time.Time) (time.Time, error) {
	now := l.Now()
	jump := now.Round(0).Sub(l.written.Round(0)) - now.Sub(l.written)
	jump = max(jump, notBefore.Sub(now)) // received before the clock was set back
	if jump > time.Hour && !l.Accept.Clock {
		return time.Time{}, fmt.Errorf("%w forward by %s since the last record; set it back, or accept it with 'exhibit accept --clock'",
			ErrClock, jump.Round(time.Second))
	}
	l.written = now
	at := now.UTC().Round(0)
	for _, t := range []time.Time{l.head.State.At, notBefore} {
		if t.After(at) {
			at = t.UTC()
		}
	}
	return at, nil
}

// Close closes ledger.jsonl, after the record that is being written.
func (l *Log) Close() error {
	l.turn <- struct{}{}
	defer l.end()
	if l.Failed() == nil {
		l.fail(errors.New("ingest: the ledger is closed"))
	}
	return l.file.Close()
}
