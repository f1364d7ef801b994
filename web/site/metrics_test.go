package site_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/spool"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/reports/reporttest"
	"exhibit/web"
	"exhibit/web/site"
)

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// fewDoors is what senders did.
type fewDoors struct{}

func (fewDoors) Answers() []push.Answer {
	return []push.Answer{{Door: "hec", Class: 2, N: 7}, {Door: "hec", Class: 5, N: 1}}
}

func (fewDoors) Counts() []push.Count {
	return []push.Count{{Source: "hcp-prod", Outcome: push.Accepted, N: 70}, {Source: "hcp-prod", Outcome: "spool full", N: 1}, {Outcome: "no token", N: 4}, {Source: "hcp-prod", Outcome: push.Heartbeat, N: 1}}
}

// What somebody who watches over an installation must be told, over a real store.
func TestMetrics(t *testing.T) {
	s, l, packs := open(t, nil)
	clock := now()
	l.Batch(now(), "hcp-prod", []*event.Event{reporttest.Event("hcp-prod", "e9", now().Add(-day), event.AdminChanges, "x")}, nil)
	l.Source(now(), ledger.Source{Name: "files", Kind: "json", Since: now().Add(-48 * time.Hour)})
	m, runner := withMail(t, s, l, packs, &clock)
	f, err := m.Form(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	f.Name, f.Framework, f.Recipients, f.Attach = "Monthly for Ada Example", "pci", "ada@example.com", false
	by := web.Identity{Subject: "1", Email: "rita@example.com"}
	id := create(t, m, f, by)
	if err := m.RunNow(t.Context(), id, by); err != nil {
		t.Fatal(err)
	}
	runner.Post = refusing{}
	if err := runner.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	full := false
	g := site.Gauges{Version: "v1", Commit: "c1", Queue: func() int { return 3 }, Doors: fewDoors{}, Spool: func() spool.Status {
		return spool.Status{Used: 5, Max: 100, Waiting: 2, Full: now(), Left: 90 * time.Second, Lasts: 90 * time.Second, Empties: time.Second}
	}, MinFree: 7, Log: slog.New(slog.DiscardHandler),
		Free: func() (uint64, error) {
			if full {
				return 0, errors.New("no such directory")
			}
			return 42, nil
		}}
	handler := s.Metrics(g)
	text := scrape(t, handler)
	for _, want := range []string{
		`exhibit_build_info{commit="c1",version="v1"} 1`, "exhibit_committer_queue 3", "exhibit_spool_bytes 5", "exhibit_spool_records 2", "exhibit_spool_full 1", "exhibit_spool_full_since_timestamp_seconds ", "exhibit_spool_full_in_seconds 90",
		`exhibit_push_requests_total{door="hec",status="2xx"} 7`, `exhibit_push_requests_total{door="hec",status="5xx"} 1`, `exhibit_push_records_total{source="hcp-prod"} 70`,
		`exhibit_push_refusals_total{reason="spool full",source="hcp-prod"} 1`, `exhibit_push_refusals_total{reason="no token",source=""} 4`, "exhibit_disk_min_free_bytes 7", `exhibit_disk_free_bytes{disk="data"} 42`,
		`exhibit_disk_free_bytes{disk="store"} `, `exhibit_deliveries{state="failed"} 1`, `exhibit_deliveries{state="queued"} 0`, `exhibit_deliveries{state="deferred"} 0`, "exhibit_schedule_runs_late 0",
		`exhibit_source_state{source="files",state="import-only"} 1`, `exhibit_source_state{source="files",state="stopped"} 0`, `exhibit_source_state{source="files",state="unheard"} 0`, "exhibit_spool_lasts_seconds 90", `exhibit_coverage_gap_seconds{source="files",state="`, `exhibit_source_missing_seconds{source="hcp-prod"} `,
		`exhibit_source_rejects{source="hcp-prod"} `, "exhibit_ledger_records ", "exhibit_checkpoint_age_seconds ", "exhibit_checkpoint_timestamp_seconds ", "exhibit_witnesses ",
		`exhibit_scrape_failed{part="ledger"} 0`, `exhibit_scrape_failed{part="sources"} 0`, `exhibit_scrape_failed{part="schedules"} 0`, `exhibit_scrape_failed{part="disk"} 0`, "go_goroutines ",
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no %s", want)
		}
	}
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(text, "\n") {
		if name, typed := strings.CutPrefix(line, "# TYPE exhibit_"); typed {
			if name, _, _ = strings.Cut(name, " "); !strings.Contains(string(docs), "\n| `exhibit_"+name+"` |") {
				t.Errorf("docs/metrics.md does not say what exhibit_%s is", name)
			}
		}
	}
	for _, private := range []string{"ada@", "Ada", "rita", "Monthly", id} {
		if strings.Contains(text, private) {
			t.Errorf("%q is in the metrics", private)
		}
	}
	full = true
	clock = clock.AddDate(0, 0, 12) // a run is due, and its grace is over
	text = scrape(t, handler)
	for _, want := range []string{`exhibit_scrape_failed{part="disk"} 1`, `exhibit_disk_free_bytes{disk="store"} `, "exhibit_schedule_runs_late 1"} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("later, no %s", want)
		}
	}
}
