package site

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports"
	"exhibit/views"
	"exhibit/web"
)

// look is the coverage of sources over a window, with the head that it is of.
func (s *site) look(ctx context.Context, sources []string, window coverage.Interval) (reports.Look, store.Head, reports.Outside, error) {
	outside, err := s.outside(ctx)
	if err != nil {
		return reports.Look{}, store.Head{}, outside, err
	}
	head, err := s.Reader.Head(ctx)
	if err != nil {
		return reports.Look{}, store.Head{}, outside, err
	}
	if sources == nil {
		sources = s.sources(&head.State)
	}
	state := withUncommitted(head.State, s.health(ctx))
	return reports.LookAt(&state, sources, window, s.Now(), outside.Altered), head, outside, nil
}

// Coverage implements web.Coverages.
func (c Coverage) Coverage(ctx context.Context, q web.CoverageQuery) (views.Coverage, error) {
	now := c.Now()
	window := coverage.Interval{From: q.From, To: q.To.AddDate(0, 0, 1)}
	if window.To.After(now) {
		window.To = now
	}
	if window.Empty() {
		return views.Coverage{}, &web.InputError{Sentence: "The period has not begun yet: it starts on " + q.From.Format(time.DateOnly) + "."}
	}
	var sources []string
	if q.Source != "" {
		head, err := c.Reader.Head(ctx)
		if err != nil {
			return views.Coverage{}, err
		}
		if !slices.Contains(c.sources(&head.State), q.Source) {
			return views.Coverage{}, &web.InputError{Sentence: fmt.Sprintf("There is no source %q.", q.Source)}
		}
		sources = []string{q.Source}
	}
	look, head, _, err := c.look(ctx, sources, window)
	if err != nil {
		return views.Coverage{}, err
	}
	return views.Coverage{
		Period: views.Period{From: q.From, To: q.To, Zone: time.UTC}, Zone: q.Zone, At: now,
		Sources: c.sourceDays(&head.State, look.Coverage), Gaps: c.gaps(ctx, look.Coverage), Abilities: c.abilities(&head.State, look.Coverage),
	}, nil
}

// sourceDays shows the sources of a coverage.
func (s *site) sourceDays(state *ledger.State, c reports.Coverage) []views.SourceDays {
	out := make([]views.SourceDays, 0, len(c.Sources))
	for _, from := range c.Sources {
		kind, _ := s.kind(state, from.Source.Name)
		v := views.SourceDays{Source: from.Source.Name, Kind: kind.Name, Title: kind.Title, Share: from.Required(), Events: int64(from.Events)}
		for _, d := range from.Days {
			v.Days = append(v.Days, views.Day{Day: d.Day, State: views.DayState(d.State), Method: views.DayState(d.Method), Share: d.Share, Events: int64(d.Events), Until: d.Until})
		}
		for _, method := range []string{ledger.Read, ledger.Heard, ledger.Stated} {
			if share := from.Methods[method]; share > 0 {
				// Of the required time, as the whole of the line; the parts add up to it.
				m := views.MethodShare{Method: views.DayState(method), Share: share / from.Share * from.Required()}
				if method == ledger.Stated {
					m.By = strings.Join(from.By, ", ")
				} else {
					m.Basis = bases(state, from.Source.Name, method, c.Window)
				}
				v.Methods = append(v.Methods, m)
			}
		}
		out = append(out, v)
	}
	return out
}

// bases says how it is known that all was collected of what was read, or heard, in the
// window: what holds for most of the time first.
func bases(state *ledger.State, source, method string, window coverage.Interval) []string {
	length := map[string]time.Duration{}
	for _, c := range state.Covers {
		if c.Source == source && c.Method == method {
			length[pack.Basis(c.Cover)] += c.Interval().Intersect(window).Length()
		}
	}
	maps.DeleteFunc(length, func(_ string, d time.Duration) bool { return d == 0 })
	return slices.SortedFunc(maps.Keys(length), func(a, b string) int { return cmp.Or(cmp.Compare(length[b], length[a]), cmp.Compare(a, b)) })
}

// gaps lists what is missing. What a pushed source lacks, nobody asks the vendor for.
func (s *site) gaps(ctx context.Context, c reports.Coverage) []views.Gap {
	var out []views.Gap
	health := s.health(ctx)
	for _, g := range c.Gaps {
		v := views.Gap{Source: g.Source, From: g.From, To: g.To, State: views.DayState(reports.StateOf(g.Span)), Until: g.Until}
		v.ByHand = (v.State == views.Recoverable || v.State == views.Backfilling) && !s.asked(health, g.Source)
		var notes, by []string
		for _, n := range g.Notes {
			notes = append(notes, n.Note)
			if !slices.Contains(by, n.By) {
				by = append(by, n.By)
			}
		}
		v.Note, v.NoteBy = strings.Join(notes, "; "), strings.Join(by, ", ")
		out = append(out, v)
	}
	type group struct {
		source, day string
		by          uint64
	}
	seen := map[group]bool{} // one line per source and day, whatever the number of sections
	for _, g := range c.Expired {
		key := group{g.Source, g.Day, g.By}
		day, err := time.Parse(ledger.DayFormat, g.Day)
		if seen[key] || err != nil {
			continue
		}
		seen[key] = true
		out = append(out, views.Gap{Source: g.Source, From: day, To: day.Add(24 * time.Hour), State: views.Expired,
			Note: g.Why, NoteBy: fmt.Sprintf("ledger record %d", g.By)})
	}
	slices.SortStableFunc(out, func(a, b views.Gap) int { return cmp.Or(cmp.Compare(a.Source, b.Source), a.From.Compare(b.From)) })
	return out
}

func (s *site) abilities(state *ledger.State, c reports.Coverage) views.Abilities {
	var out views.Abilities
	for _, section := range event.Sections() {
		out.Sections = append(out.Sections, string(section))
	}
	for _, row := range c.Matrix {
		kind, _ := s.kind(state, row.Source)
		v := views.AbilityRow{Source: row.Source, Title: kind.Title}
		for _, cell := range row.Cells {
			note := cell.Words
			if cell.State != reports.Seen && cell.Last != "" {
				note = strings.TrimPrefix(note+"; last seen on "+cell.Last, "; ")
			}
			v.Cells = append(v.Cells, views.AbilityCell{State: views.AbilityState(cell.State), Events: int64(cell.Events), Note: note})
		}
		out.Rows = append(out.Rows, v)
	}
	return out
}
