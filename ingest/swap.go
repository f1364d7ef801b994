package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// append gives the record its place and time, signs the tree with it and swaps it
// into the ledger. When it returns nil the record is committed and is in
// ledger.jsonl; after any other error heal finds out.
func (l *Log) append(ctx context.Context, r ledger.Record, notBefore time.Time) error {
	at, err := l.stamp(notBefore)
	if err != nil {
		return err
	}
	r.Seq, r.At, r.Standing = l.head.State.Size, at, l.head.State.Standing
	s, err := l.seal(r)
	if err != nil {
		return err
	}
	return l.offer(ctx, s)
}

// seal makes the row of a record and the head that it leads to.
func (l *Log) seal(r ledger.Record) (sealed, error) {
	line, err := r.Line()
	if err != nil {
		return sealed{}, err
	}
	s := sealed{store.LedgerRow{Seq: r.Seq, Record: string(line), Leaf: tlog.RecordHash(line)}, l.head}
	if err := s.next.Take(s.row); err != nil {
		return sealed{}, err
	}
	root, err := s.next.Tree.Hash(s.next.State.Size)
	if err != nil {
		return sealed{}, err
	}
	s.row.Checkpoint, err = ledger.Checkpoint{Origin: l.Key.Name(), Size: s.next.State.Size, Root: root, At: r.At}.Sign(l.signers()...)
	if err != nil {
		return sealed{}, err
	}
	s.next.Checkpoint = s.row.Checkpoint
	return s, nil
}

// offer swaps a record into the ledger and copies it out.
func (l *Log) offer(ctx context.Context, s sealed) error {
	l.open = &s
	if err := l.swap(ctx, s.row); err != nil {
		if final(err) {
			l.open = nil
			l.fail(err)
		}
		return err
	}
	l.open, l.spoiled = nil, false
	l.setHead(s.next)
	// A crash here leaves a committed record that ledger.jsonl does not have: the
	// next start appends it.
	l.Trace("file")
	l.uncopied = append(l.uncopied, ledger.Entry{Record: s.row.Record, Checkpoint: s.row.Checkpoint})
	return l.copyOut()
}

// copyOut appends to ledger.jsonl what is committed and not there yet. Until it
// can, nothing else is written: a full disk must not leave the copy behind.
func (l *Log) copyOut() error {
	if len(l.uncopied) == 0 {
		return nil
	}
	if err := l.file.Append(l.uncopied...); err != nil {
		err = fmt.Errorf("ingest: a record is committed, its copy in %s is not: %w", l.Path, err)
		if store.Full(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return err
	}
	l.uncopied = nil
	return nil
}

// swap offers the row until it is known whose row the ledger holds. Only reading
// tells: an insert that failed may land later, and one that succeeded may have
// been dropped as a repetition.
func (l *Log) swap(ctx context.Context, row store.LedgerRow) error {
	spent := 0 // tokens that were answered but left no row
	var last error
	for attempt := 0; ; attempt++ {
		if attempt > maxAttempts {
			return fmt.Errorf("ingest: record %d: not known whether it is written after %d attempts: %w", row.Seq, attempt, last)
		}
		l.Trace("read")
		there, err := l.whose(ctx, row)
		switch {
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
			if err = l.DB.InsertLedgerRow(ctx, token, row); err != nil {
				break
			}
			if there, err = l.whose(ctx, row); err == nil && there {
				return nil
			}
			if err == nil {
				spent++
				err = fmt.Errorf("token %s is spent", token)
			} else if !transient(err) {
				return err
			}
		}
		if store.Full(err) {
			return fmt.Errorf("%w: the database has no room for record %d: %w", ErrFull, row.Seq, err)
		}
		last = err
		l.Log.Warn("ledger row: not written or not known to be, asking again", "seq", row.Seq, "error", err)
		if err := l.Wait(ctx, attempt); err != nil {
			return fmt.Errorf("ingest: record %d: %w", row.Seq, err)
		}
	}
}

// whose reports whether the ledger holds the row; ErrTaken when it holds another.
// The record in front of it must be there: a store that is restored to an older
// state under a running writer would get a hole instead of its next record.
func (l *Log) whose(ctx context.Context, row store.LedgerRow) (bool, error) {
	there, before := false, row.Seq == 0
	err := l.DB.LedgerRows(ctx, max(row.Seq, 1)-1, row.Seq+1, func(found store.LedgerRow) error {
		switch {
		case found.Seq < row.Seq:
			before = true
			if found.Seq >= l.head.State.Size { // it is being put back
				return nil
			}
			if leaf, err := l.head.Tree.Leaf(found.Seq); err != nil || leaf != found.Leaf {
				return fmt.Errorf("%w: record %d is not the one that was written", ErrRolledBack, found.Seq)
			}
		case found != row:
			return ErrTaken
		default:
			there = true
		}
		return nil
	})
	if err == nil && !before {
		err = fmt.Errorf("%w: record %d is gone", ErrRolledBack, row.Seq-1)
	}
	return there, err
}

// final reports whether an error ends this writer: somebody has to decide.
func final(err error) bool {
	return errors.Is(err, ErrTaken) || errors.Is(err, ErrRolledBack) || errors.Is(err, store.ErrFork)
}

// transient reports whether asking again may help: everything but a decision.
func transient(err error) bool { return !final(err) && !errors.Is(err, context.Canceled) }

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

// signers returns who signs the next checkpoint: the key, and the one that it hands
// over to.
func (l *Log) signers() []note.Signer {
	if l.cosigner != nil {
		return []note.Signer{l.Key, l.cosigner}
	}
	return []note.Signer{l.Key}
}
