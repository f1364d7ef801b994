package source

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"exhibit/internal/event"
)

// datadog is the logs in Datadog: as its two search APIs give them, as its archives
// hold them, and as its intake takes them. What other systems sent there becomes
// events as if it came from them; carried are their kinds.
func datadog(carried []Kind) Kind {
	d := &datadogLog{rules: mustRules("datadog"), mapping: datadogMapping}
	d.rules.fold = true
	hash := sha256.New()
	hash.Write([]byte(d.rules.hash))
	d.unwrap(carried, func(k *Kind) {
		d.mapping += k.Mapping - 1
		hash.Write([]byte(k.Rules))
	})
	words := "as far as the systems that send their logs to Datadog log it; what exclusion filters, quotas and the limit of 18 hours keep out of its indexes is not found, so it shows what was indexed and not all that happened"
	abilities := map[event.Section]Ability{}
	for _, s := range event.Sections() {
		abilities[s] = Ability{Partly, words}
	}
	return Kind{
		Name:   "datadog",
		Title:  "Datadog Logs",
		Docs:   "https://docs.datadoghq.com/api/latest/logs/",
		Keeps:  3 * 24 * time.Hour, // the shortest that is sold; it is set per index
		Settle: time.Hour,
		Shape:  Window,
		Piece:  2 * time.Hour,
		Settings: []Setting{
			{Name: "query", Required: true, Doc: "which logs are audit logs, in Datadog's search syntax, such as source:scalr or service:audit-log"},
			{Name: "api_key", Required: true, Secret: true, Doc: "API key of the organization"},
			{Name: "application_key", Required: true, Secret: true, Doc: "application key with logs_read_data and logs_read_index_data"},
			{Name: "site", Default: "datadoghq.com", Doc: "the organization's site, such as datadoghq.eu, us3.datadoghq.com or ddog-gov.com"},
			{Name: "url", Type: URL, Doc: "where the API is, when it is not at api.SITE"},
			{Name: "indexes", Default: "*", Doc: "names of the indexes to search, with commas between; set the source's keeps to what they keep"},
			{Name: "storage_tier", Values: []string{"indexes", "online-archives", "flex"}, Default: "indexes", Doc: "where the logs are kept"},
			budgetSetting(datadogPerHour),
			closedAfter("48h"),
		},
		// Archives: dt= and hour= are of the archive, not of the events in it.
		Layout:    Layout{Days: "dt=20060102/", LookBack: 48 * time.Hour, Closed: 48 * time.Hour},
		Mapping:   d.mapping,
		Rules:     hex.EncodeToString(hash.Sum(nil)),
		Abilities: abilities,
		Wraps:     []string{"data", "logs"},
		Normalize: d.normalize,
		NewPuller: newDatadogPuller,
		rules:     d.rules,
	}
}

// datadogMapping is the version of datadogLog.normalize and rules/datadog.tsv. The
// version of the kind grows with it and with those of the kinds that are carried.
const datadogMapping = 1

type datadogLog struct {
	rules   *rules
	readers readers
	records sync.Pool // of *datadogRecord, which is large
	mapping uint32
	shapes  []datadogShape
	bits    map[string]uint64         // of the members that shapes ask for or that pipelines move
	senders map[string]*datadogSender // by source or service, in small letters
}

// DatadogLogs says how logs of a kind look in Datadog, which carries logs of anybody.
type DatadogLogs struct {
	Senders []string          // the sources or services that they are sent as; empty: it does not carry them
	Shapes  []string          // members, apart by spaces, that together only records of this kind have
	Moved   map[string]string // members that Datadog's own pipelines move, and the standard attributes that they are then
}

// A datadogShape tells by the members of a record of which kind it is.
type datadogShape struct {
	need   uint64
	sender *datadogSender
}

// A datadogSender reads what systems of a kind sent, and knows which of its members
// Datadog's own pipelines for such logs move to the standard attributes.
type datadogSender struct {
	normalize normalizer
	moved     []datadogMove
}

type datadogMove struct {
	from, to string
	bit      uint64 // of from
}

// bit returns the bit of a member.
func (d *datadogLog) bit(name string) uint64 {
	if d.bits[name] == 0 {
		d.bits[name] = 1 << len(d.bits)
	}
	return d.bits[name]
}

