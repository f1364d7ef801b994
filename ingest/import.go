package ingest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// ImportMemory is the limit that a process which does nothing but import gives to
// Go's garbage collector (debug.SetMemoryLimit): two parcels take about half of it,
// and the collector would let what was used before add up to the rest.
const ImportMemory = 150 << 20

// An Import is one file to bring in.
type Import struct {
	Source string
	Kind   source.Kind
	Secret []byte
	Name   string             // of the file, as it is kept with its coverage
	By     string             // who states the period
	Covers *coverage.Interval // the period that the file is stated to hold completely; nil: none
	Now    func() time.Time
	Chunk  int // records handed in at once; 0: as many as one record holds
	// Progress is told how many bytes of the file were read; nil: nobody is.
	Progress func(bytes int64)
}

// An ImportResult says what a file brought.
type ImportResult struct {
	ledger.Batch        // counts over the whole file
	SHA256       string // of the file, as it came
	Bytes        int64
	First, Last  time.Time // of the events that the file holds
}

// Import brings a file in. It is idempotent: what is stored already is counted as
// a duplicate. When the file is damaged, what is before the damage is committed
// and the error says where it is; the stated period is then not noted.
func (c *Committer) Import(ctx context.Context, file io.Reader, im Import) (ImportResult, error) {
	if im.Chunk == 0 {
		im.Chunk = maxEvents
	}
	sum := sha256.New()
	counted := &countingReader{r: io.TeeReader(file, sum), progress: im.Progress}
	in := &importing{Import: im, committer: c, preparer: NewPreparer(im.Source, im.Kind, im.Secret, rand.Reader)}
	in.result.Source = im.Source
	damage := in.read(ctx, counted)
	if damage == nil {
		// Archives may end before the file does: its hash is over all of it.
		_, damage = io.Copy(io.Discard, counted)
	}
	in.result.SHA256, in.result.Bytes = hex.EncodeToString(sum.Sum(nil)), counted.n
	last := in.preparer.Take()
	last.Urgent = true
	if damage == nil && im.Covers != nil {
		last.Covers = []ledger.Cover{{From: im.Covers.From.UTC(), To: im.Covers.To.UTC(), Method: ledger.Stated,
			File: im.Name, SHA256: in.result.SHA256, By: im.By}}
	}
	if err := in.send(ctx, last); err != nil {
		return in.result, err
	}
	if err := in.settle(ctx); err != nil {
		return in.result, err
	}
	if damage != nil {
		return in.result, fmt.Errorf("import %s: %w", im.Name, damage)
	}
	return in.result, nil
}

// importing is one import under way. While one parcel is committed the next one is
// prepared; there are never more than these two.
type importing struct {
	Import
	committer *Committer
	preparer  *Preparer
	pending   <-chan Receipt
	result    ImportResult
}

func (in *importing) read(ctx context.Context, file io.Reader) error {
	received := in.Now()
	for piece, err := range source.Records(file, source.RecordsOptions{Wraps: in.Kind.Wraps, Reuse: true}) {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		record := source.Record{Raw: piece.Raw, Received: received}
		if piece.Bad != "" {
			why := &source.RejectError{Reason: piece.Bad}
			err = in.preparer.Reject(record, why, uint64(piece.Size), piece.SHA256)
		} else {
			err = in.preparer.AddOrReject(record)
		}
		if err != nil {
			return err
		}
		if records, bytes := in.preparer.Pending(); records >= in.Chunk || bytes >= maxBytes {
			full := in.preparer.Take()
			full.Urgent = true // there is nothing more to wait for
			if err := in.send(ctx, full); err != nil {
				return err
			}
			received = in.Now()
		}
	}
	return nil
}

// send hands a parcel in after the one before it was committed.
func (in *importing) send(ctx context.Context, p Parcel) error {
	for i := range p.Items {
		t := p.Items[i].Event.Time
		if in.result.First.IsZero() || t.Before(in.result.First) {
			in.result.First = t
		}
		in.result.Last = later(in.result.Last, t)
	}
	if err := in.settle(ctx); err != nil {
		return err
	}
	if p.Empty() {
		return nil
	}
	pending, err := in.committer.Submit(ctx, p)
	in.pending = pending
	return err
}

func (in *importing) settle(ctx context.Context) error {
	if in.pending == nil {
		return nil
	}
	select {
	case r := <-in.pending:
		in.pending = nil
		in.result.add(r.Batch)
		return r.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *ImportResult) add(b ledger.Batch) {
	r.Fetched += b.Fetched
	r.Extra += b.Extra
	r.Events += b.Events
	r.Duplicates += b.Duplicates
	r.Skipped += b.Skipped
	r.Rejects += b.Rejects
	r.Expired += b.Expired
	r.Late += b.Late
	r.ClockAhead += b.ClockAhead
	r.Unmapped += b.Unmapped
	r.Covers = append(r.Covers, b.Covers...)
}

type countingReader struct {
	r        io.Reader
	n        int64
	progress func(int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.progress != nil {
		c.progress(c.n)
	}
	return n, err
}
