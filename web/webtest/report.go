package webtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/views"
	"exhibit/web"
)

// Report implements web.Reports.
func (d *Data) Report(_ context.Context, q web.ReportQuery) (views.Report, error) {
	f, ok := framework(q.Framework)
	if !ok || d.Err != nil {
		return views.Report{}, orNotFound(d.Err)
	}
	names := q.Sources
	if len(names) == 0 {
		names = Names()
	}
	for _, n := range names {
		if !slices.Contains(Names(), n) {
			return views.Report{}, &web.InputError{Sentence: fmt.Sprintf("There is no source %q.", n)}
		}
	}
	if start, _ := instants(q); start.After(d.At) {
		return views.Report{}, &web.InputError{Sentence: "The period has not begun yet."}
	}
	from := q.From
	r := views.Report{
		Framework: views.Framework{ID: f.ID, Title: f.Title, Edition: f.Edition, Version: "1", LastChanged: "2026-11-21", ChangedBy: "the Exhibit project",
			Hash: "9d2c0e", Notes: []string{"The criteria state no retention period, lockout count or review interval. Every threshold is the policy of the audited organisation."}},
		Period: period(q), Zone: d.Zone, Sources: names,
		Missing:  []string{"github (source control): no source is connected"},
		Coverage: d.sourceDays(from, int(q.To.Sub(from)/day)+1, names), Gaps: d.gaps(names),
		Controls: controls(), Checks: checks(), Retention: retention(), Checkpoint: d.checkpoint(), IPE: d.ipe(q, names),
	}
	r.Since, r.Until = instants(q)
	if r.Until.After(d.At) {
		r.CutAt = d.At
	}
	return r, nil
}

func (d *Data) ipe(q web.ReportQuery, names []string) []views.Fact {
	from, to := instants(q)
	return []views.Fact{
		{Label: "Definition", Value: "soc2 version 1, changed 2026-11-21 by the Exhibit project", Note: "sha256 9d2c0e51…"},
		{Label: "Period", Value: from.Format(time.RFC3339) + " up to " + to.Format(time.RFC3339), Note: "half-open, from whole days in " + q.Zone.String()},
		{Label: "Sources", Value: fmt.Sprint(len(names)), Note: "hcp-prod: fernhill-parcel at app.terraform.io"},
		{Label: "Checkpoint", Value: "#8,114", Note: "held outside up to #8,098"},
		{Label: "Events in the period", Value: "301,255", Note: "truncated: false"},
		{Label: "Last compared", Value: d.At.Add(-6*hour).Format(time.RFC3339) + ", all segments agree"},
		{Label: "Software", Value: "exhibit 0.1.0", Note: "commit 05cf695"},
		{Label: "Query", Value: "select … from events where time >= … and batch < 8114", Mono: true},
	}
}

// instants is right for the zones of tests, where no day begins later than midnight.
func instants(q web.ReportQuery) (from, to time.Time) {
	y, m, n := q.From.Date()
	from = time.Date(y, m, n, 0, 0, 0, 0, q.Zone).UTC()
	y, m, n = q.To.Date()
	return from, time.Date(y, m, n+1, 0, 0, 0, 0, q.Zone).UTC()
}

