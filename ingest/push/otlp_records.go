package push

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// logRecords cuts a request of OTLP into records. Each is the JSON form of a request
// that holds one log record: what is around it is written again with each.
type logRecords struct {
	*batch
	room  int64 // for the bytes of records
	parts int   // resources and scopes
	wrong int64 // records that are no log records
}

// add adds a record made of parts.
func (l *logRecords) add(parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if l.room -= int64(size); l.room < 0 {
		return errTooLarge
	}
	if err := l.body.meter.step(int64(size)); err != nil {
		return err
	}
	return l.batch.add(bytes.Join(parts, nil))
}

// What is around a log record, in the order of the protocol.
const (
	beforeResource = `{"resourceLogs":[{`
	beforeScope    = `"scopeLogs":[{`
	beforeRecord   = `"logRecords":[`
	afterRecord    = `]}]}]}`
)

// json cuts a request in JSON. Everything is left as it came, names that the protocol
// does not have included.
func (l *logRecords) json(body []byte) error {
	request, err := part(body, "resourceLogs")
	if err != nil {
		return err
	}
	return elements(request.list, func(resource []byte) error {
		outer, err := part(resource, "scopeLogs", "resource", "schemaUrl")
		if err != nil {
			return err
		}
		return elements(outer.list, func(scope []byte) error {
			inner, err := part(scope, "logRecords", "scope", "schemaUrl")
			if err != nil {
				return err
			}
			return elements(inner.list, func(record []byte) error {
				if record[0] != '{' {
					l.wrong++
				}
				return l.add([]byte(beforeResource), outer.rest, []byte(beforeScope), inner.rest, []byte(beforeRecord), record, []byte(afterRecord))
			})
		})
	})
}

// A parted is an object: the list that it is there for, and its other members, each
// with a comma behind it.
type parted struct{ list, rest []byte }

// part parts an object. One without the list must have nothing but what may be beside
// it: the list of another protocol must not be taken for nothing.
func part(object []byte, list string, beside ...string) (p parted, err error) {
	dec := newDecoder(object)
	if dec.PeekKind() != '{' {
		return p, fmt.Errorf("there is no object with %s", list)
	}
	if _, err := dec.ReadToken(); err != nil {
		return p, err
	}
	strange, found := "", false
	for dec.PeekKind() == '"' {
		name, err := readValue(dec, object)
		if err != nil {
			return p, err
		}
		value, err := readValue(dec, object)
		if err != nil {
			return p, err
		}
		key := string(bytes.Trim(name, `"`))
		if key == list && found { // which of them counts is not ours to say
			return p, fmt.Errorf("%s is there twice", list)
		}
		found = found || key == list
		switch {
		case key == list && value[0] == '[':
			p.list = value
		case key == list && value[0] == 'n':
		case key == list:
			return p, fmt.Errorf("%s is no list", list)
		default:
			p.rest = append(append(append(append(p.rest, name...), ':'), value...), ',')
			if !slices.Contains(beside, key) {
				strange = key
			}
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return p, err
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return p, errors.New("more follows the object")
	}
	if p.list == nil && strange != "" {
		return p, fmt.Errorf("there is no %s beside %q", list, strange)
	}
	return p, nil
}

// elements calls each with every element of a list; no list has none.
func elements(list []byte, each func(element []byte) error) error {
	if list == nil {
		return nil
	}
	dec := newDecoder(list)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		v, err := readValue(dec, list)
		if err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return nil
}

// newDecoder reads JSON in place. Bytes that are not UTF-8, or a name that is there
// twice, do not spoil a request: they are the matter of the log record that has them.
func newDecoder(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// readValue returns the next value as it stands in b, which dec reads.
func readValue(dec *jsontext.Decoder, b []byte) ([]byte, error) {
	v, err := dec.ReadValue()
	end := dec.InputOffset()
	return b[end-int64(len(v)) : end : end], err
}
