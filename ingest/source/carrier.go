package source

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// inCarriers lets a kind read its records inside of what carriers put around them:
// Splunk's HTTP Event Collector, OpenTelemetry, Amazon EventBridge, Datadog's intake,
// and collectors that write what they read as a text. The record stays what came; the
// carrier's time stands in where the vendor's record has none.
//
// What is around a record is found by its form alone: stored records are normalised
// again, and nothing but their bytes is stored of how they came.
func inCarriers(k Kind) Kind {
	c := &carrier{normalize: k.Normalize, wraps: k.Wraps}
	k.Normalize = func(r Record) ([]Result, error) { return c.read(r, 0) }
	return k
}

type carrier struct {
	normalize normalizer
	wraps     []string
	readers   readers
}

// maxCarriers is how many carriers may be around each other.
const maxCarriers = 3

func (c *carrier) read(r Record, depth int) ([]Result, error) {
	if depth == maxCarriers || len(r.Raw) > MaxRecord {
		return c.normalize(r)
	}
	if bytes.HasPrefix(r.Raw, []byte(`{"resourceLogs":`)) {
		return c.logs(r, depth)
	}
	if text := quotedRecord(r.Raw); text != "" {
		return c.inside(r, text, "", depth)
	}
	// Syslog and the logs of containers begin a line with words of their own.
	if i := bytes.IndexByte(r.Raw, '{'); i > 0 && r.Raw[0] != '[' {
		if out, err := c.inside(r, string(r.Raw[i:]), "", depth); err == nil || Reason(err) != ReasonNotJSON {
			return out, err
		}
	}
	// Before the kind sees it: a kind that knows no envelope could take what Splunk says
	// for what happened.
	if bytes.Contains(r.Raw, []byte(`"event"`)) {
		if e := c.envelope(r.Raw); e.splunk() {
			if out, err := c.inside(r, e.event, e.time, depth); err == nil || errors.Is(err, ErrSkip) {
				return out, err
			}
		}
	}
	if r.Transport.IsZero() && bytes.Contains(r.Raw, []byte(`"detail-type"`)) {
		if e := c.envelope(r.Raw); e.detail != "" {
			r.Transport = carriedAt(e.time, r.Transport) // not every kind knows EventBridge
		}
	}
	out, err := c.normalize(r)
	// Some kinds read carriers of their own, and take what is in one for one record.
	if err == nil || errors.Is(err, ErrSkip) || Reason(err) != ReasonNoType && Reason(err) != ReasonNotJSON {
		return out, err
	}
	e := c.envelope(r.Raw)
	if e.objects != 1 {
		e.lone = ""
	}
	for _, text := range append(append([]string{e.detail, e.message, e.log, e.event}, e.exported...), e.lone) {
		if text == "" {
			continue
		}
		if out, inner := c.inside(r, text, e.time, depth); inner == nil || errors.Is(inner, ErrSkip) {
			if len(out) == 1 && out[0].Event.ID == "" && text == e.detail {
				out[0].Event.ID = strings.ToValidUTF8(e.id, "\uFFFD")
			}
			return out, inner
		}
	}
	return out, err
}

// inside reads a record in a carrier, or several. Their events keep the whole of what
// came.
func (c *carrier) inside(r Record, text, carrierTime string, depth int) ([]Result, error) {
	inner := Record{Raw: []byte(text), Received: r.Received, Transport: carriedAt(carrierTime, r.Transport)}
	out, err := c.read(inner, depth+1)
	if err != nil && !errors.Is(err, ErrSkip) {
		if more, ok := c.several(inner, depth+1); ok {
			out, err = more, nil
		}
	}
	if len(out) == 0 {
		return out, err
	}
	raw := string(r.Raw)
	for i := range out {
		out[i].Event.Raw = raw
	}
	return out, err
}

// several reads a text that is not one record but a list, a page, or records one
// after the other. It reports false when it is not, or when one of them is no event.
func (c *carrier) several(r Record, depth int) ([]Result, bool) {
	var out []Result
	pieces := 0
	for p, err := range Cut(r.Raw, RecordsOptions{Wraps: c.wraps}) {
		pieces++
		if err != nil || p.Bad != "" || pieces > maxHook || len(p.Raw) == len(r.Raw) {
			return nil, false
		}
		events, err := c.read(Record{Raw: p.Raw, Received: r.Received, Transport: r.Transport}, depth)
		if err != nil && !errors.Is(err, ErrSkip) {
			return nil, false
		}
		out = append(out, events...)
	}
	return out, len(out) > 0
}