func controls() []views.Control {
	alone := []views.Strength{{Word: "alone"}}
	supports := []views.Strength{{Word: "corroborates"}}
	return []views.Control{
		{Key: "tsc:2017r2022:CC2.1", ID: "CC2.1", Title: "Complete and accurate information feeds controls", Asks: "How you know that this report is complete and accurate.",
			Strength: []views.Strength{{Word: "our own operation"}}, Cadence: "every pack", Later: []string{"time-sync"},
			Bring: "the time-server configuration of the systems in scope",
			Sections: []views.SectionCount{
				{Section: "integrity", Meaning: views.Computed, Words: "3,412 of 3,412 segments agree with the ledger"},
				{Section: "retention-coverage", Meaning: views.Computed, Words: "5 gaps in the period, 1 with a note"}}},
		{Key: "tsc:2017r2022:CC6.1", ID: "CC6.1", Title: "Logical access security", Asks: "The population of sign-ins, failures and factor changes; who can reach what, and how that is enforced.",
			Strength: []views.Strength{{Word: "alone", Covers: "sign-ins and their failures"}, {Word: "corroborates", Covers: "access architecture"}}, Cadence: "continuous; samples of 25 are customary",
			Bring: "the access-control policy and the sign-on settings of the identity provider", Note: "A sign-in that the identity provider never saw is not here.",
			Sections: []views.SectionCount{
				{Section: "logins", Events: 41_209, Meaning: views.Counted, Shows: "Who signed in to which system, when, from where and how.", Cannot: "That the list of users is right."},
				{Section: "failed-auth", Events: 831, Meaning: views.Counted},
				{Section: "mfa", Meaning: views.NoneProven, Words: "collected for all of the period"},
				{Section: "credentials", Events: 173, Meaning: views.Counted}}},
		{Key: "tsc:2017r2022:CC6.2", ID: "CC6.2", Title: "Users are registered and removed", Asks: "New and removed accounts with their approval.",
			Strength: supports, Cadence: "per change", Bring: "the HR list of joiners and leavers, and the approvals",
			Sections: []views.SectionCount{
				{Section: "access-grants", Events: 930, Meaning: views.Counted, Cannot: "Who approved a grant."},
				{Section: "admin-changes", Meaning: views.NoneStated, By: "Ada Lindqvist"}}},
		{Key: "tsc:2017r2022:CC6.6", ID: "CC6.6", Title: "Threats from outside are kept out", Asks: "Attempts from outside and what stopped them.",
			Strength: supports, Number: "", Cadence: "continuous", Bring: "the firewall rules and the alert tickets",
			Sections: []views.SectionCount{
				{Section: "other", Meaning: views.NoneHeard, Words: "stream up for 99.5 % of the period"},
				{Section: "data-access", Meaning: views.NotEvidenced}}},
		{Key: "tsc:2017r2022:CC7.2", ID: "CC7.2", Title: "Anomalies are watched for", Asks: "That logging ran, and who looked at it.",
			Strength: alone, Level: "required", OnlyFor: "service providers", Number: "at least 12 months, 3 at hand", Cadence: "daily",
			Bring: "the review records, alert tickets and sign-offs of the period", Later: []string{"log-review"},
			Sections: []views.SectionCount{
				{Section: "audit-log-config", Meaning: views.NotCollected, Words: "hcp-prod was collected for 96.4 % of the period"}}},
		{Key: "tsc:2017r2022:CC8.1", ID: "CC8.1", Title: "Changes are managed", Asks: "The population of changes with person, time, approval and policy results.",
			Strength: alone, Cadence: "per change; samples of 25 to 40 are customary", Bring: "the change tickets of the sample",
			Sections: []views.SectionCount{{Section: "change-management", Events: 79_788, Meaning: views.Counted, Cannot: "The request, the test and the reason behind a change."}}},
	}
}

func checks() []views.Check {
	return []views.Check{
		{Question: "Was audit logging stopped, started or changed?", Section: "audit-log-config", Answer: "unknown: not collected", Needs: true, Controls: []string{"CC7.1", "CC7.2"}},
		{Question: "Was a failed policy check overridden?", Section: "change-management", Answer: "3 exceptions", Needs: true, Controls: []string{"CC5.1", "CC8.1"}},
		{Question: "Which sign-ins and factor checks failed?", Section: "failed-auth", Answer: "831 listed", Controls: []string{"CC6.1", "CC6.6"}},
		{Question: "Was an authentication factor removed, reset or bypassed?", Section: "mfa", Answer: "none found, collection proven", Controls: []string{"CC6.1"}},
	}
}

func retention() []views.Retention {
	return []views.Retention{
		{Title: "Log history through the period and the fieldwork", Kind: "policy", Text: "The criteria state no period. Policy, default 15 months.", Held: "120 days, since July 25, 2026", Short: true},
	}
}
