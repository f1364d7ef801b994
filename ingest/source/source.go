// Package source knows where audit events come from: the kinds of sources, how
// each is read, and how its records become events.
//
// A kind is one row of Kinds: one file here, classification rules as data in
// rules/, and sample records with the events expected of them in testdata/.
// Everything else (settings page, README table, abilities matrix) is made from
// the row.
//
// A source is read by a Puller, or pushed to, or imported with Records. In every
// case what comes out is records, byte for byte as the source delivered them, and
// the Normalize function of the kind turns a record into events.
package source

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/event"
)

// MaxRecord is the largest record that becomes an event; a larger one is a reject.
const MaxRecord = 16 << 20

// A Shape says what a kind can be asked for.
type Shape string

// The shapes of kinds.
const (
	Window Shape = "window" // from and to, in bounded pieces, oldest first
	Since  Shape = "since"  // from a moment to now; no upper bound
	Follow Shape = "follow" // an opaque cursor that must be followed
	Pushed Shape = "pushed" // cannot be asked: records are handed in
)

// A Grade is how well a kind can prove a section.
type Grade string

// The grades of abilities.
const (
	Logged    Grade = "logged"
	Partly    Grade = "partly"
	NotLogged Grade = "not logged by this vendor"
	NeedsPlan Grade = "needs plan"
)

// An Ability says what a kind can prove of one section. Words says more: what is
// missing and what to connect instead, or which plan is needed.
type Ability struct {
	Grade Grade
	Words string
}

// String returns the ability as reports print it.
func (a Ability) String() string {
	if a.Words == "" {
		return string(a.Grade)
	}
	return string(a.Grade) + ": " + a.Words
}

// A Kind is a type of source. Kinds are made by Kinds and not changed.
type Kind struct {
	Name    string // as in the configuration; permanent
	Title   string
	Docs    string        // link to the vendor's documentation
	Keeps   time.Duration // how long the vendor keeps events; 0 when it cannot be asked
	Settle  time.Duration // how late an event may appear; the default of a source's setting
	Shape   Shape
	Piece   time.Duration // for Window: the longest stretch that is asked for at once; 0: any
	Mapping uint32        // version of rules and Normalize; events carry it
	Rules   string        // SHA-256 of the classification rules, in hex

	Layout    Layout // of what the vendor writes to a bucket
	Settings  []Setting
	Abilities map[event.Section]Ability // one for every section
	Lacks     []string                  // fields of an event that records of this kind never fill
	Wraps     []string                  // keys under which the vendor's pages hold their records; of an object in an object, joined with a dot; after a !, one that only records have

	Datadog DatadogLogs // how the kind datadog knows logs of this kind

	// Normalize turns a record into events: at least one, unless the error says
	// why not. It fills everything but Source, Salt and, where the record has
	// none, ID; it does not settle the time at which the event is filed, which is
	// (*event.Event).File with Claimed. An error that wraps ErrSkip is a record
	// known to hold no event; any other error is a reject, and Reason tells why.
	//
	// It depends on nothing but its argument and is safe for concurrent use. The
	// texts of the event share memory with its Raw, which is a copy of the record.
	Normalize func(Record) ([]Result, error)

	// NewPuller is nil for a kind that is pushed.
	NewPuller func(Config) (Puller, error)

	rules *rules // of Normalize

	// says is not nil for a kind that takes almost any object for a record. It returns
	// who acted, from where, and with what outcome, where the record says so.
	says func(Record) event.Event
}

// Kinds returns the table of kinds. It compiles their rules: call it once.
func Kinds() []Kind { return kinds(nil) }

func kinds(own *SiteRules) []Kind {
	vendors := []Kind{
		hcpTerraform(),
		scalr(),
		terracotta(),
		cloudTrail(),
		okta(),
		hcpPlatform(),
		entraID(),
	}
	for i := range vendors {
		vendors[i] = inCarriers(own.apply(vendors[i]))
	}
	return append(vendors, inCarriers(own.apply(datadog(vendors))), own.apply(generic()), exhibit())
}

// Lookup returns the kind with the name.
func Lookup(kinds []Kind, name string) (Kind, error) {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	return Kind{}, fmt.Errorf("source: there is no kind %q; the kinds are %s", name, strings.Join(names, ", "))
}

// A Record is one raw item exactly as the source delivered it.
type Record struct {
	Raw       []byte
	Received  time.Time
	Transport time.Time // the time that the carrier gave; zero when it gave none
}

// A Result is one event of a record, with what its caller has to settle or count.
type Result struct {
	Event    event.Event
	Claimed  string // the source's words for a time, to be handed to (*event.Event).File
	Unmapped bool   // no rule knows the action; it is filed under other
	Ends     bool   // the source says that its log was switched off: coverage ends at the event's time
	EndsOf   string // of Ends: of a CloudTrail trail, how the names of its chains of digests end; empty: of all
}

// ErrSkip is wrapped by the error for a record that is known to hold no event.
var ErrSkip = errors.New("skipped")

// A RejectError says why a record could not become an event. There are few
// reasons, so that they can be counted; Detail may be anything.
type RejectError struct {
	Reason string
	Detail string
}

func (e *RejectError) Error() string {
	if e.Detail == "" {
		return e.Reason
	}
	return e.Reason + ": " + e.Detail
}

// The reasons of rejects.
const (
	ReasonNotJSON   = "not JSON"
	ReasonNotObject = "not an object"
	ReasonDuplicate = "duplicate key"
	ReasonNoType    = "no event type"
	ReasonTooLarge  = "record larger than 16 MiB"
	ReasonTooMany   = "too many events in one record"
	ReasonCutShort  = "cut short"
)

// Reason returns the reason of a reject, without its detail.
func Reason(err error) string {
	if reject := (*RejectError)(nil); errors.As(err, &reject) {
		return reject.Reason
	}
	reason, _, _ := strings.Cut(err.Error(), ":")
	return reason
}
