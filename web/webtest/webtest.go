// Package webtest holds invented data behind the interfaces of package web, in
// memory: for tests of the pages, and for looking at them without a store.
package webtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"exhibit/views"
	"exhibit/web"
)

// Data answers for every page. The zero value of Err means that all is well.
type Data struct {
	At   time.Time
	Zone *time.Location
	Err  error // answered by everything, when set
	Bare bool  // no sources, no events, no packs: the first minute

	mu      sync.Mutex // protects what follows
	jobs    map[string]*views.Job
	looked  map[string]int
	packs   []views.Pack
	content map[string][]byte
	tokens  []views.Token
}

// New returns data as of an instant. It has one pack of SOC 2.
func New(at time.Time, zone *time.Location) *Data {
	d := &Data{At: at.UTC().Truncate(time.Second), Zone: zone,
		jobs: map[string]*views.Job{}, looked: map[string]int{}, content: map[string][]byte{}}
	day := dayOf(d.At)
	d.keep(web.ReportQuery{Framework: "soc2", From: day.AddDate(0, 0, -119), To: day.AddDate(0, 0, -30), Zone: zone, Sources: Names()}, "Rita Okoye", d.At.Add(-29*24*time.Hour))
	d.keep(web.ReportQuery{Framework: "pci", From: day.AddDate(0, 0, -89), To: day, Zone: time.UTC, Sources: []string{"hcp-prod"}}, "Ada Lindqvist", d.At.Add(-50*time.Hour))
	return d
}

// Names lists the sources.
func Names() []string { return []string{"hcp-prod", "okta-workforce", "k8s-prod"} }

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func frameworks() []views.FrameworkChoice {
	return []views.FrameworkChoice{
		{ID: "soc2", Title: "SOC 2", Edition: "Trust Services Criteria 2017, points of focus 2022"},
		{ID: "hipaa", Title: "HIPAA", Edition: "45 CFR Part 164 Subpart C"},
		{ID: "pci", Title: "PCI DSS", Edition: "version 4.0.1"},
	}
}

func framework(id string) (views.FrameworkChoice, bool) {
	for _, f := range frameworks() {
		if f.ID == id {
			return f, true
		}
	}
	return views.FrameworkChoice{}, false
}

// Frameworks implements web.Reports.
func (d *Data) Frameworks(context.Context) ([]views.FrameworkChoice, error) {
	return frameworks(), d.Err
}

// NewID implements web.Packs.
func (d *Data) NewID() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("job-%d", len(d.jobs)+1), nil
}

