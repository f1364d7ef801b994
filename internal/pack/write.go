package pack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sync/errgroup"
)

// A writer holds what the steps of Write share.
type writer struct {
	p     *Params
	data  Data
	dir   string
	files []*file // finished ones
	r     *reading
	z     zone
	voids []uint64
	sum   Summary
}

func write(ctx context.Context, out io.Writer, data Data, p *Params) (*Summary, error) {
	head, err := p.check()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(p.Temp, "exhibit-pack-")
	if err != nil {
		return nil, fmt.Errorf("pack: create temporary directory: %w", err)
	}
	w := &writer{p: p, data: data, dir: dir}
	defer w.remove()
	p.Sheet.Sources = slices.Sorted(slices.Values(p.Sheet.Sources))
	w.r = newReading(p.Sheet.Sources, p.Period)
	w.z = newZone(p.zone(), w.r.days) // whole days: rejects are shown in full
	w.sum = Summary{Checkpoint: head, Period: p.Period, Days: w.r.days}
	for _, step := range []func(context.Context) error{w.ledger, w.keyCheckpoints, w.lines, w.tables, w.texts} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if err := w.seal(); err != nil {
		return nil, err
	}
	return &w.sum, w.zip(ctx, out)
}

func (w *writer) remove() {
	for _, f := range w.files {
		f.temp.Close()
	}
	os.RemoveAll(w.dir) // what is left is in a temporary directory
}

// check returns the checkpoint that the pack is pinned to.
func (p *Params) check() (ledger.Checkpoint, error) {
	fail := func(format string, args ...any) (ledger.Checkpoint, error) {
		return ledger.Checkpoint{}, fmt.Errorf("pack: "+format, args...)
	}
	switch {
	case p.Period.Empty():
		return fail("the period is empty: %s to %s", p.Period.From, p.Period.To)
	case !event.InRange(p.Period.From) || !event.InRange(p.Period.To):
		return fail("the period %s to %s is not within 1970 and 2199", p.Period.From, p.Period.To)
	case !wholeSeconds(p.Period):
		return fail("the period %s to %s does not begin and end at whole seconds", p.Period.From, p.Period.To)
	case len(p.Sheet.Sources) == 0:
		return fail("no source is in scope")
	case dayRows(p.Period, p.Sheet.Sources) > maxDayRows:
		return fail("the period has too many days for its sources: %d rows of day and source; at most %d", dayRows(p.Period, p.Sheet.Sources), maxDayRows)
	case len(p.Sheet.Sources) > maxSources:
		return fail("%d sources are in scope; at most %d can be", len(p.Sheet.Sources), maxSources)
	case p.Signer == nil || p.Cover == nil:
		return fail("a signer and a cover are needed")
	}
	if sorted := slices.Sorted(slices.Values(p.Sheet.Sources)); len(slices.Compact(sorted)) != len(p.Sheet.Sources) {
		return fail("a source is in scope twice: %s", strings.Join(p.Sheet.Sources, ", "))
	}
	verifier, err := note.NewVerifier(p.Key)
	if err != nil {
		return fail("key %q: %w", p.Key, err)
	}
	if verifier.Name() != p.Signer.Name() || verifier.KeyHash() != p.Signer.KeyHash() {
		return fail("the signer is not of the key %s", p.Key)
	}
	head, _, err := ledger.OpenCheckpoint(p.Checkpoint, note.VerifierList(verifier))
	if err != nil {
		return fail("open the checkpoint: %w", err)
	}
	if head.Size == 0 {
		return fail("the log of %s has no records yet", head.Origin)
	}
	return head, nil
}

func (w *writer) create(name string) (*file, error) {
	f, err := createFile(w.dir, name)
	if err != nil {
		return nil, err
	}
	w.files = append(w.files, f)
	return f, nil
}

// add writes a small file in one go.
func (w *writer) add(name string, content []byte) error {
	f, err := w.create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	return w.done(f)
}

// done finishes files and notes their sizes and hashes.
func (w *writer) done(files ...*file) error {
	for _, f := range files {
		if err := f.finish(); err != nil {
			return err
		}
		w.sum.Files = append(w.sum.Files, f.entry())
	}
	return nil
}

