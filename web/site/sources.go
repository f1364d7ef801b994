package site

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/reports"
	"exhibit/views"
	"exhibit/web"
)

// Names implements web.Sources.
func (s Sources) Names(context.Context) ([]string, error) { return slices.Clone(s.Deps.Names), nil }

// List implements web.Sources.
func (s Sources) List(ctx context.Context) ([]views.Source, error) {
	look, head, _, err := s.look(ctx, nil, s.today())
	if err != nil {
		return nil, err
	}
	health := s.health(ctx)
	var out []views.Source
	for _, c := range look.Coverage.Sources {
		v, err := s.source(ctx, head, look, c, health)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Source implements web.Sources.
func (s Sources) Source(ctx context.Context, name string) (views.Source, error) {
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return views.Source{}, err
	}
	if !slices.Contains(s.sources(&head.State), name) {
		return views.Source{}, fmt.Errorf("%w: source %q", web.ErrNotFound, name)
	}
	look, head, _, err := s.look(ctx, []string{name}, s.today())
	if err != nil {
		return views.Source{}, err
	}
	v, err := s.source(ctx, head, look, look.Coverage.Sources[0], s.health(ctx))
	if err != nil {
		return views.Source{}, err
	}
	return v, s.details(ctx, head, &v)
}

func (s *site) today() coverage.Interval {
	now := s.Now()
	return coverage.Interval{From: event.Day(now), To: now.Add(time.Nanosecond)}
}

// source fills what the list of sources shows.
func (s *site) source(ctx context.Context, head store.Head, look reports.Look, c reports.SourceCoverage, health map[string]SourceHealth) (views.Source, error) {
	name := c.Source.Name
	h := healthOf(health, name)
	kind, latest := s.kind(&head.State, name)
	counts, told, lastDay := look.Counts(name)
	var tenant []string
	for _, part := range []string{latest.System, latest.Host, latest.Environment} {
		if part != "" {
			tenant = append(tenant, part)
		}
	}
	v := views.Source{Name: name, Kind: kind.Name, Title: kind.Title, Docs: kind.Docs, Tenant: strings.Join(tenant, ", "), Health: h.State,
		Problem: h.Problem, Advice: h.Advice, LastRead: h.LastRead, Heard: h.Method == ledger.Heard, NextRead: h.NextRead, Since: c.Since,
		Keeps: time.Duration(latest.Keeps) * time.Second, Settle: time.Duration(latest.Settle) * time.Second,
		Told: -1, Mapping: latest.Mapping, Rules: latest.Rules, RulesFrom: rulesFrom(&head.State, latest), Zone: s.Zone,
		Counts: views.Counts{Fetched: int64(counts.Fetched), Extra: int64(counts.Extra), Events: int64(counts.Events), Duplicates: int64(counts.Duplicates),
			Skipped: int64(counts.Skipped), Rejects: int64(counts.Rejects), Expired: int64(counts.Expired), Late: int64(counts.Late), ClockAhead: int64(counts.ClockAhead)}}
	v.Way, v.Heartbeat = s.way(health, name), h.Heartbeat
	if v.Heard && s.Spool != nil {
		v.Spool = spoolView(s.Spool())
	}
	if kind.Shape == source.Follow {
		v.Cursor = head.State.Cursor(name)
	}
	if told != nil {
		v.Told = int64(told.Total)
	}
	state := withUncommitted(head.State, map[string]SourceHealth{name: h})
	if covered := state.Coverage(name); len(covered) > 0 {
		v.Covered = covered[len(covered)-1].To
	}
	var err error
	v.LastEvent, err = s.lastEvent(ctx, head, name, lastDay)
	return v, err
}

func spoolView(s spool.Status) *views.Spool {
	return &views.Spool{Used: int64(s.Used), Max: int64(s.Max), Waiting: int64(s.Waiting), Full: s.Full, Lasts: s.Lasts}
}

// rulesFrom is when the ledger first had the rules that a source has now.
func rulesFrom(state *ledger.State, latest ledger.SourceAt) time.Time {
	from := latest.At
	for _, r := range slices.Backward(state.Sources) {
		if r.Name != latest.Name {
			continue
		}
		if r.Rules != latest.Rules || r.Mapping != latest.Mapping {
			break
		}
		from = r.At
	}
	return from
}

// lastEvent asks for the newest event of a source on the last day that the ledger
// has of it.
func (s *site) lastEvent(ctx context.Context, head store.Head, name, lastDay string) (time.Time, error) {
	day, err := time.Parse(ledger.DayFormat, lastDay)
	if err != nil {
		return time.Time{}, nil // it has none
	}
	list, err := s.DB.List(ctx, head.Snapshot(), store.Filter{Sources: []string{name}, Period: coverage.Interval{From: day, To: day.Add(24 * time.Hour)}}, 1)
	if err != nil || len(list) == 0 {
		return time.Time{}, err
	}
	return list[0].Time, nil
}

// details adds what only the page of one source shows.
func (s *site) details(ctx context.Context, head store.Head, v *views.Source) error {
	if v.Counts.Rejects > 0 {
		reasons, err := s.DB.Reasons(ctx, head.Snapshot(), v.Name)
		if err != nil {
			return err
		}
		for _, r := range reasons {
			v.Rejects = append(v.Rejects, views.Tally{Name: r.Reason, Count: int64(r.Rejects), First: r.First, Last: r.Last,
				Path: views.RejectListPath(views.RejectFilter{Source: v.Name, Reason: r.Reason})})
		}
	}
	kind, _ := s.kind(&head.State, v.Name)
	types, err := s.unmapped(ctx, head, v.Name)
	if err != nil {
		return err
	}
	for _, t := range types {
		tally := views.Tally{Name: t.Action, Count: int64(t.Events), First: t.First, Last: t.Last, Path: web.EventPath(v.Name, t.Example, t.Last)}
		if section, known := kind.Knows(t.Action); known {
			tally.Note = "the present rules file it under " + string(section)
		}
		v.Unmapped = append(v.Unmapped, tally)
	}
	return nil
}

func (s *site) unmapped(ctx context.Context, head store.Head, name string) ([]store.TypeCount, error) {
	if !slices.ContainsFunc(head.State.Batches, func(b ledger.BatchAt) bool { return b.Source == name && b.Unmapped > 0 }) {
		return nil, nil
	}
	always := coverage.Interval{From: time.Unix(0, 0), To: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}
	return s.DB.Unmapped(ctx, head.Snapshot(), []string{name}, always)
}
