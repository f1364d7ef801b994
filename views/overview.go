package views

import "time"

// Overview is the first page for admins and reviewers.
type Overview struct {
	Zone       *time.Location
	At         time.Time
	Sources    []OverviewSource
	Tasks      []Task // what needs someone, most urgent first
	Audit      AuditResult
	Checkpoint Checkpoint
	Events     int64 // events in the store
}

// OverviewSource is one source on the first page.
type OverviewSource struct {
	SourceDays        // the last 30 days
	Slack      *Slack // nil when nothing can be lost (imports) or nothing is known yet
	Health     Health // what the worker is doing
	Advice     string // what to do, when Health needs a person
}

// Slack is how long it takes until the source drops something that is not here.
type Slack struct {
	Left  time.Duration
	Keeps time.Duration // how long the vendor keeps events
}

// A Severity orders tasks.
type Severity string

// The severities of tasks.
const (
	Act  Severity = "act"  // something is lost, or will be
	Look Severity = "look" // somebody should look at it
	Know Severity = "know" // good to know
)

// A Task is one thing that needs someone.
type Task struct {
	Severity Severity
	Title    string    // "hcp-prod: 6 h can still be fetched"
	Detail   string    // what to do
	Deadline time.Time // zero: none
	Link     *Link
}

// AuditResult is the last comparison of the stored rows with the ledger.
type AuditResult struct {
	At       time.Time // zero: never
	Segments int64
	Events   int64
	Wrong    []string // source, day and section of each segment that differs
}

// A Checkpoint is the newest signed head of the ledger.
type Checkpoint struct {
	Origin    string
	Size      int64
	Root      string
	At        time.Time
	Witness   string    // who holds the newest copy outside; empty: nobody
	WitnessAt time.Time // when the witness got it
	Held      int64     // size of the checkpoint that the witness holds
}
