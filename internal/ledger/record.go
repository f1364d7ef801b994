// Package ledger is the signed, append-only log of everything that a store has
// committed. It knows bytes, hashes and signatures, and no database.
//
// A ledger has an origin, a name that never changes, and records numbered from
// 0. A Record is one JSON line; its RFC 6962 leaf is the hash of that line. The
// records are the leaves of one Merkle tree, whose head is signed after each of
// them as a C2SP tlog-checkpoint in a signed note, so public tools can read it:
//
//	exhibit.example/prod
//	4711
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	at 2026-04-22T10:15:00.000000000Z
//
//	— exhibit.example/prod Az3grl...
//
// A batch record names, for each source, the segments that it added: the events
// that share source, UTC day and section, with their count and the RFC 6962 root
// over their canonical lines in the order of time and id. Whoever holds all
// records from some moment on, and a checkpoint that they trust, therefore knows
// every segment committed since, and can tell when one event of it is missing,
// was added or was changed.
package ledger

import (
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"

	"golang.org/x/mod/sumdb/tlog"
)

// Kinds of records. A reader hashes and lists a kind that it does not know.
const (
	KindBatch    = "batch"    // events, coverage and counts, per source
	KindVoid     = "void"     // nothing: rows that carry this seq are never read
	KindSource   = "source"   // a source was added, changed or removed
	KindGap      = "gap"      // a person's note about a gap
	KindExpire   = "expire"   // segments deleted by a retention rule
	KindErase    = "erase"    // single events deleted by law
	KindRefile   = "refile"   // single events filed anew by corrected rules
	KindHold     = "hold"     // a legal hold placed or lifted
	KindKey      = "key"      // the key that signs from here on
	KindRollback = "rollback" // segments that a restored store lost
)

// Stands reports whether later records depend on one of the kind: packs carry all
// of those in full. Batches and voids, which are nearly all records, do not stand.
func Stands(kind string) bool { return kind != KindBatch && kind != KindVoid }

// A Record is one entry of the ledger. Exactly the member that Kind names is
// set, besides the first four. (Void may be nil: a fence needs no reason.)
type Record struct {
	Seq      uint64    `json:"seq"`
	At       time.Time `json:"at,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	Kind     string    `json:"kind"`
	Standing uint64    `json:"standing,omitzero"` // records before this one whose kind Stands: none can be left out unseen
	Batch    []Batch   `json:"batch,omitempty"`
	Void     *Void     `json:"void,omitempty"`
	Source   *Source   `json:"source,omitempty"`
	Gap      *Gap      `json:"gap,omitempty"`
	Expire   *Expire   `json:"expire,omitempty"`
	Erase    *Erase    `json:"erase,omitempty"`
	Refile   *Refile   `json:"refile,omitempty"`
	Hold     *Hold     `json:"hold,omitempty"`
	Key      *Key      `json:"key,omitempty"`
	Rollback *Rollback `json:"rollback,omitempty"`
}

// A Batch is what one record committed for one source. For every batch
// Fetched + Extra = Events + Duplicates + Skipped + Rejects + Expired.
type Batch struct {
	Source     string     `json:"source"`
	Fetched    uint64     `json:"fetched,omitzero"`    // records that the source delivered
	Extra      uint64     `json:"extra,omitzero"`      // second and further events of one record
	Events     uint64     `json:"events,omitzero"`     // events stored
	Duplicates uint64     `json:"duplicates,omitzero"` // already stored, same content
	Skipped    uint64     `json:"skipped,omitzero"`    // known to hold no event
	Rejects    uint64     `json:"rejects,omitzero"`    // could not become an event, or contradicts one
	Expired    uint64     `json:"expired,omitzero"`    // older than the last expiry of their section
	Late       uint64     `json:"late,omitzero"`       // of Events: for a time that was covered already
	ClockAhead uint64     `json:"clock_ahead,omitzero"`
	Unmapped   uint64     `json:"unmapped,omitzero"`  // of Events: types that the rules do not know
	Redriven   uint64     `json:"redriven,omitzero"`  // of Fetched: stored rejects that were tried again
	Resolved   []Resolved `json:"resolved,omitempty"` // rejects of earlier records that are dealt with now
	Segments   []Segment  `json:"segments,omitempty"`
	Covers     []Cover    `json:"covers,omitempty"`
	Cursor     string     `json:"cursor,omitempty"` // where reading goes on, in the words of who reads
	Objects    *Objects   `json:"objects,omitempty"`
	Told       *Told      `json:"told,omitempty"`
}

// A Segment is the events of one batch that share source, UTC day and section.
type Segment struct {
	Day     string        `json:"day"` // 2006-01-02
	Section event.Section `json:"section"`
	Count   uint64        `json:"count"`
	Root    tlog.Hash     `json:"root"`
}

// What rejects that were tried again became.
const (
	ResolvedEvent     = "event"     // an event, of this batch
	ResolvedDuplicate = "duplicate" // its event was stored already
	ResolvedSkipped   = "skipped"   // it is known now to hold no event
	ResolvedConflict  = "conflict"  // it contradicts a stored event, and is a reject for that now
)

// Resolved names rejects of earlier records by the leaves of their lines. A batch
// names each outcome once, in order, and its leaves in order.
type Resolved struct {
	Outcome string      `json:"outcome"`
	Leaves  []tlog.Hash `json:"leaves"`
}

// Methods of coverage, from the strongest to the weakest.
const (
	Read   = "read"   // the source was read to the end of the interval
	Heard  = "heard"  // pushed: the path was alive between heartbeats
	Stated = "stated" // an import whose period a person stated
)

// A Cover is an interval of a source that was completely collected, and how we know.
type Cover struct {
	From   time.Time `json:"from,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	To     time.Time `json:"to,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	Method string    `json:"method"`
	File   string    `json:"file,omitempty"`   // stated: the file's name
	SHA256 string    `json:"sha256,omitempty"` // stated: the file's hash, in hex
	Basis  string    `json:"basis,omitempty"`  // read from a bucket: what shows that nothing is missing, in words
	By     string    `json:"by,omitempty"`     // stated: who said so
}

