package source

import (
	"fmt"
	"strconv"
	"strings"
)

// A pathTree finds values in a record by their paths, in one pass. A path is names
// joined with dots, each followed by [n] for an element of an array, or [*] for
// the first that has the value: actor.id, targets[0].name. Names are compared without
// case, _ and -: user_id is userId. A name in a record may hold the dots itself, and
// an object may be written as the text of a string.
type pathTree struct {
	slots    []slot
	members  map[string]*pathTree // by name, plain
	elements map[int]*pathTree    // by index; anyElement
}

// A slot is where a value goes.
type slot struct {
	at   int
	json bool // the value as it is written, not its text
}

const anyElement = -1

// maxPaths bounds the paths of one tree: their values are on the stack.
const maxPaths = 256

// values are what was found, by slot.
type values [maxPaths]string

// add adds a path. The same path may be added several times.
func (p *pathTree) add(path string, s slot) error {
	at := p
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "$."), ".") {
		name, indexes, indexed := strings.Cut(step, "[")
		if name != "" {
			var b [maxName]byte
			at = child(&at.members, string(plain(&b, name)))
		} else if !indexed || at != p {
			return fmt.Errorf("path %q: a name is missing", path)
		}
		for indexed {
			var index string
			var closed bool
			if index, indexes, closed = strings.Cut(indexes, "]"); !closed {
				return fmt.Errorf("path %q: a bracket is not closed", path)
			}
			n, err := strconv.Atoi(index)
			if index == "*" {
				n, err = anyElement, nil
			}
			if err != nil || n < anyElement || n == anyElement && index != "*" {
				return fmt.Errorf("path %q: between brackets must be a number from 0 or *", path)
			}
			at = child(&at.elements, n)
			if indexes, indexed = strings.CutPrefix(indexes, "["); !indexed && indexes != "" {
				return fmt.Errorf("path %q: a dot is missing after a bracket", path)
			}
		}
	}
	at.slots = append(at.slots, s)
	return nil
}

// spread makes what is read of any element be read of those with paths of their
// own, too. It is called once, when all paths are added.
func (p *pathTree) spread() {
	for index, next := range p.elements {
		if every := p.elements[anyElement]; index != anyElement && every != nil {
			next.take(every)
		}
	}
	for _, next := range p.members {
		next.spread()
	}
	for _, next := range p.elements {
		next.spread()
	}
}

// take adds the paths of another tree.
func (p *pathTree) take(other *pathTree) {
	p.slots = append(p.slots, other.slots...)
	for name, next := range other.members {
		child(&p.members, name).take(next)
	}
	for index, next := range other.elements {
		child(&p.elements, index).take(next)
	}
}

func child[K comparable](m *map[K]*pathTree, key K) *pathTree {
	if *m == nil {
		*m = map[K]*pathTree{}
	}
	next := (*m)[key]
	if next == nil {
		next = &pathTree{}
		(*m)[key] = next
	}
	return next
}

// member reads a member of an object, as fields.object hands it over.
func (p *pathTree) member(f *fields, name string, out *values) {
	next := p.named(name)
	if next == nil {
		f.value()
		return
	}
	next.read(f, out)
}

// named returns what is under a name, which may hold dots.
func (p *pathTree) named(name string) *pathTree {
	var b [maxName]byte
	if next := p.members[string(plain(&b, name))]; next != nil || strings.IndexByte(name, '.') < 0 {
		return next
	}
	for step := range strings.SplitSeq(name, ".") {
		if p = p.members[string(plain(&b, step))]; p == nil {
			return nil
		}
	}
	return p
}

// maxName is the longest name that a path can have.
const maxName = 64

// plain writes a name in small letters without _ and -.
func plain(b *[maxName]byte, name string) []byte {
	out := b[:0]
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_' || c == '-':
			continue
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if len(out) == maxName {
			return nil
		}
		out = append(out, c)
	}
	return out
}

// read reads the next value.
func (p *pathTree) read(f *fields, out *values) {
	deeper := func(f *fields, name string) { p.member(f, name, out) }
	switch kind := f.kind(); {
	case kind == '{' && p.members != nil && !p.wantsJSON():
		f.object(deeper)
	case kind == '[' && p.elements != nil && !p.wantsJSON():
		p.array(f, out)
	default:
		v := f.value()
		text := f.string(v)
		for _, s := range p.slots {
			if out[s.at] != "" {
				continue
			}
			if out[s.at] = text; s.json && kind != 'n' {
				out[s.at] = v
			}
		}
		switch {
		case p.members != nil && kind == '{':
			f.inside(v, deeper)
		case p.members != nil && kind == '"' && strings.HasPrefix(strings.TrimSpace(text), "{"):
			f.inside(text, deeper)
		case p.elements != nil && kind == '[':
			f.inside(`{"":`+v+`}`, func(f *fields, _ string) { p.array(f, out) })
		}
	}
}

func (p *pathTree) array(f *fields, out *values) {
	index := 0
	f.array(func(f *fields) {
		next := p.elements[index]
		if next == nil {
			next = p.elements[anyElement]
		}
		if index++; next == nil {
			f.value()
			return
		}
		next.read(f, out)
	})
}

func (p *pathTree) wantsJSON() bool {
	for _, s := range p.slots {
		if s.json {
			return true
		}
	}
	return false
}

// A template is a value made of texts and paths: "{type}.{action}". It has a value
// when every path in it has one. A path alone needs no braces.
type template []templatePart

type templatePart struct {
	text string
	slot int // or noSlot
}

const noSlot = -1

// parseTemplate reads a template; slot says where the value of a path goes.
func parseTemplate(text string, slot func(path string) (int, error)) (template, error) {
	if !strings.ContainsAny(text, "{}") {
		at, err := slot(text)
		return template{{slot: at}}, err
	}
	var t template
	for rest := text; rest != ""; {
		before, after, open := strings.Cut(rest, "{")
		if strings.Contains(before, "}") {
			return nil, fmt.Errorf("%q: a brace is closed that was not opened", text)
		}
		if before != "" {
			t = append(t, templatePart{before, noSlot})
		}
		if !open {
			break
		}
		path, next, closed := strings.Cut(after, "}")
		if !closed {
			return nil, fmt.Errorf("%q: a brace is not closed", text)
		}
		at, err := slot(path)
		if err != nil {
			return nil, err
		}
		t = append(t, templatePart{slot: at})
		rest = next
	}
	return t, nil
}

func (t template) value(v *values) string {
	if len(t) == 1 && t[0].slot != noSlot {
		return v[t[0].slot]
	}
	var b strings.Builder
	for _, part := range t {
		if part.slot == noSlot {
			b.WriteString(part.text)
		} else if v[part.slot] == "" {
			return ""
		} else {
			b.WriteString(v[part.slot])
		}
	}
	return b.String()
}
