// Package pack writes and verifies evidence packs: zip files that prove what
// they show. It knows events, ledger records and files, and no database.
//
// A pack holds the canonical lines of every event that the period's UTC days
// and the sources in scope have, the ledger records that name each group of
// them with count and Merkle root, a signed checkpoint over those records, and
// what people read: a cover, a CSV per section, coverage and gaps. Write makes
// one as a stream and refuses to when a line is missing, added or changed.
// Verify checks one against a key that did not come with it, and makes again
// what was made from lines and records: sections, coverage, counts.
//
// Files, in the words of VERIFY.md:
//
//	README.html  controls.csv  rejects.csv  VERIFY.md
//	sections/*.csv             exactly the period, safe for spreadsheets
//	events/*.jsonl             canonical lines of whole UTC days, ordered by
//	                           (UTC day, seq, source, time, id), bytewise
//	events/rejects.jsonl       what could not become an event
//	coverage/*.csv             intervals, gaps, days
//	ledger/records.jsonl       records from the start of the proof to the checkpoint
//	ledger/earlier-leaves      leaf hashes of all records before, base64, one per line
//	ledger/earlier.jsonl       those of them that later ones depend on, in full
//	ledger/checkpoint          the signed head that the pack is pinned to
//	ledger/key-checkpoints/N   the checkpoint that hands over to the key of record N
//	ledger/verify.py           the same sums with nothing but Python
//	SHA256SUMS  manifest.json  manifest.sig
//
// Events of the source `exhibit`, what people did in Exhibit itself, have files
// of their own, events/exhibit.jsonl and sections/exhibit.csv, ordered by
// section first. They are there only when that source is in scope.
package pack

import (
	"context"
	"io"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"

	"golang.org/x/mod/sumdb/note"
)

// Own is the source of what people do in Exhibit itself. Its events never stand
// among those of other systems.
const Own = "exhibit"

// A Query says which rows belong to a pack.
type Query struct {
	Sources []string          // sorted
	Days    coverage.Interval // whole UTC days: of event time, or of receipt for rejects
	Before  uint64            // rows of batches with seq < Before ...
	Voids   []uint64          // ... that are none of these (sorted)
}

// Data is where a pack's content comes from. Each method calls each in the
// stated order and stops at its first error, which it returns. What each is
// given may be used again after it returned. Calls are not concurrent.
type Data interface {
	// Records gives the lines of the committed records with from <= seq < to, by seq.
	Records(ctx context.Context, from, to uint64, each func(line []byte) error) error
	// KeyCheckpoints gives the signed checkpoint of size seq+1 for every `key`
	// record with seq < before, by seq.
	KeyCheckpoints(ctx context.Context, before uint64, each func(signed string) error) error
	// Events gives events, or what is left of them after an erase or refile (then
	// e is nil). Within one section they come by (UTC day, seq,
	// source, time, id), texts bytewise; sections may interleave. What an expire
	// or rollback record names is left out.
	Events(ctx context.Context, q Query, each func(seq uint64, e *event.Event, erased *event.Erased) error) error
	// Rejects gives rejects by (UTC day of receipt, seq, source, received, sha256).
	Rejects(ctx context.Context, q Query, each func(seq uint64, r *event.Reject) error) error
}

// Params are what a pack is made from, beside its data. The same Sheet but By
// and Made, Period, Zone, Checkpoint and Controls give the same content digest.
type Params struct {
	Sheet
	Period     coverage.Interval // instants, half-open; local midnights for whole days
	Zone       *time.Location    // of the second time column; nil means UTC
	Checkpoint string            // signed note that the pack is pinned to
	Key        string            // verifier key of Signer, in the text form of package note
	Signer     note.Signer       // signs the manifest; the key that signed Checkpoint

	Temp     string                      // directory for temporary files; "" is the system's
	Progress func(written, total uint64) // called now and then with numbers of lines; may be nil
	// Answer returns the controls with their answers, once everything is counted.
	// Nil leaves Sheet.Controls as they are.
	Answer func(*Summary) ([]Control, error)
	// Cover returns README.html for the finished pack.
	Cover func(*Summary) ([]byte, error)
}

