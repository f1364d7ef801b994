package source

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
)

// inCarriers lets a kind read its records inside of what carriers put around them:
// Splunk's HTTP Event Collector, OpenTelemetry, Amazon EventBridge, Datadog's intake,
// and collectors that write what they read as a text. The record stays what came; the
// carrier's time stands in where the vendor's record has none.
//
// What is around a record is found by its form alone: stored records are normalised
// again, and nothing but their bytes is stored of how they came.
func inCarriers(k Kind) Kind {
	c := &carrier{normalize: k.Normalize, wraps: k.Wraps, says: k.says}
	k.Normalize = func(r Record) ([]Result, error) { return c.read(r, 0) }
	return k
}

type carrier struct {
	normalize normalizer
	wraps     []string
	says      func(Record) event.Event
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
	if i := bytes.IndexByte(r.Raw, '{'); i > 0 && areWords(r.Raw[:i]) {
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
	if e.crowd {
		e.lone = ""
	}
	for i, text := range slices.Concat([]string{e.detail, e.message, e.log, e.event}, e.exported, e.guessed, []string{e.lone}) {
		if text == "" {
			continue
		}
		out, inner := c.inside(r, text, e.time, depth)
		switch isGuess := i >= 4+len(e.exported); {
		case isGuess && !c.isRecord(out, r, text == e.lone):
			continue
		case inner == nil, errors.Is(inner, ErrSkip):
			if len(out) == 1 && out[0].Event.ID == "" && text == e.detail {
				out[0].Event.ID = strings.ToValidUTF8(e.id, "\uFFFD")
			}
			return out, inner
		case Reason(inner) == ReasonTooMany:
			return nil, inner
		}
	}
	return out, err
}

// isRecord reports whether what was read under a name that anything may have is the
// record: an event of some time. One under an unknown name states that time itself. And
// where a kind takes almost any object for a record, it says what the whole says: the
// body of a request has a name, too.
func (c *carrier) isRecord(out []Result, r Record, lone bool) bool {
	var whole event.Event
	if c.says != nil && len(out) > 0 {
		whole = c.says(r)
	}
	for i := range out {
		e := &out[i].Event
		switch {
		case e.TimeBasis == event.BasisReceived,
			lone && out[i].Claimed == "",
			!says(e.Actor.ID, whole.Actor.ID), !says(e.Actor.Name, whole.Actor.Name), !says(e.Actor.Email, whole.Actor.Email),
			!says(e.IP, whole.IP), !says(e.Outcome, whole.Outcome):
			return false
		}
	}
	return len(out) > 0
}

// says reports whether a part says what the whole does, if it does.
func says(part, whole string) bool { return whole == "" || part == whole }

// inside reads a record in a carrier, or several. Their events keep the whole of what
// came.
func (c *carrier) inside(r Record, text, carrierTime string, depth int) ([]Result, error) {
	inner := Record{Raw: []byte(text), Received: r.Received, Transport: carriedAt(carrierTime, r.Transport)}
	out, err := c.read(inner, depth+1)
	if err != nil && !errors.Is(err, ErrSkip) {
		if more, why := c.several(inner, depth+1); why == nil || Reason(why) == ReasonTooMany {
			out, err = more, why
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
// after the other. It is an error when it is not, or when one of them is no event.
func (c *carrier) several(r Record, depth int) ([]Result, error) {
	var out []Result
	for p, err := range Cut(r.Raw, RecordsOptions{Wraps: c.wraps}) {
		if err != nil {
			return nil, err
		}
		if p.Bad != "" || len(p.Raw) == len(r.Raw) {
			return nil, errNotSeveral
		}
		events, err := c.read(Record{Raw: p.Raw, Received: r.Received, Transport: r.Transport}, depth)
		if err != nil && !errors.Is(err, ErrSkip) {
			return nil, err
		}
		if out = append(out, events...); len(out) > maxHook {
			return nil, errTooMany()
		}
	}
	if len(out) == 0 {
		return nil, errNotSeveral
	}
	return out, nil
}

var errNotSeveral = errors.New("not several records")

// errTooMany is for a record whose events, each of which keeps the whole of it, are
// more than maxHook.
func errTooMany() error {
	return &RejectError{Reason: ReasonTooMany, Detail: "send or import them one by one"}
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
		if out = append(out, events...); len(out) > maxHook {
			return nil, errTooMany()
		}
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
