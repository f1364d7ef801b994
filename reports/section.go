package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/reports/framework"
)

// A Meaning says what the number of a section means. A zero has four meanings that
// rest on collection, and two that rest on what the sources can log.
type Meaning string

// The meanings.
const (
	Listed       Meaning = "listed"        // there are events
	NoneProven   Meaning = "none-proven"   // none found, collection proven
	NoneHeard    Meaning = "none-heard"    // none received, stream up
	NoneStated   Meaning = "none-stated"   // none in the file that somebody states to be complete
	NotCollected Meaning = "not-collected" // unknown: not collected
	NotEvidenced Meaning = "not-evidenced" // no source logs this
	Unread       Meaning = "unread"        // none found, but records that could not be read may be some
	Part         Meaning = "part"          // none of the part that sources log; the rest is not evidenced
	Computed     Meaning = "computed"      // not a number of events: Text says what was found
	NotYet       Meaning = "not-yet"       // Exhibit does not evidence it yet
)

// A Section is the answer of one section.
type Section struct {
	Name    string
	Kind    framework.SectionKind
	Meaning Meaning
	Events  uint64   // in the period exactly
	Text    string   // the answer as it is printed
	Remarks []string // what else a reader must know, one sentence each
	// Until is how far a zero is known when the end of the period has not settled
	// yet; zero: to the end.
	Until time.Time
	// Missing is what a source that logs the section was not collected for.
	Missing []Gap
	// By names who stated the files to be complete that the answer rests on.
	By []string
	// LastDay is the last UTC day that any source in scope showed the section on,
	// ever: the positive control of a zero. Empty: never.
	LastDay, LastSource string
	// Able and Unable say which sources log the section, and which do not and why.
	Able, Unable []string
}

// sections fills Sections and zero.
func (r *Report) sections() {
	r.zero = map[string]zero{}
	for _, s := range framework.Sections() {
		switch s.Kind {
		case framework.Filed:
			r.zero[s.Name] = r.zeroOf(event.Section(s.Name))
			r.Sections = append(r.Sections, r.filed(s.Name))
		case framework.Computed:
			r.Sections = append(r.Sections, Section{Name: s.Name, Kind: s.Kind, Meaning: Computed, Text: r.computed(s.Name)})
		default:
			text := "not evidenced by Exhibit yet"
			if bring := r.Framework.Sections[s.Name].Bring; bring != "" {
				text += ": bring " + bring
			}
			r.Sections = append(r.Sections, Section{Name: s.Name, Kind: s.Kind, Meaning: NotYet, Text: text})
		}
	}
}

// filed answers a section that events are filed under.
func (r *Report) filed(name string) Section {
	z := r.zero[name]
	s := Section{Name: name, Kind: framework.Filed, Events: r.tally.exact.events("", event.Section(name)),
		Meaning: z.meaning, Text: z.text, Until: z.until, Missing: z.missing, By: z.by, Able: z.able, Unable: z.unable}
	s.LastDay, s.LastSource = r.lastSeen(event.Section(name))
	if s.Events > 0 {
		s.Meaning, s.Text = Listed, "listed: "+Plural(s.Events, "event", "events")
		if len(s.Missing) > 0 {
			s.Remarks = append(s.Remarks, "Collected for "+Share(z.share)+" of the period: there may be more.")
		}
		if z.meaning == Unread {
			s.Remarks = append(s.Remarks, "Records could not be read: there may be more.")
		}
	}
	if len(z.partly) > 0 {
		s.Remarks = append(s.Remarks, "Logged in part: "+strings.Join(z.partly, "; ")+".")
	}
	if len(z.able) > 0 && len(z.unable) > 0 {
		s.Remarks = append(s.Remarks, "Not evidenced for "+strings.Join(z.unable, "; ")+".")
	}
	if s.Events == 0 && len(z.able) > 0 {
		s.Remarks = append(s.Remarks, r.control(s), r.hidden(z))
	}
	s.Remarks = slices.DeleteFunc(s.Remarks, func(text string) bool { return text == "" })
	return s
}

// control is the positive control: when this class of event was last seen at all.
func (r *Report) control(s Section) string {
	if s.LastDay == "" {
		return "Never seen from these sources: nothing shows that it would be recognised."
	}
	return "Last seen on " + s.LastDay + " (UTC day) from " + s.LastSource + "."
}

// hidden says what could hide an event of a class that was not found.
func (r *Report) hidden(z zero) string {
	var parts []string
	var rejects, types uint64
	for _, name := range z.able {
		rejects += r.Unread[name]
	}
	for _, u := range r.Unmapped {
		if slices.Contains(z.able, u.Source) {
			types += u.Count
		}
	}
	if rejects > 0 {
		parts = append(parts, Plural(rejects, "reject", "rejects")+" received since the period began (rejects.csv lists those of its days)")
	}
	if types > 0 {
		parts = append(parts, Plural(types, "event", "events")+" of types that no rule knows (filed under other)")
	}
	if len(parts) == 0 {
		return ""
	}
	return "Could hide among " + and(parts) + "."
}

func (r *Report) lastSeen(section event.Section) (last, source string) {
	i := sectionIndex(section)
	for _, name := range r.others() {
		if s := r.tally.sources[name]; s != nil && s.last[i] > last {
			last, source = s.last[i], name
		}
	}
	return last, source
}

// computed answers the sections that are no numbers of events.
func (r *Report) computed(name string) string {
	switch name {
	case "retention-coverage":
		var parts []string
		for _, s := range r.Coverage.Sources {
			parts = append(parts, s.Source.Name+" collected for "+Share(s.Share)+" of the period")
		}
		if n := len(r.Coverage.Gaps); n > 0 {
			parts = append(parts, Plural(n, "gap", "gaps"))
		} else {
			parts = append(parts, "no gaps")
		}
		return strings.Join(parts, "; ")
	case "integrity":
		return fmt.Sprintf("%s of the period, each under a signed Merkle root, up to record %d of %s",
			Plural(r.tally.segmentsIn(r.Period.Interval), "segment", "segments"), r.Head.State.Size-1, Instant(r.Head.State.At))
	}
	return ""
}

// SectionNamed returns a section of the report.
func (r *Report) SectionNamed(name string) (Section, bool) {
	i := slices.IndexFunc(r.Sections, func(s Section) bool { return s.Name == name })
	if i < 0 {
		return Section{}, false
	}
	return r.Sections[i], true
}