// A Sheet is what a report says of itself and a verifier cannot compute: the
// stated part of the IPE sheet. The manifest repeats it.
type Sheet struct {
	Framework  Framework   `json:"framework"`
	Title      string      `json:"title"`
	PeriodText string      `json:"period_text"` // as asked for: "2026-01-01 to 2026-04-22, both included"
	Sources    []string    `json:"sources"`     // in scope
	Controls   []Control   `json:"controls"`
	Retention  []Retention `json:"retention,omitempty"`
	Scope      []System    `json:"scope,omitempty"` // systems that must be evidenced
	By         Person      `json:"by"`
	Made       time.Time   `json:"made"`
	Software   Software    `json:"software"`
	Query      string      `json:"query"`
	Changes    []Change    `json:"config_changes,omitempty"` // in the period
	Witnesses  []Witness   `json:"witnesses,omitempty"`
	Audit      *Audit      `json:"audit,omitempty"` // last recomputation of the store against the ledger
	Unmapped   []Unmapped  `json:"unmapped,omitempty"`
	Notes      []string    `json:"notes,omitempty"` // anything else a reader must know
}

// The parts of a Sheet.
type (
	// A Framework names the report definition.
	Framework struct {
		ID         string `json:"id"` // soc2
		Version    string `json:"version"`
		Name       string `json:"name"`
		Definition string `json:"definition"` // SHA-256 of the definition, in hex
		Changed    string `json:"changed,omitempty"`
		ChangedBy  string `json:"changed_by,omitempty"`
	}
	// A Control is one row of controls.csv.
	Control struct {
		Key      string   `json:"key"` // framework:version:id
		ID       string   `json:"id"`
		Title    string   `json:"title"` // our own words
		Asks     string   `json:"asks"`
		Sections []string `json:"sections"` // computed ones too: they have no file
		Strength string   `json:"strength"`
		Bring    string   `json:"bring,omitempty"`  // document to bring besides
		Answer   string   `json:"answer,omitempty"` // evidence for; exceptions found; ...
		Checks   []Check  `json:"checks,omitempty"`
	}
	// A Check is a question with its answer.
	Check struct {
		ID       string `json:"id"`
		Question string `json:"question"`
		Answer   string `json:"answer"`
		Count    uint64 `json:"count,omitzero"`
	}
	// A Retention is one row of what a framework asks to keep, and what is kept.
	Retention struct {
		Source   string `json:"source,omitempty"`
		Requires string `json:"requires"`
		Kept     string `json:"kept"`
		State    string `json:"state"`
	}
	// A System is one that the scope says must be evidenced.
	System struct {
		Name    string   `json:"name"`
		Sources []string `json:"sources,omitempty"` // none: not evidenced
		Note    string   `json:"note,omitempty"`
	}
	// A Person is who ran the report.
	Person struct {
		ID   string `json:"id"`
		Name string `json:"name"`
		Role string `json:"role"`
	}
	// A Software is what ran.
	Software struct {
		Version string `json:"version"`
		Commit  string `json:"commit"`
		TZData  string `json:"tzdata"` // version of the zone data, else of the Go release it came with
	}
	// A Change is one of the configuration in the period.
	Change struct {
		At   time.Time `json:"at"`
		Seq  uint64    `json:"seq,omitzero"`
		What string    `json:"what"`
	}
	// A Witness holds checkpoints outside.
	Witness struct {
		Name string    `json:"name"`
		Kind string    `json:"kind"`
		Last time.Time `json:"last,omitzero"`
		Size uint64    `json:"size,omitzero"`
		Note string    `json:"note,omitempty"` // "held by the operator"
	}
	// An Audit is the result of the last exhibit audit.
	Audit struct {
		At       time.Time `json:"at"`
		Segments uint64    `json:"segments"`
		Events   uint64    `json:"events"`
		Altered  uint64    `json:"altered"`
		Text     string    `json:"text"`
	}
	// An Unmapped is a type of event that the rules do not know.
	Unmapped struct {
		Source string `json:"source"`
		Action string `json:"action"`
		Count  uint64 `json:"count"`
	}
)

// FileName returns the name that the pack's file should have.
func (p *Params) FileName() string {
	zone := p.zone()
	last := p.Period.To.Add(-1).In(zone)
	return "exhibit-" + p.Framework.ID + "-" + p.Period.From.In(zone).Format(time.DateOnly) + "_" + last.Format(time.DateOnly) + ".zip"
}

func (p *Params) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// Write makes a pack and returns what it holds. Memory does not grow with the
// pack; temporary files take about the room of the pack. It fails, naming source,
// day, section and seq, when data is not what the ledger says it is: what has
// been written to out is then no pack.
func Write(ctx context.Context, out io.Writer, data Data, p Params) (*Summary, error) {
	return write(ctx, out, data, &p)
}
