package source

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// An envelope is what a carrier puts around a record: the objects that may be one, as
// JSON, and what the carrier says of its own.
type envelope struct {
	event, detail, message, log string
	exported                    []string // from Splunk, Elasticsearch, queues and other stores of logs
	guessed                     []string // under names that anything may have
	lone, loneName              string   // an object under a name that is none of these
	crowd                       bool     // there are several such objects
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
	case "_raw", "result", "_source", "original", "json", "jsonPayload", "textPayload", "Message", "full_log", "short_message",
		"full_message", "service_log_event", "json_payload":
		e.exported = append(e.exported, objectText(f))
	case "raw", "body", "payload", "value", "data", "content", "attributes":
		e.guessed = append(e.guessed, objectText(f))
	case "id":
		e.id = f.text()
	case "timestamp", "@timestamp", "date", "_time":
		e.time = f.text()
	default:
		if f.kind() == '{' {
			e.crowd = e.crowd || e.loneName != "" && e.loneName != name // it comes again in a text that is not Unicode
			e.lone, e.loneName = f.value(), name
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

// areWords reports whether what is before a record are a log's own words, and not the
// beginning of a record that was torn: a name, or the end of another object.
func areWords(b []byte) bool {
	b = bytes.TrimRight(b, " \t")
	return len(b) > 0 && b[0] != '[' && !bytes.HasSuffix(b, []byte(`":`)) && bytes.IndexByte(b, '}') < 0
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
