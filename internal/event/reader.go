package event

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"exhibit/internal/word"
)

// A reader takes the members of a canonical object in their fixed order. After
// the first thing that does not fit, bad is set and nothing is taken any more.
type reader struct {
	s    string
	pos  int
	bad  bool
	more bool // a member was taken in this object: the next one begins with a comma

	noRaw bool // the raw record is checked and not returned
}

func (r *reader) fail() { r.bad = true }

func (r *reader) literal(want string) {
	if r.bad || !strings.HasPrefix(r.s[r.pos:], want) {
		r.fail()
		return
	}
	r.pos += len(want)
}

// upTo takes everything before the next c, and c.
func (r *reader) upTo(c byte) string {
	if r.bad {
		return ""
	}
	n := strings.IndexByte(r.s[r.pos:], c)
	if n < 0 {
		r.fail()
		return ""
	}
	s := r.s[r.pos : r.pos+n]
	r.pos += n + 1
	return s
}

// has takes the beginning of a member, `,"name":`, when it comes next. The first one
// of an object has no comma.
func (r *reader) has(name string) bool {
	if !r.more {
		name = name[1:]
	}
	if r.bad || !strings.HasPrefix(r.s[r.pos:], name) {
		return false
	}
	r.pos += len(name)
	r.more = true
	return true
}

func (r *reader) open(name string) bool {
	if !r.has(name) {
		return false
	}
	r.literal("{")
	r.more = false
	return !r.bad
}

// close ends a nested object, which is never empty.
func (r *reader) close() {
	if !r.more {
		r.fail()
	}
	r.literal("}")
	r.more = true
}

func (r *reader) text(name string, to *string) {
	if !r.has(name) {
		return
	}
	*to = r.str()
	if *to == "" {
		r.fail()
	}
}

func (r *reader) number(name string, to *uint32) {
	if !r.has(name) {
		return
	}
	end := r.pos
	for end < len(r.s) && r.s[end] >= '0' && r.s[end] <= '9' {
		end++
	}
	digits := r.s[r.pos:end]
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || digits[0] == '0' {
		r.fail()
		return
	}
	*to, r.pos = uint32(n), end
}

// time takes a member that is always there.
func (r *reader) time(name string, to *time.Time) {
	if !r.has(name) {
		r.fail()
		return
	}
	r.literal(`"`)
	t, err := ParseTime(r.upTo('"'))
	if err != nil {
		r.fail()
		return
	}
	*to = t
}

func (r *reader) raw(to *string) {
	if r.has(`,"raw":`) {
		if r.noRaw {
			if r.pass() == 0 {
				r.fail()
			}
			return
		}
		if *to = r.str(); *to == "" {
			r.fail()
		}
		return
	}
	if !r.has(`,"raw64":`) {
		return
	}
	r.literal(`"`)
	text := r.upTo('"')
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || utf8.Valid(b) || strings.ContainsAny(text, "\r\n") {
		r.fail()
		return
	}
	if !r.noRaw {
		*to = string(b)
	}
}

// pass goes over a JSON string as str does, and returns its length as written. It
// steps as escape does.
func (r *reader) pass() int {
	r.literal(`"`)
	if r.bad {
		return 0
	}
	s := r.s[r.pos:]
	var seen uint64
	next := 0 // what is before it has been looked at
	for base := 0; base < len(s); base += word.Size {
		w := uint64('"') // the last bytes of s
		if base+word.Size <= len(s) {
			w = word.Load(s, base)
		} else {
			w = word.Load(s[base:]+"\x00\x00\x00\x00\x00\x00\x00", 0) // none of them is right
		}
		seen |= w
		special := escaped(w)
		if next > base {
			special = special.From(next - base)
		}
		for special != 0 {
			at := special.First()
			i := base + at
			if i < len(s) && s[i] == '"' {
				r.pos += i + 1
				// Escapes are ASCII: they change nothing in this.
				if word.High(seen) != 0 && !utf8.ValidString(s[:i]) {
					r.fail()
				}
				return i
			}
			size := 2
			if i+1 >= len(s) || s[i] != '\\' || s[i+1] != '"' && s[i+1] != '\\' {
				if _, size = unescape(s[i:]); size == 0 {
					r.fail()
					return 0
				}
			}
			if next = i + size; at+size >= word.Size {
				break
			}
			special = special.From(at + size)
		}
	}
	r.fail()
	return 0
}

