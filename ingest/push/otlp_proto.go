package push

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The fields of a request, a resource and a scope that hold the next.
const (
	fieldResource = protowire.Number(1)
	fieldScope    = protowire.Number(2)
	fieldRecord   = protowire.Number(2)
)

// errWrong is of a message that is not as OTLP has it.
var errWrong = errors.New("it is not as OTLP has it")

// protobuf cuts a request in protobuf. Numbers, ids and bytes are written as OTLP has
// them in JSON; the members are in the order of the protocol. What is around the log
// records is read by hand, and they are decoded one by one: one that cannot be is kept
// as it came and does not hide the others, and many empty ones take no memory.
func (l *logRecords) protobuf(body []byte) error {
	rest, err := walk(body, fieldResource, skip)
	if err != nil {
		return err
	}
	if _, err := walk(body, fieldResource, l.protoResource); err != nil {
		return err
	}
	if len(l.records) == 0 && len(rest) > 0 {
		return errors.New("it is no request with logs")
	}
	return nil
}

func (l *logRecords) protoResource(resource []byte) error {
	rest, outer, err := l.protoAround(resource, fieldScope, &logspb.ResourceLogs{})
	if errors.Is(err, errWrong) {
		return l.protoWrong(resource)
	}
	if err != nil {
		return err
	}
	_, err = walk(resource, fieldScope, func(scope []byte) error { return l.protoScope(rest, outer, scope) })
	return err
}

// protoScope cuts a scope. around is the resource without its scopes, and outer its
// members in JSON.
func (l *logRecords) protoScope(around, outer, scope []byte) error {
	rest, inner, err := l.protoAround(scope, fieldRecord, &logspb.ScopeLogs{})
	if errors.Is(err, errWrong) {
		return l.protoWrong(around, message(fieldScope, scope))
	}
	if err != nil {
		return err
	}
	_, err = walk(scope, fieldRecord, func(record []byte) error {
		text, err := l.protoRecord(record)
		if errors.Is(err, errWrong) {
			return l.protoWrong(around, message(fieldScope, rest, message(fieldRecord, record)))
		}
		if err != nil {
			return err
		}
		return l.add([]byte(beforeResource), outer, []byte(beforeScope), inner, []byte(beforeRecord), text, []byte(afterRecord))
	})
	return err
}

// protoWrong adds what is wrong as it came: a request with nothing else in it, which
// any reader of OTLP can look into.
func (l *logRecords) protoWrong(resource ...[]byte) error {
	raw, n := message(fieldResource, resource...), int64(0)
	_, err := walk(raw, fieldResource, func(resource []byte) error {
		_, err := walk(resource, fieldScope, func(scope []byte) error {
			_, err := walk(scope, fieldRecord, func([]byte) error { n++; return nil })
			return err
		})
		return err
	})
	if err != nil {
		n = 1 // nobody can tell how many there are
	}
	l.wrong += max(n, 1)
	return l.add(raw)
}

// protoAround returns what is around the messages in a field: as it came, and as the
// members of m in JSON.
func (l *logRecords) protoAround(b []byte, field protowire.Number, m proto.Message) (rest, members []byte, err error) {
	if l.parts++; l.parts > 2*l.most { // more of them than log records can have
		return nil, nil, errTooMany
	}
	if rest, err = walk(b, field, skip); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errWrong, err)
	}
	if err := l.body.meter.step(int64(len(rest))); err != nil {
		return nil, nil, err
	}
	members, err = l.protoMembers(rest, m)
	return rest, members, err
}

// protoRecord writes a log record.
func (l *logRecords) protoRecord(b []byte) ([]byte, error) {
	members, err := l.protoMembers(b, &logspb.LogRecord{})
	if err != nil {
		return nil, err
	}
	text := append([]byte("{"), bytes.TrimSuffix(members, []byte(","))...)
	return append(text, '}'), nil
}

// protoMembers reads b into m and writes its members, each with a comma behind it.
func (l *logRecords) protoMembers(b []byte, m proto.Message) ([]byte, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) > smallMessage {
		n := count(b, 0)
		if n > maxFields {
			return nil, fmt.Errorf("%w: it has more than %d fields", errWrong, maxFields)
		}
		size := int64(n*fieldSize + len(b))
		if err := l.body.meter.take(size); err != nil {
			return nil, err
		}
		defer l.body.meter.give(size)
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("%w: %w", errWrong, err)
	}
	ids := ""
	if r, ok := m.(*logspb.LogRecord); ok {
		ids = protoID("traceId", r.TraceId) + protoID("spanId", r.SpanId)
		r.TraceId, r.SpanId = nil, nil
	}
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	v := jsontext.Value(text)
	if err == nil {
		err = v.Compact() // the library adds spaces at random
	}
	if err != nil { // it is too deep
		return nil, fmt.Errorf("%w: %w", errWrong, err)
	}
	if len(v) <= len("{}") {
		return []byte(ids), nil
	}
	v[len(v)-1] = ','
	return append([]byte(ids), v[1:]...), nil
}

// protoID writes an id. They are in hex in OTLP, not in base64 as in other JSON forms
// of protobuf.
func protoID(name string, id []byte) string {
	if len(id) == 0 {
		return ""
	}
	return `"` + name + `":"` + hex.EncodeToString(id) + `",`
}

// What a message may hold, with what is inside of it, and about what a field of it
// takes while it is decoded: an empty attribute is two bytes, and fifty times that then.
// Small messages are not looked into before.
const (
	maxFields    = 100_000
	fieldSize    = 128
	smallMessage = 4 << 10
)

// count returns how many fields a message has at most, with those inside of it: a text
// that could be a message counts as one. It ends where the decoder does.
func count(b []byte, depth int) (n int) {
	for len(b) > 0 && depth < protowire.DefaultRecursionLimit && n <= maxFields {
		_, kind, size := protowire.ConsumeField(b)
		if size < 0 {
			return n
		}
		n++
		if kind == protowire.BytesType {
			_, _, tag := protowire.ConsumeTag(b)
			inner, _ := protowire.ConsumeBytes(b[tag:])
			n += count(inner, depth+1)
		}
		b = b[size:]
	}
	return n
}

// walk calls each with every message in a field of b, and returns the other fields.
func walk(b []byte, field protowire.Number, each func([]byte) error) (rest []byte, err error) {
	for len(b) > 0 {
		number, kind, size := protowire.ConsumeField(b)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		if number != field || kind != protowire.BytesType {
			rest = append(rest, b[:size]...)
		} else {
			_, _, tag := protowire.ConsumeTag(b)
			inner, _ := protowire.ConsumeBytes(b[tag:])
			if err := each(inner); err != nil {
				return nil, err
			}
		}
		b = b[size:]
	}
	return rest, nil
}

func skip([]byte) error { return nil }

// message writes a message, made of parts, as a field.
func message(field protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), bytes.Join(parts, nil))
}
