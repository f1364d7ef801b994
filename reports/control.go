package reports

import (
	"slices"
	"strings"

	"exhibit/internal/pack"
	"exhibit/reports/framework"
)

// A Control is one control with the evidence for it.
type Control struct {
	framework.Control
	Evidence []Section // of its sections, in its order
	Checks   []Check   // that are evidence for it
	Answer   string    // "exceptions found (3); evidence for (1,204 events)"
}

// controls puts the answers of sections and checks together. What it says is never
// whether a control is met.
func (r *Report) controls() []Control {
	var out []Control
	for _, c := range r.Framework.Controls {
		one := Control{Control: c}
		for _, name := range c.Sections {
			if s, ok := r.SectionNamed(name); ok {
				one.Evidence = append(one.Evidence, s)
			}
		}
		for _, check := range r.Checks {
			if slices.Contains(check.Controls, c.ID) {
				one.Checks = append(one.Checks, check)
			}
		}
		one.Answer = one.answer()
		out = append(out, one)
	}
	return out
}

// answer says in a few words what there is, the part that needs a person first.
func (c Control) answer() string {
	var exceptions, events uint64
	has := map[Meaning]bool{}
	for _, s := range c.Evidence {
		has[s.Meaning] = true
		events += s.Events
	}
	for _, check := range c.Checks {
		if check.Answer == FoundExceptions {
			exceptions += check.Count
		}
	}
	var parts []string
	if exceptions > 0 {
		parts = append(parts, "exceptions found ("+Number(exceptions)+")")
	}
	if events > 0 {
		parts = append(parts, "evidence for ("+Plural(events, "event", "events")+")")
	} else if has[Computed] {
		parts = append(parts, "evidence for (computed from the ledger)")
	}
	for _, m := range []struct {
		Meaning
		words string
	}{
		{NoneProven, "no occurrences, collection proven"},
		{NoneHeard, "none received, stream up"},
		{NoneStated, "none in what was stated to be complete"},
		{NotCollected, "unknown: not collected"},
		{Unread, "unknown: records could not be read"},
		{NotEvidenced, "not evidenced"},
		{Part, "evidenced in part"},
	} {
		if !has[m.Meaning] {
			continue
		}
		var of []string
		for _, s := range c.Evidence {
			if s.Meaning == m.Meaning {
				of = append(of, s.Name)
			}
		}
		parts = append(parts, m.words+" ("+strings.Join(of, ", ")+")")
	}
	if events == 0 && !has[Computed] && !has[NoneProven] && !has[NoneHeard] && !has[NoneStated] && !has[NotCollected] && !has[Unread] {
		parts = append([]string{"cannot be shown from this data"}, parts...)
	}
	return strings.Join(parts, "; ")
}

// packControls returns the controls as a pack's manifest and controls.csv have them.
func (r *Report) packControls() []pack.Control {
	var out []pack.Control
	for _, c := range r.Controls {
		one := pack.Control{Key: c.Key, ID: c.ID, Title: c.Title, Asks: c.Asks, Sections: c.Sections,
			Strength: StrengthText(c.Control), Bring: r.bring(c), Answer: c.Answer}
		for _, check := range c.Checks {
			one.Checks = append(one.Checks, pack.Check{ID: check.ID, Question: check.Question, Answer: check.Text, Count: check.Count})
		}
		out = append(out, one)
	}
	return out
}

// bring says what to bring besides: what the control asks for, and what stands for
// the sections that Exhibit does not evidence yet.
func (r *Report) bring(c Control) string {
	parts := []string{c.Bring}
	for _, name := range c.Later() {
		if text := r.Framework.Sections[name].Bring; !strings.Contains(c.Bring, text) {
			parts = append(parts, text)
		}
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}

// StrengthText prints what the evidence for a control is worth.
func StrengthText(c framework.Control) string {
	var parts []string
	for _, s := range c.Strength {
		text := s.Text()
		if covers := c.Covers[s]; covers != "" {
			text += ": " + strings.TrimSuffix(covers, ".")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
