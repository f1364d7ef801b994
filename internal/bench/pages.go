package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/store"
	"exhibit/web"
)

// asks is how often a page is asked for; the median counts.
const asks = 25

// pages measures whole pages over HTTP, with the whole history in the period.
func (st *stage) pages(ctx context.Context) error {
	m, err := st.maker()
	if err != nil {
		return err
	}
	head, err := m.Reader.Head(ctx)
	if err != nil {
		return err
	}
	shown, err := st.oldEvent(ctx, head.Snapshot())
	if err != nil {
		return err
	}
	b, err := st.browse(ctx, m)
	if err != nil {
		return err
	}
	if err := st.start(); err != nil {
		return err
	}
	st.m.Numbers = map[string]float64{}
	period := "from=" + st.now.Add(-span).Format(time.DateOnly) + "&to=" + st.now.Format(time.DateOnly)
	for _, page := range []struct{ name, path string }{
		{"overview", "/"},
		{"report", "/reports/soc2?" + period},
		{"coverage", "/coverage?" + period},
		{"sources", "/sources"},
		{"one source", "/sources/" + feed},
		{"events", "/events"},
		{"events of a section", "/events?section=credentials"},
		{"events of an actor", "/events?actor=" + url.QueryEscape(shown.Actor.Name)},
		{"events that are not there", "/events?action=never.done"},
		{"an old event", web.EventPath(feed, shown.ID, shown.Time)},
		{"an old event by its id alone", web.EventPath(feed, shown.ID, time.Time{})},
	} {
		took := make([]time.Duration, asks)
		for i := range took {
			began := time.Now()
			if _, err := b.get(ctx, page.path); err != nil {
				return fmt.Errorf("%s: %w", page.name, err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		st.m.Numbers[page.name] = took[asks/2].Seconds() * 1000
	}
	return st.stop(head.State.Size)
}

// oldEvent returns an event from the middle of the history.
func (st *stage) oldEvent(ctx context.Context, snap store.Snapshot) (event.Event, error) {
	middle := st.now.Add(-span / 2)
	list, err := st.db.List(ctx, snap, store.Filter{Period: coverage.Interval{From: middle.Add(-48 * time.Hour), To: middle}}, 1)
	if err != nil {
		return event.Event{}, err
	}
	if len(list) == 0 {
		return event.Event{}, fmt.Errorf("no event before %s", middle)
	}
	return list[0], nil
}
