package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/bucket"
	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"gocloud.dev/blob"
	"golang.org/x/mod/sumdb/note"
)

// A Witness is somewhere that a checkpoint is put once a day and is not replaced:
// whoever holds one can show that the ledger was not rebuilt since. It is a directory
// or a bucket; a bucket with object lock keeps what it has from its owner too.
type Witness struct {
	Name      string
	Directory string // there already: a share that is not mounted is no witness
	Bucket    string // address of a bucket, in place of Directory
	HeldBy    string // who holds it; empty: the operator, which does not count
}

// A Deposit is a checkpoint that a witness holds.
type Deposit struct {
	Witness Witness
	At      time.Time
	Size    uint64
}

const checkpointSuffix = ".checkpoint"

// A place is where a witness keeps checkpoints, under names.
type place interface {
	// put stores a text unless there is one of the name; then it is false.
	put(ctx context.Context, name, text string) (bool, error)
	// names returns what is there, in order, other people's files too.
	names(ctx context.Context) ([]string, error)
	read(ctx context.Context, name string) (string, error)
	close() error
}

func (w Witness) open(ctx context.Context) (place, error) {
	if w.Bucket == "" {
		return directory(w.Directory), nil
	}
	b, err := bucket.Open(ctx, w.Bucket)
	return bucketPlace{b}, err
}

