package pack

import (
	"context"
	"errors"
	"fmt"

	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"

	"crypto/sha256"
)

// ErrMismatch is wrapped by the error of Write when data is not what the ledger
// says it is.
var ErrMismatch = errors.New("pack: data differ from the ledger")

// chunkSize is how much text goes from one stage to the next at a time.
const chunkSize = 128 << 10

// A chunk is text on its way to a file. Text begins at b[1]: the byte before a
// line is where its leaf hash needs a zero.
type chunk struct {
	to    *file
	b     []byte
	ends  []int       // of lines, before their \n; none for CSV
	given []givenHash // leaves of erased events
}

type givenHash struct {
	line int
	leaf tlog.Hash
}

// A lane writes the lines of one file, and their CSV. The caller's goroutine
// encodes, one goroutine hashes, one compresses.
type lane struct {
	r     *reading
	segs  []segment
	next  int    // segment that the next line belongs to
	taken uint64 // lines of it so far

	events *file
	csv    *file // nil for rejects
	lines  *chunk
	table  table
	z      zone
	count  SectionCount
	hash   chan *chunk
	spare  chan *chunk
}

func newLane(r *reading, index int, z zone, dir string) (*lane, error) {
	name := fileName(index)
	l := &lane{r: r, segs: r.files[index], z: z, count: SectionCount{Name: name}, hash: make(chan *chunk, 2), spare: make(chan *chunk, 8)}
	var err error
	if l.events, err = createFile(dir, "events/"+name+".jsonl"); err != nil {
		return nil, err
	}
	if index == rejectsIndex {
		return l, nil
	}
	if l.csv, err = createFile(dir, "sections/"+name+".csv"); err != nil {
		return nil, err
	}
	l.table.sectionHead(z)
	return l, nil
}

