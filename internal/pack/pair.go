package pack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"unsafe"

	"exhibit/internal/event"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// blockSize is how much text a stage of the verifier takes at a time.
const blockSize = 256 << 10

// A pair is a file of lines and the CSV that was made from it, checked together.
type pair struct {
	v      *verifier
	file   int
	walk   walk
	table  table
	broken bool        // a line is wrong: the CSV can no longer be made again
	used   chan []byte // CSV that was compared, to be filled again
	count  SectionCount
	counts [][rejectsIndex]uint64 // events in the period, by source and section
	groups rejectGroups           // of the rejects file
}

func (v *verifier) newPair(file int) *pair {
	p := &pair{v: v, file: file, used: make(chan []byte, 4), count: SectionCount{Name: fileName(file)}, counts: make([][rejectsIndex]uint64, len(v.r.sources))}
	if file == rejectsIndex {
		p.groups = newRejectGroups(v.r)
	}
	p.walk = walk{r: v.r, segs: v.r.files[file], report: func(what string) {
		p.broken = true
		v.find(p.lines(), what, doNotRely)
	}}
	return p
}

func (p *pair) lines() string { return "events/" + fileName(p.file) + ".jsonl" }
func (p *pair) csv() string   { return "sections/" + fileName(p.file) + ".csv" }

