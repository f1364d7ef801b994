package site_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
	"exhibit/views"
	"exhibit/web"
	"exhibit/web/site"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const day = 24 * time.Hour

func now() time.Time { return time.Date(2026, 4, 22, 10, 0, 0, 0, time.UTC) }

// workers are healths that a test made up.
type workers []site.SourceHealth

func (w workers) Health(context.Context) []site.SourceHealth { return w }

// open makes a site over a small log: 40 days of two events each, imported for the
// first 20, one day lost, six hours that can still be fetched.
func open(t *testing.T, health site.Health) (*site.Site, *reporttest.Log, *reports.Packs) {
	t.Helper()
	l := reporttest.New(t)
	kinds := source.Kinds()
	hcp, err := source.Lookup(kinds, "hcp-terraform")
	if err != nil {
		t.Fatal(err)
	}
	abilities := map[event.Section]string{}
	for section, a := range hcp.Abilities {
		abilities[section] = a.String()
	}
	start := event.Day(now()).Add(-40 * day)
	l.Source(start, ledger.Source{Name: "hcp-prod", Kind: "hcp-terraform", System: "HCP Terraform", Host: "app.terraform.io", Keeps: 14 * 86400,
		Settle: 600, Since: start, Abilities: abilities, Mapping: 1})
	for n := range 40 {
		d := start.Add(time.Duration(n) * day)
		events := []*event.Event{reporttest.Event("hcp-prod", fmt.Sprintf("e/%d/a", n), d.Add(9*time.Hour), event.DataAccess, "state_version.show"),
			reporttest.Event("hcp-prod", fmt.Sprintf("e/%d/b", n), d.Add(9*time.Hour), event.AccessGrants, "team.add_member")}
		cover := ledger.Cover{From: d, To: d.Add(day), Method: ledger.Read}
		switch {
		case n < 20:
			cover.Method, cover.By, cover.File = ledger.Stated, "Ada Example", "f.json"
		case n == 22:
			continue
		case n == 38:
			cover.To = d.Add(18 * time.Hour)
		}
		var rejects []*event.Reject
		batch := ledger.Batch{Source: "hcp-prod", Fetched: 2, Events: 2, Covers: []ledger.Cover{cover}}
		if n == 39 {
			rejects = []*event.Reject{reporttest.Reject("hcp-prod", "x", "not JSON", d.Add(day))}
			batch.Fetched, batch.Rejects, batch.Told = 3, 1, &ledger.Told{Since: d, Total: 3, Read: 3}
		}
		l.Commit(d.Add(day+time.Hour), batch, events, rejects)
	}
	all, err := framework.Load()
	if err != nil {
		t.Fatal(err)
	}
	maker := &reports.Maker{DB: l.DB, Reader: l.Reader, Key: l.Key, Frameworks: all, Now: now, Software: pack.Software{Version: "1", Commit: "c", TZData: "t"},
		Scope: map[string][]pack.System{"soc2": {{Name: "GitHub"}}},
		Outside: func(context.Context) (reports.Outside, error) {
			return reports.Outside{Audit: &pack.Audit{At: now().Add(-time.Hour), Segments: 80}}, nil
		}}
	packs, err := reports.OpenPacks(t.TempDir(), maker, slog.New(slog.DiscardHandler), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return site.New(site.Deps{DB: l.DB, Reader: l.Reader, Maker: maker, Packs: packs, Kinds: kinds, Names: []string{"hcp-prod"}, Zone: time.UTC,
		Now: now, Health: health}), l, packs
}

func query(from, to string) web.ReportQuery {
	a, _ := time.Parse(time.DateOnly, from)
	b, _ := time.Parse(time.DateOnly, to)
	return web.ReportQuery{Framework: "soc2", From: a, To: b, Zone: time.UTC}
}

func TestOverview(t *testing.T) {
	fresh := coverage.Of(coverage.Interval{From: event.Day(now()), To: now().Add(-10 * time.Minute)})
	s, _, _ := open(t, workers{{Source: "hcp-prod", State: views.TokenRejected, Problem: "the token was refused", Advice: "Make a new one.", Uncommitted: fresh}})
	v, err := s.Overview.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Sources) != 1 || len(v.Sources[0].Days) != 30 || v.Sources[0].Health != views.TokenRejected || v.Events != 78 {
		t.Fatalf("overview: %d events, %+v", v.Events, v.Sources)
	}
	// The six hours of 20 April from 18:00 can be fetched until 4 May 18:00.
	if slack := v.Sources[0].Slack; slack == nil || slack.Left != 12*day+8*time.Hour {
		t.Errorf("slack %+v", slack)
	}
	if last := v.Sources[0].Days[29]; last.State != views.Pending || last.Share == 0 {
		t.Errorf("today, covered but not committed: %+v", last)
	}
	var titles []string
	for _, task := range v.Tasks {
		titles = append(titles, string(task.Severity)+" "+task.Title)
	}
	want := []string{"act hcp-prod: 6 h can still be fetched", "act hcp-prod: the token was refused", "look hcp-prod: 1 d of the last 30 days are lost",
		"look hcp-prod: 1 records could not become events", "know Nobody outside holds a checkpoint"}
	if fmt.Sprint(titles) != fmt.Sprint(want) {
		t.Errorf("tasks %q, want %q", titles, want)
	}
	if v.Checkpoint.Origin != reporttest.Origin || v.Checkpoint.Size != 40 || v.Checkpoint.Root == "" || v.Audit.Segments != 80 {
		t.Errorf("checkpoint %+v, audit %+v", v.Checkpoint, v.Audit)
	}
}

