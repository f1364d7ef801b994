package site

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports"
	"exhibit/reports/schedule"
	"exhibit/views"
)

// overviewDays is how many days the first page shows.
const overviewDays = 30

// Overview implements web.Overviews.
func (o Overview) Overview(ctx context.Context) (views.Overview, error) {
	now := o.Now()
	window := coverage.Interval{From: event.Day(now).AddDate(0, 0, 1-overviewDays), To: now}
	look, head, outside, err := o.look(ctx, nil, window)
	if err != nil {
		return views.Overview{}, err
	}
	v := views.Overview{Zone: o.Zone, At: now, Checkpoint: checkpoint(head, outside.Witnesses), Audit: audit(outside)}
	health := o.health(ctx)
	state := withUncommitted(head.State, health)
	days := o.sourceDays(&head.State, look.Coverage)
	for i, s := range look.Coverage.Sources {
		h := healthOf(health, s.Source.Name)
		counts, _, _ := look.Counts(s.Source.Name)
		v.Events += int64(counts.Events)
		one := views.OverviewSource{SourceDays: days[i], Health: h.State, Advice: h.Advice, Slack: slack(&state, s, now)}
		v.Sources = append(v.Sources, one)
		if counts.Rejects > 0 {
			if counts.Rejects, err = o.openRejects(ctx, head, s.Source.Name); err != nil {
				return views.Overview{}, err
			}
		}
		v.Tasks = append(v.Tasks, sourceTasks(s, h, counts, now)...)
	}
	v.Tasks = append(v.Tasks, siteTasks(v, outside)...)
	if o.Mail != nil {
		book, err := schedule.ReadNewest(ctx, o.Mail.Desk.Records, now.Add(-failingFor))
		if err != nil {
			return views.Overview{}, err
		}
		v.Tasks = append(v.Tasks, mailTasks(book, now)...)
	}
	slices.SortStableFunc(v.Tasks, func(a, b views.Task) int { return cmp.Or(urgency(a)-urgency(b), deadline(a, b)) })
	return v, nil
}

// openRejects counts the rejects of a source that no redrive has dealt with.
func (s *site) openRejects(ctx context.Context, head store.Head, name string) (n uint64, err error) {
	groups, err := s.DB.RejectGroups(ctx, head.Snapshot(), store.RejectFilter{Source: name, State: store.RejectsOpen})
	for _, g := range groups {
		n += g.Open
	}
	return n, err
}

func urgency(t views.Task) int {
	return slices.Index([]views.Severity{views.Act, views.Look, views.Know}, t.Severity)
}

// deadline orders tasks by deadline, those without one last.
func deadline(a, b views.Task) int {
	switch {
	case a.Deadline.IsZero() && b.Deadline.IsZero():
		return 0
	case a.Deadline.IsZero():
		return 1
	case b.Deadline.IsZero():
		return -1
	}
	return a.Deadline.Compare(b.Deadline)
}

func audit(o reports.Outside) views.AuditResult {
	if o.Audit == nil {
		return views.AuditResult{}
	}
	v := views.AuditResult{At: o.Audit.At, Segments: int64(o.Audit.Segments), Events: int64(o.Audit.Events)}
	for _, a := range o.Altered {
		v.Wrong = append(v.Wrong, fmt.Sprintf("%s, %s, %s", a.Source, a.Day, a.Section))
	}
	if len(v.Wrong) == 0 && o.Audit.Altered > 0 {
		v.Wrong = []string{o.Audit.Text}
	}
	return v
}

// slack is how long it takes until the source drops something that is not here: the
// first uncollected instant that it can still give, plus how long it keeps.
func slack(state *ledger.State, s reports.SourceCoverage, now time.Time) *views.Slack {
	keeps := time.Duration(s.Source.Keeps) * time.Second
	if keeps == 0 || !s.Known || s.Source.Change == "removed" {
		return nil
	}
	for _, span := range state.Spans(s.Source.Name, coverage.Interval{From: now.Add(-keeps), To: now}, now) {
		switch span.State {
		case ledger.Recoverable, ledger.Backfilling, ledger.Pending:
			return &views.Slack{Left: span.From.Add(keeps).Sub(now), Keeps: keeps}
		}
	}
	return &views.Slack{Left: keeps, Keeps: keeps}
}

