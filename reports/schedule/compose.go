package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
	"exhibit/reports"
)

// cover fills in coverage and gaps, and says what is missing in a few words; nothing
// when nothing is. Imported tells which sources only imports add to.
func (l *Letter) cover(r *reports.Report, imported func(source string) bool) string {
	var missing []reports.Gap
	var stretches []coverage.Interval
	var before []string
	for _, s := range r.Coverage.Sources {
		l.Sources = append(l.Sources, sourceLine(s))
	}
	for _, g := range r.Coverage.Gaps {
		text := g.Source + ": " + stretch(g.Interval, r.Period.Zone)
		switch {
		case g.State == ledger.Onboarding:
			before = append(before, g.Source)
			l.Gaps = append(l.Gaps, text+" lies before it was connected")
			continue
		case g.State == ledger.Unconnected:
			text += ", not connected"
		case imported(g.Source):
			text += ", no file was imported for it"
		case g.State == ledger.Recoverable && g.Until.IsZero():
			text += ", an import can still fill it"
		case g.State == ledger.Recoverable:
			text += ", can still be fetched until " + reports.Instant(g.Until)
		case g.State == ledger.Backfilling:
			text += ", its first history is still being read"
		default:
			text += ", lost at the source"
		}
		if len(g.Notes) > 0 {
			text += " (explained)"
		}
		missing, stretches = append(missing, g), append(stretches, g.Interval)
		l.Gaps = append(l.Gaps, text)
	}
	l.Gaps = shorten(l.Gaps)
	var words []string
	switch len(missing) {
	case 0:
	case 1:
		words = append(words, reports.Length(missing[0].Length())+" missing"+onDay(missing[0].Interval, r.Period.Zone)+explained(missing))
	default:
		words = append(words, fmt.Sprintf("%s missing in %d gaps", reports.Length(together(stretches)), len(missing))+explained(missing))
	}
	if len(before) > 0 {
		words = append(words, "not connected for all of it: "+strings.Join(slices.Compact(before), ", "))
	}
	if open := together(pending(r)); open > 0 {
		words = append(words, reports.Length(open)+" not settled yet")
	}
	return strings.Join(words, "; ")
}

// pending lists the time of the period that may still be collected although it is no
// gap: what has not settled, and what has not passed.
func pending(r *reports.Report) (list []coverage.Interval) {
	for _, s := range r.Coverage.Sources {
		list = append(list, pendingOf(s)...)
	}
	if !r.Period.Cut.IsZero() {
		list = append(list, coverage.Interval{From: r.Period.Cut, To: r.Period.To})
	}
	return list
}

func pendingOf(s reports.SourceCoverage) (list []coverage.Interval) {
	for _, span := range s.Spans {
		if span.State == ledger.Pending {
			list = append(list, span.Interval)
		}
	}
	return list
}

// sourceLine says how much of a source was collected, which is unknown where nothing
// was required of it yet.
func sourceLine(s reports.SourceCoverage) SourceLn {
	line := SourceLn{Name: s.Source.Name, Share: reports.Share(s.Required()), Note: coverNote(s), Good: s.Required() >= 1}
	required := func(span ledger.Span) bool { return span.State != ledger.Onboarding && span.State != ledger.Pending }
	if !slices.ContainsFunc(s.Spans, required) {
		line.Share, line.Note = "unknown", "nothing was required of it yet"
	}
	if open := together(pendingOf(s)); open > 0 {
		line.note(reports.Length(open) + " not settled yet")
	}
	return line
}

// note adds what makes a line less than good.
func (s *SourceLn) note(what string) {
	if s.Good = false; s.Note != "" {
		what = s.Note + "; " + what
	}
	s.Note = what
}

func coverNote(s reports.SourceCoverage) string {
	switch {
	case !s.Known:
		return "not connected"
	case s.Required() < 1:
		return "of the required time"
	case s.Methods[ledger.Stated] > 0:
		return reports.Share(s.Methods[ledger.Stated]) + " from files that " + cmp.Or(strings.Join(s.By, ", "), "somebody") + " stated to be complete"
	}
	return ""
}

func explained(missing []reports.Gap) string {
	if slices.ContainsFunc(missing, func(g reports.Gap) bool { return len(g.Notes) == 0 }) {
		return ""
	}
	return " (explained)"
}

// together is the length of all of them; time that several sources miss counts once.
func together(list []coverage.Interval) (sum time.Duration) {
	for _, i := range coverage.Of(list...) {
		sum += i.Length()
	}
	return sum
}

func onDay(i coverage.Interval, zone *time.Location) string {
	first, last := i.From.In(zone), i.To.Add(-1).In(zone)
	if first.Format(time.DateOnly) == last.Format(time.DateOnly) {
		return " on " + first.Format("2 January")
	}
	return " from " + first.Format("2 January") + " to " + last.Format("2 January")
}

func stretch(i coverage.Interval, zone *time.Location) string {
	first, last := i.From.In(zone), i.To.In(zone)
	end := last.Format("15:04")
	if first.Format(time.DateOnly) != last.Format(time.DateOnly) {
		end = last.Format("2 January 15:04")
	}
	return reports.Length(i.Length()) + ", " + first.Format("2 January 15:04") + " to " + end + " " + last.Format("MST")
}

