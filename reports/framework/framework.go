// Package framework holds the control frameworks that Exhibit makes evidence
// reports for. A framework is one YAML file in this folder and nothing else: the
// files are embedded, and checked whenever they are loaded.
//
// A file says which controls the sections of a report are evidence for, how
// strong that evidence is, what an auditor asks for besides, how long the
// framework wants history kept, and which questions the events can answer. It
// never says whether a control is met: Exhibit shows evidence and does not judge.
// Titles and descriptions are our own words; the texts of the frameworks are not
// reproduced here.
//
// # Sources
//
// The facts (control ids, what an assessor asks for, numbers) are public:
//
//   - SOC 2: AICPA Trust Services Criteria 2017 with the revised points of focus
//     of 2022. The criteria hold no numbers; every period in soc2.yaml is marked
//     as customary or as policy.
//   - HIPAA: 45 CFR Part 164 Subpart C (Security Rule) as amended in 2013, the
//     OCR audit protocol for what is asked for, and 45 CFR 164.528 for the
//     look-back of disclosures. The rule-making proposed in 90 FR 898 (January
//     2025) is not law and not in the file.
//   - PCI DSS: version 4.0.1 (June 2024), PCI SSC; FAQ 1066 for what an inactive
//     account is.
//
// Periods are turned into days on the strict side: no twelve months are longer
// than 366 days, no three longer than 92, no six years longer than 2192.
package framework

// A Framework is one control framework in one edition, as read from its file.
type Framework struct {
	// ID is the name used on the command line and in addresses: "soc2".
	ID string `yaml:"id"`
	// Prefix is the start of every control's key and names the edition:
	// "tsc:2017r2022".
	Prefix string `yaml:"prefix"`
	// Title is the name that people know the framework by.
	Title string `yaml:"title"`
	// Edition says in words which edition of the framework the file describes.
	Edition string `yaml:"edition"`
	// Version is the version of this definition, raised with every change to it.
	Version string `yaml:"version"`
	// LastChanged is the date of that change, YYYY-MM-DD.
	LastChanged string `yaml:"last_changed"`
	// ChangedBy says who made that change.
	ChangedBy string `yaml:"changed_by"`
	// Notes are sentences that a report of this framework prints on its cover.
	Notes []string `yaml:"notes"`
	// Sections has the framework's wording for each section that its controls name.
	Sections map[string]Wording `yaml:"sections"`
	// Retention lists how long the framework wants history kept.
	Retention []Retention `yaml:"retention"`
	// Checks are the questions of this framework that events can answer.
	Checks []Check `yaml:"checks"`
	// Controls lists the controls in the order that reports use.
	Controls []Control `yaml:"controls"`

	// File is the name of the file that the framework was read from.
	File string `yaml:"-"`
	// Hash is the SHA-256 of that file's bytes in hexadecimal: the definition hash.
	Hash string `yaml:"-"`
}

// A Control is one requirement of a framework that at least one section is
// evidence for.
type Control struct {
	// ID is the framework's own number: "CC6.1", "164.312(b)", "10.2.1.4".
	ID string `yaml:"id"`
	// Key names the control across frameworks and editions: "pci:4.0.1:10.2.1.4".
	// A bare number means other things in other editions. The loader sets it.
	Key string `yaml:"-"`
	// Title is our own short title.
	Title string `yaml:"title"`
	// Asks says in our own words what an auditor asks for.
	Asks string `yaml:"asks"`
	// Sections names the sections that are evidence for the control, the one that
	// says most first. A section of kind Later is not evidenced by Exhibit yet.
	Sections []string `yaml:"sections"`
	// Strength says what the evidence is worth. A control may have two: then
	// Covers says which part each of them is about.
	Strength []Strength `yaml:"strength"`
	// Covers has one line for each strength of a control that has several.
	Covers map[Strength]string `yaml:"covers"`
	// Cadence says how often the control works or is shown; "customary" marks what
	// is usual and not in the framework.
	Cadence string `yaml:"cadence"`
	// Number is the limit that the framework states, if it states one.
	Number string `yaml:"number"`
	// Bring is what to bring besides the pack; empty when nothing is needed.
	Bring string `yaml:"bring"`
	// Level is Required or Addressable in frameworks that make the difference.
	Level Level `yaml:"level"`
	// OnlyFor says whom the control binds when it does not bind everybody.
	OnlyFor Audience `yaml:"only_for"`
	// SupersededBy is the id of the control of this framework that replaced this one.
	SupersededBy string `yaml:"superseded_by"`
	// Note is a remark that a report prints beside the control.
	Note string `yaml:"note"`
}

