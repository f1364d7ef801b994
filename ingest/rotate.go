package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/note"
)

// Rotate hands the log over to the next key: a record names it, and the checkpoint
// after that record carries both signatures, so that whoever trusts the old key can
// follow to the new one. After an error the log does not write any more, because it
// is not known which key is the right one: the next start finds out.
func (l *Log) Rotate(ctx context.Context, next ledger.SigningKey) error {
	if err := l.begin(ctx); err != nil {
		return err
	}
	defer l.end()
	if next.Name() != l.Key.Name() {
		return fmt.Errorf("ingest: the next key is called %q; it must have the name of the log, %q", next.Name(), l.Key.Name())
	}
	old, err := l.Key.Verifier()
	if err != nil {
		return err
	}
	verifier, err := next.Verifier()
	if err != nil {
		return err
	}
	l.cosigner = next
	if err := l.append(ctx, ledger.Record{Kind: ledger.KindKey, Key: &ledger.Key{Key: next.Public}}, time.Time{}); err != nil {
		l.fail(fmt.Errorf("ingest: it is not known whether the next key was taken; start again: %w", err))
		return l.Failed()
	}
	l.Key, l.cosigner, l.keys = next, nil, note.VerifierList(old, verifier)
	return nil
}

func (d Dir) nextKey() string { return d.path("signing.key.next") }

// NextKey makes the key that Rotate hands over to, or returns the one that was made
// for a rotation that did not come to its end.
func (d Dir) NextKey(origin string) (ledger.SigningKey, error) {
	key, err := ledger.LoadKey(d.nextKey())
	if errors.Is(err, fs.ErrNotExist) {
		return ledger.MakeKey(d.nextKey(), rand.Reader, origin)
	}
	return key, err
}

// FinishRotation puts the next key into its place when the ledger names it. A
// crash between the record and this leaves the old key in place, which must not
// sign any more: every start begins with it.
func (d Dir) FinishRotation(ctx context.Context, db *store.DB) error {
	next, err := ledger.LoadKey(d.nextKey())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var head store.Head
	if err := db.ReadOn(ctx, &head); err != nil {
		return err
	}
	keys := head.State.Keys
	if len(keys) == 0 || keys[len(keys)-1].Key.Key != next.Public {
		return nil // it was made, and nothing came of it: the next rotation takes it
	}
	if err := os.Rename(d.nextKey(), d.path("signing.key")); err != nil {
		return fmt.Errorf("ingest: put the next key into its place: %w", err)
	}
	return nil
}
