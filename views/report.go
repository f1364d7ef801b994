package views

import "time"

// Reports is the page where a report is chosen and past packs are listed.
type Reports struct {
	Frameworks  []FrameworkChoice
	Sources     []string // names that can be chosen
	Zones       []string
	Chosen      ReportChoice
	Engagements []Engagement // an auditor's own; empty for others
	Auditor     bool
	Packs       []Pack
	Problem     string // what is wrong with the form; empty: nothing
	Zone        *time.Location
}

// A FrameworkChoice is one framework that reports exist for.
type FrameworkChoice struct {
	ID, Title, Edition string
}

// ReportChoice is what the form was filled with.
type ReportChoice struct {
	Framework string
	From, To  string // YYYY-MM-DD
	Zone      string
	Sources   []string // empty: all
}

// An Engagement is one audit, as its people see it.
type Engagement struct {
	Name      string
	Framework FrameworkChoice
	Period    Period
	Sources   []string // empty: all
	Expires   time.Time
	Report    string // address of its report
}

// Report is a framework's report over a period.
type Report struct {
	Framework  Framework
	Period     Period
	CutAt      time.Time // coverage is shown up to here; zero: the period has ended
	Zone       *time.Location
	Sources    []string // sources in the report
	Missing    []string // systems of the scope without a source: "github: no source is connected"
	Coverage   []SourceDays
	Gaps       []Gap
	IPE        []Fact
	Controls   []Control
	Checks     []Check
	Retention  []Retention
	Checkpoint Checkpoint
	Query      ReportChoice // repeats the choice in the form that makes the pack
	Engagement string       // the engagement that an auditor acts under; empty for others
	Since      time.Time    // the period as instants, half-open: for links to the events
	Until      time.Time
	EventsLink bool   // the reader may open the events page
	Packs      []Pack // packs of the same framework and period
}

// Framework names the definition that a report follows.
type Framework struct {
	ID, Title, Edition, Version string
	LastChanged, ChangedBy      string
	Hash                        string
	Notes                       []string
}

// Control is one requirement with the evidence that was found.
type Control struct {
	Key      string // pci:4.0.1:10.2.1.4
	ID       string
	Title    string
	Asks     string
	Strength []Strength
	Cadence  string
	Number   string // the limit that the framework states
	Level    string // required, addressable or empty
	OnlyFor  string
	Bring    string // what document to bring besides
	Note     string
	Sections []SectionCount
	Later    []string // sections that Exhibit does not evidence yet
}

// Strength is what the evidence for a control is worth.
type Strength struct {
	Word   string // alone, corroborates, our own operation
	Covers string // which part of the control; empty when there is one strength
}

// A Meaning says what the count of a section means.
type Meaning string

// What a count means. All but Counted are meanings of zero.
const (
	Counted      Meaning = "counted"       // there are events
	NoneProven   Meaning = "none-proven"   // none found, collection proven
	NoneHeard    Meaning = "none-heard"    // none received, stream up
	NoneStated   Meaning = "none-stated"   // none in the file that By states to be complete
	NotCollected Meaning = "not-collected" // unknown: not collected
	NotEvidenced Meaning = "not-evidenced" // no source logs this
	Computed     Meaning = "computed"      // not a count of events: Words says what was found
)

// A SectionCount is one section of a control.
type SectionCount struct {
	Section string
	Events  int64
	Meaning Meaning
	By      string // NoneStated: who stated that the file is complete
	Words   string // Computed: the finding; else a remark ("collected for 96.4 % of the period")
	Shows   string // what the section shows for this framework
	Cannot  string // what it cannot show
}

// A Check is a question about a section with its answer.
type Check struct {
	Question string
	Section  string
	Answer   string // "none found", "3 exceptions", "12 listed", "unknown", "not evaluated"
	Needs    bool   // the answer needs an explanation by a person
	Controls []string
}

// Retention is one period that the framework wants history kept for.
type Retention struct {
	Title string
	Text  string
	Kind  string // hard, policy, warn
	Held  string // "120 days since July 24, 2026"
	Short bool   // less is held than is asked for
}
