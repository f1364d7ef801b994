package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/tlog"
)

func (l *Log) load(ctx context.Context) error {
	var known []tlog.Hash // leaves in ledger.jsonl
	file, err := ledger.OpenFile(l.Path, func(_ uint64, e ledger.Entry) error {
		known = append(known, tlog.RecordHash([]byte(e.Record)))
		return nil
	})
	if err != nil {
		return err
	}
	l.file = file
	// Before the ledger is read, so that a writer at work is always ahead of it.
	rows, err := l.DB.Batches(ctx, file.Len(), 1<<63)
	if err != nil {
		return err
	}
	objects, err := l.DB.ObjectBatches(ctx, file.Len(), 1<<63)
	if err != nil {
		return err
	}
	for batch, n := range objects {
		rows[batch] += n
	}
	if err := l.DB.ReadOn(ctx, &l.head); err != nil {
		return err
	}
	lost, err := l.compare(ctx, known)
	if err != nil {
		return err
	}
	if err := l.checkServerClock(ctx); err != nil {
		return err
	}
	if err := l.dropFuture(ctx, rows); err != nil {
		return err
	}
	restored, err := l.restore(ctx, lost)
	if err != nil {
		return err
	}
	if err := l.head.CheckSigned(l.keys); err != nil {
		return err
	}
	l.written = l.Now()
	if err := l.fence(ctx); err != nil {
		return err
	}
	return l.nameLoss(ctx, restored)
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
		err := l.append(ctx, first, time.Time{})
		if !errors.Is(err, ErrTaken) {
			return err
		}
		l.fail(nil)
		from := l.head.State.Size
		if err := l.DB.ReadOn(ctx, &l.head); err != nil {
			return err
		}
		if from == 0 {
			if err := l.head.CheckSigned(l.keys); err != nil {
				// Two began at once on an empty store, and the other one has it now.
				return fmt.Errorf("%w: %w", ErrForeign, err)
			}
		}
		if err := l.catchUp(ctx, from); err != nil {
			return err
		}
	}
}

// compare holds the store against ledger.jsonl, which must be a prefix of it, and
// reports whether the store lost records.
func (l *Log) compare(ctx context.Context, known []tlog.Hash) (lost bool, err error) {
	size := l.head.State.Size
	if len(known) == 0 && size > 0 && !l.ownFirst() {
		return false, l.adopt(ctx)
	}
	for seq, leaf := range known {
		if uint64(seq) >= size {
			return true, nil
		}
		stored, err := l.head.Tree.Leaf(uint64(seq))
		if err != nil {
			return false, err
		}
		if stored != leaf {
			return false, fmt.Errorf("ingest: record %d in the store is not the one in %s: one of them was changed or rebuilt. "+
				"Compare the checkpoints that you hold elsewhere with 'exhibit verify --since'", seq, l.Path)
		}
	}
	// A crash between the two writes leaves records that only the store has.
	return false, l.catchUp(ctx, uint64(len(known)))
}

// ownFirst reports whether the store holds nothing but the first record, signed by
// our key: a crash before its copy was written leaves that.
func (l *Log) ownFirst() bool {
	return l.head.State.Size == 1 && l.head.CheckSigned(l.keys) == nil
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
		return fmt.Errorf("ingest: the store has %d records that %s does not have, and they are not this writer's: %w. "+
			"Whoever can write to the database made them; compare with the checkpoints that you hold elsewhere", len(missing), l.Path, err)
	}
	return l.file.Append(missing...)
}

// maxAhead is how far this clock may run ahead of the server's.
const maxAhead = 5 * time.Minute

// checkServerClock refuses to start when this clock runs ahead of the server's: the
// times of records could never go back.
func (l *Log) checkServerClock(ctx context.Context) error {
	server, err := l.DB.Now(ctx)
	if err != nil {
		return err
	}
	l.ahead = l.Now().Sub(server)
	if l.ahead > l.AcceptedAhead+maxAhead && !l.Accept.Clock {
		return fmt.Errorf("%w: this machine is %s ahead of the database server; set the clock, or accept it with 'exhibit accept --clock'",
			ErrClock, l.ahead.Round(time.Second))
	}
	return nil
}