// check reads both files: one goroutine unpacks the lines, one checks them and
// makes the CSV again, one unpacks the CSV and compares.
func (p *pair) check(ctx context.Context) error {
	s, err := p.v.c.stream(p.lines())
	if err != nil {
		p.broken = true
		p.v.unreadable(p.lines(), err)
		return p.v.hashOnly(ctx, p.csv())
	}
	defer s.close()
	s.long = p.v.long
	g, ctx := errgroup.WithContext(ctx)
	blocks, spare := make(chan []byte, 2), make(chan []byte, 4)
	var readErr error
	g.Go(func() error {
		defer close(blocks)
		fresh := func() []byte {
			select {
			case b := <-spare:
				return b
			default:
				return nil
			}
		}
		readErr = s.blocks(ctx, blockSize, fresh, func(b []byte) error { return send(ctx, blocks, b) })
		if readErr != nil && ctx.Err() == nil {
			s.drain() // for the hash; what is wrong is known already
		}
		return ctx.Err()
	})
	made := make(chan []byte, 2)
	var same comparison
	if p.file != rejectsIndex {
		p.table.sectionHead(p.v.m.Zone)
		g.Go(func() error { return same.run(ctx, p.v, p.csv(), made, p.used) })
	}
	g.Go(func() error {
		defer close(made)
		return p.parse(ctx, blocks, spare, made)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	p.v.note(s.entry())
	if readErr != nil {
		p.broken = true
		p.v.unreadable(p.lines(), readErr)
	}
	p.walk.end()
	if same.what != "" && !p.broken {
		p.v.find(p.csv(), same.what+": "+p.lines()+" and the ledger say otherwise", doNotRely)
	}
	return nil
}

func send(ctx context.Context, to chan<- []byte, b []byte) error {
	select {
	case to <- b:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// parse checks the lines of each block and sends on the CSV that they give.
func (p *pair) parse(ctx context.Context, blocks <-chan []byte, spare, made chan []byte) error {
	for b := range blocks {
		for start := 1; start < len(b); {
			end := start + bytes.IndexByte(b[start:], '\n')
			leaf := leafOf(b, start, end)
			// The block is given back only after its lines have been dealt with.
			line := unsafe.String(&b[start], end-start)
			p.walk.line++
			if p.file == rejectsIndex {
				p.reject(line, leaf)
			} else {
				p.event(line, leaf)
			}
			start = end + 1
		}
		if isLong(b) {
			b = nil
			<-p.v.long
		} else {
			select {
			case spare <- b:
			default:
			}
		}
		if err := p.pass(ctx, made, blockSize); err != nil {
			return err
		}
	}
	return p.pass(ctx, made, 1)
}

func (p *pair) pass(ctx context.Context, made chan<- []byte, size int) error {
	if p.broken || p.file == rejectsIndex {
		p.table.b = p.table.b[:0]
		return nil
	}
	if len(p.table.b) < size {
		return nil
	}
	b := p.table.b
	select {
	case p.table.b = <-p.used:
		p.table.b = p.table.b[:0]
	default:
		p.table.b = make([]byte, 0, min(cap(b), longLine))
	}
	return send(ctx, made, b)
}

func (p *pair) event(line string, leaf tlog.Hash) {
	if event.IsErased(line) {
		p.erased(line)
		return
	}
	var e event.Event
	if err := e.ParseFields(line); err != nil {
		p.malformed(leaf)
		return
	}
	seg := p.place(e.Source, e.Section, dayOf(e.Time), leaf)
	if seg == nil {
		return
	}
	p.walk.ordered(seg, e.Time, e.ID)
	if seg.named {
		if by := p.v.r.erased[p.v.r.eventRef(*seg, leaf)]; by != nil {
			p.walk.report(fmt.Sprintf("line %d: the event is there though ledger record %d says that it is gone", p.walk.line, by[0]))
		}
	}
	p.count.Lines++
	if p.v.r.period.Contains(e.Time) {
		p.count.Events++
		p.counts[seg.source][seg.section]++
		p.table.event(p.v.m.Zone, seg.seq, &e)
	}
}

func (p *pair) erased(line string) {
	var e event.Erased
	if err := e.Parse(line); err != nil {
		p.malformed(tlog.Hash{})
		return
	}
	seg := p.place(e.Source, e.Section, dayOf(e.Time), e.Leaf)
	if seg == nil {
		return
	}
	p.walk.ordered(seg, e.Time, e.ID)
	if !p.v.r.names(*seg, &e) {
		p.walk.report(fmt.Sprintf("line %d says that ledger record %d erased it, but that record does not name it", p.walk.line, e.By))
	}
	p.count.Lines++
	p.v.r.countErased(&p.count, &p.table, p.v.m.Zone, seg.seq, &e)
}

// place finds the segment of a line that is an event.
func (p *pair) place(source string, section event.Section, day int32, leaf tlog.Hash) *segment {
	file, index := place(source, section)
	if int(file) != p.file || !section.Known() {
		p.walk.report(fmt.Sprintf("line %d: an event of source %s and section %s does not belong in this file", p.walk.line, source, section))
		return nil
	}
	return p.walk.step(index, day, source, leaf)
}

// malformed reports a line that no writer makes. Its place is still counted, so
// that the lines after it are seen at theirs.
func (p *pair) malformed(leaf tlog.Hash) {
	p.walk.report(fmt.Sprintf("line %d is not in canonical form", p.walk.line))
	if w := &p.walk; w.next < len(w.segs) {
		seg := w.segs[w.next]
		w.pass(seg.section, seg.day)
	}
}

func (p *pair) reject(line string, leaf tlog.Hash) {
	var r event.Reject
	if err := r.Parse(line); err != nil {
		p.malformed(leaf)
		return
	}
	p.groups.add(&r, leaf)
	p.count.Lines++
	if seg := p.walk.step(rejectsIndex, dayOf(r.Received), r.Source, leaf); seg != nil {
		p.walk.ordered(seg, r.Received, string(r.SHA256[:]))
	}
}

// A comparison reads a file while its content is made again.
type comparison struct {
	what string // where it differs; empty when it does not
}

func (c *comparison) run(ctx context.Context, v *verifier, name string, made <-chan []byte, used chan<- []byte) error {
	s, err := v.c.stream(name)
	if err != nil {
		v.unreadable(name, err)
		for range made {
		}
		return nil
	}
	defer s.close()
	if err := c.read(ctx, s, made, used); err != nil {
		v.unreadable(name, err)
	}
	for range made {
	}
	v.note(s.entry())
	return ctx.Err()
}

func (c *comparison) read(ctx context.Context, s *stream, made <-chan []byte, used chan<- []byte) error {
	var b []byte
	row := 1
	for want := range made {
		b = slices.Grow(b[:0], len(want))[:len(want)]
		n, err := io.ReadFull(s, b)
		if !bytes.Equal(b[:n], want) {
			same := 0
			for same < n && b[same] == want[same] {
				same++
			}
			c.what = fmt.Sprintf("it differs from line %d on", row+bytes.Count(want[:same], []byte("\n")))
			if err == nil {
				return s.drain()
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return err
		}
		if err != nil {
			return err
		}
		row += bytes.Count(want, []byte("\n"))
		if isLong(want) {
			b = nil
		} else {
			select {
			case used <- want:
			default:
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	before := s.size
	if err := s.drain(); err != nil {
		return err
	}
	if s.size > before {
		c.what = fmt.Sprintf("it goes on after line %d", row-1)
	}
	return nil
}
