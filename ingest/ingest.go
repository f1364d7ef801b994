// Package ingest brings events in: records from a source are prepared (made
// into events, given salt and leaf), handed to the one committer as parcels, and
// committed together under one ledger record, all or nothing.
//
//	source → records → Preparer → Parcel → Committer → Log → store and ledger.jsonl
//
// Worker polls the configured sources; Import reads files. Both end in the same
// parcels. Nothing is dropped on the way: for every parcel
//
//	fetched + extra = events + duplicates + skipped + rejects + expired
//
// and the ledger record says so.
package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// An Item is an event that is ready to be committed.
type Item struct {
	Event      *event.Event
	Leaf       tlog.Hash
	Unmapped   bool
	ClockAhead bool
	Ends       bool     // the source says that its log was switched off: coverage ends at the event's time
	EndsOf     string   // of Ends: of what, as source.Result has it
	from       *retried // nil: it does not come from a stored reject
}

// A Parcel is what one source hands over at once, and what it proves.
type Parcel struct {
	Source  string
	Fetched uint64 // records that Items, Rejects and Skipped came from
	Extra   uint64 // second and further events of one record
	Skipped uint64
	Known   uint64 // records that the caller knows to be stored, without an Item
	Items   []Item
	Rejects []event.Reject
	Objects []event.Object // read to their end, with this parcel or earlier ones
	Covers  []ledger.Cover
	Earlier coverage.Set // of Covers: granted by earlier reads than the one that Items come from
	Cursor  string
	Told    *ledger.Told
	Urgent  bool       // somebody waits: commit at once
	retried []*retried // of Fetched: records that came from stored rejects
	bytes   int        // of raw records, roughly
}

// Empty reports whether a parcel says nothing.
func (p *Parcel) Empty() bool {
	return p.Fetched == 0 && len(p.Covers) == 0 && len(p.Objects) == 0 && p.Cursor == "" && p.Told == nil
}

// A Preparer makes parcels of one read, file or request of a source. Identical
// records without an id of their own are told apart by their place in it, so that
// a second read gives the same ids. It is for one goroutine.
type Preparer struct {
	source string
	kind   source.Kind
	secret []byte
	random io.Reader
	seen   map[[32]byte]uint64 // records without an id → how often they came so far
	line   []byte
	parcel Parcel
}

// NewPreparer returns a preparer for a source. secret is the store's; random gives
// the salts.
func NewPreparer(name string, kind source.Kind, secret []byte, random io.Reader) *Preparer {
	return &Preparer{source: name, kind: kind, secret: secret, random: random, seen: make(map[[32]byte]uint64), parcel: Parcel{Source: name}}
}

// Add prepares one record. After an error the parcel may hold a part of it.
func (p *Preparer) Add(r source.Record) error {
	p.parcel.Fetched++
	p.parcel.bytes += len(r.Raw)
	if len(r.Raw) > source.MaxRecord {
		return p.reject(r, &source.RejectError{Reason: source.ReasonTooLarge})
	}
	results, err := p.kind.Normalize(r)
	switch {
	case errors.Is(err, source.ErrSkip):
		p.parcel.Skipped++
		return nil
	case err != nil:
		return p.reject(r, err)
	case len(results) == 0:
		return p.reject(r, errors.New("no event in the record"))
	}
	p.parcel.Extra += uint64(len(results) - 1)
	own := ""
	for i := range results {
		e := &results[i].Event
		if e.ID == "" {
			if own == "" {
				own = p.ownID(r.Raw)
			}
			e.ID = own
			if i > 0 {
				e.ID = fmt.Sprintf("%s#%d", own, i)
			}
		}
		if err := p.item(r, &results[i]); err != nil {
			return err
		}
	}
	return nil
}

// ReasonUnstorable is the reason of the reject that AddOrReject makes.
const ReasonUnstorable = "the kind made an event that cannot be stored"

// AddOrReject is Add for records that were read for good: one that makes an event which
// cannot be stored is a reject, or it would be in the way of all others for ever.
func (p *Preparer) AddOrReject(r source.Record) error {
	before := p.parcel
	err := p.Add(r)
	if err == nil {
		return nil
	}
	p.parcel = before
	why := &source.RejectError{Reason: ReasonUnstorable, Detail: err.Error()}
	return p.Reject(r, why, uint64(len(r.Raw)), sha256.Sum256(r.Raw))
}

func (p *Preparer) item(r source.Record, result *source.Result) error {
	e := &result.Event
	e.Source, e.Received = p.source, r.Received.UTC()
	if e.Mapping == 0 {
		e.Mapping = p.kind.Mapping
	}
	item := Item{Event: e, Unmapped: result.Unmapped, ClockAhead: e.File(result.Claimed), Ends: result.Ends, EndsOf: result.EndsOf}
	if _, err := io.ReadFull(p.random, e.Salt[:]); err != nil {
		return fmt.Errorf("ingest: draw salt: %w", err)
	}
	e.Clean()
	if err := e.Check(); err != nil {
		return fmt.Errorf("ingest: %s made an event that cannot be stored: %w", p.kind.Name, err)
	}
	item.Leaf, p.line = e.Leaf(p.line)
	p.parcel.Items = append(p.parcel.Items, item)
	return nil
}

// ownID makes the id of a record that has none: an HMAC, because a plain hash of
// a record could be guessed after an erase.
func (p *Preparer) ownID(raw []byte) string {
	sum := sha256.Sum256(raw)
	ordinal := p.seen[sum]
	p.seen[sum]++
	mac := hmac.New(sha256.New, p.secret)
	mac.Write(raw)
	mac.Write(binary.BigEndian.AppendUint64(nil, ordinal))
	return "hmac:" + hex.EncodeToString(mac.Sum(nil)[:20])
}

// Reject keeps a record that the caller could not even hand to Add.
func (p *Preparer) Reject(r source.Record, why error, size uint64, sum [32]byte) error {
	p.parcel.Fetched++
	p.parcel.bytes += len(r.Raw)
	return p.keep(r, why, size, sum)
}

func (p *Preparer) reject(r source.Record, why error) error {
	return p.keep(r, why, uint64(len(r.Raw)), sha256.Sum256(r.Raw))
}

func (p *Preparer) keep(r source.Record, why error, size uint64, sum [32]byte) error {
	reject := event.Reject{Source: p.source, Received: r.Received.UTC(), Reason: source.Reason(why), Size: size, SHA256: sum, Raw: string(r.Raw), Transport: r.Transport}
	if _, err := io.ReadFull(p.random, reject.Salt[:]); err != nil {
		return fmt.Errorf("ingest: draw salt: %w", err)
	}
	p.parcel.Rejects = append(p.parcel.Rejects, reject)
	return nil
}

// Pending returns how much the next parcel holds: records, whatever becomes of them,
// with the second and further events of one, and bytes.
func (p *Preparer) Pending() (records, bytes int) {
	return int(p.parcel.Fetched + p.parcel.Extra), p.parcel.bytes
}

// Take returns what was prepared since the last Take.
func (p *Preparer) Take() Parcel {
	taken := p.parcel
	p.parcel = Parcel{Source: p.source, Items: make([]Item, 0, min(len(taken.Items), maxEvents))}
	return taken
}

// Limits of one ledger record. A record of this size is committed in well under a
// second, and its rows are what a failed attempt has to send again. An import holds
// two of them, in less than 256 MiB.
const (
	maxEvents = 32_768 // or rejects
	maxBytes  = 32 << 20
	maxWait   = time.Second
)