// A pushed source that is in trouble is on the overview and on its page; what it heard
// is not shown as read.
func TestPushedSource(t *testing.T) {
	fresh := coverage.Of(coverage.Interval{From: event.Day(now()), To: now()})
	s, _, _ := open(t, workers{{Source: "hcp-prod", State: views.Alarm, Problem: "the spool is full", LastRead: now(), Uncommitted: fresh, Method: ledger.Heard}})
	v, err := s.Overview.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(v.Tasks, func(task views.Task) bool {
		return task.Severity == views.Act && task.Title == "hcp-prod: the spool is full"
	}) {
		t.Errorf("tasks %+v", v.Tasks)
	}
	if i := slices.IndexFunc(v.Tasks, func(task views.Task) bool { return strings.Contains(task.Title, "6 h are missing") }); i < 0 || !strings.Contains(v.Tasks[i].Detail, "Import it") {
		t.Errorf("tasks %+v", v.Tasks)
	}
	page, err := s.Sources.Source(t.Context(), "hcp-prod")
	if err != nil {
		t.Fatal(err)
	}
	var html strings.Builder
	if err := views.SourcePage(page).Render(t.Context(), &html); err != nil {
		t.Fatal(err)
	}
	if text := html.String(); !strings.Contains(text, "Last heard") || strings.Contains(text, "Last read") || !strings.Contains(text, "the spool is full") {
		t.Errorf("page %s", text)
	}
}

func TestReport(t *testing.T) {
	s, _, _ := open(t, nil)
	v, err := s.Reports.Report(t.Context(), query("2026-04-02", "2026-04-22"))
	if err != nil {
		t.Fatal(err)
	}
	if v.Framework.ID != "soc2" || v.CutAt.IsZero() || len(v.Missing) != 1 || len(v.Gaps) != 3 || len(v.Controls) < 20 || len(v.Checks) == 0 || len(v.Retention) == 0 {
		t.Errorf("%s, cut at %s: missing %v, gaps %+v, %d controls", v.Framework.ID, v.CutAt, v.Missing, v.Gaps, len(v.Controls))
	}
	meanings := map[string]views.Meaning{}
	for _, c := range v.Controls {
		for _, section := range c.Sections {
			meanings[section.Section] = section.Meaning
		}
	}
	for name, want := range map[string]views.Meaning{"access-grants": views.Counted, "failed-auth": views.NotEvidenced, "credentials": views.NotCollected, "integrity": views.Computed} {
		if meanings[name] != want {
			t.Errorf("%s is %s, want %s", name, meanings[name], want)
		}
	}
	if v.IPE[0].Label != "Systems without a source" || v.IPE[0].Value != "GitHub: no source is connected" {
		t.Errorf("first line %+v", v.IPE[0])
	}
	other := query("2026-04-02", "2026-04-22")
	other.Framework = "iso"
	if _, err := s.Reports.Report(t.Context(), other); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("unknown framework: %v", err)
	}
	other.Framework, other.Sources = "soc2", []string{"okta"}
	var input *web.InputError
	if _, err := s.Reports.Report(t.Context(), other); !errors.As(err, &input) || input.Sentence != `There is no source "okta": use one of hcp-prod.` {
		t.Errorf("unknown source: %v", err)
	}
}

