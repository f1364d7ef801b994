package ledger

import (
	"slices"
	"time"

	"exhibit/internal/coverage"

	"golang.org/x/mod/sumdb/tlog"
)

// A State is what the records up to some point say together. Add moves it on by
// one record. Its lists only grow or are replaced, never changed in place, so a
// copy of a State by value is a snapshot that later Adds do not touch.
type State struct {
	Size      uint64    // number of records; the next one has this seq
	At        time.Time // time of the last record
	Standing  uint64    // number of records whose kind Stands
	Voids     []uint64
	Batches   []BatchAt    // counts only: segments and covers have lists of their own
	Segments  []SegmentAt  // those whose rows are there: expired and lost ones are taken out
	Covers    []CoverAt    // those that hold: withdrawn ones are taken out
	Resolved  []ResolvedAt // those that hold: what a restored store lost again is taken out
	Sources   []SourceAt
	Gaps      []GapAt
	Keys      []KeyAt
	Holds     []HoldAt
	Expires   []ExpireAt
	Erases    []EraseAt
	Refiles   []RefileAt
	Rollbacks []RollbackAt
	Unknown   []UnknownAt // records of kinds that this version does not know
}

// A Place is where in the ledger something is said.
type Place struct {
	Seq uint64
	At  time.Time
}

// The things that records say, each with its place.
type (
	BatchAt struct {
		Place
		Batch
	}
	SegmentAt struct {
		Seq    uint64
		Source string
		Segment
	}
	CoverAt struct {
		Place
		Source string
		Cover
	}
	ResolvedAt struct {
		Seq    uint64
		Source string
		Resolved
	}
	SourceAt struct {
		Place
		Source
	}
	GapAt struct {
		Place
		Gap
	}
	KeyAt struct {
		Place
		Key
	}
	HoldAt struct {
		Place
		Hold
	}
	ExpireAt struct {
		Place
		Expire
	}
	EraseAt struct {
		Place
		Erase
	}
	RefileAt struct {
		Place
		Refile
	}
	RollbackAt struct {
		Place
		Rollback
	}
	UnknownAt struct {
		Place
		Kind string
	}
)

// Ref returns the reference that names the segment in later records.
func (s SegmentAt) Ref() SegmentRef {
	return SegmentRef{Seq: s.Seq, Source: s.Source, Day: s.Day, Section: s.Section, Count: s.Count, Root: s.Root}
}

// DayFormat is the form of a segment's day.
const DayFormat = "2006-01-02"

// Next returns r with its place after the records of s.
func (s *State) Next(at time.Time, r Record) Record {
	r.Seq, r.At, r.Standing = s.Size, at, s.Standing
	return r
}

func (s *State) take(r Record) {
	at := Place{r.Seq, r.At}
	switch r.Kind {
	case KindBatch:
		s.takeBatches(at, r.Batch)
	case KindVoid:
		s.Voids = append(s.Voids, r.Seq)
	case KindSource:
		s.Sources = append(s.Sources, SourceAt{at, *r.Source})
	case KindGap:
		s.Gaps = append(s.Gaps, GapAt{at, *r.Gap})
	case KindKey:
		s.Keys = append(s.Keys, KeyAt{at, *r.Key})
	case KindHold:
		s.Holds = append(s.Holds, HoldAt{at, *r.Hold})
	case KindErase:
		s.Erases = append(s.Erases, EraseAt{at, *r.Erase})
	case KindRefile:
		s.Refiles = append(s.Refiles, RefileAt{at, *r.Refile})
	case KindExpire:
		s.Expires = append(s.Expires, ExpireAt{at, *r.Expire})
		s.remove(r.Expire.Segments)
	case KindRollback:
		s.Rollbacks = append(s.Rollbacks, RollbackAt{at, *r.Rollback})
		s.remove(r.Rollback.Segments)
		s.withdraw(r.Rollback.Covers)
		s.reopen(r.Rollback.Segments)
	default:
		s.Unknown = append(s.Unknown, UnknownAt{at, r.Kind})
	}
	if Stands(r.Kind) {
		s.Standing++
	}
	s.At = r.At
}

func (s *State) takeBatches(at Place, batches []Batch) {
	for _, b := range batches {
		for _, seg := range b.Segments {
			s.Segments = append(s.Segments, SegmentAt{at.Seq, b.Source, seg})
		}
		for _, c := range b.Covers {
			s.Covers = append(s.Covers, CoverAt{at, b.Source, c})
		}
		for _, resolved := range b.Resolved {
			s.Resolved = append(s.Resolved, ResolvedAt{at.Seq, b.Source, resolved})
		}
		b.Segments, b.Covers, b.Resolved = nil, nil, nil
		s.Batches = append(s.Batches, BatchAt{at, b})
	}
}

