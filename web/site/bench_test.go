package site_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/reporttest"
	"exhibit/web"
	"exhibit/web/site"
)

// Pages over 90 days of 100,000 events; EVENTS chooses another number. They must
// not get slower with it.
func BenchmarkPages(b *testing.B) {
	size := 100_000
	if text := os.Getenv("EVENTS"); text != "" {
		var err error
		if size, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	s := large(b, size)
	ctx := b.Context()
	ninety := query("2026-01-23", "2026-04-22")
	for name, page := range map[string]func() error{
		"overview": func() error { _, err := s.Overview.Overview(ctx); return err },
		"report":   func() error { _, err := s.Reports.Report(ctx, ninety); return err },
		"coverage": func() error {
			_, err := s.Coverage.Coverage(ctx, web.CoverageQuery{From: ninety.From, To: ninety.To, Zone: time.UTC})
			return err
		},
		"sources": func() error { _, err := s.Sources.List(ctx); return err },
		"source":  func() error { _, err := s.Sources.Source(ctx, "hcp-prod"); return err },
		"events":  func() error { _, err := s.Events.List(ctx, web.EventQuery{Limit: 101}); return err },
		"events-actor": func() error {
			_, err := s.Events.List(ctx, web.EventQuery{Limit: 101, Actor: "ada@example.com"})
			return err
		},
		"events-rare": func() error {
			_, err := s.Events.List(ctx, web.EventQuery{Limit: 101, Action: "never.done"})
			return err
		},
		"event": func() error {
			_, err := s.Events.Event(ctx, "hcp-prod", fmt.Sprintf("ae-%09d", size/2), time.Time{})
			return err
		},
		"events-second": func() error {
			_, err := s.Events.List(ctx, web.EventQuery{Limit: 101, Before: &web.Position{Time: now().Add(-30 * day), Source: "hcp-prod", ID: "m"}})
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := page(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// large commits events in batches of 50,000, as an import does.
func large(b *testing.B, size int) *site.Site {
	l := reporttest.New(b)
	kinds := source.Kinds()
	hcp, err := source.Lookup(kinds, "hcp-terraform")
	if err != nil {
		b.Fatal(err)
	}
	abilities := map[event.Section]string{}
	for section, a := range hcp.Abilities {
		abilities[section] = a.String()
	}
	start := event.Day(now()).Add(-120 * day)
	l.Source(start, ledger.Source{Name: "hcp-prod", Kind: "hcp-terraform", Keeps: 14 * 86400, Settle: 600, Since: start, Abilities: abilities})
	sections := []event.Section{event.AdminChanges, event.AccessGrants, event.Credentials, event.ChangeManagement, event.DataAccess, event.Other}
	step := now().Sub(start) / time.Duration(size)
	var events []*event.Event
	from := start
	for n := range size {
		at := start.Add(time.Duration(n) * step)
		events = append(events, reporttest.Event("hcp-prod", fmt.Sprintf("ae-%09d", n), at, sections[n%len(sections)], "run.apply"))
		if len(events) == 50_000 || n == size-1 {
			l.Batch(now(), "hcp-prod", events, nil, ledger.Cover{From: from, To: at.Add(1), Method: ledger.Read})
			events, from = nil, at.Add(1)
		}
	}
	all, err := framework.Load()
	if err != nil {
		b.Fatal(err)
	}
	maker := &reports.Maker{DB: l.DB, Reader: l.Reader, Key: l.Key, Frameworks: all, Now: now, Software: pack.Software{Version: "1"}}
	packs, err := reports.OpenPacks(b.TempDir(), maker, slog.New(slog.DiscardHandler), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	return site.New(site.Deps{DB: l.DB, Reader: l.Reader, Maker: maker, Packs: packs, Kinds: kinds, Names: []string{"hcp-prod"}, Zone: time.UTC, Now: now})
}