// Start implements web.Packs. The job is done when it was looked at four times.
func (d *Data) Start(_ context.Context, r web.PackRequest) (string, error) {
	if d.Err != nil {
		return "", d.Err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	f, ok := framework(r.Framework)
	if !ok {
		return "", web.ErrNotFound
	}
	sources := r.Sources
	if len(sources) == 0 {
		sources = Names()
	}
	id := r.ID
	d.jobs[id] = &views.Job{ID: id, State: views.Queued, Framework: f, Period: period(r.ReportQuery), Sources: sources,
		By: r.By.Name, Started: d.At}
	return id, nil
}

func period(q web.ReportQuery) views.Period {
	return views.Period{From: q.From, To: q.To, Zone: q.Zone}
}

// Job implements web.Packs.
func (d *Data) Job(_ context.Context, id string) (views.Job, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j, ok := d.jobs[id]
	if !ok || d.Err != nil {
		return views.Job{}, orNotFound(d.Err)
	}
	d.looked[id]++
	switch n := d.looked[id]; {
	case n == 1:
		j.State = views.Queued
	case n < 4:
		j.State, j.Step, j.Done, j.Total = views.Running, "writing sections", int64(n)*96_400, 301_255
	case j.Pack == nil:
		j.State, j.Ended = views.Done, j.Started.Add(4*time.Second)
		p := d.keep(web.ReportQuery{Framework: j.Framework.ID, From: j.Period.From, To: j.Period.To, Zone: j.Period.Zone, Sources: j.Sources}, j.By, d.At)
		j.Pack = &p
	}
	return *j, nil
}

// Break makes the jobs that were started fail.
func (d *Data) Break(sentence string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, j := range d.jobs {
		d.looked[id], j.Pack = 100, &views.Pack{}
		j.State, j.Problem, j.Ended = views.Failed, sentence, d.At
	}
}

// keep stores a pack; New and Job call it while nobody else has the data.
func (d *Data) keep(q web.ReportQuery, by string, at time.Time) views.Pack {
	f, _ := framework(q.Framework)
	body := bytes.Repeat([]byte("an evidence pack "+q.Framework+" "), 4000+len(d.packs))
	sum := sha256.Sum256(body)
	p := views.Pack{ID: fmt.Sprintf("p%04d", len(d.packs)+1), Framework: f, Period: period(q), Sources: q.Sources,
		File:   fmt.Sprintf("exhibit-%s-%s_%s.zip", q.Framework, q.From.Format(time.DateOnly), q.To.Format(time.DateOnly)),
		Digest: hex.EncodeToString(sum[:]), Size: int64(len(body)), By: by, At: at, Checkpoint: 8114 + int64(len(d.packs)), Events: 301_255}
	d.packs = append([]views.Pack{p}, d.packs...)
	d.content[p.ID] = body
	return p
}

// Packs implements web.Packs through its List method; events have their own.
type Packs struct{ *Data }

// List implements web.Packs.
func (p Packs) List(context.Context) ([]views.Pack, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Bare {
		return nil, p.Err
	}
	return slices.Clone(p.packs), p.Err
}

type noClose struct{ io.ReadSeeker }

func (noClose) Close() error { return nil }

// Open implements web.Packs.
func (p Packs) Open(_ context.Context, id string) (views.Pack, io.ReadSeekCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.packs {
		if k.ID == id && p.Err == nil {
			return k, noClose{bytes.NewReader(p.content[id])}, nil
		}
	}
	return views.Pack{}, nil, orNotFound(p.Err)
}

// Events implements web.Events.
type Events struct{ *Data }

// List implements web.Events: 250 events, newest first.
func (e Events) List(_ context.Context, q web.EventQuery) ([]views.EventRow, error) {
	var out []views.EventRow
	for _, r := range e.rows() {
		fits := (len(q.Sources) == 0 || slices.Contains(q.Sources, r.Source)) && (q.Section == "" || r.Section == q.Section) &&
			(q.Outcome == "" || r.Outcome == q.Outcome) && (q.Action == "" || r.Action == q.Action) &&
			(q.Actor == "" || strings.Contains(r.Actor, q.Actor)) && (q.ID == "" || r.ID == q.ID) &&
			(q.From.IsZero() || !r.Time.Before(q.From)) && (q.To.IsZero() || r.Time.Before(q.To)) &&
			(q.Before == nil || r.Time.Before(q.Before.Time))
		if fits && len(out) < q.Limit {
			out = append(out, r)
		}
	}
	return out, e.Err
}

// Event implements web.Events.
func (e Events) Event(_ context.Context, source, id string, _ time.Time) (views.Event, error) {
	for _, r := range e.rows() {
		if r.Source == source && r.ID == id && e.Err == nil {
			return e.full(r), nil
		}
	}
	return views.Event{}, orNotFound(e.Err)
}

// Sources implements web.Sources.
type Sources struct{ *Data }

// Names implements web.Sources.
func (s Sources) Names(context.Context) ([]string, error) {
	if s.Bare {
		return nil, s.Err
	}
	return Names(), s.Err
}

// Source implements web.Sources.
func (s Sources) Source(ctx context.Context, name string) (views.Source, error) {
	list, err := s.List(ctx)
	for _, v := range list {
		if v.Name == name && err == nil {
			return v, nil
		}
	}
	return views.Source{}, orNotFound(err)
}

func orNotFound(err error) error {
	if err != nil {
		return err
	}
	return web.ErrNotFound
}

// Audit remembers actions; while Err is set it takes none.
type Audit struct {
	mu      sync.Mutex // protects what follows
	err     error
	actions []web.Action
}

// Record implements web.Audit.
func (a *Audit) Record(_ context.Context, x web.Action) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return a.err
	}
	a.actions = append(a.actions, x)
	return nil
}

// Fail makes Record answer err; nil makes it work again.
func (a *Audit) Fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// Actions returns what was recorded, and forgets it.
func (a *Audit) Actions() []web.Action {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.actions
	a.actions = nil
	return out
}
