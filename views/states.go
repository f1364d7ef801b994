package views

import "exhibit/reports/words"

// title is the name of a state as people read it.
func (s DayState) title() string { return words.DayState(string(s)).Title }

// explain says what a state means.
func (s DayState) explain() string { return words.DayState(string(s)).Explain }

// mark is the sign of a state for those who do not see its colour.
func (s DayState) mark() string { return words.DayState(string(s)).Mark }

// states lists the states in the order of the legend.
func states() []DayState {
	return []DayState{Read, Heard, Stated, Silent, Pending, Backfilling, Recoverable, Lost, Altered, Expired, Before, NotConnected}
}

// used returns the states that occur in sources, in the order of the legend.
func used(sources []SourceDays) []DayState {
	seen := map[DayState]bool{}
	for _, s := range sources {
		for _, d := range s.Days {
			seen[d.State] = true
		}
	}
	var out []DayState
	for _, s := range states() {
		if seen[s] {
			out = append(out, s)
		}
	}
	return out
}

// title is the name of a health as people read it.
func (h Health) title() string {
	switch h {
	case OK:
		return "ok"
	case Reading:
		return "reading"
	case BackingOff:
		return "backing off"
	case TokenRejected:
		return "token rejected"
	case Stopped:
		return "stopped"
	case Unheard:
		return "not heard"
	case Alarm:
		return "alarm"
	case Waiting:
		return "nothing came yet"
	case ImportOnly:
		return "files only"
	}
	return string(h)
}

// title is the word in front of a task.
func (s Severity) title() string {
	switch s {
	case Act:
		return "Act"
	case Look:
		return "Look"
	}
	return "Know"
}

func (s AbilityState) title() string {
	switch s {
	case Seen:
		return "seen"
	case ProvenEmpty:
		return "proven empty"
	case NeverSeen:
		return "never seen"
	case CannotEmit:
		return "cannot emit"
	}
	return string(s)
}

func (s AbilityState) mark() string {
	switch s {
	case Seen:
		return "●"
	case ProvenEmpty:
		return "○"
	case NeverSeen:
		return "?"
	case CannotEmit:
		return "—"
	}
	return ""
}

// brief is the sentence for places that lead to the whole one.
func (s SectionCount) brief() string {
	if s.Meaning == NotEvidenced {
		return "not evidenced"
	}
	return s.sentence()
}

// sectionsOf returns the sections of controls, each once, in the order of the
// controls. A section says the same wherever it stands; should it not, each of
// its words is listed.
func sectionsOf(controls []Control) []SectionCount {
	var out []SectionCount
	seen := map[SectionCount]bool{}
	for _, c := range controls {
		for _, s := range c.Sections {
			if !seen[s] {
				seen[s] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// sentence says what a count, or its absence, means.
func (s SectionCount) sentence() string {
	switch s.Meaning {
	case Counted:
		return "found"
	case NoneProven:
		return "none found, collection proven"
	case NoneHeard:
		return "none received, stream up"
	case NoneStated:
		return "none in the file that " + s.By + " states to be complete"
	case NotCollected:
		return "unknown: not collected"
	case NotEvidenced:
		return "not evidenced: no source logs this; connect an identity provider"
	case Computed:
		return s.Words
	}
	return string(s.Meaning)
}
