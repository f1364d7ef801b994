package schedule

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
)

// linkFor is how long the link to a pack works.
const linkFor = 30 * 24 * time.Hour

// FromReports makes letters and packs from reports.
type FromReports struct {
	Maker *reports.Maker
	Packs *reports.Packs
	Base  string // address of the pages: scheme and host
	Now   func() time.Time
	// Collected reports whether something collects the source by itself: it is polled,
	// or records are pushed. What only people import waits for nobody. Nil: all are.
	Collected func(source string) bool
}

// imported reports whether only imports can add to the source: nothing collects it,
// and it never was.
func (f *FromReports) imported(state *ledger.State, source string) bool {
	return f.Collected != nil && !f.Collected(source) && len(state.Coverage(source, ledger.Heard)) == 0
}

// Ready implements Evidence: coverage is settled when no part of the span can still
// be collected by itself.
func (f *FromReports) Ready(ctx context.Context, s Schedule, span Span) (bool, string, error) {
	head, err := f.Maker.Reader.Head(ctx)
	if err != nil {
		return false, "", err
	}
	period, err := span.period(f.Now())
	if err != nil {
		return false, "", err
	}
	sources := s.Sources
	if len(sources) == 0 {
		for _, l := range head.State.Latest() {
			if l.Name != pack.Own {
				sources = append(sources, l.Name)
			}
		}
	}
	look := reports.LookAt(&head.State, sources, period.Window(), f.Now(), nil)
	var waits []string
	for _, source := range look.Coverage.Sources {
		if f.imported(&head.State, source.Source.Name) {
			continue
		}
		var open time.Duration
		for _, part := range source.Spans {
			switch part.State {
			case ledger.Pending, ledger.Recoverable, ledger.Backfilling:
				open += part.Length()
			}
		}
		if open > 0 {
			waits = append(waits, reports.Length(open)+" of "+source.Source.Name)
		}
	}
	return len(waits) == 0 && period.Cut.IsZero(), strings.Join(waits, ", "), nil
}

// request is what the run of a schedule asks for.
func (f *FromReports) request(s Schedule, span Span) (reports.Request, error) {
	period, err := span.period(f.Now())
	by := pack.Person{ID: "schedule:" + s.ID, Name: "schedule " + s.Name, Role: "schedule"}
	return reports.Request{Framework: s.Framework, Period: period, Sources: s.Sources, By: by}, err
}

// Make implements Evidence.
func (f *FromReports) Make(ctx context.Context, s Schedule, r Run) (string, *Letter, error) {
	request, err := f.request(s, r.Span)
	if err != nil {
		return "", nil, err
	}
	if err := f.Maker.Check(ctx, request); err != nil {
		return "", nil, err
	}
	// The letter first: its checkpoint is then one that the pack goes on from, so that
	// the mail checks its own pack.
	letter, err := f.Letter(ctx, s, r)
	if err != nil {
		return "", nil, err
	}
	job, err := f.Packs.Make(ctx, request)
	if err != nil {
		return "", nil, err
	}
	letter.File, letter.Size, letter.SHA256 = job.File, job.Size, job.SHA256
	letter.PackLink = f.Base + PackPath(s.ID, r.Key)
	letter.LinkUntil = f.Now().Add(linkFor).UTC()
	return job.ID, letter, nil
}

// pagePath is the path of a schedule's page.
func pagePath(schedule string) string { return "/schedules/" + url.PathEscape(schedule) }

// PackPath is the path of the link to a run's pack.
func PackPath(schedule, key string) string {
	return pagePath(schedule) + "/packs/" + url.PathEscape(key)
}

// Letter writes the letter of a run without a pack: what a preview shows.
func (f *FromReports) Letter(ctx context.Context, s Schedule, r Run) (*Letter, error) {
	request, err := f.request(s, r.Span)
	if err != nil {
		return nil, err
	}
	report, outside, err := f.Maker.Report(ctx, request)
	if err != nil {
		return nil, err
	}
	prior, err := f.prior(ctx, s, r, report)
	if err != nil {
		return nil, err
	}
	l := &Letter{Kind: "evidence", Name: s.Name, Waited: r.Waited, Attach: s.Attach, Framework: report.Framework.Title, Period: r.Span.Words(), Exact: report.Period.Text,
		Signed: report.Head.Checkpoint, Records: report.Head.State.Size, Held: report.Head.State.At,
		Page: f.Base + pagePath(s.ID), Report: f.Base + "/reports/" + url.PathEscape(s.Framework) + "?" + reportQuery(s, r.Span)}
	found := whole
	imported := func(source string) bool { return f.imported(&report.Head.State, source) }
	if what := l.cover(report, imported); what != "" {
		found = what
	}
	if what := l.altered(report, outside); what != "" { // first: nothing else is worth more than the rows
		if found != whole {
			what += "; " + found
		}
		found = what
	}
	if len(report.Missing) > 0 {
		found = also(found, reports.Plural(len(report.Missing), "system", "systems")+" without a source")
	}
	if what := l.unread(report); what != "" {
		found = also(found, what)
	}
	if what := l.restored(report); what != "" {
		found = also(found, what)
	}
	l.Good = found == whole
	l.Verdict = "Evidence for " + r.Span.Words() + ": " + found
	l.Subject = subject(l.Verdict)
	l.needs(report, imported)
	l.count(report, prior, r.Span.before())
	l.deleted(report)
	return l, nil
}

// whole is said of a period only when nothing of it is unknown.
const whole = "collected without gaps"

// also adds to what was found.
func also(found, what string) string {
	if found == whole {
		return what
	}
	return found + "; " + what
}

func reportQuery(s Schedule, span Span) string {
	q := url.Values{"from": {span.From.Format(time.DateOnly)}, "to": {span.To.AddDate(0, 0, -1).Format(time.DateOnly)}, "zone": {span.Zone}}
	if len(s.Sources) > 0 {
		q["source"] = s.Sources
	}
	return q.Encode()
}

// prior makes the report of the period before, nil where there is nothing to compare
// with.
func (f *FromReports) prior(ctx context.Context, s Schedule, r Run, report *reports.Report) (*reports.Report, error) {
	before := r.Span.before()
	request, err := f.request(s, before)
	if err != nil {
		return nil, err
	}
	connected := slices.ContainsFunc(report.Coverage.Sources, func(c reports.SourceCoverage) bool { return c.Known && c.Since.Before(request.Period.To) })
	if !connected {
		return nil, nil
	}
	prior, _, err := f.Maker.Report(ctx, request)
	return prior, err
}

// Checkpoint implements Evidence.
func (f *FromReports) Checkpoint(ctx context.Context, s Schedule, r Run) (*Letter, error) {
	head, err := f.Maker.Reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	if head.State.Size == 0 {
		return nil, reports.ErrEmpty
	}
	origin, _, _ := strings.Cut(head.Checkpoint, "\n")
	text := fmt.Sprintf("Checkpoint of %s: %s records", origin, reports.Number(head.State.Size))
	return &Letter{Kind: "checkpoint", Name: s.Name, Subject: subject(text + ", " + head.State.At.UTC().Format(time.DateOnly)), Verdict: text + " up to " + reports.Instant(head.State.At), Good: true,
		Signed: head.Checkpoint, Records: head.State.Size, Held: head.State.At, Page: f.Base + pagePath(s.ID)}, nil
}

// Problem implements Evidence.
func (f *FromReports) Problem(err error) string {
	if errors.Is(err, reports.ErrEmpty) {
		return "Nothing is collected yet: connect a source or import a file first."
	}
	return reports.Problem(err)
}
