package site_test

import (
	"slices"
	"testing"
	"time"

	"exhibit/ingest/spool"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports/reporttest"
	"exhibit/views"
	"exhibit/web"
	"exhibit/web/site"
)

// pushedSite is open's site with more sources: one that sends, one that has not yet.
func pushedSite(t *testing.T) (*site.Site, *reporttest.Log) {
	s, l, _ := open(t, nil)
	const digests = "digests of CloudTrail, signatures checked"
	from := now().Add(-2 * day)
	l.Source(now(), ledger.Source{Name: "stream", Kind: "okta", Keeps: 90 * 86400, Since: from})
	l.Source(now(), ledger.Source{Name: "new", Kind: "scalr", Since: from})
	l.Source(now(), ledger.Source{Name: "trail", Kind: "aws-cloudtrail", Since: from})
	l.Batch(now(), "stream", nil, nil, ledger.Cover{From: now().Add(-day), To: now().Add(-time.Minute), Method: ledger.Heard})
	l.Batch(now(), "trail", nil, nil, ledger.Cover{From: from, To: now().Add(-day), Method: ledger.Read, Basis: digests},
		ledger.Cover{From: now().Add(-day), To: now().Add(-day).Add(time.Hour), Method: ledger.Read})
	d := s.Overview.Deps
	d.Names = []string{"hcp-prod", "stream", "new", "trail"}
	d.Ways = map[string]views.Way{"hcp-prod": views.Polled, "stream": views.Pushed, "new": views.Pushed, "trail": views.Bucket}
	d.Health = workers{{Source: "stream", State: views.OK, LastRead: now(), Method: ledger.Heard, Heartbeat: time.Hour}, {Source: "hcp-prod", State: views.OK}, {Source: "trail", State: views.OK}}
	d.Spool = func() spool.Status { return spool.Status{Used: 7, Max: 100, Waiting: 2, Lasts: 3 * time.Hour} }
	return site.New(d), l
}

// A source that sends says whether its sender is alive and how long the spool lasts.
func TestSenderAndSpool(t *testing.T) {
	s, _ := pushedSite(t)
	list, err := s.Sources.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	by := map[string]views.Source{}
	for _, v := range list {
		by[v.Name] = v
	}
	if v := by["stream"]; v.Way != views.Pushed || v.Heartbeat != time.Hour || v.Spool == nil || v.Spool.Lasts != 3*time.Hour || v.Spool.Waiting != 2 {
		t.Errorf("stream: %+v, spool %+v", v, v.Spool)
	}
	if v := by["new"]; v.Health != views.Waiting || v.Way != views.Pushed || !v.LastRead.IsZero() {
		t.Errorf("new: %+v", v)
	}
	if v := by["hcp-prod"]; v.Way != views.Polled || v.Spool != nil {
		t.Errorf("hcp-prod: %+v", v)
	}
}

// Nobody asks a source that sends: what is missing of it is imported by hand. What was
// read is known in more than one way.
func TestCoverageOfWays(t *testing.T) {
	s, _ := pushedSite(t)
	v, err := s.Coverage.Coverage(t.Context(), web.CoverageQuery{From: now().Add(-5 * day).Truncate(day), To: now().Truncate(day), Zone: time.UTC})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, g := range v.Gaps {
		if g.State != views.Recoverable && g.State != views.Backfilling {
			continue
		}
		found[g.Source]++
		if want := g.Source == "stream" || g.Source == "new"; g.ByHand != want {
			t.Errorf("gap of %s: by hand %t, want %t", g.Source, g.ByHand, want)
		}
	}
	for _, name := range []string{"hcp-prod", "stream", "new", "trail"} {
		if found[name] == 0 {
			t.Errorf("no gap of %s", name)
		}
	}
	i := slices.IndexFunc(v.Sources, func(d views.SourceDays) bool { return d.Source == "trail" })
	want := []string{"digests of CloudTrail, signatures checked", pack.Basis(ledger.Cover{Method: ledger.Read})}
	if i < 0 || len(v.Sources[i].Methods) != 1 || !slices.Equal(v.Sources[i].Methods[0].Basis, want) {
		t.Errorf("trail: %+v, want %q", v.Sources[i].Methods, want)
	}
}
