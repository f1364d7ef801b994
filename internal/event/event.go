// Package event defines an audit event in its normal form and the canonical
// line that stands for it in hashes and files.
//
// An event keeps the exact bytes of the record it was made from. Its canonical
// line is one JSON object on one line, pinned for ever: the first key is "v",
// then "salt", then the fields of Event in the order of the struct, nested
// objects for Actor, Target and Scope, empty fields left out. Text is UTF-8 with
// only '"', '\' and controls below 0x20 escaped (\b \f \n \r \t, else \u00xx in
// lower case). Times are RFC 3339 with nine digits and Z. The raw record is the
// string "raw", or base64 in "raw64" when it is not valid UTF-8. The RFC 6962
// leaf of an event is tlog.RecordHash of its line, without a newline.
//
// testdata/vectors.jsonl holds lines that other implementations can check
// themselves against.
package event

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// A Section is the one group that an event is filed under when it is stored.
type Section string

// The sections that events are filed under, in the order that reports use.
const (
	Logins           Section = "logins"
	FailedAuth       Section = "failed-auth"
	MFA              Section = "mfa"
	Credentials      Section = "credentials"
	AccessGrants     Section = "access-grants"
	AdminChanges     Section = "admin-changes"
	ChangeManagement Section = "change-management"
	DataAccess       Section = "data-access"
	AuditLogConfig   Section = "audit-log-config"
	Other            Section = "other"
)

// Rejects is not a section of events: ledger segments and pack files use it for
// the records that could not be normalised.
const Rejects Section = "rejects"

// Sections lists the sections of events in report order.
func Sections() []Section {
	return []Section{Logins, FailedAuth, MFA, AdminChanges, AccessGrants, Credentials,
		ChangeManagement, DataAccess, AuditLogConfig, Other}
}

// Known reports whether s is a section of events.
func (s Section) Known() bool {
	for _, k := range Sections() {
		if s == k {
			return true
		}
	}
	return false
}

// Outcomes of an event.
const (
	Success = "success"
	Failure = "failure"
	Unknown = "unknown"
)

// Types of an actor.
const (
	User    = "user"
	Service = "service"
	System  = "system"
)

// What the time of an event is based on. The empty basis is the source's own.
const (
	BasisTransport = "transport" // the time that the carrier gave (HEC "time")
	BasisReceived  = "received"  // the time of receipt
)

// Version is the version of the canonical line that this package writes.
const Version = 1

// OCSFVersion is the OCSF release that class_uid and activity_id refer to.
const OCSFVersion = "1.8.0"

// MaxAhead is how far an event's own time may lie after its receipt before the
// event is filed at its time of receipt instead.
const MaxAhead = time.Hour

// An Actor is who did something.
type Actor struct {
	ID, Name, Email string
	Type            string // User, Service, System or empty
	Impersonator    string // id of the one who acted in the actor's name
}

// A Target is what something was done to.
type Target struct {
	Type, ID, Name string
}

// A Scope is where in the source's organisation something was done.
type Scope struct {
	Workspace, Project, Account string
}

// An Event is one audit event. It is comparable with == as long as its times
// are UTC without a monotonic reading; SameContent compares what the source said.
type Event struct {
	Salt         [16]byte  // random per event, so that a hash of an erased event tells nothing
	Source       string    // name of the configured source
	ID           string    // unique within the source
	Time         time.Time // UTC, nanoseconds, within [MinTime, MaxTime)
	TimeBasis    string    // empty: the source's own time
	Claimed      string    // the source's own words for a time that could not be used
	Received     time.Time // UTC
	Section      Section
	OCSF         string // OCSF release of Class and Activity
	Class        uint32 // OCSF class_uid
	Activity     uint32 // OCSF activity_id
	Action       string // the source's own words
	Outcome      string
	Actor        Actor
	Target       Target
	IP           string
	UserAgent    string
	RequestID    string
	SessionID    string
	Organisation string
	Scope        Scope
	Changes      string // the source's own JSON text of before and after
	Mapping      uint32 // version of the rules that normalised the record
	Masked       string // HMAC of what came, when a rule masked it before it was stored
	Raw          string // the record's exact bytes, valid UTF-8 or not
}

