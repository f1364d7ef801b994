package ledger

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A SigningKey signs the checkpoints of a log and the manifests of its packs. Its
// name is the origin of the log.
type SigningKey struct {
	note.Signer
	Public string // verifier key, in the text form of package note
}

// String returns the public key, so that logs never show the other.
func (k SigningKey) String() string { return k.Public }

// Verifier returns the verifier of the key.
func (k SigningKey) Verifier() (note.Verifier, error) {
	v, err := note.NewVerifier(k.Public)
	if err != nil {
		return nil, fmt.Errorf("ledger: verifier of %s: %w", k.Name(), err)
	}
	return v, nil
}

// LoadKey reads the key file that MakeKey wrote. Without one it returns an error
// that wraps fs.ErrNotExist.
func LoadKey(path string) (SigningKey, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return SigningKey{}, fmt.Errorf("ledger: read signing key: %w", err)
	}
	lines := strings.Fields(string(b))
	if len(lines) != 2 {
		return SigningKey{}, fmt.Errorf("ledger: %s does not hold a private and a public key", path)
	}
	signer, err := note.NewSigner(lines[0])
	if err != nil {
		return SigningKey{}, fmt.Errorf("ledger: private key in %s: %w", path, err)
	}
	verifier, err := note.NewVerifier(lines[1])
	if err != nil {
		return SigningKey{}, fmt.Errorf("ledger: public key in %s: %w", path, err)
	}
	if signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() {
		return SigningKey{}, fmt.Errorf("ledger: the keys in %s do not belong together", path)
	}
	return SigningKey{signer, lines[1]}, nil
}

// MakeKey makes a key for the origin and writes it to a new file that only its
// owner can read. It never replaces a key.
func MakeKey(path string, random io.Reader, origin string) (SigningKey, error) {
	private, public, err := NewKey(random, origin)
	if err != nil {
		return SigningKey{}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // mode 0600
	if err != nil {
		return SigningKey{}, fmt.Errorf("ledger: make signing key: %w", err)
	}
	defer os.Remove(f.Name()) // the key has its own name by then, or there is none
	_, err = f.WriteString(private + "\n" + public + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return SigningKey{}, fmt.Errorf("ledger: write signing key: %w", err)
	}
	// A link fails when the name is taken, and a crash never leaves half a key.
	if err := os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return SigningKey{}, fmt.Errorf("ledger: there is a signing key in %s already", path)
	} else if err != nil {
		return SigningKey{}, fmt.Errorf("ledger: make signing key: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return SigningKey{}, err
	}
	return LoadKey(path)
}
