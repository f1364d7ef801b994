package source

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
)

const (
	chunk   = 1 << 20 // what is read at a time, of a file that is not small
	keepBad = 1 << 20 // what is kept of a piece beyond the limit
)

// A tape reads a stream once, from left to right. Pieces taken from it stay valid:
// it fills one chunk after the other and never writes to a chunk again, unless it is
// told to reuse them.
type tape struct {
	r     io.Reader
	limit int   // pieces beyond it are not kept whole
	reuse bool  // pieces are valid until the next one is taken
	err   error // of r, io.EOF included; buf still holds what came before it

	buf   []byte
	start int   // where the current piece begins in buf
	pos   int   // the next byte to look at
	base  int64 // where buf begins in the stream
	lines int   // line ends before pos, as far as space and take saw them

	at  int64 // where the current piece begins in the stream
	big *big  // the current piece is beyond the limit
}

// A big is the part of a piece beyond the limit that is no longer in buf.
type big struct {
	head []byte
	hash hash.Hash
	size int64
}

// offset returns where pos is in the stream.
func (t *tape) offset() int64 { return t.base + int64(t.pos) }

// begin lets a piece begin here.
func (t *tape) begin() { t.start, t.at, t.big = t.pos, t.offset(), nil }

// peek returns the next bytes, n of them if there are as many.
func (t *tape) peek(n int) []byte {
	t.start = t.pos
	for len(t.buf)-t.pos < n && t.fill() {
	}
	return t.buf[t.pos:min(len(t.buf), t.pos+n)]
}

// fill reads more; everything from start on stays in buf. It reports whether
// there is more.
func (t *tape) fill() bool {
	if t.err != nil {
		return false
	}
	if t.pos-t.start > t.limit {
		t.spill()
	}
	if len(t.buf) == cap(t.buf) {
		pending := t.buf[t.start:]
		next := min(chunk, max(chunk/16, 4*cap(t.buf)))
		t.buf = append(make([]byte, 0, max(next, 2*len(pending))), pending...)
		t.base += int64(t.start)
		t.pos, t.start = t.pos-t.start, 0
	}
	for range 100 {
		n, err := t.r.Read(t.buf[len(t.buf):cap(t.buf)])
		t.buf, t.err = t.buf[:len(t.buf)+n], err
		if n > 0 {
			return true
		}
		if err != nil {
			return false
		}
	}
	t.err = io.ErrNoProgress
	return false
}

// spill moves the current piece, up to pos, out of buf into its hash.
func (t *tape) spill() {
	part := t.buf[t.start:t.pos]
	if t.big == nil {
		t.big = &big{head: bytes.Clone(part[:min(len(part), keepBad)]), hash: sha256.New()}
	}
	t.big.hash.Write(part)
	t.big.size += int64(len(part))
	t.start = t.pos
}

// take ends the current piece at pos. A piece beyond the limit is bad in any case.
func (t *tape) take(bad string) Piece {
	if t.big != nil || t.pos-t.start > t.limit {
		t.spill()
		p := Piece{Raw: t.big.head, Offset: t.at, Bad: ReasonTooLarge, Size: t.big.size}
		if bad == ReasonNotJSON {
			p.Bad = bad // the rest of a broken file is not one large record
		}
		t.big.hash.Sum(p.SHA256[:0])
		t.big = nil
		return p
	}
	raw := bytes.TrimRight(t.buf[t.start:t.pos:t.pos], " \t\r\n")
	t.start = t.pos
	p := Piece{Raw: raw, Offset: t.at, Bad: bad}
	if bad != "" {
		p.Size, p.SHA256 = int64(len(raw)), sha256.Sum256(raw)
	}
	return p
}

// space passes over white space and reports whether something follows.
func (t *tape) space() bool {
	for {
		for ; t.pos < len(t.buf); t.pos++ {
			switch t.buf[t.pos] {
			case '\n':
				t.lines++
			case ' ', '\t', '\r':
			default:
				return true
			}
		}
		t.start = t.pos
		if !t.fill() {
			return false
		}
	}
}

// skim passes over one value by its brackets and quotes, without a look at
// anything else. It reports whether the value ends before the stream does; a
// number or word may end with it.
func (t *tape) skim() bool {
	depth, quoted := 0, false
	for {
		buf := t.buf
		for i := t.pos; i < len(buf); i++ {
			if quoted {
				// A text is the larger part of most records: stay in here until it ends.
				for i < len(buf) && buf[i] != '"' && buf[i] != '\\' {
					i++
				}
				if i == len(buf) {
					break
				}
				if buf[i] == '\\' {
					if i+1 == len(buf) {
						t.pos = i
						goto more
					}
					i++
					continue
				}
				quoted = false
				if depth == 0 {
					t.pos = i + 1
					return true
				}
				continue
			}
			switch buf[i] {
			case '"':
				quoted = true
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth <= 0 {
					t.pos = i + 1 + min(depth, 0) // a bracket too many is not part of the value
					return true
				}
			case ',', ' ', '\t', '\r', '\n':
				if depth == 0 {
					t.pos = i
					return true
				}
			}
		}
		t.pos = len(buf)
	more:
		if !t.fill() {
			return depth == 0 && !quoted && t.err == io.EOF
		}
	}
}
