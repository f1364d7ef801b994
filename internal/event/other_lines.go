package event

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// An Erased is what is left of an event that was erased or refiled: where it
// sorted, and the leaf that the segment's root was made with. By is the ledger
// record that names the leaf and says why.
type Erased struct {
	Leaf    tlog.Hash
	Source  string
	ID      string
	Time    time.Time
	Section Section
	By      uint64
}

const erasedPrefix = `{"v":1,"erased":"`

// IsErased reports whether a line of an events file stands for an erased event.
func IsErased(line string) bool { return strings.HasPrefix(line, erasedPrefix) }

// AppendLine appends the line that stands for the erased event in files.
func (e *Erased) AppendLine(b []byte) []byte {
	w := writer{append(b, erasedPrefix...)}
	w.b = append(base64.StdEncoding.AppendEncode(w.b, e.Leaf[:]), '"')
	w.text(`,"source":`, e.Source)
	w.text(`,"id":`, e.ID)
	w.time(`,"time":`, e.Time)
	w.text(`,"section":`, string(e.Section))
	w.key(`,"by":`) // always there, also as 0
	w.b = strconv.AppendUint(w.b, e.By, 10)
	return append(w.b, '}')
}

// Parse reads a line that AppendLine wrote and refuses every other text.
func (e *Erased) Parse(line string) error {
	r := reader{s: line}
	*e = Erased{}
	r.literal(erasedPrefix)
	leaf := r.upTo('"')
	var err error
	if e.Leaf, err = tlog.ParseHash(leaf); err != nil || e.Leaf.String() != leaf {
		r.fail()
	}
	r.more = true
	r.text(`,"source":`, &e.Source)
	r.text(`,"id":`, &e.ID)
	r.time(`,"time":`, &e.Time)
	r.text(`,"section":`, (*string)(&e.Section))
	r.literal(`,"by":`)
	digits := strings.TrimSuffix(r.s[r.pos:], "}")
	by, err := strconv.ParseUint(digits, 10, 64)
	if r.bad || err != nil || strconv.FormatUint(by, 10)+"}" != r.s[r.pos:] {
		return fmt.Errorf("%w: near byte %d", ErrNotCanonical, r.pos)
	}
	e.By = by
	return nil
}

// A Reject is a record that could not become an event. Its bytes stay in the
// product; its line, which is what the ledger holds, has their size and hash.
type Reject struct {
	Salt     [16]byte
	Source   string
	Received time.Time
	Reason   string
	Size     uint64
	SHA256   [32]byte
	Raw      string // not part of the line

	Transport time.Time // that the carrier gave; zero: none. Not part of the line
}

// AppendLine appends the reject's line, whose leaf the ledger holds.
func (j *Reject) AppendLine(b []byte) []byte {
	w := writer{append(b, `{"v":1,"salt":"`...)}
	w.b = append(hex.AppendEncode(w.b, j.Salt[:]), '"')
	w.text(`,"source":`, j.Source)
	w.time(`,"received":`, j.Received)
	w.text(`,"reason":`, j.Reason)
	w.key(`,"size":`) // always there, also as 0
	w.b = strconv.AppendUint(w.b, j.Size, 10)
	w.text(`,"sha256":`, hex.EncodeToString(j.SHA256[:]))
	return append(w.b, '}')
}

// Parse reads a line that AppendLine wrote and refuses every other text.
func (j *Reject) Parse(line string) error {
	r := reader{s: line}
	*j = Reject{}
	r.literal(`{"v":1,"salt":"`)
	salt := r.upTo('"')
	r.more = true
	r.text(`,"source":`, &j.Source)
	r.time(`,"received":`, &j.Received)
	r.text(`,"reason":`, &j.Reason)
	r.literal(`,"size":`)
	digits := r.upTo(',')
	r.literal(`"sha256":"`)
	sum := r.upTo('"')
	r.literal("}")
	size, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || len(salt) != 2*len(j.Salt) || len(sum) != 2*len(j.SHA256) {
		r.fail()
	}
	j.Size = size
	if !r.bad {
		_, saltErr := hex.Decode(j.Salt[:], []byte(salt))
		_, sumErr := hex.Decode(j.SHA256[:], []byte(sum))
		r.bad = saltErr != nil || sumErr != nil
	}
	// Writing it again settles upper-case digits and leading zeros.
	if r.bad || r.pos != len(line) || string(j.AppendLine(nil)) != line {
		return fmt.Errorf("%w: near byte %d", ErrNotCanonical, r.pos)
	}
	return nil
}
