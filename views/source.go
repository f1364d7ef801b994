package views

import "time"

// A Health says what a source's worker is doing.
type Health string

// The healths of a source.
const (
	OK            Health = "ok"
	Reading       Health = "reading"
	BackingOff    Health = "backing-off"
	TokenRejected Health = "token-rejected"
	Stopped       Health = "stopped"
	Unheard       Health = "unheard"     // pushed, and nothing came for longer than the heartbeat
	Alarm         Health = "alarm"       // read, and what it holds is not what it should be
	ImportOnly    Health = "import-only" // events come as files
)

// Sources is the page that lists all sources.
type Sources struct {
	Zone    *time.Location
	Sources []Source
}

// Source is one source in full. The list shows a part of it.
type Source struct {
	Name      string
	Kind      string
	Title     string // title of the kind
	Docs      string // address of the vendor's documentation
	Tenant    string // organisation, host or tenant that it reads
	Health    Health
	Problem   string // what went wrong last, in the source's words
	Advice    string // what to do about it
	LastRead  time.Time
	Heard     bool // it is pushed: LastRead is when something came last
	NextRead  time.Time
	LastEvent time.Time
	Since     time.Time     // history is required from here on
	Keeps     time.Duration // how long the vendor keeps events; 0: no limit
	Settle    time.Duration
	Covered   time.Time // coverage reaches to here
	Cursor    string    // sources that follow a cursor: its newest value
	Counts    Counts
	Told      int64 // total that the source itself tells; -1: it tells none
	Unmapped  []Tally
	Rejects   []Tally
	Mapping   uint32    // version of the rules
	Rules     string    // hash of the rules, in hex
	RulesFrom time.Time // the ledger has these rules from here on
	Zone      *time.Location
}

// Counts are the totals of a source: fetched + extra = events + duplicates +
// skipped + rejects + expired.
type Counts struct {
	Fetched, Extra                                int64
	Events, Duplicates, Skipped, Rejects, Expired int64
	Late, ClockAhead                              int64 // parts of Events
}

// A Tally counts one word.
type Tally struct {
	Name        string
	Count       int64
	First, Last time.Time
	Path        string // where to see one, or more of it; empty: nowhere
	Note        string
}