// remove takes segments out by building a new list: snapshots keep the old one.
func (s *State) remove(refs []SegmentRef) {
	if len(refs) == 0 {
		return
	}
	gone := make(map[SegmentRef]bool, len(refs))
	for _, ref := range refs {
		gone[ref] = true
	}
	s.Segments = slices.DeleteFunc(slices.Clone(s.Segments), func(seg SegmentAt) bool { return gone[seg.Ref()] })
}

// reopen takes out what was resolved since the first loss of a source: the rows that it
// rests on, as the stored event that a reject only repeats, may have come in any record
// before it.
func (s *State) reopen(lost []SegmentRef) {
	if len(lost) == 0 || len(s.Resolved) == 0 {
		return
	}
	s.Resolved = slices.DeleteFunc(slices.Clone(s.Resolved), func(r ResolvedAt) bool {
		return slices.ContainsFunc(lost, func(ref SegmentRef) bool { return ref.Seq <= r.Seq && ref.Source == r.Source })
	})
}

// A Fate is what became of a reject, and the record that says so. The zero Fate is that
// of a reject that is open.
type Fate struct {
	Source  string
	Outcome string
	Seq     uint64
}

// Fates returns what became of rejects, by the leaves of their lines. The first record
// that says it counts: a later one, of a redrive that was begun again before its first
// answer, only found what the first one left.
func (s *State) Fates() map[tlog.Hash]Fate {
	fates := map[tlog.Hash]Fate{}
	for _, r := range s.Resolved {
		for _, leaf := range r.Leaves {
			if _, known := fates[leaf]; !known {
				fates[leaf] = Fate{r.Source, r.Outcome, r.Seq}
			}
		}
	}
	return fates
}

func (s *State) withdraw(spans []WithdrawnSpan) {
	if len(spans) == 0 {
		return
	}
	var left []CoverAt
	for _, c := range s.Covers {
		set := coverage.Of(c.Interval())
		for _, w := range spans {
			if w.Source == c.Source {
				set = set.Subtract(coverage.Interval{From: w.From, To: w.To})
			}
		}
		for _, i := range set {
			c.From, c.To = i.From, i.To
			left = append(left, c)
		}
	}
	s.Covers = left
}

// Void reports whether rows of batch seq are never read.
func (s *State) Void(seq uint64) bool { return slices.Contains(s.Voids, seq) }

// Coverage returns when a source was collected by one of the methods; by any
// method when none is named.
func (s *State) Coverage(source string, methods ...string) coverage.Set {
	var list []coverage.Interval
	for _, c := range s.Covers {
		if c.Source == source && (len(methods) == 0 || slices.Contains(methods, c.Method)) {
			list = append(list, c.Interval())
		}
	}
	return coverage.Of(list...)
}

// Latest returns the newest record of each source, in the order in which they
// were first added. Removed ones are among them.
func (s *State) Latest() []SourceAt {
	var out []SourceAt
	for _, src := range s.Sources {
		if i := slices.IndexFunc(out, func(o SourceAt) bool { return o.Name == src.Name }); i >= 0 {
			out[i] = src
			continue
		}
		out = append(out, src)
	}
	return out
}

// First returns the record with which a source was first added.
func (s *State) First(source string) (SourceAt, bool) {
	i := slices.IndexFunc(s.Sources, func(o SourceAt) bool { return o.Name == source })
	if i < 0 {
		return SourceAt{}, false
	}
	return s.Sources[i], true
}

// Cursor returns the newest cursor that a batch of the source left. There is none
// when the store lost something of the source afterwards: the cursor may have led to
// what is lost.
func (s *State) Cursor(source string) string {
	var lost uint64
	for _, r := range s.Rollbacks {
		if slices.ContainsFunc(r.Segments, func(ref SegmentRef) bool { return ref.Source == source }) ||
			slices.ContainsFunc(r.Covers, func(span WithdrawnSpan) bool { return span.Source == source }) {
			lost = r.Seq
		}
	}
	for _, b := range slices.Backward(s.Batches) {
		if b.Seq < lost {
			return ""
		}
		if b.Source == source && b.Cursor != "" {
			return b.Cursor
		}
	}
	return ""
}
