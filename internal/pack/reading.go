package pack

import (
	"errors"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// A segment is a ledger.Segment in 56 bytes: a pack may have millions of them,
// and they are the only thing that is kept of its records.
type segment struct {
	root    tlog.Hash
	seq     uint64
	count   uint64
	day     int32  // since 1970
	source  uint16 // index into reading.sources, which is sorted
	section uint8  // index into event.Sections, or rejectsIndex
	named   bool   // an erase or refile record names an event of it
}

// Indexes of the files of lines; the first ones are those of event.Sections.
const (
	rejectsIndex = 10
	ownIndex     = 11
	lineFiles    = 12
)

// A reading is what the records that a pack carries say about its period and its
// sources. Writer and verifier fill it the same way.
type reading struct {
	sources []string
	period  coverage.Interval
	days    coverage.Interval
	state   ledger.State // without segments, batches and deletions: they are below
	files   [lineFiles][]segment
	sums    []SourceCount
	absent  map[string]*Absent
	gone    map[ledger.SegmentRef]Removed
	removed []Removed
	erased  map[ledger.EventRef][]uint64 // the records that name an event
	refiles map[uint64]bool              // seqs of refile records
}

func newReading(sources []string, period coverage.Interval) *reading {
	r := &reading{sources: sources, period: period, days: coverage.Touched(period),
		absent: map[string]*Absent{}, gone: map[ledger.SegmentRef]Removed{},
		erased: map[ledger.EventRef][]uint64{}, refiles: map[uint64]bool{}}
	for _, s := range sources {
		r.sums = append(r.sums, SourceCount{Source: s, Sections: map[event.Section]uint64{}, Ledger: ledger.Batch{Source: s}})
	}
	return r
}

// before returns the time that the record where the proof starts lies before: a
// record of that time holds no event of the first day or later.
func (r *reading) before() time.Time { return r.days.From.Add(-event.MaxAhead) }

// earlier takes in a record from before the start of the proof.
func (r *reading) earlier(line []byte) error {
	rec, err := ledger.ParseRecord(line)
	if err != nil && !errors.Is(err, ledger.ErrUnknownKind) {
		return err
	}
	if err := r.state.AddEarlier(rec); err != nil {
		return err
	}
	r.deletions(rec)
	return nil
}

// record takes in the next record from the start of the proof on.
func (r *reading) record(line []byte) error {
	rec, err := ledger.ParseRecord(line)
	if err != nil && !errors.Is(err, ledger.ErrUnknownKind) {
		return err
	}
	covers := len(r.state.Covers)
	if err := r.state.Add(rec); err != nil {
		return err
	}
	r.state.Segments, r.state.Batches = nil, nil
	for i := range rec.Batch {
		r.batch(rec.Seq, &rec.Batch[i])
	}
	r.mergeCovers(covers)
	r.deletions(rec)
	return nil
}

func (r *reading) index(source string) (uint16, bool) {
	i, ok := slices.BinarySearch(r.sources, source)
	return uint16(i), ok
}

func (r *reading) batch(seq uint64, b *ledger.Batch) {
	source, inScope := r.index(b.Source)
	if inScope {
		r.sum(&r.sums[source], b)
	}
	for _, seg := range b.Segments {
		day, err := time.Parse(time.DateOnly, seg.Day)
		if err != nil || !r.days.Contains(day) {
			continue // Add has refused what is no day
		}
		if !inScope {
			r.elsewhere(b.Source, seg)
			continue
		}
		file, section := place(b.Source, seg.Section)
		r.files[file] = append(r.files[file], segment{root: seg.Root, seq: seq, count: seg.Count,
			day: int32(day.Unix() / 86400), source: source, section: section})
	}
}

// place returns the file that a segment's lines are in, and the section's index.
// Records with other sections are refused; a line with one is sent to other, where
// it does not belong.
func place(source string, s event.Section) (file, section uint8) {
	if s == event.Rejects {
		return rejectsIndex, rejectsIndex
	}
	i := slices.Index(event.Sections(), s)
	if i < 0 {
		i = slices.Index(event.Sections(), event.Other)
	}
	if source == Own {
		return ownIndex, uint8(i)
	}
	return uint8(i), uint8(i)
}

func (r *reading) elsewhere(source string, seg ledger.Segment) {
	a := r.absent[source]
	if a == nil {
		a = &Absent{Source: source}
		r.absent[source] = a
	}
	a.Segments++
	if seg.Section == event.Rejects {
		a.Rejects += seg.Count
	} else {
		a.Events += seg.Count
	}
}

func (r *reading) sum(to *SourceCount, b *ledger.Batch) {
	l := &to.Ledger
	l.Fetched += b.Fetched
	l.Extra += b.Extra
	l.Events += b.Events
	l.Duplicates += b.Duplicates
	l.Skipped += b.Skipped
	l.Rejects += b.Rejects
	l.Expired += b.Expired
	l.Late += b.Late
	l.ClockAhead += b.ClockAhead
	l.Unmapped += b.Unmapped
	l.Redriven += b.Redriven
	if b.Told != nil {
		to.Told = b.Told
	}
}

// mergeCovers keeps the list of covers short: a source that is read every minute
// has half a million a year. Those from index on are new. It drops those of
// sources out of scope and joins one that continues the source's last, unless
// that would hide that the last had reached its present (Spans asks for it).
func (r *reading) mergeCovers(index int) {
	fresh := r.state.Covers[min(index, len(r.state.Covers)):]
	kept := r.state.Covers[:len(r.state.Covers)-len(fresh)]
	for _, c := range fresh {
		if _, ok := r.index(c.Source); !ok {
			continue
		}
		last := -1
		for i := len(kept) - 1; i >= 0 && i >= len(kept)-2*len(r.sources)-8; i-- {
			if kept[i].Source == c.Source {
				last = i
				break
			}
		}
		if last >= 0 && kept[last].ContinuedBy(&c) {
			kept[last].To, kept[last].Place = c.To, c.Place
			continue
		}
		kept = append(kept, c)
	}
	r.state.Covers = kept
}
