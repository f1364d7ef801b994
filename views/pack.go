package views

import "time"

// A Pack is an evidence pack that was made.
type Pack struct {
	ID         string
	File       string // name of the file
	Framework  FrameworkChoice
	Period     Period
	Sources    []string // sources in the pack
	Digest     string   // SHA-256 of the file, hexadecimal
	Size       int64    // bytes
	By         string   // who made it
	At         time.Time
	Checkpoint int64 // size of the ledger that it is pinned to
	Events     int64
}

// A JobState says how far a background job is.
type JobState string

// The states of a job.
const (
	Queued  JobState = "queued"
	Running JobState = "running"
	Done    JobState = "done"
	Failed  JobState = "failed"
)

// A Job makes one pack in the background.
type Job struct {
	ID        string
	State     JobState
	Framework FrameworkChoice
	Period    Period
	Sources   []string
	By        string // who started it
	Started   time.Time
	Ended     time.Time // zero: not yet
	Step      string    // "writing sections"
	Done      int64     // events written
	Total     int64     // events to write; 0: not known yet
	Problem   string    // Failed: one sentence for the person
	Pack      *Pack     // Done: the pack
	Zone      *time.Location
}
