package reports_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const day = 24 * time.Hour

// today is when the story ends.
func today() time.Time { return time.Date(2026, 4, 22, 10, 0, 0, 0, time.UTC) }

func hcp() ledger.Source {
	return ledger.Source{Name: "hcp-prod", Kind: "hcp-terraform", System: "HCP Terraform", Host: "app.terraform.io/acme", Environment: "production",
		Keeps: 14 * 86400, Settle: 600, Since: today().Truncate(day).Add(-120 * day), Mapping: 1, Rules: "8d1f3c55aa",
		Abilities: map[event.Section]string{
			event.Logins: "not logged by this vendor: sign-ins are in the identity provider's log", event.FailedAuth: "not logged by this vendor: failed sign-ins are in the identity provider's log",
			event.MFA: "partly: factors of organization users, not challenges", event.AdminChanges: "logged", event.AccessGrants: "logged", event.Credentials: "logged",
			event.ChangeManagement: "logged", event.DataAccess: "logged", event.AuditLogConfig: "logged", event.Other: "logged"}}
}

// story fills a log: 106 days imported but for two, a quiet weekend, then polling
// with an outage that was too long, rejects, unknown types, a second source that
// is only heard.
func story(t testing.TB) *reporttest.Log {
	l := reporttest.New(t)
	start := hcp().Since
	l.Source(start.Add(-time.Hour), hcp())
	l.Void(start.Add(-time.Hour))
	r := rand.New(rand.NewPCG(7, 7))
	actions := map[event.Section][]string{
		event.AdminChanges: {"organization_user.create", "organization.update"}, event.AccessGrants: {"team.create", "team.add_member"},
		event.Credentials: {"authentication_token.create"}, event.ChangeManagement: {"run.apply", "run.plan", "policy_check.override", "workspace.destroy"},
		event.DataAccess: {"state_version.show", "var.show"}, event.Other: {"user.index"},
	}
	on := func(d time.Time) []*event.Event {
		n := 20 + r.IntN(20)
		if d.Weekday() == time.Saturday || d.Weekday() == time.Sunday {
			n = 5 + r.IntN(4)
		}
		if d.Equal(start.Add(65*day)) || d.Equal(start.Add(66*day)) {
			n = 0 // quiet
		}
		var out []*event.Event
		sections := []event.Section{event.AdminChanges, event.AccessGrants, event.Credentials, event.ChangeManagement, event.DataAccess, event.Other}
		for i := range n {
			s := sections[r.IntN(len(sections))]
			a := actions[s][r.IntN(len(actions[s]))]
			if a == "policy_check.override" && r.IntN(20) > 0 {
				a = "run.apply"
			}
			e := reporttest.Event("hcp-prod", fmt.Sprintf("ae-%s-%03d", d.Format("0102"), i), d.Add(time.Duration(r.Int64N(int64(day)))).Truncate(time.Microsecond), s, a)
			if s == event.AdminChanges && r.IntN(25) == 0 {
				e.Outcome = event.Failure
			}
			if i == 0 && d.Day() == 3 {
				e.Section, e.Action, e.Activity = event.Other, "brand_new.thing", 99
			}
			out = append(out, e)
		}
		return out
	}
	imported := start.Add(110 * day)
	var file ledger.Batch // a dozen of daily files at once
	var events []*event.Event
	for n := range 106 {
		d := start.Add(time.Duration(n) * day)
		if n != 40 && n != 71 {
			b := on(d)
			events = append(events, b...)
			file.Covers = append(file.Covers, ledger.Cover{From: d, To: d.Add(day), Method: ledger.Stated,
				File: d.Format("2006-01-02") + ".json.gz", SHA256: "ab12", By: "Ada Example"})
		}
		if n%12 == 11 || n == 105 {
			file.Source, file.Fetched, file.Events, file.Unmapped = "hcp-prod", uint64(len(events)), uint64(len(events)), unmapped(events)
			l.Commit(imported, file, events, nil)
			file, events = ledger.Batch{}, nil
		}
	}
	for n := 106; n <= 120; n++ {
		d := start.Add(time.Duration(n) * day)
		b := on(d)
		to := d.Add(day)
		at := to.Add(20 * time.Minute)
		if n == 120 {
			to = today().Add(-10 * time.Minute)
			at = today()
		}
		if at.Before(imported) {
			at = imported
		}
		b = before(b, to)
		covers := []ledger.Cover{{From: d, To: to, Method: ledger.Read}}
		if n == 118 {
			covers = []ledger.Cover{{From: d, To: d.Add(9 * time.Hour), Method: ledger.Read}, {From: d.Add(15 * time.Hour), To: to, Method: ledger.Read}}
		}
		batch := ledger.Batch{Source: "hcp-prod", Fetched: uint64(len(b)), Events: uint64(len(b)), Unmapped: unmapped(b), Covers: covers}
		if n == 119 {
			batch.Told = &ledger.Told{Since: d.Add(-13 * day), Total: 412, Read: 412}
		}
		var rejects []*event.Reject
		if n == 110 {
			rejects = []*event.Reject{reporttest.Reject("hcp-prod", `{"no":"type"}`, "no event type", at), reporttest.Reject("hcp-prod", `not json`, "not JSON", at)}
			batch.Fetched, batch.Rejects = batch.Fetched+2, 2
		}
		l.Commit(at, batch, b, rejects)
	}
	l.Add(today(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod", From: start.Add(40 * day), To: start.Add(41 * day),
		Note: "The file of this day was never written: the export job failed. Ticket OPS-1432.", By: "Grace Example"}})
	return l
}

func before(events []*event.Event, to time.Time) []*event.Event {
	var out []*event.Event
	for _, e := range events {
		if e.Time.Before(to) {
			out = append(out, e)
		}
	}
	return out
}

func unmapped(events []*event.Event) (n uint64) {
	for _, e := range events {
		if e.Activity == 99 {
			n++
		}
	}
	return n
}

func maker(t testing.TB, l *reporttest.Log) *reports.Maker {
	t.Helper()
	all, err := framework.Load()
	if err != nil {
		t.Fatal(err)
	}
	scope := []pack.System{{Name: "HCP Terraform", Sources: []string{"hcp-prod"}}, {Name: "GitHub", Note: "planned for May"}}
	return &reports.Maker{DB: l.DB, Reader: l.Reader, Key: l.Key, Frameworks: all, Now: today,
		Scope:    map[string][]pack.System{"soc2": scope, "pci": scope, "hipaa": scope},
		Software: pack.Software{Version: "1.0.0", Commit: "0123abcd", TZData: "2026a"},
		Outside: func(context.Context) (reports.Outside, error) {
			return reports.Outside{Audit: &pack.Audit{At: today().Add(-7 * time.Hour), Segments: 812}}, nil
		}}
}

func period(t testing.TB, from, to, zone string) reports.Period {
	t.Helper()
	z, err := reports.LoadZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	p, err := reports.ParsePeriod(from, to, z, today())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func interval(from, to time.Time) coverage.Interval { return coverage.Interval{From: from, To: to} }
