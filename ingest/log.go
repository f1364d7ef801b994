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
	"golang.org/x/mod/sumdb/tlog"
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
	// Renormalize makes a stored record into an event by the present rules; nil: the
	// stored event stands as it is.
	Renormalize func(stored event.Event, raw string) (event.Event, error)
	// Trace is told of each step of a commit before it is taken; nil: nobody is.
	Trace func(step string)
	// Wait waits before a repeated attempt; nil: a timer.
	Wait func(ctx context.Context, attempt int) error
}

// Accept is what an operator looked at and allows.
type Accept struct {
	Clock      bool   // the jump of the clock is right
	Rollback   string // name of who accepts that the store lost records
	Checkpoint string // held elsewhere: adopt the ledger that holds it
}

// A Log is the writing end of the ledger. There is one per store. Its methods may
// be called by several goroutines; writes take turns.
type Log struct {
	LogOptions
	keys note.Verifiers
	file *ledger.File

	mu      sync.Mutex // held through a whole commit
	head    store.Head
	written time.Time // when the last record was made, with monotonic reading
	failed  error     // why this log does not write any more
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
	l := &Log{LogOptions: o, keys: note.VerifierList(verifier)}
	if err := l.load(ctx); err != nil {
		if l.file != nil {
			err = errors.Join(err, l.file.Close())
		}
		return nil, err
	}
	return l, nil
}

func (l *Log) load(ctx context.Context) error {
	var known []tlog.Hash // leaves in ledger.jsonl
	var last ledger.Entry
	file, err := ledger.OpenFile(l.Path, func(_ uint64, e ledger.Entry) error {
		known, last = append(known, tlog.RecordHash([]byte(e.Record))), e
		return nil
	})
	if err != nil {
		return err
	}
	l.file = file
	if err := l.DB.ReadOn(ctx, &l.head); err != nil {
		return err
	}
	if err := l.compare(ctx, known, last); err != nil {
		return err
	}
	if err := l.head.CheckSigned(l.keys); err != nil {
		return err
	}
	if err := l.checkServerClock(ctx); err != nil {
		return err
	}
	l.written = l.Now()
	return l.fence(ctx)
}

// fence writes the first record of this writer. From then on the seq that an older
// writer may be about to write is taken. An older writer can be quicker: then its
// record is checked and taken in, and the next seq is fenced.
func (l *Log) fence(ctx context.Context) error {
	for {
		first := ledger.Record{Kind: ledger.KindVoid, Void: &ledger.Void{Reason: "start"}}
		if l.head.State.Size == 0 {
			first = ledger.Record{Kind: ledger.KindKey, Key: &ledger.Key{Key: l.Key.Public}}
		}
		err := l.Append(ctx, first)
		if !errors.Is(err, ErrTaken) {
			return err
		}
		l.failed = nil
		from := l.head.State.Size
		if err := l.DB.ReadOn(ctx, &l.head); err != nil {
			return err
		}
		if err := l.catchUp(ctx, from); err != nil {
			return err
		}
	}
}

// compare holds the store against ledger.jsonl, which must be a prefix of it.
func (l *Log) compare(ctx context.Context, known []tlog.Hash, last ledger.Entry) error {
	size := l.head.State.Size
	if len(known) == 0 && size > 0 {
		return l.adopt(ctx)
	}
	for seq, leaf := range known {
		if uint64(seq) >= size {
			return l.rolledBack(ctx, size)
		}
		stored, err := l.head.Tree.Leaf(uint64(seq))
		if err != nil {
			return err
		}
		if stored != leaf {
			return fmt.Errorf("ingest: record %d in the store is not the one in %s: one of them was changed or rebuilt. "+
				"Compare the checkpoints that you hold elsewhere with 'exhibit verify --since'", seq, l.Path)
		}
	}
	// A crash between the two writes leaves records that only the store has.
	return l.catchUp(ctx, uint64(len(known)))
}

// catchUp appends to ledger.jsonl the records of the store from seq on.
func (l *Log) catchUp(ctx context.Context, from uint64) error {
	var missing []ledger.Entry
	next := from
	err := l.DB.LedgerRows(ctx, from, l.head.State.Size, func(row store.LedgerRow) error {
		if row.Seq == next {
			missing = append(missing, ledger.Entry{Record: row.Record, Checkpoint: row.Checkpoint})
			next++
		}
		return nil
	})
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := l.head.CheckSigned(l.keys); err != nil {
		return fmt.Errorf("ingest: %d records that %s does not have: %w", len(missing), l.Path, err)
	}
	return l.file.Append(missing...)
}

// checkServerClock refuses to start when this clock runs ahead of the server's: the
// times of records could never go back.
func (l *Log) checkServerClock(ctx context.Context) error {
	server, err := l.DB.Now(ctx)
	if err != nil {
		return err
	}
	if ahead := l.Now().Sub(server); ahead > 5*time.Minute && !l.Accept.Clock {
		return fmt.Errorf("%w: this machine is %s ahead of the database server; set the clock, or accept it with 'exhibit accept --clock'",
			ErrClock, ahead.Round(time.Second))
	}
	return nil
}

