package source

import (
	"cmp"
	"strings"
)

// datadogRecord is what Datadog puts around a log, wherever it does: at the top in
// archives and at the intake, one level below that in the answers of its APIs.
type datadogRecord struct {
	log              *datadogLog
	id, kind         string
	top, frame       datadogFrame
	flat, outer, own datadogBody // the members of the record, of its attributes, and of the attributes in those
	said             datadogBody // what the message holds when that is JSON
	framed           bool        // the attributes, or content, are a frame
	list             [3]*datadogBody
	n                int
}

// datadogFrame is what Datadog says about a log.
type datadogFrame struct{ time, service, source, message, status string }

func (v *datadogRecord) member(f *fields, name string) {
	switch name {
	case "id", "_id":
		v.id = f.text()
	case "type":
		v.kind = f.text()
	case "attributes", "content":
		v.framed = v.framed || name == "content"
		v.outer.log, v.own.log = v.log, v.log
		v.outer.text = f.taken(func() { f.object(v.outerMember) })
	default:
		v.flat.log = v.log
		v.flat.memberOr(&v.top, f, name)
	}
}

// outerMember reads a member of attributes: of the log's own, or of those that the
// APIs put around it.
func (v *datadogRecord) outerMember(f *fields, name string) {
	if name == "attributes" && f.kind() == '{' {
		v.own.text = f.taken(func() { f.object(v.own.member) })
		return
	}
	v.outer.memberOr(&v.frame, f, name)
}

// settle decides what is a frame and what is inside, the likeliest first.
func (v *datadogRecord) settle(raw string) {
	v.framed = v.framed || v.kind == "log" || v.kind == "audit" || v.own.text != "" && v.top.time == ""
	if v.framed {
		v.top = v.frame
	}
	switch {
	case v.own.text != "":
		v.add(&v.own)
	case !v.framed && strings.HasPrefix(v.outer.text, "{"):
		v.add(&v.outer)
	}
	if text := strings.TrimSpace(v.top.message); strings.HasPrefix(text, "{") {
		v.said.log = v.log
		if _, _, err := v.log.readers.object([]byte(text), v.said.member); err == nil {
			v.said.text = text
			v.add(&v.said)
		}
	}
	if v.outer.text == "" {
		v.flat.text = raw
		v.add(&v.flat)
	}
}

func (v *datadogRecord) add(b *datadogBody) {
	v.list[v.n] = b
	v.n++
}

func (v *datadogRecord) bodies() []*datadogBody { return v.list[:v.n] }

// isEmpty reports whether there is nothing in it that Datadog gives logs.
func (v *datadogRecord) isEmpty() bool {
	return v.top.message == "" && v.outer.text == "" && !v.flat.says()
}

// memberOr reads a member that is either of a frame around a log, or of the log.
func (b *datadogBody) memberOr(w *datadogFrame, f *fields, name string) {
	switch name {
	case "date", "timestamp":
		w.time = f.text()
	case "service":
		w.service = f.text()
	case "source", "ddsource":
		w.source = f.text()
	case "message":
		if w.message = f.value(); strings.HasPrefix(w.message, `"`) {
			w.message = unquote(w.message)
		}
	case "status":
		w.status = f.text()
	case "tags":
		f.array(func(f *fields) { w.tag(f.text()) })
	case "ddtags":
		for tag := range strings.SplitSeq(f.text(), ",") {
			w.tag(tag)
		}
	default:
		b.member(f, name)
		return
	}
	b.has |= b.log.bits[name]
}

func (w *datadogFrame) tag(tag string) {
	if source, ok := strings.CutPrefix(strings.TrimSpace(tag), "source:"); ok {
		w.source = cmp.Or(w.source, source)
	}
}
