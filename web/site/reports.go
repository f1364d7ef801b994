package site

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/views"
	"exhibit/web"
)

// Frameworks implements web.Reports.
func (r Reports) Frameworks(context.Context) ([]views.FrameworkChoice, error) {
	var out []views.FrameworkChoice
	for _, f := range r.Maker.Frameworks {
		out = append(out, views.FrameworkChoice{ID: f.ID, Title: f.Title, Edition: f.Edition})
	}
	return out, nil
}

func (s *site) choice(id string) views.FrameworkChoice {
	f, err := framework.Find(s.Maker.Frameworks, id)
	if err != nil {
		return views.FrameworkChoice{ID: id, Title: id} // of a pack that an older version made
	}
	return views.FrameworkChoice{ID: f.ID, Title: f.Title, Edition: f.Edition}
}

// request turns a query into a request of package reports.
func (s *site) request(q web.ReportQuery) (reports.Request, error) {
	if !slices.ContainsFunc(s.Maker.Frameworks, func(f framework.Framework) bool { return f.ID == q.Framework }) {
		return reports.Request{}, fmt.Errorf("%w: framework %q", web.ErrNotFound, q.Framework)
	}
	period, err := reports.Days(q.From, q.To, q.Zone, s.Now())
	if err != nil {
		return reports.Request{}, &web.InputError{Sentence: sentence(err)}
	}
	return reports.Request{Framework: q.Framework, Period: period, Sources: q.Sources, Engagement: q.Engagement}, nil
}

// Report implements web.Reports.
func (r Reports) Report(ctx context.Context, q web.ReportQuery) (views.Report, error) {
	request, err := r.request(q)
	if err != nil {
		return views.Report{}, err
	}
	report, outside, err := r.Maker.Report(ctx, request)
	if err != nil {
		return views.Report{}, inputError(err)
	}
	f := report.Framework
	v := views.Report{
		Framework: views.Framework{ID: f.ID, Title: f.Title, Edition: f.Edition, Version: f.Version, LastChanged: f.LastChanged,
			ChangedBy: f.ChangedBy, Hash: f.Hash, Notes: f.Notes},
		Period: views.Period{From: q.From, To: q.To, Zone: q.Zone}, Since: report.Period.From, Until: report.Period.To, CutAt: report.Period.Cut, Zone: q.Zone, Sources: report.Sources,
		Missing: report.Missing, Coverage: r.sourceDays(&report.Head.State, report.Coverage), Gaps: r.gaps(ctx, report.Coverage),
		Controls: controls(report), Checks: checks(report), Retention: retention(report),
		Checkpoint: checkpoint(report.Head, outside.Witnesses),
	}
	sheet := report.IPE(reports.Made{Software: r.Maker.Software, Witnesses: outside.Witnesses, Audit: outside.Audit, Key: r.Maker.Key.Public})
	for _, fact := range sheet.Facts {
		v.IPE = append(v.IPE, views.Fact(fact))
	}
	return v, nil
}

func controls(r *reports.Report) []views.Control {
	var out []views.Control
	for _, c := range r.Controls {
		v := views.Control{Key: c.Key, ID: c.ID, Title: c.Title, Asks: c.Asks, Cadence: c.Cadence, Number: c.Number, Level: string(c.Level),
			OnlyFor: string(c.OnlyFor), Bring: c.Bring, Note: c.Note, Later: c.Later()}
		for _, s := range c.Strength {
			v.Strength = append(v.Strength, views.Strength{Word: s.Text(), Covers: c.Covers[s]})
		}
		for _, s := range c.Evidence {
			if s.Meaning != reports.NotYet {
				v.Sections = append(v.Sections, section(r, s))
			}
		}
		out = append(out, v)
	}
	return out
}

// section shows one section. What pages have no own word for, they show in ours.
func section(r *reports.Report, s reports.Section) views.SectionCount {
	wording := r.Framework.Sections[s.Name]
	v := views.SectionCount{Section: s.Name, Events: int64(s.Events), By: strings.Join(s.By, ", "), Shows: wording.Shows, Cannot: wording.Cannot,
		Words: strings.Join(s.Remarks, " ")}
	switch s.Meaning {
	case reports.Listed:
		v.Meaning = views.Counted
	case reports.NoneProven, reports.NoneHeard, reports.NoneStated, reports.NotCollected:
		v.Meaning = views.Meaning(s.Meaning)
		detail := ""
		switch {
		case s.Meaning == reports.NotCollected:
			detail = strings.TrimPrefix(s.Text, "unknown: ") + "."
		case !s.Until.IsZero():
			detail = "Known up to " + reports.Instant(s.Until) + "."
		}
		v.Words = strings.TrimSpace(detail + " " + v.Words)
	case reports.NotEvidenced:
		v.Meaning, v.Words = views.NotEvidenced, strings.Join(s.Unable, "; ")
		if !strings.HasSuffix(s.Text, "identity provider") { // that is what the page would say
			v.Meaning, v.Words = views.Computed, s.Text
		}
	default:
		v.Meaning, v.Words = views.Computed, s.Text
	}
	return v
}

func checks(r *reports.Report) []views.Check {
	var out []views.Check
	for _, c := range r.Checks {
		v := views.Check{Question: c.Question, Section: c.Section, Controls: c.Controls, Answer: c.Text}
		switch c.Answer {
		case reports.FoundExceptions:
			v.Answer, v.Needs = count(c.Count, "exception", "exceptions")+strings.TrimPrefix(c.Text, "exceptions found, each needs an explanation"), true
		case reports.FoundListed:
			v.Answer = reports.Number(c.Count) + " " + c.Text
		case reports.Unknown:
			v.Needs = true
		}
		out = append(out, v)
	}
	return out
}

func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return reports.Number(n) + " " + many
}

func retention(r *reports.Report) []views.Retention {
	var out []views.Retention
	for _, row := range r.Retention {
		v := views.Retention{Title: row.Title, Text: row.Retention.Text, Kind: string(row.Kind), Held: row.Text, Short: row.Short()}
		if row.Source != "" {
			v.Held = row.Source + ": " + row.Text
		}
		if v.Short {
			v.Held = string(row.State) + " (" + row.Weight + "): " + v.Held
		}
		out = append(out, v)
	}
	return out
}

// dates returns the days of a half-open stretch of whole days in a zone.
func dates(from, to time.Time, zone string) views.Period {
	loc, err := reports.LoadZone(zone)
	if err != nil {
		loc = time.UTC
	}
	date := func(t time.Time) time.Time {
		y, m, d := t.In(loc).Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	}
	return views.Period{From: date(from), To: date(to.Add(-1)), Zone: loc}
}
