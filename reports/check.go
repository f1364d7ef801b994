package reports

import (
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/store"
	"exhibit/reports/framework"
)

// An Answer is how a check came out.
type Answer string

// The answers of checks.
const (
	NoneFound       Answer = "none found"
	FoundExceptions Answer = "exceptions"
	FoundListed     Answer = "listed"
	Unknown         Answer = "unknown"
	NotEvaluated    Answer = "not evaluated"
)

// A Check is a question with its answer.
type Check struct {
	framework.Check
	Answer  Answer
	Count   uint64
	Basis   Meaning              // what none means, or would mean
	Text    string               // the answer as it is printed, without the count
	Last    time.Time            // when a matching event was last seen; zero where nobody asked
	Matches []store.OutcomeCount // what matched, by action and outcome
}

// checks answers the framework's questions.
func (r *Report) checks() []Check {
	var out []Check
	for _, c := range r.Framework.Checks {
		out = append(out, r.check(c))
	}
	return out
}

func (r *Report) check(c framework.Check) Check {
	out := Check{Check: c}
	if len(c.Match.Actions)+len(c.Match.Outcomes) == 0 {
		out.Count = r.tally.exact.events("", event.Section(c.Section))
	}
	for _, o := range r.outcomes {
		if string(o.Section) != c.Section || !Matches(c.Match, o.Action, o.Outcome) || len(c.Match.Actions)+len(c.Match.Outcomes) == 0 {
			continue
		}
		out.Count += o.Events
		out.Matches = append(out.Matches, o)
		if o.Last.After(out.Last) {
			out.Last = o.Last
		}
	}
	z := r.zero[c.Section]
	out.Basis = z.meaning
	if out.Count > 0 {
		out.Answer, out.Text = FoundListed, "listed"
		if c.Found == framework.Exceptions {
			out.Answer, out.Text = FoundExceptions, "exceptions found, each needs an explanation"
		}
		if z.meaning == NotCollected {
			out.Text += "; collected for " + Share(z.share) + " of the period, there may be more"
		}
		if z.meaning == Unread {
			out.Text += "; records could not be read, there may be more"
		}
		return out
	}
	switch z.meaning {
	case NotEvidenced:
		out.Answer, out.Text = NotEvaluated, "not evaluated: "+strings.TrimPrefix(z.text, "not evidenced: ")
	case NotCollected, Unread:
		out.Answer, out.Text = Unknown, z.text
	case Part:
		out.Answer, out.Text = NotEvaluated, z.text
	default:
		out.Answer, out.Text = NoneFound, z.text+patterns(c.Match)
	}
	return out
}

// patterns says what was looked for: "none" is worth what the patterns are.
func patterns(m framework.Match) string {
	var parts []string
	if len(m.Actions) > 0 {
		parts = append(parts, "actions like "+strings.Join(m.Actions, ", "))
	}
	if len(m.Outcomes) > 0 {
		parts = append(parts, "outcome "+strings.Join(m.Outcomes, " or "))
	}
	if len(parts) == 0 {
		return ""
	}
	return "; looked for " + strings.Join(parts, ", ")
}

// Matches reports whether an event with this action and outcome answers a check.
func Matches(m framework.Match, action, outcome string) bool {
	if len(m.Outcomes) > 0 && !slices.Contains(m.Outcomes, outcome) {
		return false
	}
	return len(m.Actions) == 0 || slices.ContainsFunc(m.Actions, func(p string) bool { return glob(p, action) })
}

// glob reports whether text fits a pattern in which * stands for any run of
// characters and all else for itself; case does not matter.
func glob(pattern, text string) bool {
	parts := strings.Split(strings.ToLower(pattern), "*")
	text = strings.ToLower(text)
	if len(parts) == 1 {
		return text == parts[0]
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, last)
}
