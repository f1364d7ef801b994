package source

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// fields reads the members of one JSON object in one pass, as texts that share
// memory with the record. The first mistake in the JSON sticks in err; after it
// nothing is read any more.
//
// A member that is absent, null or of another shape than asked for reads as the
// empty text: vendors change shapes, and a record must not be lost for that.
type fields struct {
	raw string // the record
	dec jsontext.Decoder
	buf bytes.Buffer
	err error

	inner *fields // for what is read with inside, kept for reuse
}

// readers keeps decoders for reuse: they are the larger part of what reading a
// record allocates. The zero value is ready.
type readers struct{ pool sync.Pool }

// object calls member for each member of the JSON object in raw; member must take
// the value with one call of text, value or object. It returns raw as a string,
// and whether it holds bytes or escapes that are not Unicode.
//
// Such bytes do not spoil a record: one bad byte must not hide a sign-in. A name
// that comes twice does: two readers could see two different events.
//
// A text that is not Unicode is read a second time, from its beginning: member must
// not add to what an earlier call left.
func (p *readers) object(raw []byte, member func(f *fields, name string)) (text string, mangled bool, err error) {
	f, ok := p.pool.Get().(*fields)
	if !ok {
		f = new(fields)
	}
	defer func() {
		f.raw = ""
		p.pool.Put(f)
	}()
	text = string(raw)
	if strings.HasPrefix(text, "{'") {
		return text, false, &RejectError{ReasonNotJSON, "names are in single quotes, as Python prints a dictionary; write it with json.dumps"}
	}
	if err = f.read(raw, text, member, nil); err == nil || errors.Is(err, jsontext.ErrDuplicateName) {
		return text, false, reject(err)
	}
	err = f.read(raw, text, member, jsontext.AllowInvalidUTF8(true))
	if err != nil && strings.IndexByte(text, '{') < 0 && strings.Count(text, ",") > 1 {
		return text, true, &RejectError{ReasonNotJSON, "it looks like a line of a table (CSV); take the vendor's JSON download instead, or its API"}
	}
	return text, true, reject(err)
}

func (f *fields) read(raw []byte, text string, member func(f *fields, name string), opt jsontext.Options) error {
	f.buf = *bytes.NewBuffer(raw) // the decoder reads from a bytes.Buffer in place
	f.raw, f.err = text, nil
	if opt == nil {
		f.dec.Reset(&f.buf)
	} else {
		f.dec.Reset(&f.buf, opt)
	}
	isObject := f.kind() == '{'
	if isObject {
		f.object(member)
	} else {
		f.value()
	}
	if f.err != nil {
		return f.err
	}
	if _, err := f.dec.ReadToken(); err != io.EOF {
		return errors.New("more follows the object")
	}
	if !isObject {
		return errNotObject
	}
	return nil
}

var errNotObject = errors.New("not an object")

// reject turns an error of fields into the reason of a reject.
func reject(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errNotObject):
		return &RejectError{Reason: ReasonNotObject}
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &RejectError{ReasonDuplicate, detail(err)}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &RejectError{ReasonNotJSON, "it ends too early"}
	}
	return &RejectError{ReasonNotJSON, detail(err)}
}

func detail(err error) string {
	return strings.TrimPrefix(strings.ToValidUTF8(err.Error(), "\uFFFD"), "jsontext: ")
}

// object reads the next value when it is an object, else passes over it.
func (f *fields) object(member func(f *fields, name string)) {
	if f.kind() != '{' {
		f.value()
		return
	}
	f.token()
	for f.err == nil && f.kind() != '}' {
		name := f.string(f.value())
		if f.err == nil {
			member(f, name)
		}
	}
	f.token()
}

// array calls element for each element of the next value when that is an array, else
// passes over it; element must take the value as member of object must.
func (f *fields) array(element func(f *fields)) {
	if f.kind() != '[' {
		f.value()
		return
	}
	f.token()
	for f.err == nil && f.kind() != ']' {
		element(f)
	}
	f.token()
}

// embedded reads an object that is written as such or as the text of a string,
// which some carriers make of what they carry. Other texts are passed over.
func (f *fields) embedded(member func(f *fields, name string)) {
	if f.kind() != '"' {
		f.object(member)
		return
	}
	if text := strings.TrimSpace(f.text()); strings.HasPrefix(text, "{") {
		f.inside(text, member)
	}
}

// embeddedArray is embedded for an array, which is put into an object to be read.
func (f *fields) embeddedArray(element func(f *fields)) {
	if f.kind() != '"' {
		f.array(element)
		return
	}
	if text := strings.TrimSpace(f.text()); strings.HasPrefix(text, "[") {
		f.inside(`{"":`+text+`}`, func(f *fields, _ string) { f.array(element) })
	}
}

// inside reads the object in a text that was taken out of the record.
func (f *fields) inside(text string, member func(f *fields, name string)) {
	if f.err != nil {
		return
	}
	if f.inner == nil {
		f.inner = new(fields)
	}
	inner := f.inner
	defer func() { inner.raw = "" }()
	if f.err = inner.read([]byte(text), text, member, nil); f.err != nil && !errors.Is(f.err, jsontext.ErrDuplicateName) {
		f.err = inner.read([]byte(text), text, member, jsontext.AllowInvalidUTF8(true))
	}
}

// taken returns the next value as it is written, when read has taken it.
func (f *fields) taken(read func()) string {
	from := f.dec.InputOffset()
	read()
	if f.err != nil {
		return ""
	}
	return strings.TrimLeft(f.raw[from:f.dec.InputOffset()], ": \t\r\n")
}

func (f *fields) token() {
	if f.err == nil {
		_, f.err = f.dec.ReadToken()
	}
}

// value returns the next value as it is written.
func (f *fields) value() string {
	if f.err != nil {
		return ""
	}
	var v jsontext.Value
	if v, f.err = f.dec.ReadValue(); f.err != nil {
		return ""
	}
	end := f.dec.InputOffset()
	return f.raw[end-int64(len(v)) : end]
}

// string returns the text of the next value: a string, or a number or truth value
// as it is written.
func (f *fields) string(v string) string {
	if v == "" {
		return ""
	}
	switch v[0] {
	case '"':
		return unquote(v)
	case '{', '[', 'n':
		return ""
	}
	return v
}

// kind returns the first character of the next value, or 0.
func (f *fields) kind() jsontext.Kind {
	if f.err != nil {
		return 0
	}
	return f.dec.PeekKind()
}

// text reads the next value as text.
func (f *fields) text() string { return f.string(f.value()) }

// unquote returns the text of a JSON string, without a copy where it has no escapes.
func unquote(v string) string {
	if strings.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	// It was read before, so the only possible error is a lone surrogate, which
	// comes out as U+FFFD.
	b, _ := jsontext.AppendUnquote(nil, v)
	return string(b)
}

// smallLetters returns the name of a member in small letters, without dots and
// underscores: tables spell names in ways of their own.
func smallLetters(name string) string {
	var b [64]byte
	small := b[:0]
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.', c == '_':
		case 'A' <= c && c <= 'Z':
			small = append(small, c+'a'-'A')
		default:
			small = append(small, c)
		}
	}
	return string(small)
}