// Interval returns the time that the cover stands for.
func (c Cover) Interval() coverage.Interval { return coverage.Interval{From: c.From, To: c.To} }

// Objects stands for the bucket objects that a batch came from: their number and
// the root over their lines, see event.Object, in the order of key, tag and hash.
type Objects struct {
	Count   uint64    `json:"count"`
	Root    tlog.Hash `json:"root"`
	Changed uint64    `json:"changed,omitzero"` // of Count: had other content when they were read before
	Damaged uint64    `json:"damaged,omitzero"` // of Count: could not be read as what they should be
}

// Told compares what a source said of one read with what was read.
type Told struct {
	Since time.Time `json:"since,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	Total uint64    `json:"total"` // events that the source says it has since then
	Read  uint64    `json:"read"`  // distinct records that the read delivered
}

// A Void takes the place of an attempt that was not committed.
type Void struct {
	Reason string `json:"reason"`
}

// A Source is the configuration of a source at the time of the record.
type Source struct {
	Name        string                   `json:"name"`
	Kind        string                   `json:"kind"`
	Change      string                   `json:"change"` // added, changed, removed
	System      string                   `json:"system,omitempty"`
	Host        string                   `json:"host,omitempty"`
	Environment string                   `json:"environment,omitempty"`
	Keeps       int64                    `json:"keeps_seconds,omitzero"`  // how long the vendor keeps events
	Settle      int64                    `json:"settle_seconds,omitzero"` // how late events may appear
	Since       time.Time                `json:"since,omitzero,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	Abilities   map[event.Section]string `json:"abilities,omitempty"`
	Mapping     uint32                   `json:"mapping,omitzero"`
	Rules       string                   `json:"rules,omitempty"` // SHA-256 of the classification rules, in hex
	Pushed      bool                     `json:"pushed,omitzero"` // sent or imported by others: nobody reads its history
}

// A Gap is a person's note about a gap; notes explain a gap, they do not fill it.
type Gap struct {
	Source string    `json:"source"`
	From   time.Time `json:"from,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	To     time.Time `json:"to,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	Note   string    `json:"note"`
	By     string    `json:"by"`
}

// A SegmentRef names one segment of an earlier record.
type SegmentRef struct {
	Seq     uint64        `json:"seq"`
	Source  string        `json:"source"`
	Day     string        `json:"day"`
	Section event.Section `json:"section"`
	Count   uint64        `json:"count"`
	Root    tlog.Hash     `json:"root"`
}

// An EventRef names one event by its segment and its leaf.
type EventRef struct {
	Seq     uint64        `json:"seq"`
	Source  string        `json:"source"`
	Day     string        `json:"day"`
	Section event.Section `json:"section"`
	Leaf    tlog.Hash     `json:"leaf"`
}

// An Expire is the certificate of a deletion by a retention rule.
type Expire struct {
	Rule     string       `json:"rule"`
	Segments []SegmentRef `json:"segments"`
}

// An Erase is the certificate of a deletion of single events by law.
type Erase struct {
	Reason string     `json:"reason"`
	By     string     `json:"by"`
	Events []EventRef `json:"events"`
}

// A Refile names the events that a corrected mapping filed anew in another batch.
type Refile struct {
	Mapping uint32     `json:"mapping"`
	Reason  string     `json:"reason"`
	Events  []EventRef `json:"events"`
}

// A Hold keeps the segments of a period from expiring while it is placed.
type Hold struct {
	Name    string          `json:"name"`
	Change  string          `json:"change"` // placed, lifted
	Source  string          `json:"source,omitempty"`
	Section []event.Section `json:"sections,omitempty"`
	From    time.Time       `json:"from,omitzero,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	To      time.Time       `json:"to,omitzero,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	By      string          `json:"by"`
}

// A Key names the key that signs from this record on. The checkpoint after this
// record carries the signatures of the key before and of this one.
type Key struct {
	Key    string `json:"key"`              // note verifier key
	Before string `json:"before,omitempty"` // last checkpoint of the log that this one continues
}

// A Rollback names what a store that was restored from a backup lost.
type Rollback struct {
	By       string          `json:"by"`
	Segments []SegmentRef    `json:"segments,omitempty"`
	Objects  []ObjectsRef    `json:"objects,omitempty"`
	Covers   []WithdrawnSpan `json:"covers,omitempty"`
}

// An ObjectsRef names the objects of one source in one earlier record.
type ObjectsRef struct {
	Seq    uint64 `json:"seq"`
	Source string `json:"source"`
}

// A WithdrawnSpan is coverage that no longer holds.
type WithdrawnSpan struct {
	Source string    `json:"source"`
	From   time.Time `json:"from,format:'2006-01-02T15:04:05.000000000Z07:00'"`
	To     time.Time `json:"to,format:'2006-01-02T15:04:05.000000000Z07:00'"`
}
