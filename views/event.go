package views

import "time"

// EventList is one page of the list of events, newest first.
type EventList struct {
	Zone     *time.Location
	Filter   EventFilter
	Sources  []string // what can be chosen
	Sections []string
	Outcomes []string
	Rows     []EventRow
	Older    string // address of the next page; empty: this is the last
	Newest   string // address of the first page; empty: this is it
	Problem  string // what is wrong with the filter; empty: nothing
}

// EventFilter is what the form was filled with.
type EventFilter struct {
	Source, Section, From, To, Actor, Action, Outcome, ID string
}

// Active reports whether the filter leaves anything out.
func (f EventFilter) Active() bool { return f != EventFilter{} }

// An EventRow is one event in the list.
type EventRow struct {
	Time    time.Time
	Source  string
	ID      string
	Section string
	Action  string
	Actor   string
	Target  string
	Outcome string
	Path    string // address of its page
}

// Event is one event in full.
type Event struct {
	Zone     *time.Location
	Source   string
	ID       string
	Time     time.Time
	Section  string
	Action   string
	Outcome  string
	Actor    string // name or email, for the heading
	Target   string
	Summary  []Fact
	Changes  []Change
	Unparsed string // changes whose shape is not known, as the source wrote them
	Pretty   string // the record, indented; empty when it is not JSON
	Raw      string // the exact bytes; base64 when RawIs64
	RawIs64  bool
	Size     int // bytes of the record
	Proof    Proof
}

// A Change is one field before and after.
type Change struct{ Field, Before, After string }

// Proof places an event in the ledger.
type Proof struct {
	Batch   int64 // seq of the ledger record that committed it
	At      time.Time
	Day     time.Time // UTC day of the segment
	Section string
	Count   int64     // events in the segment
	Root    string    // Merkle root of the segment
	Leaf    string    // leaf hash of the event
	Line    string    // the canonical line that the leaf is the hash of
	Checked time.Time // when the segment was last compared with the rows; zero: not yet
}