// Put stores the checkpoint of a day. A day's checkpoint that is there already
// stays; then put is false.
func (w Witness) Put(ctx context.Context, day time.Time, signed string) (put bool, err error) {
	p, err := w.open(ctx)
	if err == nil {
		put, err = p.put(ctx, day.UTC().Format(time.DateOnly)+checkpointSuffix, signed)
		err = errors.Join(err, p.close())
	}
	if err != nil {
		return false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	return put, nil
}

// Last returns the newest checkpoint that the witness holds. It must be one of the
// ledger's: of its origin, over the records that it has, and signed by one of the
// keys or, when the key was changed since, the same text as the ledger's own.
func (w Witness) Last(ctx context.Context, db *store.DB, head store.Head, key ledger.SigningKey) (Deposit, bool, error) {
	p, err := w.open(ctx)
	if err != nil {
		return Deposit{}, false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	name, text, err := last(ctx, p)
	if err = errors.Join(err, p.close()); err != nil {
		return Deposit{}, false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	if name == "" {
		return Deposit{}, false, nil
	}
	c, err := checkDeposit(ctx, db, head, key, text)
	if err != nil {
		return Deposit{}, false, fmt.Errorf("ingest: witness %s: %s: %w", w.Name, name, err)
	}
	day, err := time.Parse(time.DateOnly, strings.TrimSuffix(name, checkpointSuffix))
	return Deposit{Witness: w, At: day, Size: c.Size}, err == nil, err
}

// last returns the newest checkpoint of a place; without one, an empty name.
func last(ctx context.Context, p place) (name, text string, err error) {
	names, err := p.names(ctx)
	if err != nil {
		return "", "", err
	}
	for _, n := range names { // others may keep files of their own there
		day, ours := strings.CutSuffix(n, checkpointSuffix)
		if _, err := time.Parse(time.DateOnly, day); err == nil && ours && n > name {
			name = n
		}
	}
	if name == "" {
		return "", "", nil
	}
	text, err = p.read(ctx, name)
	return name, text, err
}

// checkDeposit compares a checkpoint that was held elsewhere with the ledger.
func checkDeposit(ctx context.Context, db *store.DB, head store.Head, key ledger.SigningKey, text string) (ledger.Checkpoint, error) {
	body, _, _ := strings.Cut(text, "\n\n")
	c, err := ledger.ParseCheckpoint(body + "\n")
	if err != nil {
		return c, err
	}
	if c.Origin != key.Name() {
		return c, fmt.Errorf("it is a checkpoint of %s, not of %s", c.Origin, key.Name())
	}
	if c.Size == 0 || c.Size > head.State.Size {
		return c, fmt.Errorf("it is over %d records, the ledger has %d: the ledger lost some", c.Size, head.State.Size)
	}
	root, err := head.Tree.Hash(c.Size)
	if err != nil {
		return c, err
	}
	if root != c.Root {
		return c, fmt.Errorf("the first %d records of the ledger are not those that it was signed for: the ledger was changed or rebuilt", c.Size)
	}
	return c, checkSigner(ctx, db, head, key, text, c.Size)
}

func checkSigner(ctx context.Context, db *store.DB, head store.Head, key ledger.SigningKey, text string, size uint64) error {
	current, err := key.Verifier()
	if err != nil {
		return err
	}
	keys := []note.Verifier{current}
	for _, k := range head.State.Keys {
		if v, err := note.NewVerifier(k.Key.Key); err == nil && v.KeyHash() != current.KeyHash() {
			keys = append(keys, v)
		}
	}
	_, _, unsigned := ledger.OpenCheckpoint(text, note.VerifierList(keys...))
	if unsigned == nil || len(head.State.Keys) == 0 {
		return unsigned
	}
	// The ledger does not name its first key: what that signed, it has itself.
	same := false
	if err := db.LedgerRows(ctx, size-1, size, func(row store.LedgerRow) error {
		same = same || row.Checkpoint == text
		return nil
	}); err != nil {
		return err
	}
	if !same {
		return unsigned
	}
	return nil
}

// A directory is a place.
type directory string

func (d directory) put(_ context.Context, name, text string) (bool, error) {
	if _, err := os.Stat(string(d)); err != nil {
		return false, fmt.Errorf("its directory is not there; is the share mounted? A new one has to be made by hand: %w", err)
	}
	temp, err := os.CreateTemp(string(d), ".new-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(temp.Name()) // gone already when it could be linked; else nobody needs it
	_, err = temp.WriteString(text)
	if err := errors.Join(err, temp.Chmod(0o444), temp.Sync(), temp.Close()); err != nil {
		return false, err
	}
	// A link fails when the name is taken, and the file is whole when it appears.
	switch err := os.Link(temp.Name(), filepath.Join(string(d), name)); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, nil
}

func (d directory) names(context.Context) ([]string, error) {
	entries, err := os.ReadDir(string(d))
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (d directory) read(_ context.Context, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(d), name))
	return string(text), err
}

func (d directory) close() error { return nil }

// A bucketPlace is a place.
type bucketPlace struct{ b *blob.Bucket }

func (p bucketPlace) put(ctx context.Context, name, text string) (bool, error) {
	err := bucket.Write(ctx, p.b, name, strings.NewReader(text), &blob.WriterOptions{IfNotExist: true, ContentType: "text/plain; charset=utf-8"})
	if errors.Is(err, bucket.ErrExists) {
		return false, nil
	}
	return err == nil, err
}

func (p bucketPlace) names(ctx context.Context) ([]string, error) {
	var names []string
	for o, err := range bucket.Folder(ctx, p.b, "") {
		if err != nil {
			return nil, err
		}
		names = append(names, o.Key)
	}
	return names, nil
}

func (p bucketPlace) read(ctx context.Context, name string) (string, error) {
	text, err := p.b.ReadAll(ctx, name)
	return string(text), err
}

func (p bucketPlace) close() error { return p.b.Close() }

// Depositor puts the checkpoint of each day into the witnesses.
type Depositor struct {
	Witnesses []Witness
	Log       *Log
	Diary     *Diary
	Now       func() time.Time
	Slog      *slog.Logger
	After     func(time.Duration) <-chan time.Time
}

// Run puts a checkpoint at its start and then once an hour where the day has none
// yet, until the context ends.
func (d *Depositor) Run(ctx context.Context) error {
	for {
		d.Deposit(ctx)
		select {
		case <-d.After(time.Hour):
		case <-ctx.Done():
			return nil
		}
	}
}

// Deposit puts today's checkpoint into each witness that has none of today. What
// fails is logged, is an event, and is tried again within the hour.
func (d *Depositor) Deposit(ctx context.Context) {
	for _, w := range d.Witnesses {
		head := d.Log.Head()
		put, err := d.put(ctx, w, head.Checkpoint)
		act := source.Act{Action: "witness.put", Outcome: "success", Actor: source.Party{Type: "system", ID: "exhibit"},
			Target: source.Party{Type: "witness", Name: w.Name}, Reason: fmt.Sprintf("checkpoint of %d records", head.State.Size)}
		if err != nil {
			d.Slog.Error("witness does not take the checkpoint", "witness", w.Name, "error", err)
			act.Outcome, act.Reason = "failure", err.Error()
		}
		if !put && err == nil {
			continue
		}
		if err := d.Diary.Write(ctx, act); err != nil {
			d.Slog.Error("act not recorded", "action", act.Action, "error", err)
		}
	}
}

// witnessPatience bounds how long a witness may take: others wait for their turn.
const witnessPatience = time.Minute

func (d *Depositor) put(ctx context.Context, w Witness, checkpoint string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, witnessPatience)
	defer cancel()
	return w.Put(ctx, d.Now(), checkpoint)
}
