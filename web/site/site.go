// Package site fills the pages of package web with what store, ledger and reports
// hold. It turns their types into those of package views and their errors into
// those of package web, and decides nothing about evidence.
package site

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports"
	"exhibit/views"
	"exhibit/web"
)

// Deps is what pages are filled from. All fields are required unless they say
// otherwise.
type Deps struct {
	DB     *store.DB
	Reader *store.Reader
	Maker  *reports.Maker
	Packs  *reports.Packs
	Kinds  []source.Kind
	Names  []string       // of sources, in the order of the configuration
	Zone   *time.Location // default zone of times
	Now    func() time.Time
	Health Health   // nil: nothing is polled
	Mail   *Mailing // nil: no mail is configured
	Keeper TokenKeeper
	Ways   map[string]views.Way // how events of each configured source come
	Spool  func() spool.Status  // nil: nothing is pushed
}

// Health says how the workers of sources are doing. It is asked for every page that
// shows sources, so it must be cheap. A source that it leaves out is import-only.
type Health interface {
	Health(ctx context.Context) []SourceHealth
}

// SourceHealth is how one source's worker is doing.
type SourceHealth struct {
	Source   string
	State    views.Health
	Problem  string // what went wrong last
	Advice   string // what to do about it
	LastRead time.Time
	NextRead time.Time
	// Uncommitted is coverage that is not in the ledger yet: idle hours gather.
	Uncommitted coverage.Set
	Method      string // of Uncommitted; empty: read
	// Heartbeat is how long nothing may come from a pushed source.
	Heartbeat time.Duration
}

// A Site has one part for each interface of package web.
type Site struct {
	Overview Overview
	Reports  Reports
	Packs    Packs
	Coverage Coverage
	Sources  Sources
	Events   Events
	Rejects  Rejects
	Tokens   Tokens
}

// The parts of a Site.
type (
	Overview struct{ *site }
	Reports  struct{ *site }
	Packs    struct{ *site }
	Coverage struct{ *site }
	Sources  struct{ *site }
	Events   struct{ *site }
	Rejects  struct{ *site }
	Tokens   struct{ *site }
)

var (
	_ web.Overviews = Overview{}
	_ web.Reports   = Reports{}
	_ web.Packs     = Packs{}
	_ web.Coverages = Coverage{}
	_ web.Sources   = Sources{}
	_ web.Events    = Events{}
	_ web.Rejects   = Rejects{}
	_ web.Tokens    = Tokens{}
)

type site struct{ Deps }

// Schedules returns the part for schedules, nil where no mail is configured.
func (s *Site) Schedules() web.Schedules {
	if s.Overview.Mail == nil {
		return nil
	}
	return Schedules{s.Overview.site, s.Overview.Mail}
}

// New returns the parts that web.Deps asks for.
func New(d Deps) *Site {
	s := &site{d}
	return &Site{Overview{s}, Reports{s}, Packs{s}, Coverage{s}, Sources{s}, Events{s}, Rejects{s}, Tokens{s}}
}

// sources lists the configured sources, then those that only the ledger knows, in
// the order in which they came. Exhibit itself is not among them.
func (s *site) sources(state *ledger.State) []string {
	names := slices.Clone(s.Names)
	for _, l := range state.Latest() {
		if !slices.Contains(names, l.Name) {
			names = append(names, l.Name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == pack.Own })
}

// kind returns the kind of a source as its newest record names it.
func (s *site) kind(state *ledger.State, name string) (source.Kind, ledger.SourceAt) {
	var latest ledger.SourceAt
	for _, l := range state.Latest() {
		if l.Name == name {
			latest = l
		}
	}
	i := slices.IndexFunc(s.Kinds, func(k source.Kind) bool { return k.Name == latest.Kind })
	if i < 0 {
		return source.Kind{Name: latest.Kind, Title: latest.Kind}, latest
	}
	return s.Kinds[i], latest
}

// health returns how sources are doing. Those that are to be sent and of which nothing
// ever came are waiting; any other that is left out is import-only.
func (s *site) health(ctx context.Context) map[string]SourceHealth {
	out := map[string]SourceHealth{}
	if s.Health != nil {
		for _, h := range s.Health.Health(ctx) {
			out[h.Source] = h
		}
	}
	for name, way := range s.Ways {
		if _, known := out[name]; !known && way == views.Pushed {
			out[name] = SourceHealth{Source: name, State: views.Waiting, Method: ledger.Heard}
		}
	}
	return out
}

// way is how events of a source come. What was sent says so itself, whatever else the
// kind could do.
func (s *site) way(all map[string]SourceHealth, name string) views.Way {
	if all[name].Method == ledger.Heard {
		return views.Pushed
	}
	return s.Ways[name]
}

// asked reports whether Exhibit itself fetches what is missing of a source.
func (s *site) asked(all map[string]SourceHealth, name string) bool {
	way := s.way(all, name)
	return way == views.Polled || way == views.Bucket
}

func healthOf(all map[string]SourceHealth, name string) SourceHealth {
	h, ok := all[name]
	if !ok {
		return SourceHealth{Source: name, State: views.ImportOnly}
	}
	return h
}

// outside returns what is known beside the ledger.
func (s *site) outside(ctx context.Context) (reports.Outside, error) {
	if s.Maker.Outside == nil {
		return reports.Outside{}, nil
	}
	return s.Maker.Outside(ctx)
}

// withUncommitted adds what workers have covered and not yet committed: such days
// are "covered, not yet committed" on pages, and never in a pack.
func withUncommitted(state ledger.State, health map[string]SourceHealth) ledger.State {
	covers := slices.Clone(state.Covers)
	for name, h := range health {
		for _, i := range h.Uncommitted {
			covers = append(covers, ledger.CoverAt{Place: ledger.Place{Seq: state.Size, At: i.To}, Source: name,
				Cover: ledger.Cover{From: i.From, To: i.To, Method: cmp.Or(h.Method, ledger.Read)}})
		}
	}
	state.Covers = covers
	return state
}

// inputError turns what a person can mend into the error that pages show.
func inputError(err error) error {
	var unknown *reports.UnknownSourceError
	switch {
	case errors.As(err, &unknown), errors.Is(err, reports.ErrEmpty), errors.Is(err, reports.ErrBusy), errors.Is(err, reports.ErrOwnBusy):
		return &web.InputError{Sentence: sentence(err)}
	}
	return err
}

// sentence makes one of an error for people.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), "reports: ")
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// checkpoint is the ledger's head for pages.
func checkpoint(head store.Head, witnesses []pack.Witness) views.Checkpoint {
	c := views.Checkpoint{Size: int64(head.State.Size), At: head.State.At}
	text, _, _ := strings.Cut(head.Checkpoint, "\n\n")
	if parsed, err := ledger.ParseCheckpoint(text + "\n"); err == nil {
		c.Origin, c.Root = parsed.Origin, parsed.Root.String()
	}
	for _, w := range witnesses {
		if reports.Counts(w) && w.Last.After(c.WitnessAt) {
			c.Witness, c.WitnessAt, c.Held = w.Name, w.Last, int64(w.Size)
		}
	}
	return c
}
