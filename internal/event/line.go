package event

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"exhibit/internal/word"

	"golang.org/x/mod/sumdb/tlog"
)

// TimeFormat is the one form of an instant in canonical lines and records.
const TimeFormat = "2006-01-02T15:04:05.000000000Z"

// AppendLine appends the canonical line of e, without a newline.
func (e *Event) AppendLine(b []byte) []byte {
	w := writer{append(b, `{"v":1,"salt":"`...)}
	w.b = hex.AppendEncode(w.b, e.Salt[:])
	w.b = append(w.b, '"')
	w.text(`,"source":`, e.Source)
	w.text(`,"id":`, e.ID)
	w.time(`,"time":`, e.Time)
	w.text(`,"time_basis":`, e.TimeBasis)
	w.text(`,"claimed":`, e.Claimed)
	w.time(`,"received":`, e.Received)
	w.text(`,"section":`, string(e.Section))
	w.text(`,"ocsf":`, e.OCSF)
	w.number(`,"class":`, uint64(e.Class))
	w.number(`,"activity":`, uint64(e.Activity))
	w.text(`,"action":`, e.Action)
	w.text(`,"outcome":`, e.Outcome)
	if e.Actor != (Actor{}) {
		w.open(`,"actor":`)
		w.text(`,"id":`, e.Actor.ID)
		w.text(`,"name":`, e.Actor.Name)
		w.text(`,"email":`, e.Actor.Email)
		w.text(`,"type":`, e.Actor.Type)
		w.text(`,"impersonator":`, e.Actor.Impersonator)
		w.b = append(w.b, '}')
	}
	if e.Target != (Target{}) {
		w.open(`,"target":`)
		w.text(`,"type":`, e.Target.Type)
		w.text(`,"id":`, e.Target.ID)
		w.text(`,"name":`, e.Target.Name)
		w.b = append(w.b, '}')
	}
	w.text(`,"ip":`, e.IP)
	w.text(`,"user_agent":`, e.UserAgent)
	w.text(`,"request_id":`, e.RequestID)
	w.text(`,"session_id":`, e.SessionID)
	w.text(`,"organisation":`, e.Organisation)
	if e.Scope != (Scope{}) {
		w.open(`,"scope":`)
		w.text(`,"workspace":`, e.Scope.Workspace)
		w.text(`,"project":`, e.Scope.Project)
		w.text(`,"account":`, e.Scope.Account)
		w.b = append(w.b, '}')
	}
	w.text(`,"changes":`, e.Changes)
	w.number(`,"mapping":`, uint64(e.Mapping))
	w.text(`,"masked":`, e.Masked)
	w.raw(e.Raw)
	return append(w.b, '}')
}

// Leaf returns the RFC 6962 leaf hash of a canonical line.
func Leaf(line []byte) tlog.Hash { return tlog.RecordHash(line) }

// Leaf returns the leaf hash of e's line without a copy of the line. It makes both in
// b, and returns that for the next one.
func (e *Event) Leaf(b []byte) (tlog.Hash, []byte) {
	b = e.AppendLine(append(b[:0], 0)) // the prefix of a leaf
	return sha256.Sum256(b), b
}

// A writer appends members of a JSON object; the object was opened before.
type writer struct{ b []byte }

// key begins a member: `,"name":`. The first one of an object leaves out the comma.
func (w *writer) key(name string) {
	if w.b[len(w.b)-1] == '{' {
		name = name[1:]
	}
	w.b = append(w.b, name...)
}

func (w *writer) open(name string) {
	w.key(name)
	w.b = append(w.b, '{')
}

func (w *writer) text(name, s string) {
	if s == "" {
		return
	}
	w.key(name)
	w.b = appendString(w.b, s)
}

func (w *writer) number(name string, n uint64) {
	if n == 0 {
		return
	}
	w.key(name)
	w.b = strconv.AppendUint(w.b, n, 10)
}

func (w *writer) time(name string, t time.Time) {
	w.key(name)
	w.b = append(w.b, '"')
	w.b = AppendTime(w.b, t)
	w.b = append(w.b, '"')
}

func (w *writer) raw(s string) {
	if s == "" {
		return
	}
	if utf8.ValidString(s) {
		w.key(`,"raw":`)
		w.b = appendString(w.b, s)
		return
	}
	w.key(`,"raw64":`)
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, []byte(s))
	w.b = append(w.b, '"')
}

// AppendTime appends t in TimeFormat. It is written by hand because it is a
// fifth of the time that a line takes otherwise.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(b, byte('0'+year/1000%10), byte('0'+year/100%10))
	b = two(b, year%100)
	b = two(append(b, '-'), int(month))
	b = two(append(b, '-'), day)
	b = two(append(b, 'T'), hour)
	b = two(append(b, ':'), minute)
	b = two(append(b, ':'), second)
	b = append(b, '.')
	for n, div := t.Nanosecond(), 100_000_000; div > 0; div /= 10 {
		b = append(b, byte('0'+n/div%10))
	}
	return append(b, 'Z')
}

func two(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string with the least escapes that JSON asks for.
// Bytes that are not UTF-8 become U+FFFD: only Raw can hold them, and it does not come here.
func appendString(b []byte, s string) []byte {
	n := plainASCII(s)
	b = append(append(b, '"'), s[:n]...)
	if s = s[n:]; s == "" {
		return append(b, '"')
	}
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	for s != "" {
		b = slices.Grow(b, len(s)+len(s)/4+3*word.Size)
		wrote, read := escape(b[len(b):cap(b)], s)
		b, s = b[:len(b)+wrote], s[read:]
		for read = 0; read < len(s) && read < word.Size; read++ {
			b = appendEscape(b, s[read])
		}
		s = s[read:]
	}
	return append(b, '"')
}

// escape writes as many whole words of s into b as there is room for in the worst
// case, and returns how much that is of both. It steps by words and not by what it
// finds in them: the processor looks at the next word before it is done with this one.
func escape(b []byte, s string) (wrote, read int) {
	for ; read+word.Size <= len(s) && wrote+3*word.Size <= len(b); read += word.Size {
		w := word.Load(s, read)
		to := b[wrote : wrote+3*word.Size]
		binary.LittleEndian.PutUint64(to, w)
		special := escaped(w)
		if special == 0 {
			wrote += word.Size
			continue
		}
		if word.Below(w, 0x20) != 0 {
			break
		}
		done, n := 0, 0 // of w, and written of it
		for ; special != 0; special &= special - 1 {
			at := special.First()
			n += at - done
			to[n] = '\\'
			binary.LittleEndian.PutUint64(to[n+1:], w>>(8*at))
			n, done = n+2, at+1
		}
		wrote += n + word.Size - done
	}
	return wrote, read
}

// escaped marks what does not stand for itself in a JSON string.
func escaped(w uint64) word.Mask {
	return word.Equal(w, '"') | word.Equal(w, '\\') | word.Below(w, 0x20)
}

// appendEscape appends a byte, escaped where it has to be.
func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	if c >= 0x20 {
		return append(b, c)
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