// unwrap makes shapes and senders of the kinds that can be carried, and calls each for
// every kind.
func (d *datadogLog) unwrap(carried []Kind, each func(*Kind)) {
	d.bits, d.senders = map[string]uint64{}, map[string]*datadogSender{}
	for i := range carried {
		k, c := &carried[i], carried[i].Datadog
		if len(c.Senders) == 0 {
			continue
		}
		each(k)
		sender := &datadogSender{normalize: k.Normalize}
		for _, from := range slices.Sorted(maps.Keys(c.Moved)) {
			sender.moved = append(sender.moved, datadogMove{from, c.Moved[from], d.bit(from)})
		}
		for _, name := range c.Senders {
			d.senders[name] = sender
		}
		for _, members := range c.Shapes {
			shape := datadogShape{sender: sender}
			for name := range strings.FieldsSeq(members) {
				shape.need |= d.bit(name)
			}
			d.shapes = append(d.shapes, shape)
		}
	}
}

func (d *datadogLog) normalize(r Record) ([]Result, error) {
	if len(r.Raw) > MaxRecord {
		return nil, &RejectError{Reason: ReasonTooLarge}
	}
	v, ok := d.records.Get().(*datadogRecord)
	if !ok {
		v = new(datadogRecord)
	}
	defer func() {
		*v = datadogRecord{} // or the record would stay in memory
		d.records.Put(v)
	}()
	v.log = d
	raw, mangled, err := d.readers.object(r.Raw, v.member)
	if err != nil {
		return nil, err
	}
	v.settle(raw)
	out, err := d.inner(v, r)
	if err != nil {
		return nil, err
	}
	if out == nil {
		if v.isEmpty() {
			return nil, &RejectError{Reason: ReasonNoType, Detail: "it is no log of Datadog: there is neither a message nor attributes"}
		}
		out = d.generic(v, r)
	}
	for i := range out {
		e := &out[i].Event
		e.Raw, e.Mapping = raw, d.mapping
		if v.id != "" {
			e.ID = v.id
			if len(out) > 1 {
				e.ID = fmt.Sprintf("%s#%d", v.id, i+1)
			}
		}
		if mangled {
			e.Clean()
		}
	}
	return out, nil
}

// inner returns the events of what is carried, or none when no kind knows it. What
// a body holds tells more than who sent it.
func (d *datadogLog) inner(v *datadogRecord, r Record) ([]Result, error) {
	if t, err := parseTime(v.top.time); err == nil {
		r.Transport = t
	}
	named := d.bySender(v)
	bySender := func(*datadogBody) *datadogSender { return named }
	for _, tell := range []func(*datadogBody) *datadogSender{d.byShape, bySender} {
		for _, b := range v.bodies() {
			sender := tell(b)
			if sender == nil {
				continue
			}
			text := b.restored(sender.moved)
			out, err := sender.normalize(Record{Raw: []byte(text), Received: r.Received, Transport: r.Transport})
			if err == nil || errors.Is(err, ErrSkip) {
				return out, err
			}
		}
	}
	return nil, nil
}

// A normalizer is Normalize of a kind.
type normalizer func(Record) ([]Result, error)

func (d *datadogLog) byShape(b *datadogBody) *datadogSender {
	for i := range d.shapes {
		if s := &d.shapes[i]; b.has&s.need == s.need {
			return s.sender
		}
	}
	return nil
}

func (d *datadogLog) bySender(v *datadogRecord) *datadogSender {
	if by := d.senders[strings.ToLower(v.top.source)]; by != nil {
		return by
	}
	return d.senders[strings.ToLower(v.top.service)]
}

// generic returns the event of a log that no kind knows, by Datadog's standard attributes.
func (d *datadogLog) generic(v *datadogRecord, r Record) []Result {
	b := &v.outer
	for _, other := range v.bodies() {
		if !b.says() {
			b = other
		}
	}
	c := d.rules.classify(b.action(cmp.Or(v.top.source, v.top.service)))
	result := b.result()
	if (v.kind == "audit" || v.top.source == "audit") && b.says() {
		result = b.auditResult(v.top.status)
	}
	out := []Result{{Unmapped: c.catchAll}}
	e := &out[0].Event
	*e = event.Event{
		Received: r.Received,
		OCSF:     event.OCSFVersion, Class: c.class, Activity: c.activityID,
		Action: c.action, Outcome: c.outcomeOf(result),
		Actor: b.actor(), Target: event.Target(b.asset),
		IP: address(b.ip), UserAgent: b.agent, RequestID: b.request,
		Organisation: b.org,
	}
	e.Section = c.section(e.Outcome)
	out[0].Claimed = setTime(e, v.top.time, r.Transport)
	return out
}
