package ingest

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"

	"github.com/go-json-experiment/json/jsontext"
)

// A load is what a drain commits at once: requests of several sources.
type load struct {
	lots    []*lot // by source, in the order of their first request
	size    int    // records and further events of them, as Pending counts
	bytes   int
	records bool   // it has more than heartbeats
	mark    uint64 // of the last request that is whole in it; 0: none is
	due     bool   // it waited for long enough
	parcels []Parcel
	state   jsontext.Value // up to mark
}

// A lot is what a load has of one source.
type lot struct {
	name    string
	covers  coverage.Set
	earlier coverage.Set // of covers: heard before the first record of the load came
	records bool
}

func (l *load) full() bool { return l.size >= maxEvents || l.bytes >= loadBytes }

// loadBytes is how many bytes of records a load holds at most. It is less than a
// ledger record may hold: there are two loads, and the bodies of requests beside them.
const loadBytes = maxBytes / 2

func (l *load) lot(name string) *lot {
	for _, o := range l.lots {
		if o.name == name {
			return o
		}
	}
	o := &lot{name: name}
	l.lots = append(l.lots, o)
	return o
}

// covers is what the load says of the coverage of a source.
func (l *load) covers(name string) coverage.Set {
	for _, o := range l.lots {
		if o.name == name {
			return o.covers
		}
	}
	return nil
}

// Reasons of rejects that the drain makes.
const (
	ReasonDamaged = "damaged in the spool"
	ReasonOrphan  = "pushed to a source that is not known"
)

// source returns the source as it is configured.
func (d *Drain) source(name string) (PushedSource, bool) {
	i := slices.IndexFunc(d.o.Sources, func(s PushedSource) bool { return s.Name == name })
	if i < 0 {
		return PushedSource{}, false
	}
	return d.o.Sources[i], true
}

// preparer returns the preparer of a source. The records of one that was removed from
// the configuration become events as before: the ledger knows its kind. Of a source
// that not even the ledger knows, or whose kind this program does not have, they
// become rejects.
func (d *Drain) preparer(name string) *Preparer {
	if p := d.preparers[name]; p != nil {
		return p
	}
	kind := source.Kind{Name: name, Normalize: func(source.Record) ([]source.Result, error) {
		return nil, &source.RejectError{Reason: ReasonOrphan}
	}}
	s, configured := d.source(name)
	switch {
	case configured:
		kind = s.Kind
	case name != source.Own:
		known, err := ChooseKind(d.o.Log, d.o.Kinds, name, "")
		if err != nil {
			d.o.Slog.Error("records in the spool are of a source that nobody knows; they become rejects", "source", name, "error", err)
			break
		}
		d.o.Slog.Warn("records in the spool are of a source that is not configured any more; they are kept under its name", "source", name)
		kind = known
	}
	p := NewPreparer(name, kind, d.o.Secret, d.o.Random)
	d.preparers[name] = p
	return p
}

// name is the source that the entry belongs to: Exhibit itself where damage took the
// name.
func (d *Drain) name() string {
	if d.entry.Name == "" {
		return source.Own
	}
	return d.entry.Name
}

// begin starts with the entry that was just read.
func (d *Drain) begin() {
	e := d.entry
	d.taken, d.arrival = 0, arrival{at: e.At, broken: e.Refused || len(e.Damage) > 0}
	if p := d.preparer(d.name()); len(p.seen) > 0 {
		p.seen = make(map[[sha256.Size]byte]uint64) // it is a request of its own
	}
}

// take prepares the rest of the entry, or as much as goes into the load.
func (d *Drain) take() error {
	e, p := d.entry, d.preparer(d.name())
	d.room(len(e.Records)+len(e.Damage) > 0 || e.Lost > 0)
	from := len(p.parcel.Items)
	for l := d.load; d.taken < len(e.Records) && !l.full(); d.taken++ {
		size, bytes := p.Pending()
		if err := p.AddOrReject(e.Records[d.taken]); err != nil {
			return err
		}
		now, more := p.Pending()
		l.size, l.bytes = l.size+now-size, l.bytes+more-bytes
	}
	for _, item := range p.parcel.Items[from:] {
		d.arrival.newest = later(d.arrival.newest, item.Event.Time)
		if item.Ends {
			d.arrival.off = later(d.arrival.off, item.Event.Time)
		}
	}
	if d.taken < len(e.Records) {
		return nil
	}
	if err := d.damage(p); err != nil {
		return err
	}
	d.hear()
	d.load.mark, d.entry = e.Mark, nil
	return nil
}

// room makes room in the load for the entry. The first records of a load decide when
// it goes at the latest; heartbeats alone may gather for as long as coverage without
// events does elsewhere.
func (d *Drain) room(records bool) {
	o := d.load.lot(d.name())
	if records && !o.records {
		o.records, o.earlier = true, o.covers
	}
	switch {
	case records && !d.load.records:
		d.load.records, d.due = true, d.o.After(d.o.Wait)
	case d.due == nil && !d.load.due:
		d.due = d.o.After(holdFor)
	}
}

// damage makes rejects of what the disk did not keep. Of numbers that are missing the
// reject says only that.
func (d *Drain) damage(p *Preparer) error {
	e := d.entry
	pieces, what := e.Damage, fmt.Sprintf("%d pieces of damaged bytes", len(e.Damage))
	if e.Lost > 0 {
		what = fmt.Sprintf("records %d to %d are missing", e.Mark-e.Lost+1, e.Mark)
		pieces = append(pieces, []byte(what))
	}
	if len(pieces) == 0 {
		return nil
	}
	now := d.o.Now().UTC().Round(0)
	at := e.At
	if at.IsZero() {
		at = now
	}
	d.o.Slog.Error("the spool is damaged: look after the disk", "source", d.name(), "what", what, "mark", e.Mark)
	d.set(func(s *DrainStatus) { s.Damaged, s.Damage = now, what })
	for _, b := range pieces {
		if err := p.Reject(source.Record{Raw: b, Received: at}, &source.RejectError{Reason: ReasonDamaged}, uint64(len(b)), sha256.Sum256(b)); err != nil {
			return err
		}
		d.load.size, d.load.bytes = d.load.size+1, d.load.bytes+len(b)
	}
	if e.Name == "" { // whose they were, nobody knows
		for _, h := range d.hearings {
			h.Broken = true
		}
	}
	return nil
}

// hear grants what the arrival of the entry proves.
func (d *Drain) hear() {
	s, configured := d.source(d.entry.Name)
	if !configured {
		return
	}
	h := d.hearings[s.Name]
	if h == nil {
		h = new(hearing)
		d.hearings[s.Name] = h
	}
	heard := h.arrive(d.arrival, s.Settle, s.Heartbeat)
	o := d.load.lot(s.Name)
	if s.Heartbeat > 0 {
		o.covers = o.covers.Union(heard)
	}
	d.set(func(all *DrainStatus) {
		all.Sources[s.Name] = Hearing{Last: h.Last, Off: !h.on(), Uncommitted: all.Sources[s.Name].Uncommitted.Union(o.covers...)}
	})
}

// parcels takes what the load has.
func (d *Drain) parcels() []Parcel {
	var list []Parcel
	for _, o := range d.load.lots {
		p := d.preparer(o.name).Take()
		for _, i := range o.covers {
			p.Covers = append(p.Covers, ledger.Cover{From: i.From, To: i.To, Method: ledger.Heard})
		}
		p.Earlier = o.earlier
		if !p.Empty() {
			list = append(list, p)
		}
	}
	return list
}
