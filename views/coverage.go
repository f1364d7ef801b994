package views

import "time"

// A DayState says what is known about one source on one UTC day.
type DayState string

// The states of a day. A day that is partly in one state and partly in another
// carries the one that most needs a person.
const (
	Read         DayState = "read"          // collected: polled to the end
	Heard        DayState = "heard"         // collected: pushed, the path was alive
	Stated       DayState = "stated"        // collected: an import whose period a person stated
	Silent       DayState = "silent"        // collected, no events, though the source usually has some
	Pending      DayState = "pending"       // too recent to be settled, or covered and not yet committed
	Backfilling  DayState = "backfilling"   // first history still being read
	Recoverable  DayState = "recoverable"   // gap; the source can still give it
	Lost         DayState = "lost"          // gap; the source no longer has it
	Before       DayState = "before"        // before onboarding
	Expired      DayState = "expired"       // deleted by a retention rule that the ledger recorded
	Altered      DayState = "altered"       // rows no longer match the ledger
	NotConnected DayState = "not-connected" // no such source is connected
)

// A Day is one source on one UTC day.
type Day struct {
	Day    time.Time // start of the UTC day
	State  DayState
	Method DayState  // weakest by which a part of it was collected; empty: none was
	Share  float64   // share of the day that was collected, 0 to 1
	Events int64     // events filed on the day
	Until  time.Time // Recoverable: the source gives it until then
}

// A Gap is a required stretch of time without coverage.
type Gap struct {
	Source   string
	From, To time.Time // half-open
	State    DayState  // Recoverable, Lost, Backfilling or Expired
	Until    time.Time // Recoverable: the source gives it until then
	ByHand   bool      // by an import only, since nobody asks the source for it
	Note     string    // what a person wrote about it
	NoteBy   string
}

// SourceDays is one source over a range of days.
type SourceDays struct {
	Source  string
	Kind    string
	Title   string  // title of the kind
	Share   float64 // share of the required time that was collected, 0 to 1
	Events  int64
	Days    []Day // consecutive days, oldest first
	Methods []MethodShare
}

// A MethodShare is how much of a source's time was collected by one method.
type MethodShare struct {
	Method DayState // Read, Heard or Stated
	Share  float64
	By     string   // Stated: who stated the period
	Basis  []string // how it is known that nothing is missing
}

// Coverage is the coverage page.
type Coverage struct {
	Period    Period
	Zone      *time.Location
	At        time.Time // the data are as of this instant
	Sources   []SourceDays
	Gaps      []Gap
	Abilities Abilities
	Names     []string // all sources, for the form
	Source    string   // the one that was chosen; empty: all
}

// Abilities is the matrix source × section.
type Abilities struct {
	Sections []string
	Rows     []AbilityRow
}

// An AbilityRow is one source's line of the matrix.
type AbilityRow struct {
	Source string
	Title  string // title of the kind
	Cells  []AbilityCell
}

// An AbilityState says what a source has shown about a section.
type AbilityState string

// The states of the matrix.
const (
	Seen        AbilityState = "seen"         // events were seen in the period
	ProvenEmpty AbilityState = "proven-empty" // none, and collection is proven
	NeverSeen   AbilityState = "never-seen"   // the source can log it; none seen, not proven
	CannotEmit  AbilityState = "cannot-emit"  // the vendor does not log it, or not in this plan
)

// An AbilityCell is one source and one section.
type AbilityCell struct {
	State  AbilityState
	Events int64
	Note   string // "needs the Standard plan"; may be empty
}
