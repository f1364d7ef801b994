package reports

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports/framework"
)

// A piece is what the store answered about the events of an interval.
type piece struct {
	segments uint64 // that the interval's days had then, and ...
	removals int    // ... the records that take events away
	outcomes []store.OutcomeCount
	unmapped []store.TypeCount
}

// known keeps pieces, so that a page that is looked at again asks the store for the
// months that have changed since. What is in a store changes with its ledger only,
// so a piece holds as long as its days have the same segments. Packs do without:
// they ask for everything, and prove it.
type known struct {
	mu     sync.Mutex
	pieces map[string]piece
}

// maxPieces bounds what is kept: ten years of months for some reports.
const maxPieces = 1000

func (k *known) get(key string) (piece, bool) {
	if k == nil {
		return piece{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	p, ok := k.pieces[key]
	return p, ok
}

func (k *known) put(key string, p piece) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.pieces == nil || len(k.pieces) >= maxPieces {
		k.pieces = map[string]piece{}
	}
	k.pieces[key] = p
}

// ask fills outcomes and Unmapped. It counts by action and outcome where a check
// asks for it, and by type where no rule knew it, in both cases only when the
// ledger says that there is something to count.
func (r *Report) ask(ctx context.Context, db *store.DB, k *known) error {
	var sections []event.Section
	for _, s := range event.Sections() {
		asked := slices.ContainsFunc(r.Framework.Checks, func(c framework.Check) bool {
			return c.Section == string(s) && len(c.Match.Actions)+len(c.Match.Outcomes) > 0
		})
		if asked && r.tally.exact.events("", s) > 0 {
			sections = append(sections, s)
		}
	}
	types := r.tally.unmapped() > 0 && r.tally.exact.events("", event.Other)+r.tally.exact.events(pack.Own, event.Other) > 0
	state := &r.Head.State
	removals := len(state.Expires) + len(state.Erases) + len(state.Refiles) + len(state.Rollbacks)
	var pieces []piece
	for _, month := range months(r.Period.Interval) {
		key := fmt.Sprint(strings.Join(r.Sources, "\x00"), sections, types, month.From.UnixNano(), month.To.UnixNano())
		segments := r.tally.segmentsIn(month)
		p, ok := k.get(key)
		if !ok || p.segments != segments || p.removals != removals {
			p = piece{segments: segments, removals: removals}
			var err error
			if p.outcomes, err = db.Outcomes(ctx, r.Head.Snapshot(), r.others(), sections, month); err != nil {
				return err
			}
			if types {
				if p.unmapped, err = db.Unmapped(ctx, r.Head.Snapshot(), r.Sources, month); err != nil {
					return err
				}
			}
			k.put(key, p)
		}
		pieces = append(pieces, p)
	}
	r.merge(pieces)
	return nil
}

// months cuts an interval where months of UTC begin.
func months(i coverage.Interval) []coverage.Interval {
	var out []coverage.Interval
	for from := i.From.UTC(); from.Before(i.To); {
		next := time.Date(from.Year(), from.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		out = append(out, coverage.Interval{From: from, To: next}.Intersect(i))
		from = next
	}
	return out
}

// merge adds the pieces of a period together.
func (r *Report) merge(pieces []piece) {
	type outcome struct{ section, action, outcome string }
	index := map[outcome]int{}
	type kind struct{ source, action string }
	counts := map[kind]int{}
	for _, p := range pieces {
		for _, o := range p.outcomes {
			key := outcome{string(o.Section), o.Action, o.Outcome}
			if i, ok := index[key]; ok {
				sum := &r.outcomes[i]
				sum.Events += o.Events
				sum.Last = o.Last // pieces come by time
				continue
			}
			index[key] = len(r.outcomes)
			r.outcomes = append(r.outcomes, o)
		}
		for _, u := range p.unmapped {
			key := kind{u.Source, u.Action}
			if i, ok := counts[key]; ok {
				r.Unmapped[i].Count += u.Events
				continue
			}
			counts[key] = len(r.Unmapped)
			r.Unmapped = append(r.Unmapped, pack.Unmapped{Source: u.Source, Action: u.Action, Count: u.Events})
		}
	}
	slices.SortFunc(r.outcomes, func(a, b store.OutcomeCount) int {
		return cmp.Or(cmp.Compare(a.Section, b.Section), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Outcome, b.Outcome))
	})
	slices.SortFunc(r.Unmapped, func(a, b pack.Unmapped) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Action, b.Action))
	})
}
