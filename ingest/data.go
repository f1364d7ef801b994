package ingest

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"exhibit/internal/disk"
	"exhibit/internal/ledger"

	"github.com/go-json-experiment/json"
)

// A Dir is the data directory of a writer: what makes it the only one.
//
//	writer.lock    held by the process that writes
//	signing.key    signs checkpoints and manifests; its name is the ledger's origin
//	secret         makes ids of records without one; keep it with the backups
//	ledger.jsonl   copy of the ledger, to notice a store that lost records
//	ledger.jsonl.rollback  there while such a loss is being dealt with
//	clock          how far ahead of the server's clock an operator accepted this machine to be
//	audit.json     result of the last nightly audit
//	spool/         what was pushed and is not committed yet
//	writer/sock    takes work from other processes of the same user
type Dir string

func (d Dir) path(name string) string { return filepath.Join(string(d), name) }

// Ledger returns the path of the ledger's copy.
func (d Dir) Ledger() string { return d.path("ledger.jsonl") }

// Spool returns the path of the spool's directory.
func (d Dir) Spool() string { return d.path("spool") }

// ErrLocked means that another process writes with this data directory.
var ErrLocked = errors.New("ingest: another process writes with this data directory")

// Lock makes this process the writer, until unlock is called or it ends.
func (d Dir) Lock() (unlock func() error, err error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, fmt.Errorf("ingest: data directory: %w", err)
	}
	if info, err := os.Stat(string(d)); err != nil || info.Mode().Perm()&0o002 != 0 {
		return nil, errors.Join(fmt.Errorf("ingest: data directory: everybody can write to %s: use one of your own, or take that right away (chmod o-w)", d), err)
	}
	f, err := os.OpenFile(d.path("writer.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ingest: lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%s)", ErrLocked, d), f.Close())
	}
	return f.Close, nil
}

// Key reads the signing key, and makes one for the origin when there is none. An
// empty origin gets a name that no other ledger has.
func (d Dir) Key(origin string) (ledger.SigningKey, error) {
	key, err := d.ExistingKey()
	if errors.Is(err, fs.ErrNotExist) {
		if origin == "" {
			origin = "exhibit/" + strings.ToLower(rand.Text()[:12])
		}
		return ledger.MakeKey(d.path("signing.key"), rand.Reader, origin)
	}
	if err == nil && origin != "" && origin != key.Name() {
		return key, fmt.Errorf("ingest: the configured origin is %q, the ledger in %s is called %q. An origin never changes", origin, d, key.Name())
	}
	return key, err
}

// ExistingKey reads the signing key.
func (d Dir) ExistingKey() (ledger.SigningKey, error) {
	if err := checkPrivate(d.path("signing.key")); err != nil {
		return ledger.SigningKey{}, err
	}
	return ledger.LoadKey(d.path("signing.key"))
}

// checkPrivate refuses a secret that everybody on the machine can read: whoever has
// it can sign. A file that is not there is for others to find missing.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("ingest: %w", err)
	case info.Mode().Perm()&0o007 != 0:
		return fmt.Errorf("ingest: everybody on this machine can open %s: run 'chmod 600 %s', and think of a new key if somebody else did", path, path)
	}
	return nil
}

// Secret reads the store's secret, and makes it when there is none.
func (d Dir) Secret() ([]byte, error) {
	if err := checkPrivate(d.path("secret")); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(d.path("secret"))
	if errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("ingest: make secret: %w", err)
		}
		if err := writeNew(d.path("secret"), hex.EncodeToString(secret)+"\n"); err != nil {
			return nil, fmt.Errorf("ingest: make secret: %w", err)
		}
		return secret, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ingest: read secret: %w", err)
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("ingest: %s is not 32 bytes in hex", d.path("secret"))
	}
	return secret, nil
}

// AcceptedAhead reads how far ahead of the database server's clock an operator
// accepted this machine to be; 0 when nobody did.
func (d Dir) AcceptedAhead() (time.Duration, error) {
	b, err := os.ReadFile(d.path("clock"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	ahead, parseErr := time.ParseDuration(strings.TrimSpace(string(b)))
	if err = errors.Join(err, parseErr); err != nil {
		return 0, fmt.Errorf("ingest: read the accepted clock: %w; remove %s and accept the clock again", err, d.path("clock"))
	}
	return ahead, nil
}

// AcceptAhead keeps what AcceptedAhead reads.
func (d Dir) AcceptAhead(ahead time.Duration) error {
	temp, err := writeTemp(d.path("clock"), max(ahead, 0).Round(time.Second).String()+"\n")
	if err == nil {
		err = errors.Join(os.Rename(temp, d.path("clock")), disk.SyncDir(string(d)))
	}
	if err != nil {
		return fmt.Errorf("ingest: keep the accepted clock: %w", err)
	}
	return nil
}

// writeNew writes a file that must not be there yet. It appears whole or not at all.
func writeNew(path, text string) error {
	temp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	return errors.Join(os.Link(temp, path), os.Remove(temp), disk.SyncDir(filepath.Dir(path)))
}

func writeTemp(path, text string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	return f.Name(), errors.Join(err, f.Sync(), f.Close())
}

// readMark reads the note of a rollback under way; nil: there is none.
func readMark(path string) (*rollback, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	mark := new(rollback)
	if err == nil {
		err = json.Unmarshal(b, mark, json.RejectUnknownMembers(true))
	}
	if err != nil {
		return nil, fmt.Errorf("ingest: read the rollback under way in %s: %w", path, err)
	}
	return mark, nil
}

func writeMark(path string, mark rollback) error {
	b, err := json.Marshal(mark)
	if err == nil {
		var temp string
		if temp, err = writeTemp(path, string(b)+"\n"); err == nil {
			err = errors.Join(os.Rename(temp, path), disk.SyncDir(filepath.Dir(path)))
		}
	}
	if err != nil {
		return fmt.Errorf("ingest: note the rollback under way in %s: %w", path, err)
	}
	return nil
}

func removeMark(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("ingest: the rollback is done, but %s stays: %w", path, err)
	}
	return disk.SyncDir(filepath.Dir(path))
}
