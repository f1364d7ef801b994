package schedule

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"exhibit/internal/pack"
)

// A RunState says how far a run is.
type RunState string

// The states of a run.
const (
	Asked  RunState = "asked"  // somebody wants it now
	Begun  RunState = "begun"  // it is being made
	Broken RunState = "broken" // it could not be made; tried again
	Made   RunState = "made"   // its letter is written, its deliveries follow
)

// A Run is one period of a schedule, as its newest state tells it.
type Run struct {
	Schedule string    `json:"schedule"`
	Key      string    `json:"key"` // of the period; of a run that was asked for, with "+" and when
	Number   int       `json:"number"`
	State    RunState  `json:"state"`
	At       time.Time `json:"at"`
	First    time.Time `json:"first"` // when it was asked for or begun
	Due      time.Time `json:"due"`
	Version  int       `json:"version"` // of the schedule
	Span     Span      `json:"span"`
	By       string    `json:"by,omitempty"`     // who asked for it; empty: it was due
	Waited   string    `json:"waited,omitempty"` // what it waited for: settled coverage or the grace
	Problem  string    `json:"problem,omitempty"`
	Targets  []string  `json:"targets,omitempty"` // Made: what it is delivered to
	Pack     string    `json:"pack,omitempty"`    // Made: id of the pack
	Letter   *Letter   `json:"letter,omitempty"`  // Made: what the mails say
}

// ID names the run.
func (r *Run) ID() string { return runID(r.Schedule, r.Key) }

func runID(schedule, key string) string { return schedule + "/" + key }

// A DeliveryState says how far a delivery is.
type DeliveryState string

// The states of a delivery.
const (
	Queued   DeliveryState = "queued"
	Sending  DeliveryState = "sending"  // written before the conversation begins
	Sent     DeliveryState = "sent"     // the server took it
	Deferred DeliveryState = "deferred" // not taken for now: tried again
	Failed   DeliveryState = "failed"   // refused, or not taken for two days and a number of tries
	Skipped  DeliveryState = "skipped"  // not tried, for a reason
)

// Settled reports whether nothing more happens by itself.
func (s DeliveryState) Settled() bool { return s == Sent || s == Failed || s == Skipped }

// A Delivery is one sending of a run to one target, as its newest state tells it.
type Delivery struct {
	Run       string        `json:"run"` // its ID
	Target    string        `json:"target"`
	Number    int           `json:"number"`  // of the state, from 0
	Round     int           `json:"round"`   // how often somebody asked for it again
	Attempt   int           `json:"attempt"` // conversations begun in this round
	State     DeliveryState `json:"state"`
	At        time.Time     `json:"at"`
	Since     time.Time     `json:"since"`           // when this round was queued
	Next      time.Time     `json:"next,omitzero"`   // Deferred: when it is tried again
	Reply     string        `json:"reply,omitempty"` // what the server said
	Note      string        `json:"note,omitempty"`  // what else there is to say
	MessageID string        `json:"message_id,omitempty"`
	By        string        `json:"by,omitempty"`     // who asked for it again
	Unsure    bool          `json:"unsure,omitempty"` // an earlier conversation of this round may have sent it
}

// messageID follows from what is delivered, so that the same mail has the same one
// each time it is tried. A round that somebody asked for is another mail: servers may
// drop a second mail of one id.
func messageID(d Delivery, domain string) string {
	sum := sha256.Sum256([]byte(d.Run + "\x00" + d.Target + "\x00" + strconv.Itoa(d.Round)))
	return hex.EncodeToString(sum[:16]) + "@" + domain
}

// Records keeps schedules, runs and deliveries as rows that are only added. What was
// added is durable when Add returns, and is in the next answer.
type Records interface {
	// Schedules returns all versions of all schedules, those of one in order.
	Schedules(ctx context.Context) ([]Schedule, error)
	// Runs returns the newest state of each run that has changed, or one of whose
	// deliveries has, since an instant, in the order of First.
	Runs(ctx context.Context, since time.Time) ([]Run, error)
	// RunIDs returns the ids of all runs.
	RunIDs(ctx context.Context) ([]string, error)
	// Deliveries returns the newest state of all deliveries of each run one of whose
	// deliveries has changed since an instant.
	Deliveries(ctx context.Context, since time.Time) ([]Delivery, error)
	AddSchedule(ctx context.Context, s Schedule) error
	AddRun(ctx context.Context, r Run) error
	AddDelivery(ctx context.Context, d Delivery) error
}

// A Lookup answers for a part of the records without reading the rest.
type Lookup interface {
	// Versions returns the versions of a schedule, in order.
	Versions(ctx context.Context, schedule string) ([]Schedule, error)
	// RunsOf returns the newest states of the n runs of a schedule that began last, in
	// the order of First.
	RunsOf(ctx context.Context, schedule string, n int) ([]Run, error)
	// LastRuns returns the run of each schedule that began last.
	LastRuns(ctx context.Context) ([]Run, error)
	// RunsNamed returns the newest states of runs by their ids, without those that are
	// not there.
	RunsNamed(ctx context.Context, ids ...string) ([]Run, error)
	// DeliveriesOf returns the newest states of all deliveries of runs, by the ids of those.
	DeliveriesOf(ctx context.Context, runs ...string) ([]Delivery, error)
	// DeliveriesIn returns the deliveries that are in one of some states since an instant.
	DeliveriesIn(ctx context.Context, states []DeliveryState, since time.Time) ([]Delivery, error)
}

// An Archive is records in which a part can be looked up.
type Archive interface {
	Records
	Lookup
}

// Evidence makes what runs send.
type Evidence interface {
	// Ready reports whether the coverage of the span is settled, or what it waits for.
	Ready(ctx context.Context, s Schedule, span Span) (settled bool, waits string, err error)
	// Make makes the pack of a run and writes its letter. Packs that an earlier try
	// left are not asked for.
	Make(ctx context.Context, s Schedule, r Run) (packID string, letter *Letter, err error)
	// Checkpoint writes the letter of the checkpoint.
	Checkpoint(ctx context.Context, s Schedule, r Run) (*Letter, error)
	// Problem says in a sentence for people why Make failed.
	Problem(err error) string
}

// A Parcel is a letter on its way to one target.
type Parcel struct {
	Letter    *Letter
	To        string
	MessageID string
	At        time.Time
	Pack      string // id of the pack; empty: none
	Attach    bool   // attach it where it is small enough
}

// An Outcome is how a conversation ended.
type Outcome struct {
	State DeliveryState // Sent, Deferred or Failed
	Reply string        // the server's words, or the error
	Note  string        // how the pack went, or why
	Lost  bool          // the mail was sent whole, but the answer never came
}

// A Post delivers parcels. Send returns within a bounded time.
type Post interface {
	Send(ctx context.Context, p Parcel) Outcome
}

// An Entry is something that happened, for the diary.
type Entry struct {
	Action  string // "schedule.run", "delivery.sent"
	OK      bool
	Type    string // of the target: schedule or delivery
	ID      string
	Name    string
	Details string
	By      pack.Person
}
