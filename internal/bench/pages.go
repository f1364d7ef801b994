package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/store"
)

// asks is how often a page is asked for; the median counts.
const asks = 25

// pages measures what pages wait for, with the whole history in the period.
func (st *stage) pages(ctx context.Context) error {
	m, err := st.maker()
	if err != nil {
		return err
	}
	q, err := st.request()
	if err != nil {
		return err
	}
	if q.Period.Interval.From = st.now.Add(-span); q.Period.Interval.Empty() {
		return fmt.Errorf("the period is empty")
	}
	head, err := m.Reader.Head(ctx)
	if err != nil {
		return err
	}
	snap := head.Snapshot()
	first, err := st.db.List(ctx, snap, store.Filter{}, 50)
	if err != nil {
		return err
	}
	shown := first[len(first)/2]
	st.m.Numbers = map[string]float64{}
	ask := func(name string, page func() error) error {
		took := make([]time.Duration, asks)
		for i := range took {
			began := time.Now()
			if err := page(); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			took[i] = time.Since(began)
		}
		slices.Sort(took)
		st.m.Numbers[name] = took[asks/2].Seconds() * 1000
		return nil
	}
	if err := st.start(); err != nil {
		return err
	}
	for _, page := range []struct {
		name string
		data func() error
	}{
		{"report and coverage", func() error { _, _, err := m.Report(ctx, q); return err }},
		{"events, first page", func() error { _, err := st.db.List(ctx, snap, store.Filter{}, 50); return err }},
		{"events, by section", func() error { _, err := st.db.List(ctx, snap, store.Filter{Section: "credentials"}, 50); return err }},
		{"events, by actor", func() error { _, err := st.db.List(ctx, snap, store.Filter{Actor: shown.Actor.Name}, 50); return err }},
		{"one event", func() error {
			_, _, found, err := st.db.Event(ctx, snap, shown.Source, shown.ID)
			if err == nil && !found {
				err = fmt.Errorf("event %s is not there", shown.ID)
			}
			return err
		}},
	} {
		if err := ask(page.name, page.data); err != nil {
			return err
		}
	}
	return st.stop(head.State.Size)
}