// lines streams events and rejects through their lanes.
func (w *writer) lines(ctx context.Context) error {
	lanes := make([]*lane, lineFiles)
	for _, i := range append(w.r.eventFiles(), rejectsIndex) {
		l, err := newLane(w.r, i, w.z, w.dir)
		if err != nil {
			return err
		}
		w.files = append(w.files, l.events)
		if l.csv != nil {
			w.files = append(w.files, l.csv)
		}
		lanes[i] = l
	}
	// Stages end by themselves when the channels of their lanes are closed.
	g, stages := errgroup.WithContext(ctx)
	for _, l := range lanes {
		if l != nil {
			l.start(stages, g)
		}
	}
	err := w.stream(stages, lanes)
	for _, l := range lanes {
		if l == nil {
			continue
		}
		if e := l.finish(stages); err == nil {
			err = e
		}
	}
	// A stage that failed has cancelled the others: its error is the cause.
	if e := g.Wait(); e != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = e
	}
	if err != nil {
		return err
	}
	w.count(lanes)
	for _, l := range lanes {
		if l == nil {
			continue
		}
		if err := w.done(l.events); err != nil {
			return err
		}
		if l.csv == nil {
			continue
		}
		if err := w.done(l.csv); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) stream(ctx context.Context, lanes []*lane) error {
	total, written := w.r.lines(), uint64(0)
	progress := func() {
		if written++; w.p.Progress != nil && (written%4096 == 0 || written == total) {
			w.p.Progress(written, total)
		}
	}
	q := Query{Sources: w.r.sources, Days: w.r.days, Before: w.sum.Checkpoint.Size, Voids: w.voids}
	var later own
	err := w.data.Events(ctx, q, func(seq uint64, e *event.Event, erased *event.Erased) error {
		progress()
		if e == nil && erased.Source == Own || e != nil && e.Source == Own {
			return later.keep(w.dir, seq, e, erased)
		}
		return put(ctx, lanes, seq, e, erased)
	})
	if err == nil {
		err = later.replay(func(seq uint64, e *event.Event, erased *event.Erased) error {
			return put(ctx, lanes, seq, e, erased)
		})
	}
	later.remove()
	if err != nil {
		return fmt.Errorf("pack: events: %w", err)
	}
	groups := newRejectGroups(w.r)
	var line []byte
	err = w.data.Rejects(ctx, q, func(seq uint64, r *event.Reject) error {
		progress()
		line = r.AppendLine(line[:0])
		groups.add(r, event.Leaf(line))
		return lanes[rejectsIndex].reject(ctx, seq, r)
	})
	if err != nil {
		return fmt.Errorf("pack: rejects: %w", err)
	}
	w.sum.Counts.Groups = groups.list()
	return nil
}

func put(ctx context.Context, lanes []*lane, seq uint64, e *event.Event, erased *event.Erased) error {
	if e != nil {
		file, _ := place(e.Source, e.Section)
		if lanes[file] == nil {
			return fmt.Errorf("%w: an event of source %s, which is not in scope", ErrMismatch, e.Source)
		}
		return lanes[file].event(ctx, seq, e)
	}
	file, _ := place(erased.Source, erased.Section)
	if lanes[file] == nil {
		return fmt.Errorf("%w: an event of source %s, which is not in scope", ErrMismatch, erased.Source)
	}
	return lanes[file].erased(ctx, seq, erased)
}

// count sums up what the lanes counted.
func (w *writer) count(lanes []*lane) {
	c := &w.sum.Counts
	for _, i := range w.r.eventFiles() {
		c.Cells += lanes[i].table.cells
		c.Sections = append(c.Sections, lanes[i].count)
	}
	c.Rejects = lanes[rejectsIndex].count.Lines
	w.r.count(c)
}

// absentSources adds the sources that are configured in the days of the pack, are not
// in it, and have no events either: one that was down all the time must not go unsaid.
func (r *reading) absentSources() {
	for _, s := range r.state.Latest() {
		_, inScope := r.index(s.Name)
		first, _ := r.state.First(s.Name)
		gone := s.Change == "removed" && s.At.Before(r.days.From)
		if !inScope && !gone && first.At.Before(r.days.To) && r.absent[s.Name] == nil {
			r.absent[s.Name] = &Absent{Source: s.Name}
		}
	}
}

// count fills in what follows from the records and the counts per file.
func (r *reading) count(c *Counts) {
	r.absentSources()
	for _, s := range c.Sections {
		c.Events += s.Events
		c.Lines += s.Lines
		c.Erased += s.Erased
		c.Refiled += s.Refiled
	}
	for _, file := range r.files {
		c.Segments += uint64(len(file))
	}
	c.Sources = r.sums
	c.Days = r.dayCounts()
	c.Size = r.state.Size
	for _, a := range r.absent {
		c.Absent = append(c.Absent, *a)
	}
	slices.SortFunc(c.Absent, func(a, b Absent) int { return strings.Compare(a.Source, b.Source) })
}
