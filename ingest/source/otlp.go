package source

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// otlpRecord is a log record of OpenTelemetry, with what is around it.
// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
type otlpRecord struct {
	time, observed       int64 // nanoseconds; 0: not known
	severity, name       string
	trace, uid           string
	body                 string // as plain JSON
	attributes, resource []otlpAttribute
}

type otlpAttribute struct{ name, value string } // value as plain JSON

// otlpMember reads a member of the object that holds resourceLogs.
func otlpMember(f *fields, name string, found *[]otlpRecord) {
	if name != "resourceLogs" {
		f.value()
		return
	}
	*found = nil // a record is read again when its text is not Unicode
	f.array(func(f *fields) {
		var resource []otlpAttribute
		from := len(*found)
		f.object(func(f *fields, name string) {
			switch name {
			case "resource":
				f.object(func(f *fields, name string) {
					if name == "attributes" {
						resource = otlpAttributes(f, 0)
						return
					}
					f.value()
				})
			case "scopeLogs":
				f.array(func(f *fields) { f.object(func(f *fields, name string) { otlpScope(f, name, found) }) })
			default:
				f.value()
			}
		})
		for i := from; i < len(*found); i++ {
			(*found)[i].resource = resource
		}
	})
}

func otlpScope(f *fields, name string, found *[]otlpRecord) {
	if name != "logRecords" {
		f.value()
		return
	}
	f.array(func(f *fields) {
		var v otlpRecord
		f.object(v.member)
		*found = append(*found, v)
	})
}

func (v *otlpRecord) member(f *fields, name string) {
	switch name {
	case "timeUnixNano":
		v.time = nanos(f.text())
	case "observedTimeUnixNano":
		v.observed = nanos(f.text())
	case "severityText":
		v.severity = f.text()
	case "eventName":
		v.name = f.text()
	case "traceId":
		v.trace = f.text()
	case "body":
		v.body = anyValue(f, 0)
	case "attributes":
		v.attributes = otlpAttributes(f, 0)
		for _, a := range v.attributes {
			if a.name == "log.record.uid" && strings.HasPrefix(a.value, `"`) {
				v.uid = unquote(a.value)
			}
		}
	default:
		f.value()
	}
}

// nanos reads a time; what is none, or not in the range of times, is not known.
func nanos(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// otlpAttributes reads a list of names and values.
func otlpAttributes(f *fields, depth int) (list []otlpAttribute) {
	f.array(func(f *fields) {
		var a otlpAttribute
		f.object(func(f *fields, name string) {
			switch name {
			case "key":
				a.name = f.text()
			case "value":
				a.value = anyValue(f, depth)
			default:
				f.value()
			}
		})
		if a.name != "" && a.value != "" {
			list = append(list, a)
		}
	})
	return list
}

// maxAny is how deep values may be in each other; what is deeper is not read.
const maxAny = 32

// anyValue reads an AnyValue as the plain JSON that it stands for; of an empty one,
// that is nothing.
func anyValue(f *fields, depth int) (out string) {
	if depth == maxAny {
		f.value()
		return ""
	}
	f.object(func(f *fields, name string) {
		switch name {
		case "intValue", "doubleValue": // often as texts
			out = f.value()
			if text := f.string(out); text != "" && jsontext.Value(text).IsValid() {
				out = text
			}
		case "arrayValue":
			anyValues(f, func(f *fields) { out = anyArray(f, depth+1) })
		case "kvlistValue":
			anyValues(f, func(f *fields) {
				var o plainObject
				for _, a := range otlpAttributes(f, depth+1) {
					o.add(a.name, a.value)
				}
				out = o.text()
			})
		case "stringValue", "boolValue", "bytesValue":
			out = f.value()
		default:
			f.value()
		}
	})
	return out
}

// anyValues reads the list in an arrayValue or kvlistValue.
func anyValues(f *fields, read func(f *fields)) {
	f.object(func(f *fields, name string) {
		if name != "values" {
			f.value()
			return
		}
		read(f)
	})
}

func anyArray(f *fields, depth int) string {
	var list []string
	f.array(func(f *fields) { list = append(list, cmp.Or(anyValue(f, depth), "null")) })
	return "[" + strings.Join(list, ",") + "]"
}

// object returns the vendor's record in the body, or nothing.
func (v *otlpRecord) object() string {
	text := v.body
	if strings.HasPrefix(text, `"`) {
		text = strings.TrimSpace(unquote(text))
	}
	if !strings.HasPrefix(text, "{") {
		return ""
	}
	return text
}

// merged returns the log record as one object. What says more comes first: a name that
// comes again is left out.
func (v *otlpRecord) merged() string {
	var o plainObject
	o.addText("id", v.uid)
	if v.time > 0 {
		o.addText("time", time.Unix(0, v.time).UTC().Format(time.RFC3339Nano))
	}
	for _, a := range v.attributes {
		o.add(a.name, a.value)
	}
	o.addText("event_name", v.name)
	if body := v.object(); body != "" {
		o.addAll(body)
	} else {
		o.add("message", v.body)
	}
	o.addText("severity_text", v.severity)
	o.addText("trace_id", v.trace)
	for _, a := range v.resource {
		o.add(a.name, a.value)
	}
	return o.text()
}

// A plainObject is a JSON object in the making; no name is in it twice.
type plainObject struct {
	b     []byte
	names map[string]bool
}

// add adds a member, whose value is JSON or nothing.
func (o *plainObject) add(name, value string) {
	if value == "" || o.names[name] {
		return
	}
	if o.names == nil {
		o.names = map[string]bool{}
	}
	o.names[name] = true
	if len(o.b) > 0 {
		o.b = append(o.b, ',')
	}
	// An error would mean bytes that are not UTF-8, which are replaced.
	o.b, _ = jsontext.AppendQuote(o.b, name)
	o.b = append(append(o.b, ':'), value...)
}

func (o *plainObject) addText(name, text string) {
	if text == "" {
		return
	}
	quoted, _ := jsontext.AppendQuote(nil, text)
	o.add(name, string(quoted))
}

// addAll adds the members of an object; of one that is no JSON, those before the mistake.
func (o *plainObject) addAll(object string) {
	f := fields{}
	_ = f.read([]byte(object), object, func(f *fields, name string) { o.add(name, f.value()) }, jsontext.AllowInvalidUTF8(true))
}

func (o *plainObject) text() string { return "{" + string(o.b) + "}" }