// Head returns the ledger as far as it is written.
func (l *Log) Head() store.Head {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.head
}

// Failed returns why the log does not write any more, or nil.
func (l *Log) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// Append commits a record that has no rows.
func (l *Log) Append(ctx context.Context, r ledger.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.append(ctx, r, time.Time{})
	return err
}

// stamp returns the time of the next record, which never goes back and is not
// before notBefore (the receipt of what it holds).
func (l *Log) stamp(notBefore time.Time) (time.Time, error) {
	now := l.Now()
	if jump := now.Round(0).Sub(l.written.Round(0)) - now.Sub(l.written); jump > time.Hour && !l.Accept.Clock {
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

// append gives the record its place and time, signs the tree with it and swaps it
// into the ledger. When it returns nil the record is committed and is in
// ledger.jsonl; on any other error nothing is known but what the next start finds.
func (l *Log) append(ctx context.Context, r ledger.Record, notBefore time.Time) (store.LedgerRow, error) {
	if l.failed != nil {
		return store.LedgerRow{}, l.failed
	}
	at, err := l.stamp(notBefore)
	if err != nil {
		return store.LedgerRow{}, err
	}
	r.Seq, r.At = l.head.State.Size, at
	next := l.head
	row, err := l.seal(&next, r)
	if err != nil {
		return store.LedgerRow{}, err
	}
	if err := l.swap(ctx, row); err != nil {
		if errors.Is(err, ErrTaken) || errors.Is(err, store.ErrFork) {
			l.failed = err
		}
		return store.LedgerRow{}, err
	}
	l.head = next
	// A crash here leaves a committed record that ledger.jsonl does not have: the
	// next start appends it.
	l.Trace("file")
	if err := l.file.Append(ledger.Entry{Record: row.Record, Checkpoint: row.Checkpoint}); err != nil {
		l.failed = fmt.Errorf("ingest: the record %d is committed, but its copy is not: %w", r.Seq, err)
		return store.LedgerRow{}, l.failed
	}
	return row, nil
}

// seal moves next on by the record and returns its row.
func (l *Log) seal(next *store.Head, r ledger.Record) (store.LedgerRow, error) {
	line, err := r.Line()
	if err != nil {
		return store.LedgerRow{}, err
	}
	row := store.LedgerRow{Seq: r.Seq, Record: string(line), Leaf: tlog.RecordHash(line)}
	if err := next.Take(row); err != nil {
		return store.LedgerRow{}, err
	}
	root, err := next.Tree.Hash(next.State.Size)
	if err != nil {
		return store.LedgerRow{}, err
	}
	row.Checkpoint, err = ledger.Checkpoint{Origin: l.Key.Name(), Size: next.State.Size, Root: root}.Sign(l.Key)
	if err != nil {
		return store.LedgerRow{}, err
	}
	next.Checkpoint = row.Checkpoint
	return row, nil
}

// swap offers the row until it is known whose row the ledger holds. Only reading
// tells: an insert that failed may land later, and one that succeeded may have
// been dropped as a repetition.
func (l *Log) swap(ctx context.Context, row store.LedgerRow) error {
	spent := 0 // tokens that were answered but left no row
	for attempt := 0; ; attempt++ {
		l.Trace("read")
		switch there, err := l.whose(ctx, row); {
		case err != nil && !transient(err):
			return err
		case err == nil && there:
			return nil
		case err == nil:
			l.Trace("swap")
			token := fmt.Sprint(row.Seq)
			if spent > 0 {
				token = fmt.Sprintf("%d/%d", row.Seq, spent)
			}
			// The same bytes with the same token: whether an earlier offer
			// landed or still lands, the ledger holds them once.
			if err = l.DB.InsertLedgerRow(ctx, token, row); err == nil {
				there, err := l.whose(ctx, row)
				if err == nil && there {
					return nil
				}
				if err == nil {
					spent++
				} else if !transient(err) {
					return err
				}
			} else {
				l.Log.Warn("ledger row: outcome unknown, asking again", "seq", row.Seq, "error", err)
			}
		}
		if err := l.Wait(ctx, attempt); err != nil {
			return fmt.Errorf("ingest: record %d: %w", row.Seq, err)
		}
	}
}

// whose reports whether the ledger holds the row; ErrTaken when it holds another.
func (l *Log) whose(ctx context.Context, row store.LedgerRow) (bool, error) {
	there := false
	err := l.DB.LedgerRows(ctx, row.Seq, row.Seq+1, func(found store.LedgerRow) error {
		if found != row {
			return ErrTaken
		}
		there = true
		return nil
	})
	return there, err
}

// transient reports whether asking again may help: everything but a decision.
func transient(err error) bool {
	return !errors.Is(err, ErrTaken) && !errors.Is(err, store.ErrFork) && !errors.Is(err, context.Canceled)
}

// waitLonger waits a little longer with every attempt, up to five seconds.
func waitLonger(ctx context.Context, attempt int) error {
	timer := time.NewTimer(min(50*time.Millisecond<<min(attempt, 10), 5*time.Second))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Close closes ledger.jsonl.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = errors.New("ingest: the ledger is closed")
	}
	return l.file.Close()
}