// Event times are kept within what every part of the system represents exactly.
func minTime() time.Time { return time.Unix(0, 0).UTC() }
func maxTime() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }

// InRange reports whether t can be the time of an event: 1970 up to 2200.
func InRange(t time.Time) bool {
	return !t.Before(minTime()) && t.Before(maxTime())
}

// Day returns the start of the UTC day that t falls on.
func Day(t time.Time) time.Time {
	return t.UTC().Truncate(24 * time.Hour)
}

// File settles the time that an event is filed at. An event without a time of
// its own (BasisReceived) is filed at its receipt; so is one whose time is later
// than its receipt by more than MaxAhead or out of range, which keeps the words
// of the source in Claimed. File reports the latter: the source's clock is wrong.
func (e *Event) File(claimed string) (wrongClock bool) {
	usable := InRange(e.Time) && !e.Time.After(e.Received.Add(MaxAhead))
	switch {
	case e.TimeBasis == BasisReceived:
	case usable:
		return false
	default:
		wrongClock = true
		if e.Claimed = claimed; claimed == "" {
			e.Claimed = e.Time.Format(time.RFC3339Nano)
		}
	}
	e.Time, e.TimeBasis = e.Received, BasisReceived
	return wrongClock
}

// SameContent reports whether a and b say the same thing: all normalised fields
// but salt, receipt, mapping version and raw bytes; and, where either time is
// not the source's own, but time and basis.
func SameContent(a, b *Event) bool {
	x, y := *a, *b
	if x.TimeBasis != "" || y.TimeBasis != "" {
		x.Time, x.TimeBasis, x.Claimed = time.Time{}, "", ""
		y.Time, y.TimeBasis, y.Claimed = time.Time{}, "", ""
	}
	if !x.Time.Equal(y.Time) {
		return false
	}
	for _, e := range []*Event{&x, &y} {
		e.Salt, e.Time, e.Received, e.Mapping, e.Raw = [16]byte{}, time.Time{}, time.Time{}, 0, ""
	}
	return x == y
}

// Check returns what is wrong with an event that is about to be stored.
func (e *Event) Check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if e.Source == "" {
		add("no source")
	}
	if e.ID == "" {
		add("no id")
	}
	if !InRange(e.Time) {
		add("time %s is not within 1970 and 2199", e.Time.Format(time.RFC3339))
	}
	if !InRange(e.Received) {
		add("time of receipt %s is not within 1970 and 2199", e.Received.Format(time.RFC3339))
	}
	if !e.Section.Known() {
		add("unknown section %q", e.Section)
	}
	switch e.Outcome {
	case Success, Failure, Unknown:
	default:
		add("unknown outcome %q", e.Outcome)
	}
	return errors.Join(errs...)
}

// Clean makes every normalised text valid UTF-8. Raw is left as it is.
func (e *Event) Clean() {
	for _, s := range e.texts() {
		if !utf8.ValidString(*s) {
			*s = strings.ToValidUTF8(*s, "\uFFFD")
		}
	}
}

// texts lists the normalised texts of e.
func (e *Event) texts() [25]*string {
	return [...]*string{&e.Source, &e.ID, &e.TimeBasis, &e.Claimed, &e.OCSF, &e.Action, &e.Outcome,
		&e.Actor.ID, &e.Actor.Name, &e.Actor.Email, &e.Actor.Type, &e.Actor.Impersonator,
		&e.Target.Type, &e.Target.ID, &e.Target.Name, &e.IP, &e.UserAgent, &e.RequestID, &e.SessionID,
		&e.Organisation, &e.Scope.Workspace, &e.Scope.Project, &e.Scope.Account, &e.Changes, &e.Masked}
}