// quotedRecord returns the record that was written as a text, which some stores do.
func quotedRecord(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' {
		return ""
	}
	b, err := jsontext.AppendUnquote(nil, raw)
	if b = bytes.TrimSpace(b); err != nil || !bytes.HasPrefix(b, []byte("{")) {
		return ""
	}
	return string(b)
}

// An envelope is what a carrier puts around a record: the objects that may be one, as
// JSON, and what the carrier says of its own.
type envelope struct {
	event, detail, message, log string
	exported                    []string // from Splunk, Elasticsearch, queues and other stores of logs
	lone                        string   // an object under a name that is none of these
	objects                     int      // how many of these there are
	id, time                    string
	strange                     bool // has what Splunk's envelope has not
}

// splunk reports whether it is an event as Splunk's collector takes them, with an
// object in it.
func (e *envelope) splunk() bool { return e.event != "" && !e.strange }

func (c *carrier) envelope(raw []byte) (e envelope) {
	if _, _, err := c.readers.object(raw, e.member); err != nil {
		return envelope{}
	}
	return e
}

func (e *envelope) member(f *fields, name string) {
	switch kind := f.kind(); {
	case name == "event":
		e.event = objectText(f)
		return
	case name == "time":
		e.time = f.text()
		return
	case slices.Contains([]string{"host", "source", "sourcetype", "index"}, name) && kind == '"',
		name == "fields" && kind == '{':
		f.value()
		return
	}
	e.strange = true
	switch name {
	case "detail":
		e.detail = objectText(f)
	case "message":
		e.message = objectText(f)
	case "log":
		e.log = objectText(f)
	case "_raw", "raw", "result", "_source", "original", "json", "jsonPayload", "textPayload",
		"body", "payload", "Message", "value", "data", "content", "attributes", "full_log", "short_message", "full_message",
		"service_log_event", "json_payload":
		if text := objectText(f); text != "" {
			e.exported = append(e.exported, text)
		}
	case "id":
		e.id = f.text()
	case "timestamp", "@timestamp", "date", "_time":
		e.time = f.text()
	default:
		if f.kind() == '{' {
			e.objects++
			e.lone = f.value()
			return
		}
		f.value()
	}
}

// objectText returns the next value when it is an object or a list, or the text of one,
// which queues write in base64.
func objectText(f *fields) string {
	v := f.value()
	if strings.HasPrefix(v, `"`) {
		v = strings.TrimSpace(f.string(v))
	}
	if strings.HasPrefix(v, "eyJ") || strings.HasPrefix(v, "ewo") { // {" and { with a new line
		b, _ := base64.StdEncoding.DecodeString(v) // what is none is no record either
		v = string(b)
	}
	if !strings.HasPrefix(v, "{") && !strings.HasPrefix(v, "[") {
		return ""
	}
	return v
}

// logs reads the log records of OpenTelemetry, in the JSON form of its protocol. Where
// the body of one is an object, or the text of one, that is the vendor's record. Where
// it is not, or the kind does not know it, the log record is read as one object: its
// attributes, the members of its body, its name and its time.
func (c *carrier) logs(r Record, depth int) ([]Result, error) {
	var found []otlpRecord
	_, _, err := c.readers.object(r.Raw, func(f *fields, name string) { otlpMember(f, name, &found) })
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &RejectError{Reason: ReasonNoType, Detail: "there is no log record in resourceLogs"}
	}
	if len(found) > maxHook {
		return nil, &RejectError{Reason: ReasonTooMany, Detail: "send log records one by one"}
	}
	var out []Result
	var skipped error
	for i := range found {
		events, err := c.log(r, &found[i], depth)
		switch {
		case errors.Is(err, ErrSkip):
			skipped = err
		case err != nil:
			return nil, err
		}
		out = append(out, events...)
	}
	if len(out) == 0 {
		return nil, skipped
	}
	return out, nil
}

func (c *carrier) log(r Record, v *otlpRecord, depth int) ([]Result, error) {
	var first error
	for _, text := range []string{v.object(), v.merged()} {
		if text == "" {
			continue
		}
		out, err := c.inside(r, text, v.moment(), depth)
		if err == nil || errors.Is(err, ErrSkip) {
			if len(out) == 1 && out[0].Event.ID == "" {
				out[0].Event.ID = v.uid
			}
			return out, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// moment is when it happened, else when it was seen, in a form that parseTime reads.
func (v *otlpRecord) moment() string {
	for _, nanos := range []int64{v.time, v.observed} {
		if nanos > 0 {
			return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano)
		}
	}
	return ""
}
