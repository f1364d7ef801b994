package views

import (
	"net/url"
	"time"
)

// Rejects is the page that counts what could not become events.
type Rejects struct {
	Filter  RejectFilter
	Sources []string // to choose from
	Groups  []RejectGroup
	Zone    *time.Location
}

// RejectFilter is what the pages of rejects were asked for, as it was typed.
type RejectFilter struct {
	Source, Reason string
	State          string // open, resolved; empty: all
}

// RejectStates are the states that can be chosen.
func RejectStates() []string { return []string{"open", "resolved"} }

// RejectGroup is the rejects of a source that share a reason.
type RejectGroup struct {
	Source, Reason string
	Open, Resolved int64
	Bytes          int64 // of the open ones
	First, Last    time.Time
	Example        string // SHA-256, in hex
}

// RejectList is the page that lists single rejects, newest first.
type RejectList struct {
	Filter RejectFilter
	Rows   []Reject
	Newest string // address of the first page; empty: this is it
	Older  string // address of the next page; empty: this is the last
	Zone   *time.Location
}

// Reject is one record that could not become an event.
type Reject struct {
	Source, Reason string
	SHA256         string // in hex
	Received       time.Time
	Size           int64 // bytes, as it came
	Batch          int64 // ledger record
	Resolved       *Resolved
	Shown          string // the bytes, or the first of them: as text that is safe to show, or in hex
	Hex            bool
	Kept           int64 // bytes that are kept
	Cut            bool  // there is more than Shown
	Zone           *time.Location
}

// Resolved says what became of a reject that was tried again.
type Resolved struct {
	Outcome string // event, duplicate, skipped, conflict
	Batch   int64
	Event   string // address of the event; empty: none
}

// words says what became of a reject, for people.
func (r *Resolved) words() string {
	switch r.Outcome {
	case "event":
		return "it is an event now"
	case "duplicate":
		return "its event was stored already"
	case "skipped":
		return "it is known now to hold no event"
	case "conflict":
		return "it contradicts a stored event, and is a reject for that now"
	}
	return r.Outcome
}

func rejectsPath(f RejectFilter) string {
	q := url.Values{}
	for name, value := range map[string]string{"source": f.Source, "reason": f.Reason, "state": f.State} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return "/rejects?" + q.Encode()
}

// RejectListPath is the address of a list of single rejects.
func RejectListPath(f RejectFilter) string {
	q := url.Values{}
	for name, value := range map[string]string{"reason": f.Reason, "state": f.State} {
		if value != "" {
			q.Set(name, value)
		}
	}
	path := "/rejects/" + url.PathEscape(f.Source)
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// RejectPath is the address of one reject; the same bytes may have several reasons.
func RejectPath(source, sha256, reason string) string {
	return "/rejects/" + url.PathEscape(source) + "/" + sha256 + "?" + url.Values{"reason": {reason}}.Encode()
}

func rejectBytesPath(r Reject) string {
	return "/rejects/" + url.PathEscape(r.Source) + "/" + r.SHA256 + "/bytes?" + url.Values{"reason": {r.Reason}}.Encode()
}

// redriveCommand is what an operator types to try rejects again.
func redriveCommand(source, reason string) string {
	return "exhibit redrive --source " + source + " --reason '" + reason + "'"
}
