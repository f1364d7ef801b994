package push

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"exhibit/ingest/source"

	"github.com/go-json-experiment/json/jsontext"
	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// logRecords cuts a request of OTLP into records. Each is the JSON form of a request
// that holds one log record: what is around it is written again with each.
type logRecords struct {
	most     int64 // bytes of all records
	received time.Time

	size    int64
	records []source.Record
	wrong   int64 // records that are no log records
}

// add adds a record made of parts.
func (l *logRecords) add(parts ...[]byte) error {
	raw := bytes.Join(parts, nil)
	if l.size += int64(len(raw)); l.size > l.most {
		return errTooLarge
	}
	l.records = append(l.records, source.Record{Raw: raw, Received: l.received})
	return nil
}

// What is around a log record, in the order of the protocol.
const (
	beforeResource = `{"resourceLogs":[{`
	beforeScope    = `"scopeLogs":[{`
	beforeRecord   = `"logRecords":[`
	afterRecord    = `]}]}]}`
)

// protobuf cuts a request in protobuf. Numbers, ids and bytes are written as OTLP has
// them in JSON; the members are in the order of the protocol.
func (l *logRecords) protobuf(body []byte) error {
	var request collector.ExportLogsServiceRequest
	if err := proto.Unmarshal(body, &request); err != nil {
		return err
	}
	for _, resource := range request.ResourceLogs {
		scopes := resource.ScopeLogs
		resource.ScopeLogs = nil
		outer, err := protoMembers(resource)
		if err != nil {
			return err
		}
		for _, scope := range scopes {
			list := scope.LogRecords
			scope.LogRecords = nil
			inner, err := protoMembers(scope)
			if err != nil {
				return err
			}
			for _, record := range list {
				text, err := protoRecord(record)
				if err == nil {
					err = l.add([]byte(beforeResource), outer, []byte(beforeScope), inner, []byte(beforeRecord), text, []byte(afterRecord))
				}
				if err != nil {
					return err
				}
			}
		}
	}
	if len(l.records) == 0 && len(request.ProtoReflect().GetUnknown()) > 0 {
		return errors.New("it is no request with logs")
	}
	return nil
}

// protoJSON writes a message on one line, always in the same way.
func protoJSON(m proto.Message) (jsontext.Value, error) {
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	v := jsontext.Value(text)
	if err == nil {
		err = v.Compact() // the library adds spaces at random
	}
	return v, err
}

// protoMembers writes the members of a message, each with a comma behind it.
func protoMembers(m proto.Message) ([]byte, error) {
	v, err := protoJSON(m)
	if err != nil || len(v) <= len("{}") {
		return nil, err
	}
	v[len(v)-1] = ','
	return v[1:], nil
}

// protoRecord writes a log record. The ids are in hex in OTLP, not in base64 as in
// other JSON forms of protobuf.
func protoRecord(r *logspb.LogRecord) ([]byte, error) {
	ids := ""
	if len(r.TraceId) > 0 {
		ids = `"traceId":"` + hex.EncodeToString(r.TraceId) + `",`
	}
	if len(r.SpanId) > 0 {
		ids += `"spanId":"` + hex.EncodeToString(r.SpanId) + `",`
	}
	r.TraceId, r.SpanId = nil, nil
	members, err := protoMembers(r)
	if err != nil {
		return nil, err
	}
	text := append([]byte("{"+ids), members...)
	if last := len(text) - 1; text[last] == ',' {
		text = text[:last]
	}
	return append(text, '}'), nil
}

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
	strange := ""
	for dec.PeekKind() == '"' {
		name, err := readValue(dec, object)
		if err != nil {
			return p, err
		}
		value, err := readValue(dec, object)
		if err != nil {
			return p, err
		}
		switch key := string(bytes.Trim(name, `"`)); {
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

// newDecoder reads JSON in place. Bytes that are not UTF-8 do not spoil a request.
func newDecoder(b []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(b), jsontext.AllowInvalidUTF8(true))
}

// readValue returns the next value as it stands in b, which dec reads.
func readValue(dec *jsontext.Decoder, b []byte) ([]byte, error) {
	v, err := dec.ReadValue()
	end := dec.InputOffset()
	return b[end-int64(len(v)) : end : end], err
}