func TestPacks(t *testing.T) {
	s, _, packs := open(t, nil)
	request := web.PackRequest{ReportQuery: query("2026-04-02", "2026-04-20"), By: web.Identity{Subject: "u1", Name: "Alan Example", Role: web.Auditor}}
	id, err := s.Packs.Start(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if job, err := s.Packs.Job(t.Context(), id); err != nil || job.State != views.Queued || job.By != "Alan Example" {
		t.Errorf("job %+v, %v", job, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- packs.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var job views.Job
	for job.State != views.Done && job.State != views.Failed {
		<-tick.C
		if job, err = s.Packs.Job(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	list, err := s.Packs.List(t.Context())
	if err != nil || len(list) != 1 || job.Pack == nil || list[0].Digest != job.Pack.Digest || job.Problem != "" {
		t.Fatalf("list %+v, job %+v, %v", list, job, err)
	}
	if p := list[0]; !p.Period.From.Equal(request.From) || !p.Period.To.Equal(request.To) || p.Framework.Title != "SOC 2" || p.Events == 0 {
		t.Errorf("pack %+v", p)
	}
	_, content, err := s.Packs.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	if n, err := io.Copy(io.Discard, content); err != nil || n != list[0].Size {
		t.Errorf("%d of %d bytes, %v", n, list[0].Size, err)
	}
	if _, _, err := s.Packs.Open(t.Context(), "nothing"); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("open nothing: %v", err)
	}
	for _, bad := range []web.ReportQuery{{Framework: "iso", From: request.From, To: request.To, Zone: time.UTC},
		{Framework: "soc2", From: request.From, To: request.To, Zone: time.UTC, Sources: []string{"okta"}},
		{Framework: "soc2", From: request.To, To: request.From, Zone: time.UTC}} {
		var input *web.InputError
		if _, err := s.Packs.Start(t.Context(), web.PackRequest{ReportQuery: bad}); !errors.As(err, &input) {
			t.Errorf("%+v: got %v, want an InputError", bad, err)
		}
	}
}

func TestCoverage(t *testing.T) {
	s, _, _ := open(t, nil)
	q := query("2026-03-01", "2026-04-22")
	v, err := s.Coverage.Coverage(t.Context(), web.CoverageQuery{From: q.From, To: q.To, Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Sources) != 1 || len(v.Sources[0].Days) != 53 || v.Sources[0].Title == "" || len(v.Sources[0].Methods) != 2 || v.Sources[0].Methods[1].By != "Ada Example" {
		t.Fatalf("sources %+v", v.Sources)
	}
	if m := v.Sources[0]; m.Share == 0 || math.Abs(m.Methods[0].Share+m.Methods[1].Share-m.Share) > 1e-9 {
		t.Errorf("the methods %+v do not add up to %v", m.Methods, m.Share)
	}
	states := map[views.DayState]int{}
	for _, d := range v.Sources[0].Days {
		states[d.State]++
	}
	if states[views.Before] != 12 || states[views.Stated] != 20 || states[views.Lost] != 1 || states[views.Recoverable] != 2 {
		t.Errorf("states %v", states)
	}
	if len(v.Abilities.Rows) != 1 || v.Abilities.Rows[0].Cells[0].State != views.CannotEmit || len(v.Abilities.Sections) != 10 {
		t.Errorf("abilities %+v", v.Abilities)
	}
	var input *web.InputError
	if _, err := s.Coverage.Coverage(t.Context(), web.CoverageQuery{From: q.From, To: q.To, Source: "okta"}); !errors.As(err, &input) {
		t.Errorf("unknown source: %v", err)
	}
}

func TestSources(t *testing.T) {
	s, _, _ := open(t, workers{{Source: "hcp-prod", State: views.OK, LastRead: now()}})
	v, err := s.Sources.Source(t.Context(), "hcp-prod")
	if err != nil {
		t.Fatal(err)
	}
	if v.Counts.Events != 78 || v.Counts.Rejects != 1 || len(v.Rejects) != 1 || v.Told != 3 || v.Keeps != 14*day || v.Health != views.OK {
		t.Errorf("source %+v", v)
	}
	if want := event.Day(now()).Add(-day + 9*time.Hour); !v.LastEvent.Equal(want) || !v.Covered.Equal(event.Day(now())) {
		t.Errorf("last event %s, covered to %s", v.LastEvent, v.Covered)
	}
	if list, err := s.Sources.List(t.Context()); err != nil || len(list) != 1 || list[0].Name != "hcp-prod" {
		t.Errorf("list %+v, %v", list, err)
	}
	if _, err := s.Sources.Source(t.Context(), "okta"); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("unknown source: %v", err)
	}
}

// Pages of the list hold every event once, newest first, whatever the page size.
func TestEventPages(t *testing.T) {
	s, _, _ := open(t, nil)
	for _, q := range []web.EventQuery{{Limit: 7}, {Limit: 7, Action: "team.add_member"}, {Limit: 7, Section: "data-access"}, {Limit: 100},
		{Limit: 3, From: event.Day(now()).Add(-10*day + 9*time.Hour), To: event.Day(now()).Add(-2*day + 9*time.Hour)}} {
		seen := map[string]bool{}
		var last views.EventRow
		for {
			rows, err := s.Events.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				if seen[r.ID] || !last.Time.IsZero() && (r.Time.After(last.Time) || r.Time.Equal(last.Time) && r.ID >= last.ID) {
					t.Fatalf("%+v: %s after %s", q, r.ID, last.ID)
				}
				seen[r.ID], last = true, r
			}
			if len(rows) < q.Limit {
				break
			}
			q.Before = &web.Position{Time: last.Time, Source: last.Source, ID: last.ID}
		}
		want := 78
		switch {
		case q.Action != "" || q.Section != "":
			want = 39
		case !q.From.IsZero():
			want = 16
		}
		if len(seen) != want {
			t.Errorf("%+v: %d events, want %d", q, len(seen), want)
		}
	}
	if rows, err := s.Events.List(t.Context(), web.EventQuery{Sources: []string{"okta"}, Limit: 5}); err != nil || len(rows) != 0 {
		t.Errorf("a source that does not exist: %v, %v", rows, err)
	}
}

func TestEvent(t *testing.T) {
	s, _, _ := open(t, nil)
	v, err := s.Events.Event(t.Context(), "hcp-prod", "e/39/a", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Proof.Count != 1 || v.Proof.Root == "" || v.Proof.Batch != 39 || v.Proof.At.IsZero() || !v.Proof.Checked.Equal(now().Add(-time.Hour)) {
		t.Errorf("proof %+v", v.Proof)
	}
	for _, at := range []time.Time{v.Time, v.Time.Add(-time.Hour)} { // the right time, and a wrong one
		if again, err := s.Events.Event(t.Context(), "hcp-prod", "e/39/a", at); err != nil || again.Proof.Leaf != v.Proof.Leaf {
			t.Errorf("looked for at %s: %v, leaf %s", at, err, again.Proof.Leaf)
		}
	}
	// A segment of one event: its root is its leaf.
	if v.Proof.Leaf != v.Proof.Root || v.Pretty == "" || v.Actor != "Ada Example" || v.Target != "workspace billing" {
		t.Errorf("event %+v", v)
	}
	if _, err := s.Events.Event(t.Context(), "hcp-prod", "nothing", v.Time); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("no such event: %v", err)
	}
	if _, err := s.Events.Event(t.Context(), "okta", "e/39/a", v.Time); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("no such source: %v", err)
	}
}