// sourceTasks lists what one source needs of people.
func sourceTasks(s reports.SourceCoverage, h SourceHealth, counts ledger.Batch, now time.Time) []views.Task {
	name := s.Source.Name
	page := &views.Link{Text: "Open " + name, Path: "/sources/" + name}
	days := &views.Link{Text: "Open coverage", Path: "/coverage"}
	var out []views.Task
	switch h.State {
	case views.TokenRejected, views.Stopped, views.BackingOff, views.Unheard, views.Alarm:
		severity := views.Act
		if h.State == views.BackingOff || h.State == views.Unheard {
			severity = views.Look
		}
		out = append(out, views.Task{Severity: severity, Title: name + ": " + cmp.Or(h.Problem, "collection has stopped"), Detail: h.Advice, Link: page})
	}
	lost, recoverable, until := missing(s)
	if recoverable > 0 {
		what, detail := "can still be fetched", "It is fetched by itself as soon as the source answers. After the deadline the first of it is lost."
		switch {
		case h.Method == ledger.Heard:
			what, detail = "are missing", "Nobody fetches it by itself from a source that sends. Import it while the vendor has it, or note why it is missing."
		case until.IsZero():
			detail = "It is read by itself as soon as it is there. Nothing is known to delete it, so there is no deadline."
		}
		out = append(out, views.Task{Severity: views.Act, Title: name + ": " + reports.Length(recoverable) + " " + what, Detail: detail, Deadline: until, Link: days})
	}
	if lost > 0 {
		out = append(out, views.Task{Severity: views.Look, Title: name + ": " + reports.Length(lost) + " of the last 30 days are lost",
			Detail: "Import a file that covers the time, or note why it is missing.", Link: days})
	}
	if n := silent(s, now); n > 0 {
		out = append(out, views.Task{Severity: views.Look, Title: fmt.Sprintf("%s: silent on %d of the last 7 days", name, n),
			Detail: "Collected, but without a single event, though such weekdays usually have some. Look whether the source still writes them.", Link: days})
	}
	if counts.Rejects > 0 {
		out = append(out, views.Task{Severity: views.Look, Title: fmt.Sprintf("%s: %s records could not become events", name, reports.Number(counts.Rejects)),
			Detail: "They are kept with their bytes. The source’s page has the reasons.", Link: page})
	}
	if counts.Unmapped > 0 {
		out = append(out, views.Task{Severity: views.Know, Title: fmt.Sprintf("%s: %s events of types that no rule knows", name, reports.Number(counts.Unmapped)),
			Detail: "They are kept and filed under other. The source’s page lists the types.", Link: page})
	}
	return out
}

// missing sums what is lost without a note, and what can still be fetched.
func missing(s reports.SourceCoverage) (lost, recoverable time.Duration, until time.Time) {
	for _, span := range s.Spans {
		switch span.State {
		case ledger.Lost:
			lost += span.Length()
		case ledger.Recoverable:
			recoverable += span.Length()
			if until.IsZero() || span.Until.Before(until) {
				until = span.Until
			}
		}
	}
	return lost, recoverable, until
}

func silent(s reports.SourceCoverage, now time.Time) (n int) {
	for _, d := range s.Days {
		if d.State == reports.Silent && now.Sub(d.Day) < 8*24*time.Hour {
			n++
		}
	}
	return n
}

// siteTasks lists what the installation as a whole needs of people.
func siteTasks(v views.Overview, outside reports.Outside) []views.Task {
	var out []views.Task
	if len(v.Audit.Wrong) > 0 {
		out = append(out, views.Task{Severity: views.Act, Title: "Stored events no longer match the ledger",
			Detail: "The last audit found a difference in " + v.Audit.Wrong[0] + ". Packs that touch it are refused. Run exhibit audit and restore a backup."})
	}
	if len(v.Sources) == 0 {
		out = append(out, views.Task{Severity: views.Act, Title: "No source is connected", Detail: "Add one to the configuration, or import a file with exhibit import."})
	}
	if !slices.ContainsFunc(outside.Witnesses, func(w pack.Witness) bool { return reports.Counts(w) }) {
		out = append(out, views.Task{Severity: views.Know, Title: "Nobody outside holds a checkpoint",
			Detail: "Whoever holds both database and signing key could rebuild the log unseen. Configure a witness that somebody else holds."})
	}
	return out
}
