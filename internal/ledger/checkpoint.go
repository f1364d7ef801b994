package ledger

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"exhibit/internal/event"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A Checkpoint says that a log of Size records has this root, and when its last
// record was made. The time is there because a verifier sees of most earlier records
// only their hashes: whoever holds a checkpoint can show that time never went back
// among them, so that none of them hides events of a later day.
type Checkpoint struct {
	Origin string
	Size   uint64
	Root   tlog.Hash
	At     time.Time // of the last record; zero: not said
}

const atPrefix = "at "

// Text returns the checkpoint's body as C2SP tlog-checkpoint has it: the time is an
// extension line.
func (c Checkpoint) Text() string {
	text := c.Origin + "\n" + strconv.FormatUint(c.Size, 10) + "\n" + c.Root.String() + "\n"
	if !c.At.IsZero() {
		text += atPrefix + c.At.UTC().Format(event.TimeFormat) + "\n"
	}
	return text
}

// Sign returns the checkpoint as a signed note.
func (c Checkpoint) Sign(signers ...note.Signer) (string, error) {
	b, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	if err != nil {
		return "", fmt.Errorf("ledger: sign checkpoint of %d records: %w", c.Size, err)
	}
	return string(b), nil
}

// maxCheckpoint bounds what is read as a checkpoint: a few lines and signatures.
const maxCheckpoint = 64 << 10

// ErrSignature is returned for a checkpoint that no trusted key has signed.
var ErrSignature = errors.New("ledger: checkpoint is not signed by a trusted key")

// OpenCheckpoint checks a signed note and returns the checkpoint in it, and the
// names of the keys that signed it.
func OpenCheckpoint(signed string, verifiers note.Verifiers) (Checkpoint, []string, error) {
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, nil, fmt.Errorf("ledger: checkpoint of %d bytes is too long", len(signed))
	}
	n, err := note.Open([]byte(signed), verifiers)
	if err != nil {
		var unverified *note.UnverifiedNoteError
		if errors.As(err, &unverified) {
			return Checkpoint{}, nil, ErrSignature
		}
		return Checkpoint{}, nil, fmt.Errorf("ledger: open checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, nil, err
	}
	var names []string
	for _, s := range n.Sigs {
		names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return c, names, nil
}

// ParseCheckpoint reads the body of a checkpoint. Further lines are let pass, as
// C2SP tlog-checkpoint says.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[0] == "" || !strings.HasSuffix(text, "\n") {
		return Checkpoint{}, errors.New("ledger: not a checkpoint: it needs an origin, a size and a root line")
	}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil || strconv.FormatUint(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint size %q is not a number in canonical form", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("ledger: checkpoint root %q is not 32 bytes of base64", lines[2])
	}
	c := Checkpoint{Origin: lines[0], Size: size}
	copy(c.Root[:], root)
	if at, ok := strings.CutPrefix(lines[3], atPrefix); ok {
		if c.At, err = event.ParseTime(at); err != nil {
			return Checkpoint{}, fmt.Errorf("ledger: checkpoint time: %w", err)
		}
	}
	return c, nil
}

// CheckOrigin reports whether name can be an origin and the name of a key.
func CheckOrigin(name string) error {
	if name == "" || strings.ContainsAny(name, "+ \t\r\n") {
		return fmt.Errorf("ledger: origin %q: it must not be empty and hold no space and no +", name)
	}
	return nil
}

// NewKey makes an Ed25519 key pair in the text form of package note. The name of
// the key is the origin of the log.
func NewKey(random io.Reader, origin string) (private, public string, err error) {
	if err := CheckOrigin(origin); err != nil {
		return "", "", err
	}
	private, public, err = note.GenerateKey(random, origin)
	if err != nil {
		return "", "", fmt.Errorf("ledger: make key for %s: %w", origin, err)
	}
	return private, public, nil
}