// start runs the stages of the lane until finish is called.
func (l *lane) start(ctx context.Context, g *errgroup.Group) {
	compress := make(chan *chunk, 2)
	g.Go(func() error {
		defer close(compress)
		var root ledger.Root
		at := 0
		for c := range l.hash {
			if err := l.prove(c, &root, &at); err != nil {
				return err
			}
			c.to.hash(c.b[1:])
			select {
			case compress <- c:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error {
		for c := range compress {
			if err := c.to.compress(c.b[1:]); err != nil {
				return err
			}
			select {
			case l.spare <- c:
			default:
			}
		}
		return nil
	})
}

// prove adds the chunk's lines to the roots of their segments.
func (l *lane) prove(c *chunk, root *ledger.Root, at *int) error {
	start, given := 1, c.given
	for i, end := range c.ends {
		var leaf tlog.Hash
		if len(given) > 0 && given[0].line == i {
			leaf, given = given[0].leaf, given[1:]
		} else {
			leaf = leafOf(c.b, start, end)
		}
		start = end + 1
		root.Add(leaf)
		seg := l.segs[*at]
		if root.Count() < seg.count {
			continue
		}
		if root.Hash() != seg.root {
			return fmt.Errorf("%w: %s: the %d lines read are not the ones that were committed", ErrMismatch, l.r.describe(seg), seg.count)
		}
		root.Reset()
		*at++
	}
	return nil
}

// leafOf returns the RFC 6962 leaf hash of b[start:end]; b[start-1] is borrowed.
func leafOf(b []byte, start, end int) tlog.Hash {
	kept := b[start-1]
	b[start-1] = 0
	leaf := sha256.Sum256(b[start-1 : end])
	b[start-1] = kept
	return leaf
}

// expect checks that the next line may be of this segment.
func (l *lane) expect(seq uint64, source string, section event.Section, day int32) (*segment, error) {
	if l.next == len(l.segs) {
		return nil, fmt.Errorf("%w: source %s, day %s, section %s, batch %d: a line more than the ledger has", ErrMismatch,
			source, dayTime(day).Format("2006-01-02"), section, seq)
	}
	seg := &l.segs[l.next]
	if seg.seq != seq || l.r.sources[seg.source] != source || seg.day != day || sectionName(seg.section) != section {
		return nil, fmt.Errorf("%w: %s: %d of %d lines were read, then one of source %s, day %s, section %s, batch %d", ErrMismatch,
			l.r.describe(*seg), l.taken, seg.count, source, dayTime(day).Format("2006-01-02"), section, seq)
	}
	if l.taken++; l.taken == seg.count {
		l.next, l.taken = l.next+1, 0
	}
	return seg, nil
}

func (l *lane) event(ctx context.Context, seq uint64, e *event.Event) error {
	seg, err := l.expect(seq, e.Source, e.Section, dayOf(e.Time))
	if err != nil {
		return err
	}
	c := l.chunk(l.events)
	start := len(c.b)
	c.b = e.AppendLine(c.b)
	if seg.named {
		if by := l.r.erased[l.r.eventRef(*seg, leafOf(c.b, start, len(c.b)))]; by != nil {
			return fmt.Errorf("%w: %s: event %q is there though ledger record %d says that it is gone", ErrMismatch, l.r.describe(*seg), e.ID, by[0])
		}
	}
	if len(c.b)-start > maxLine {
		return fmt.Errorf("pack: %s: event %q makes a line of %d bytes; no verifier reads more than %d", l.r.describe(*seg), e.ID, len(c.b)-start, maxLine)
	}
	c.ends = append(c.ends, len(c.b))
	c.b = append(c.b, '\n')
	l.count.Lines++
	if l.r.period.Contains(e.Time) {
		l.count.Events++
		l.r.sums[seg.source].Sections[e.Section]++
		l.table.event(l.z, seq, e)
	}
	return l.pass(ctx, chunkSize)
}

func (l *lane) erased(ctx context.Context, seq uint64, e *event.Erased) error {
	seg, err := l.expect(seq, e.Source, e.Section, dayOf(e.Time))
	if err != nil {
		return err
	}
	if !l.r.names(*seg, e) {
		return fmt.Errorf("%w: %s: event %q is gone, but ledger record %d does not name it", ErrMismatch, l.r.describe(*seg), e.ID, e.By)
	}
	c := l.chunk(l.events)
	c.given = append(c.given, givenHash{len(c.ends), e.Leaf})
	c.b = e.AppendLine(c.b)
	c.ends = append(c.ends, len(c.b))
	c.b = append(c.b, '\n')
	l.count.Lines++
	l.r.countErased(&l.count, &l.table, l.z, seq, e)
	return l.pass(ctx, chunkSize)
}

// countErased counts an erased event and gives it its row, if it has one.
func (r *reading) countErased(count *SectionCount, t *table, z zone, seq uint64, e *event.Erased) {
	if r.refiles[e.By] {
		count.Refiled++
		return
	}
	count.Erased++
	if r.period.Contains(e.Time) {
		t.erased(z, seq, e)
	}
}

// names reports whether the record that an erased line refers to names it.
func (r *reading) names(seg segment, e *event.Erased) bool {
	if !seg.named {
		return false
	}
	for _, by := range r.erased[r.eventRef(seg, e.Leaf)] {
		if by == e.By {
			return true
		}
	}
	return false
}

func (r *reading) eventRef(seg segment, leaf tlog.Hash) ledger.EventRef {
	s := r.ref(seg)
	return ledger.EventRef{Seq: s.Seq, Source: s.Source, Day: s.Day, Section: s.Section, Leaf: leaf}
}

func (l *lane) reject(ctx context.Context, seq uint64, r *event.Reject) error {
	if _, err := l.expect(seq, r.Source, event.Rejects, dayOf(r.Received)); err != nil {
		return err
	}
	c := l.chunk(l.events)
	c.b = r.AppendLine(c.b)
	c.ends = append(c.ends, len(c.b))
	c.b = append(c.b, '\n')
	l.count.Lines++
	return l.pass(ctx, chunkSize)
}

// chunk returns the chunk that takes the next line.
func (l *lane) chunk(to *file) *chunk {
	if l.lines == nil {
		l.lines = l.fresh(to)
	}
	return l.lines
}

func (l *lane) fresh(to *file) *chunk {
	select {
	case c := <-l.spare:
		c.to, c.b, c.ends, c.given = to, c.b[:1], c.ends[:0], c.given[:0]
		return c
	default:
		return &chunk{to: to, b: make([]byte, 1, chunkSize+chunkSize/4)}
	}
}

// pass sends on what has reached the size.
func (l *lane) pass(ctx context.Context, size int) error {
	if l.lines != nil && len(l.lines.b) >= size {
		c := l.lines
		l.lines = nil
		if err := l.send(ctx, c); err != nil {
			return err
		}
	}
	if l.csv != nil && len(l.table.b) >= size {
		c := l.fresh(l.csv)
		c.b = append(c.b, l.table.b...)
		l.table.b = l.table.b[:0]
		return l.send(ctx, c)
	}
	return nil
}

func (l *lane) send(ctx context.Context, c *chunk) error {
	select {
	case l.hash <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish sends what is left and checks that no line is missing. The stages end
// with it; their group tells when.
func (l *lane) finish(ctx context.Context) error {
	defer close(l.hash)
	if l.next < len(l.segs) {
		seg := l.segs[l.next]
		return fmt.Errorf("%w: %s: %d of %d lines were read, and no more came", ErrMismatch, l.r.describe(seg), l.taken, seg.count)
	}
	return l.pass(ctx, 1)
}