// shorten keeps a mail readable; the pack has all of it.
func shorten(list []string) []string {
	const most = 10
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more: the report has all", len(list)-most))
}

// needs lists what somebody must do. What is fetched by itself needs nobody to fetch it,
// but somebody to look again: this mail is not sent again when it has come.
func (l *Letter) needs(r *reports.Report, imported func(source string) bool) {
	l.Needs = append(l.Needs, r.Missing...)
	var unexplained int
	open := pending(r)
	for _, g := range r.Coverage.Gaps {
		healing := g.State == ledger.Backfilling || g.State == ledger.Recoverable && !imported(g.Source)
		if len(g.Notes) == 0 && !healing && g.State != ledger.Onboarding && g.State != ledger.Unconnected {
			unexplained++
		}
		if healing {
			open = append(open, g.Interval)
		}
	}
	if length := together(open); length > 0 {
		l.Needs = append(l.Needs, reports.Length(length)+" may still be collected: open the report later for what came")
	}
	if unexplained > 0 {
		l.Needs = append(l.Needs, reports.Plural(unexplained, "gap", "gaps")+" to explain: import a file that covers the time, or note why there is none")
	}
	for _, c := range r.Checks {
		if c.Answer == reports.FoundExceptions {
			l.Needs = append(l.Needs, c.Question+" "+reports.Plural(c.Count, "exception", "exceptions")+" to explain")
		}
	}
	for _, row := range r.Retention {
		if row.Short() {
			l.Needs = append(l.Needs, row.Title+": "+row.Text)
		}
	}
	var events uint64
	for _, u := range r.Unmapped {
		events += u.Count
	}
	if events > 0 {
		l.Needs = append(l.Needs, reports.Number(events)+" events of "+reports.Plural(len(r.Unmapped), "type that no rule knows", "types that no rule knows"))
	}
	l.Needs = shorten(l.Needs)
}

// count fills in the sections with their numbers and those of the period before.
// A zero that could hide something is no number.
func (l *Letter) count(r, prior *reports.Report, before Span) {
	l.Before = before.Words()
	if prior == nil {
		l.Before = "nothing collected before"
	}
	for _, s := range r.Sections {
		line := CountLn{Section: sectionTitle(s.Name), Now: reports.Number(s.Events)}
		switch s.Meaning {
		case reports.Computed, reports.NotYet:
			continue
		case reports.Listed, reports.NoneProven, reports.NoneHeard, reports.NoneStated, reports.Unread:
			if why := hiding(r, s); why != "" {
				line.Now, line.Change = "", why
				break
			}
			if prior == nil {
				break
			}
			was, ok := prior.SectionNamed(s.Name)
			counted := ok && (was.Meaning == reports.Listed || was.Meaning == reports.NoneProven || was.Meaning == reports.NoneHeard || was.Meaning == reports.NoneStated)
			if counted && hiding(prior, was) == "" {
				line.Before, line.Change = reports.Number(was.Events), change(s.Events, was.Events)
			}
		default:
			line.Now = ""
			line.Change, _, _ = strings.Cut(s.Text, ":")
			if why := hiding(r, s); s.Meaning == reports.Part && why != "" {
				line.Change = why
			}
			if s.Meaning == reports.NotEvidenced {
				line.Change = "not evidenced: no source logs this"
			}
		}
		l.Counts = append(l.Counts, line)
	}
}

// sectionTitle makes a heading of a section's name.
func sectionTitle(name string) string {
	if name == "mfa" {
		return "MFA"
	}
	return strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "-", " ")
}

// restored says what was lost when the store was restored: in a few words, nothing
// when nothing was, and per source in Needs. No policy took it.
func (l *Letter) restored(r *reports.Report) string {
	type loss struct {
		source, why string
		by          uint64
	}
	records, sum := map[loss]uint64{}, uint64(0)
	for _, g := range r.Coverage.Expired {
		if g.Restored {
			records[loss{g.Source, g.Why, g.By}] += g.Count
			sum += g.Count
		}
	}
	if sum == 0 {
		return ""
	}
	var lines []string
	for k, n := range records {
		lines = append(lines, fmt.Sprintf("%s: %s lost (%s, ledger record %d): see that they are collected again", k.source, reports.Plural(n, "record", "records"), k.why, k.by))
	}
	slices.Sort(lines)
	l.Needs = append(l.Needs, lines...)
	return reports.Plural(sum, "record", "records") + " lost when the store was restored"
}

// deleted sums what retention rules took.
func (l *Letter) deleted(r *reports.Report) {
	type rule struct {
		source, why string
		by          uint64
	}
	events := map[rule]uint64{}
	for _, g := range r.Coverage.Expired {
		if g.Restored {
			continue
		}
		events[rule{g.Source, g.Why, g.By}] += g.Count
	}
	for k, n := range events {
		l.Deleted = append(l.Deleted, fmt.Sprintf("%s: %s events under “%s”, ledger record %d", k.source, reports.Number(n), k.why, k.by))
	}
	slices.Sort(l.Deleted)
	l.Deleted = shorten(l.Deleted)
}
