// Package spool keeps pushed records on disk from the answer to their sender until
// they are committed. It knows no database.
//
//	senders → Append → segment files → Next → (made into events, committed) → Commit
//
// Append returns when the records are synced; all that wait at the same time share
// one sync. Next gives the requests back in the order in which they came, after a
// restart from the last Commit on: some may come again, none is left out. What was
// damaged on disk comes as Damage, and reading goes on behind it.
//
// Records are numbered over all sources. The number of the last record of a request
// is its mark.
package spool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/disk"
)

// Options are the parts of a Spool.
type Options struct {
	Dir     string // made when it is not there
	Max     uint64 // bytes; 0: 4 GiB
	Segment uint64 // bytes of one file; 0: 64 MiB, less for a small spool
	MinFree uint64 // bytes that the disk must have left
	Now     func() time.Time
	Log     *slog.Logger
	// Free tells how much the disk of Dir has left; nil: it is asked.
	Free func() (uint64, error)
}

// Defaults of Options.
const (
	DefaultMax     = 4 << 30
	defaultSegment = 64 << 20
)

// A Spool is open in one process at a time. Append and Committed may be called by
// many goroutines; Next and Commit by one.
type Spool struct {
	o        Options
	requests chan *request
	closing  chan struct{}
	ended    chan struct{} // closed when nothing is written any more
	arrived  chan struct{} // holds one when there is something new to read
	once     sync.Once
	closed   error // of ended

	// Only the writing goroutine touches these.
	active file // the last segment's; nil: the next request begins one
	writer *bufio.Writer

	reader reader // of the goroutine that calls Next

	saving sync.Mutex // of the position file; taken before mu

	mu       sync.Mutex // protects what follows
	segments []*segment // in order; the newest last
	used     uint64     // bytes of all segments
	mark     uint64     // of the last request that is synced
	position position
	noted    []string // those of position.Refused that the file has for certain
	refusals map[string]uint64
	status   Status
	in, out  rate
}

// A file is one that is written to.
type file interface {
	io.WriteCloser
	Truncate(size int64) error
	Sync() error
}

// A segment is one file.
type segment struct {
	path string
	key  uint64
	base uint64 // mark before its first request
	last uint64 // mark of its last request
	size int64  // synced
	open bool   // more is written to it
}

var (
	// ErrTooLarge is returned for a request that no spool of this size ever takes.
	ErrTooLarge = errors.New("spool: the request is too large")
	// ErrClosed is returned for requests that come after Close.
	ErrClosed = errors.New("spool: it is closed")
)

// A FullError says that nothing was taken because there is no room. The sender
// keeps its records and sends them again.
type FullError struct {
	Since      time.Time     // since when
	RetryAfter time.Duration // how long the sender should wait
	Disk       bool          // the disk has no room; else the spool has reached its size
}

func (e *FullError) Error() string {
	what := "the spool has reached its size"
	if e.Disk {
		what = "the disk has too little room"
	}
	return fmt.Sprintf("spool: full since %s: %s; send again in %s", e.Since.UTC().Format(time.RFC3339), what, e.RetryAfter)
}

// Open opens the spool of a directory. What a crash left half written at its end was
// never answered, and is cut off.
func Open(o Options) (*Spool, error) {
	if o.Max == 0 {
		o.Max = DefaultMax
	}
	if o.Segment == 0 {
		o.Segment = max(min(defaultSegment, o.Max/16), 4<<10)
	}
	if o.Free == nil {
		o.Free = func() (uint64, error) { return disk.Free(o.Dir) }
	}
	if err := errors.Join(os.MkdirAll(o.Dir, 0o700), disk.SyncDir(filepath.Dir(o.Dir))); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s := &Spool{o: o, requests: make(chan *request), closing: make(chan struct{}), ended: make(chan struct{}), arrived: make(chan struct{}, 1),
		writer: bufio.NewWriterSize(nil, 256<<10), refusals: make(map[string]uint64)}
	s.status.Max = o.Max
	if err := s.recover(); err != nil {
		return nil, err
	}
	s.tell()
	go s.run()
	return s, nil
}

// Append puts the records of one request of a source on disk and returns when they
// are synced: all of them, or none with an error. No records is a heartbeat: the
// path was alive. When Committed() >= mark the records are in the ledger. When the
// context ends first, it is not known whether they are on disk, and they may still be
// on their way: their bytes must not be changed. Sending them again is harmless.
func (s *Spool) Append(ctx context.Context, name string, records []source.Record) (mark uint64, err error) {
	refusals := s.refused(name) // before the time of arrival: what comes later is not in it
	r, err := newRequest(name, records, s.o.Now())
	if err != nil {
		return 0, err
	}
	r.refusals = refusals
	if uint64(r.size) > s.o.Max {
		return 0, fmt.Errorf("%w: it takes %d KiB, the spool is configured to %d KiB", ErrTooLarge, r.size>>10, s.o.Max>>10)
	}
	select {
	case s.requests <- r:
	case <-s.ended:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case a := <-r.done:
		return a.mark, a.err
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// refused returns how often the source was turned away.
func (s *Spool) refused(name string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusals[name]
}

// Committed returns the mark up to which records are in the ledger.
func (s *Spool) Committed() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position.Committed
}

// Close ends writing. What is in the spool stays for the next Open.
func (s *Spool) Close() error {
	s.once.Do(func() { close(s.closing) })
	<-s.ended
	return errors.Join(s.closed, s.reader.close())
}
