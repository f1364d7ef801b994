package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/note"
)

// ErrFork is returned when the ledger holds two different records for one seq.
var ErrFork = errors.New("store: the ledger is forked")

// RowOf returns the ledger row of an entry of ledger.jsonl.
func RowOf(seq uint64, e ledger.Entry) LedgerRow {
	return LedgerRow{Seq: seq, Record: e.Record, Leaf: leafOf(e.Record), Checkpoint: e.Checkpoint}
}

// A Head is the ledger up to some record: what it says, its tree and the last
// checkpoint. A copy by value is a snapshot that later reads do not touch.
type Head struct {
	State      ledger.State
	Tree       ledger.Tree
	Checkpoint string // signed; empty for an empty ledger
}

// Snapshot returns which rows exist for this head.
func (h *Head) Snapshot() Snapshot { return Snapshot{Size: h.State.Size, Voids: h.State.Voids} }

// Take moves the head on by a row, after checking that the row's leaf is that of
// its record and that the record keeps the rules of the log. It does not look at
// the checkpoint: see CheckSigned.
func (h *Head) Take(row LedgerRow) error {
	if leaf := leafOf(row.Record); leaf != row.Leaf {
		return fmt.Errorf("store: the leaf of ledger row %d is not that of its record: the row was changed", row.Seq)
	}
	r, err := ledger.ParseRecord([]byte(row.Record))
	if err != nil && !errors.Is(err, ledger.ErrUnknownKind) {
		return fmt.Errorf("store: ledger row %d: %w", row.Seq, err)
	}
	if err := h.State.Add(r); err != nil {
		return fmt.Errorf("store: ledger row %d: %w", row.Seq, err)
	}
	if err := h.Tree.Append(row.Leaf); err != nil {
		return err
	}
	h.Checkpoint = row.Checkpoint
	return nil
}

// CheckSigned checks that the head's checkpoint is signed by one of the keys and
// is that of the head's records.
func (h *Head) CheckSigned(keys note.Verifiers) error {
	if h.State.Size == 0 {
		return nil
	}
	c, _, err := ledger.OpenCheckpoint(h.Checkpoint, keys)
	if err != nil {
		return fmt.Errorf("store: checkpoint of record %d: %w", h.State.Size-1, err)
	}
	root, err := h.Tree.Hash(h.State.Size)
	if err != nil {
		return err
	}
	if c.Size != h.State.Size || c.Root != root || !c.At.Equal(h.State.At) {
		return fmt.Errorf("store: the checkpoint of record %d is not that of the records in front of it: the ledger was changed", h.State.Size-1)
	}
	return nil
}

// ReadOn moves the head on to the end of the ledger.
func (db *DB) ReadOn(ctx context.Context, h *Head) error {
	var last LedgerRow
	return db.LedgerRows(ctx, h.State.Size, 1<<63, func(row LedgerRow) error {
		if row.Seq < h.State.Size {
			// A swap that was repeated after an unknown result can leave its row twice.
			if row.Seq == last.Seq && row == last {
				return nil
			}
			return fmt.Errorf("%w at record %d: two writers were at work; restore one of them and run 'exhibit audit'", ErrFork, row.Seq)
		}
		last = row
		return h.Take(row)
	})
}

// A Reader gives heads of the ledger to many goroutines, each as new as the moment
// it was asked for.
type Reader struct {
	db   *DB
	keys note.Verifiers

	mu   sync.Mutex
	head Head // up to the last read; never given out but by copy
}

// NewReader returns a reader that trusts checkpoints signed by the keys.
func (db *DB) NewReader(keys note.Verifiers) *Reader { return &Reader{db: db, keys: keys} }

// Head reads what is new and returns the ledger's head.
func (r *Reader) Head(ctx context.Context) (Head, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.head
	if err := r.db.ReadOn(ctx, &next); err != nil {
		return Head{}, err
	}
	if next.State.Size != r.head.State.Size {
		if err := next.CheckSigned(r.keys); err != nil {
			return Head{}, err
		}
		r.head = next
	}
	return r.head, nil
}