// Wording is what a framework's reports say about one section.
type Wording struct {
	// Shows is what the section shows for this framework.
	Shows string `yaml:"shows"`
	// Cannot is what the section cannot show.
	Cannot string `yaml:"cannot"`
	// Bring is what to bring while Exhibit does not evidence the section; sections
	// of kind Later have it, others do not.
	Bring string `yaml:"bring"`
}

// Retention is one statement of how long a framework wants history kept.
type Retention struct {
	// ID names the row across all frameworks: "pci.log-history".
	ID string `yaml:"id"`
	// Title is our own short title.
	Title string `yaml:"title"`
	// Kind says what a shortfall means.
	Kind RetentionKind `yaml:"kind"`
	// AppliesTo says what has to be kept.
	AppliesTo Kept `yaml:"applies_to"`
	// Months is the period as it is stated; six years are 72 months.
	Months int `yaml:"months"`
	// Days is the same period in days, on the strict side: see StrictDays.
	Days int `yaml:"days"`
	// ImmediateMonths is the latest part that must be at hand at once; zero when
	// nothing is said about it.
	ImmediateMonths int `yaml:"immediate_months"`
	// ImmediateDays is that part in days, on the strict side.
	ImmediateDays int `yaml:"immediate_days"`
	// Source is where the number comes from, as a public reference.
	Source string `yaml:"source"`
	// Text is the sentence that coverage pages and packs print with the row.
	Text string `yaml:"text"`
	// Controls lists the ids of the controls that the row is about.
	Controls []string `yaml:"controls"`
}

// A Check is a question about a section that its events can answer.
type Check struct {
	// ID names the check within its framework.
	ID string `yaml:"id"`
	// Question is the question as a report prints it.
	Question string `yaml:"question"`
	// Section is the section of events that is asked.
	Section string `yaml:"section"`
	// Match says which events of the section answer the question.
	Match Match `yaml:"match"`
	// Found says what matching events mean.
	Found Found `yaml:"found"`
	// Controls lists the ids of the controls that the answer is evidence for.
	Controls []string `yaml:"controls"`
}

// Match selects events of a section. An event matches when it fits one of the
// actions and has one of the outcomes; an empty list fits every event, and the
// empty Match takes the whole section.
type Match struct {
	// Actions are patterns over the source's own word for what was done. A "*"
	// stands for any run of characters, all else for itself; case does not matter.
	Actions []string `yaml:"actions"`
	// Outcomes are outcomes of events: success, failure, unknown.
	Outcomes []string `yaml:"outcomes"`
}

// KeyOf returns the key of the control with the given id.
func (f Framework) KeyOf(id string) string { return f.Prefix + ":" + id }

// Control returns the control with the given id and whether there is one.
func (f Framework) Control(id string) (Control, bool) {
	for _, c := range f.Controls {
		if c.ID == id {
			return c, true
		}
	}
	return Control{}, false
}

// ControlsOf returns the controls that section is evidence for, in report order.
func (f Framework) ControlsOf(section string) []Control {
	var of []Control
	for _, c := range f.Controls {
		for _, s := range c.Sections {
			if s == section {
				of = append(of, c)
				break
			}
		}
	}
	return of
}

// Now returns the control's sections that Exhibit evidences, in order.
func (c Control) Now() []string { return c.sections(false) }

// Later returns the control's sections that Exhibit does not evidence yet.
func (c Control) Later() []string { return c.sections(true) }

func (c Control) sections(later bool) []string {
	var of []string
	for _, s := range c.Sections {
		if kind, _ := KindOf(s); (kind == Later) == later {
			of = append(of, s)
		}
	}
	return of
}
