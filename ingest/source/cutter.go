package source

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A cutter finds where records begin and end. Its methods return false when there
// is no more to do: the caller wants no more, the file ended, or broken was called.
type cutter struct {
	tape
	wraps   []string
	yield   func(Piece, error) bool
	stopped bool  // yield returned false
	wrong   error // what is wrong with the file
	number  int   // the line of the current piece; 0 when the file is not lines
}

// window is how far cut looks ahead to see what sort of file it has.
const window = 64 << 10

func (c *cutter) cut() error {
	head := c.peek(3)
	if bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		return fmt.Errorf("source: the file is UTF-16; convert it to UTF-8 (iconv -f utf-16 -t utf-8)")
	}
	if bytes.HasPrefix(head, []byte("\xef\xbb\xbf")) {
		c.pos += 3
	}
	switch {
	case !c.space():
	case c.isLines():
		for c.line() {
		}
	default:
		for c.value() {
		}
	}
	return c.wrong
}

// isLines reports whether the file is records line by line. It is, unless it
// begins as an array, a page, an object over several lines, or several on one.
func (c *cutter) isLines() bool {
	w := c.peek(window)
	if w[0] == '[' {
		next := bytes.TrimLeft(w[1:], " \t\r\n")
		return len(next) > 0 && bytes.IndexByte([]byte(`{[]"`), next[0]) < 0
	}
	if w[0] != '{' {
		return true
	}
	if c.isPage() {
		return false
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(w), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	switch v, err := dec.ReadValue(); {
	case err == nil:
		rest, _, _ := bytes.Cut(w[len(v):], []byte("\n"))
		return bytes.IndexByte(v, '\n') < 0 && len(bytes.TrimSpace(rest)) == 0
	case err == io.ErrUnexpectedEOF:
		// Right so far and longer than the window: lines, if this is still the first.
		return bytes.IndexByte(w, '\n') < 0
	}
	return true
}

// isPage reports whether the object that comes next holds its records under one
// of the keys in wraps.
func (c *cutter) isPage() bool {
	dec := jsontext.NewDecoder(bytes.NewBuffer(c.peek(window)), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
	return holds(dec, c.wraps)
}

// holds reports whether the next object of dec has an array under one of the keys, and
// no member that only a record has. When it has no array, the object was read to its end.
func holds(dec *jsontext.Decoder, wraps []string) (found bool) {
	if _, err := dec.ReadToken(); err != nil {
		return false
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return found
		}
		key := name.String()
		if slices.Contains(wraps, notPage+key) {
			return false
		}
		if inner := under(wraps, key); inner != nil && dec.PeekKind() == '{' {
			if holds(dec, inner) {
				return true
			}
			continue
		}
		found = found || slices.Contains(wraps, key) && dec.PeekKind() == '['
		if dec.SkipValue() != nil {
			return found // it is longer than the window
		}
	}
	if dec.PeekKind() == '}' {
		_, _ = dec.ReadToken() // the end, which was seen
	}
	return found
}

// notPage is before the names in Kind.Wraps that only records have: what such an object
// lists is a part of it. What is around the records of a page is not kept.
const notPage = "!"

// under returns what wraps says about the object under the key: of "data.events",
// that is "events" under "data".
func under(wraps []string, key string) []string {
	var inner []string
	for _, w := range wraps {
		if rest, ok := strings.CutPrefix(w, key+"."); ok {
			inner = append(inner, rest)
		}
	}
	return inner
}

// line takes the next line that is not empty.
func (c *cutter) line() bool {
	if !c.space() {
		return false
	}
	c.begin()
	c.number = c.lines + 1
	for {
		if i := bytes.IndexByte(c.buf[c.pos:], '\n'); i >= 0 {
			c.pos += i
			return c.emit()
		}
		c.pos = len(c.buf)
		if !c.fill() {
			break
		}
	}
	if c.err != io.EOF {
		return c.emitBad(ReasonCutShort)
	}
	return c.emit()
}

// value takes the next value of a file that is not lines.
func (c *cutter) value() bool {
	if !c.space() {
		return false
	}
	switch c.buf[c.pos] {
	case ',': // a list without its brackets
		c.pos++
		return true
	case '[':
		return c.array()
	case '{':
		if c.isPage() {
			return c.page(c.wraps)
		}
	}
	return c.record()
}

// array takes the records of an array.
func (c *cutter) array() bool {
	c.pos++
	for c.next() {
		if c.buf[c.pos] == ']' {
			c.pos++
			return true
		}
		if !c.record() || !c.next() {
			return false
		}
		switch c.buf[c.pos] {
		case ',':
			c.pos++
		case ']':
		default:
			return c.broken("neither a comma nor the end of the array")
		}
	}
	return false
}

// page takes the records of an object that is a page, and passes over the rest of it.
func (c *cutter) page(wraps []string) bool {
	c.pos++
	for c.next() {
		if c.buf[c.pos] == '}' {
			c.pos++
			return true
		}
		if c.buf[c.pos] != '"' {
			return c.broken("no key where one should be")
		}
		c.begin()
		if !c.skim() {
			return c.cutShort()
		}
		key, err := jsontext.AppendUnquote(nil, c.buf[c.start:c.pos])
		if err != nil || !c.next() {
			return c.broken("a key that is no JSON")
		}
		if c.buf[c.pos] != ':' {
			return c.broken("no colon after a key")
		}
		c.pos++
		if !c.next() {
			return false
		}
		switch inner := under(wraps, string(key)); {
		case slices.Contains(wraps, string(key)) && c.buf[c.pos] == '[':
			if !c.array() {
				return false
			}
		case inner != nil && c.buf[c.pos] == '{':
			if !c.page(inner) {
				return false
			}
		default:
			if c.begin(); !c.skim() {
				return c.cutShort()
			}
		}
		if !c.next() {
			return false
		}
		switch c.buf[c.pos] {
		case ',':
			c.pos++
		case '}':
		default:
			return c.broken("neither a comma nor the end of the page")
		}
	}
	return false
}

// next passes over white space inside an array or page, where the file may not end.
func (c *cutter) next() bool {
	if c.space() {
		return true
	}
	return c.cutShort()
}

// record takes one value.
func (c *cutter) record() bool {
	c.begin()
	from := c.offset()
	if !c.skim() {
		return c.cutShort()
	}
	if c.offset() == from {
		return c.broken("no record where one should be")
	}
	return c.emit()
}

// cutShort ends a file that is not whole.
func (c *cutter) cutShort() bool {
	if c.err == io.EOF {
		c.wrong = fmt.Errorf("source: the file is cut short: it ends at byte %d in the middle of a record or list", c.offset())
	}
	return c.emitBad(ReasonCutShort) && false
}

// broken ends a file whose rest cannot be told apart.
func (c *cutter) broken(what string) bool {
	c.wrong = fmt.Errorf("source: the file is broken at byte %d: %s; what follows is kept as one bad record", c.offset(), what)
	c.begin()
	for c.pos = len(c.buf); c.fill(); c.pos = len(c.buf) {
	}
	return c.emitBad(ReasonNotJSON) && false
}

func (c *cutter) emit() bool {
	p := c.take("")
	p.Line = c.number
	c.stopped = !c.yield(p, nil)
	return !c.stopped
}

func (c *cutter) emitBad(reason string) bool {
	if p := c.take(reason); p.Size > 0 {
		p.Line = c.number
		c.stopped = !c.yield(p, nil)
	}
	return !c.stopped
}
