package reports

import (
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A grade is how well a source can prove a section, from the best to the worst.
type grade int

const (
	logged grade = iota
	partly
	unable // not logged by this vendor, or not in this plan
)

// An ability is what a source can prove of a section, in the words of its kind.
type ability struct {
	grade
	words string
}

// parseAbility reads an ability as source records have it: a grade, and after a
// colon what else there is to say. What is not there cannot be proven.
func parseAbility(text string) ability {
	word, more, _ := strings.Cut(text, ":")
	more = strings.TrimSpace(more)
	switch strings.TrimSpace(word) {
	case "logged":
		return ability{logged, more}
	case "partly":
		return ability{partly, more}
	case "":
		return ability{unable, "not logged by this vendor"}
	}
	return ability{unable, text}
}

// abilityOf returns what a source could prove of a section all through the window:
// the worst of its configurations that were in force in it. The first one stands
// for the time before it too, as history is read and imported by it.
func abilityOf(records []ledger.SourceAt, section event.Section, from, to time.Time) ability {
	var worst ability
	inForce := -1
	for i, r := range records {
		if i == 0 || !r.At.After(from) {
			inForce = i
		}
	}
	for i, r := range records {
		if i != inForce && (r.At.Before(from) || !r.At.Before(to)) || r.Change == "removed" {
			continue
		}
		if a := parseAbility(r.Abilities[section]); i == inForce || a.grade > worst.grade {
			worst = a
		}
	}
	return worst
}

func recordsOf(state *ledger.State, source string) []ledger.SourceAt {
	var out []ledger.SourceAt
	for _, s := range state.Sources {
		if s.Name == source {
			out = append(out, s)
		}
	}
	return out
}

// An AbilityState says what a source has shown of a section.
type AbilityState string

// The states of the matrix source × section.
const (
	Seen        AbilityState = "seen"         // events on the window's days
	ProvenEmpty AbilityState = "proven-empty" // none, and collection is proven
	NeverSeen   AbilityState = "never-seen"   // it can log it; none seen, not proven
	CannotEmit  AbilityState = "cannot-emit"  // the vendor does not log it, or not in this plan
)

// An AbilityRow is one source's line of the matrix.
type AbilityRow struct {
	Source string
	Cells  []AbilityCell // one for each of event.Sections()
}

// An AbilityCell is one source and one section.
type AbilityCell struct {
	Section event.Section
	State   AbilityState
	Events  uint64 // on the whole UTC days
	Words   string // what the kind says about it; may be empty
	Last    string // the last UTC day that it was ever seen on; may be empty
}

// String prints a cell as tables do: "seen 1,204", "proven empty".
func (c AbilityCell) String() string {
	switch c.State {
	case Seen:
		return "seen " + Number(c.Events)
	case ProvenEmpty:
		return "proven empty"
	case NeverSeen:
		return "none seen, not proven"
	}
	return "cannot emit"
}

// matrix says per source and section what was seen, and what could have been.
func matrix(t *tally, sources []SourceCoverage) []AbilityRow {
	var out []AbilityRow
	for _, s := range sources {
		row := AbilityRow{Source: s.Source.Name}
		var seen perSection
		for _, d := range s.Days {
			for i, n := range d.counts {
				seen[i] += n
			}
		}
		whole := !slices.ContainsFunc(s.Spans, func(span ledger.Span) bool {
			return span.State != ledger.Pending && (span.State != ledger.Covered || span.Method != ledger.Read)
		})
		anything := slices.ContainsFunc(s.Spans, func(span ledger.Span) bool { return span.State == ledger.Covered })
		for i, section := range event.Sections() {
			a := parseAbility(s.Source.Abilities[section])
			cell := AbilityCell{Section: section, Events: seen[i], Words: a.words}
			if source := t.sources[row.Source]; source != nil {
				cell.Last = source.last[i]
			}
			switch {
			case seen[i] > 0:
				cell.State = Seen
			case a.grade == unable:
				cell.State = CannotEmit
			case a.grade == logged && whole && anything:
				cell.State = ProvenEmpty
			default:
				cell.State = NeverSeen
			}
			row.Cells = append(row.Cells, cell)
		}
		out = append(out, row)
	}
	return out
}
