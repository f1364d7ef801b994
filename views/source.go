package views

import "time"

// A Health says what a source's worker is doing.
type Health string

// A Way is how events of a source come.
type Way string

// The ways of events.
const (
	Polled Way = "polled" // Exhibit asks the vendor
	Bucket Way = "bucket" // Exhibit reads objects
	Pushed Way = "pushed" // others send
	Files  Way = "files"  // people import
)

// title says how events come, in words.
func (w Way) title() string {
	switch w {
	case Polled:
		return "polled: Exhibit asks the vendor"
	case Bucket:
		return "bucket: Exhibit reads the objects that the vendor writes"
	case Pushed:
		return "pushed: the vendor, or somebody in between, sends them here"
	case Files:
		return "files: people import them"
	}
	return "not configured any more"
}

// A Spool is the room for events that were sent and are not stored yet, of all sources.
type Spool struct {
	Used, Max int64         // bytes
	Waiting   int64         // records
	Full      time.Time     // since when there is no room; zero: there is
	Lasts     time.Duration // until it would be full if nothing could be stored, as events come now; 0: none come
}

// lasts says how long the spool takes events in. A store that is away for months is
// not what anybody plans for.
func (s *Spool) lasts() string {
	if s.Lasts > 30*24*time.Hour {
		return "more than a month"
	}
	return span(s.Lasts)
}

// The healths of a source.
const (
	OK            Health = "ok"
	Reading       Health = "reading"
	BackingOff    Health = "backing-off"
	TokenRejected Health = "token-rejected"
	Stopped       Health = "stopped"
	Unheard       Health = "unheard"     // pushed, and nothing came for longer than the heartbeat
	Alarm         Health = "alarm"       // read, and what it holds is not what it should be
	Waiting       Health = "waiting"     // pushed, and nothing ever came
	ImportOnly    Health = "import-only" // events come as files
)

// Sources is the page that lists all sources.
type Sources struct {
	Tokens  string // address of all tokens; empty: not for this reader
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
	Way       Way           // empty: it is not configured any more
	Heard     bool          // it is pushed: LastRead is when something came last
	Heartbeat time.Duration // Heard: how long nothing may come until the path counts as dead
	Spool     *Spool        // Heard: where it waits; nil: not known
	Bytes     bool          // the reader may see rejects
	Tokens    string        // address of its tokens; empty: not for this reader
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

// next says what to do about a source, where its worker does not say it. Empty: nothing.
func (s Source) next() string {
	switch {
	case s.Advice != "":
		return s.Advice
	case s.Health == Waiting:
		return "Nothing has come since it was configured. Make a token and give it to the sender, with one of the addresses beside it."
	case s.Health == Unheard:
		return "Look whether the sender runs, reaches this address, and has a token that works. What it does not keep and send again is missing, and can only be imported."
	case s.Health == Alarm && s.Way == Bucket:
		return "Look in the bucket and who changed it. What is put back is read by itself; what is gone for good stays a gap: say why with exhibit note."
	case s.Health == ImportOnly && s.Way == Files:
		return "Nothing comes by itself: import files of the vendor with exhibit import --source " + s.Name + ", or let somebody send them."
	case s.Way == "":
		return "It is not in the configuration any more. Its events stay, and what is required of it is missing from then on."
	}
	return ""
}
