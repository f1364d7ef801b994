package pack

import (
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A Summary is everything that was counted while a pack was made.
type Summary struct {
	Checkpoint ledger.Checkpoint
	At         time.Time         // of the checkpoint's last record: "now" for everything in the pack
	Period     coverage.Interval // exactly what sections/*.csv hold
	Days       coverage.Interval // the whole UTC days that events/*.jsonl hold
	Counts     Counts
	Spans      map[string][]ledger.Span // per source in scope, over Period, as known at At
	Removed    []Removed                // what lawful deletion and rollback took from the period
	State      *ledger.State            // what the carried records say; without segments, batches, deletions
	Content    string                   // content digest, "sha256:HEX"; empty before controls.csv is written
	Files      []File                   // written so far
}

// Counts are the numbers that the manifest states and the verifier counts again.
type Counts struct {
	First    uint64         `json:"first_record"` // records are carried in full from this seq on
	Size     uint64         `json:"size"`         // of the log at the checkpoint
	Events   uint64         `json:"events"`       // rows in sections/*.csv that are events
	Lines    uint64         `json:"lines"`        // lines in events/*.jsonl, rejects apart
	Erased   uint64         `json:"erased"`       // of Lines: erased by law
	Refiled  uint64         `json:"refiled"`      // of Lines: filed anew in a later batch
	Rejects  uint64         `json:"rejects"`      // lines in events/rejects.jsonl
	Cells    uint64         `json:"cells"`        // cells in CSV files that got an apostrophe
	Segments uint64         `json:"segments"`     // proven one by one
	Sections []SectionCount `json:"sections"`     // one per file, in report order
	Sources  []SourceCount  `json:"sources"`      // one per source in scope, by name
	Absent   []Absent       `json:"absent,omitempty"`
	Days     []DayCount     `json:"-"` // per source in scope and UTC day; in coverage/days.csv
	Groups   []RejectGroup  `json:"-"` // in rejects.csv
}

// The parts of Counts.
type (
	// A SectionCount counts one file of events. Name is a section, or Own.
	SectionCount struct {
		Name    string `json:"name"`
		Events  uint64 `json:"events"` // in the period exactly
		Lines   uint64 `json:"lines"`  // in whole UTC days
		Erased  uint64 `json:"erased,omitzero"`
		Refiled uint64 `json:"refiled,omitzero"`
	}
	// A SourceCount has what a source brought into the pack, and the ledger's
	// counts of the source over all records that the pack carries.
	SourceCount struct {
		Source   string                   `json:"source"`
		Sections map[event.Section]uint64 `json:"sections,omitempty"` // events in the period exactly
		Ledger   ledger.Batch             `json:"ledger"`             // sums; no segments, covers, cursor
		Told     *ledger.Told             `json:"told,omitempty"`     // the newest
	}
	// A DayCount counts what the ledger has for a source and UTC day.
	DayCount struct {
		Source   string
		Day      time.Time
		Covered  time.Duration // of the 24 hours, by any method
		Events   uint64
		Rejects  uint64
		Sections map[event.Section]uint64
	}
	// A RejectGroup is one row of rejects.csv: rejects that share all of these.
	RejectGroup struct {
		Source, Reason string
		Outcome        string    // what they became: ledger.ResolvedEvent, …; empty: they are open
		By             uint64    // the record that says so
		First, Last    time.Time // of receipt
		Count          uint64
	}
	// An Absent is a source that the ledger has for the period's days and the pack
	// has not.
	Absent struct {
		Source   string `json:"source"`
		Segments uint64 `json:"segments"`
		Events   uint64 `json:"events"`
		Rejects  uint64 `json:"rejects,omitzero"`
	}
	// A Removed is a segment of the period whose events are gone, by record By.
	Removed struct {
		ledger.SegmentRef
		By   uint64
		Kind string // ledger.KindExpire or ledger.KindRollback
		Why  string
	}
)

// A File is one file of a pack.
type File struct {
	Name   string `json:"name"`
	Size   uint64 `json:"size"`
	SHA256 string `json:"sha256"` // in hex
}