// str takes a JSON string that has exactly the escapes that appendString writes.
func (r *reader) str() string {
	r.literal(`"`)
	if r.bad {
		return ""
	}
	s := r.s[r.pos:]
	n := plainASCII(s)
	if n < len(s) && s[n] == '"' {
		r.pos += n + 1
		return s[:n]
	}
	b := make([]byte, 0, 2*n+64)
	for i := 0; i < len(s); {
		run := plain(s[i:])
		b = append(b, s[i:i+run]...)
		i += run
		if i < len(s) && s[i] == '"' {
			r.pos += i + 1
			if !utf8.Valid(b) {
				r.fail()
			}
			return string(b)
		}
		c, size := unescape(s[i:])
		if size == 0 {
			break
		}
		b = append(b, c)
		i += size
	}
	r.fail()
	return ""
}

// plain returns how many bytes at the start of s stand for themselves.
func plain(s string) int {
	i := 0
	for ; i+word.Size <= len(s); i += word.Size {
		if special := escaped(word.Load(s, i)); special != 0 {
			return i + special.First()
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// plainASCII is plain for ASCII only.
func plainASCII(s string) int {
	i := 0
	for ; i+word.Size <= len(s); i += word.Size {
		w := word.Load(s, i)
		if special := escaped(w) | word.High(w); special != 0 {
			return i + special.First()
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return len(s)
}

// unescape reads one canonical escape and returns its byte and its length, or 0.
func unescape(s string) (byte, int) {
	if len(s) < 2 || s[0] != '\\' {
		return 0, 0
	}
	switch s[1] {
	case '"', '\\':
		return s[1], 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	}
	if len(s) < 6 || s[:4] != `\u00` {
		return 0, 0
	}
	hi, lo := strings.IndexByte(hexDigits, s[4]), strings.IndexByte(hexDigits, s[5])
	if hi < 0 || hi > 1 || lo < 0 {
		return 0, 0
	}
	c := byte(hi<<4 | lo)
	if strings.IndexByte("\b\f\n\r\t", c) >= 0 {
		return 0, 0
	}
	return c, 6
}

// ParseTime reads an instant in TimeFormat, within the range that events allow.
// It is by hand for the reason that AppendTime is.
func ParseTime(s string) (time.Time, error) {
	if len(s) != len(TimeFormat) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[29] != 'Z' {
		return time.Time{}, fmt.Errorf("%w: time %q", ErrNotCanonical, s)
	}
	year, month, day := digits(s[:4]), digits(s[5:7]), digits(s[8:10])
	hour, minute, second, nano := digits(s[11:13]), digits(s[14:16]), digits(s[17:19]), digits(s[20:29])
	t := time.Date(year, time.Month(month), day, hour, minute, second, nano, time.UTC)
	// Date takes the 31st of April for the 1st of May.
	if year|month|day|hour|minute|second|nano < 0 || hour > 23 || minute > 59 || second > 59 || t.Day() != day || int(t.Month()) != month {
		return time.Time{}, fmt.Errorf("%w: time %q", ErrNotCanonical, s)
	}
	if !InRange(t) {
		return time.Time{}, fmt.Errorf("%w: time %q is not within 1970 and 2199", ErrNotCanonical, s)
	}
	return t, nil
}

// digits returns the number that s is, or -1.
func digits(s string) (n int) {
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return -1
		}
		n = n*10 + int(d)
	}
	return n
}
