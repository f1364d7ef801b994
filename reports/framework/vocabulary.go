package framework

import "time"

// A SectionKind says where the contents of a section come from.
type SectionKind string

// The kinds of sections.
const (
	Filed    SectionKind = "filed"    // events are filed under it when they are stored
	Computed SectionKind = "computed" // reports compute it from the store and the ledger
	Later    SectionKind = "later"    // frameworks ask for it, Exhibit does not evidence it yet
)

// A Section is one name of the section vocabulary.
type Section struct {
	Name string
	Kind SectionKind
}

// Sections returns the whole vocabulary of sections in report order.
func Sections() []Section {
	return []Section{
		{"logins", Filed},
		{"failed-auth", Filed},
		{"mfa", Filed},
		{"admin-changes", Filed},
		{"access-grants", Filed},
		{"credentials", Filed},
		{"change-management", Filed},
		{"data-access", Filed},
		{"audit-log-config", Filed},
		{"other", Filed},
		{"retention-coverage", Computed},
		{"integrity", Computed},
		{"log-review", Later},
		{"dormant-accounts", Later},
		{"time-sync", Later},
	}
}

// KindOf returns the kind of the section with the given name and whether there is
// such a section.
func KindOf(name string) (SectionKind, bool) {
	for _, s := range Sections() {
		if s.Name == name {
			return s.Kind, true
		}
	}
	return "", false
}

// Strength says what the evidence for a control is worth.
type Strength string

// The strengths of evidence.
const (
	Alone        Strength = "A" // the events answer alone, once coverage is shown
	Corroborates Strength = "B" // the events support; a document is still needed
	OurOperation Strength = "C" // the working of Exhibit itself is the evidence
)

// Text returns the words that reports print for s.
func (s Strength) Text() string {
	switch s {
	case Alone:
		return "alone"
	case Corroborates:
		return "corroborates"
	case OurOperation:
		return "our own operation"
	}
	return ""
}

// Level says whether a control leaves a choice.
type Level string

// The levels; HIPAA is the framework that has them.
const (
	Required    Level = "required"
	Addressable Level = "addressable" // do it, or write down why not and what is done instead
)

// An Audience is whom a control binds when it does not bind everybody.
type Audience string

// The audiences.
const (
	ServiceProviders            Audience = "service providers"
	MultiTenantServiceProviders Audience = "multi-tenant service providers"
	DesignatedEntities          Audience = "designated entities"
)

// A RetentionKind says what it means when less history is kept than stated.
type RetentionKind string

// The kinds of retention.
const (
	Hard   RetentionKind = "hard"   // the framework states the number: a shortfall is an exception
	Policy RetentionKind = "policy" // the customer's own number, ours is the default: a shortfall is an exception to it
	Warn   RetentionKind = "warn"   // the number is an interpretation: a shortfall is a warning
)

// Kept is what a retention row says has to be kept.
type Kept string

// What is kept.
const (
	Events Kept = "events" // stored events
	Packs  Kept = "packs"  // evidence packs and records of review
)

// Found says what events that match a check mean.
type Found string

// What matching events mean.
const (
	Exceptions Found = "exceptions" // each one needs an explanation
	Listed     Found = "listed"     // the framework wants to see them; finding some is normal
)

// StrictDays returns the length in days of the longest run of that many calendar
// months: 366 for 12, 92 for 3, 184 for 6, 2192 for 72. History of so many days
// is never shorter than the period, wherever it starts.
func StrictDays(months int) int {
	const cycle = 48 // months between leap days; a century without one is shorter
	longest := 0
	for start := range cycle {
		from := time.Date(2000, time.Month(1+start), 1, 0, 0, 0, 0, time.UTC)
		days := int(from.AddDate(0, months, 0).Sub(from) / (24 * time.Hour))
		longest = max(longest, days)
	}
	return longest
}
