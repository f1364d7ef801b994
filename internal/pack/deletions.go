package pack

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// deletions notes what the record takes away from the pack's days and sources.
func (r *reading) deletions(rec ledger.Record) {
	r.state.Expires, r.state.Erases, r.state.Refiles = nil, nil, nil
	switch {
	case rec.Expire != nil:
		r.take(rec, rec.Expire.Segments, rec.Expire.Rule)
	case rec.Rollback != nil:
		r.take(rec, rec.Rollback.Segments, "the store was restored; accepted by "+rec.Rollback.By)
	case rec.Erase != nil:
		r.name(rec.Seq, rec.Erase.Events)
	case rec.Refile != nil:
		r.refiles[rec.Seq] = true
		r.name(rec.Seq, rec.Refile.Events)
	}
}

func (r *reading) take(rec ledger.Record, refs []ledger.SegmentRef, why string) {
	for _, ref := range refs {
		if r.has(ref.Source, ref.Day) {
			r.gone[ref] = Removed{SegmentRef: ref, By: rec.Seq, Kind: rec.Kind, Why: why}
		}
	}
}

func (r *reading) name(by uint64, refs []ledger.EventRef) {
	one := []uint64{by}
	for _, ref := range refs {
		if !r.has(ref.Source, ref.Day) {
			continue
		}
		if before := r.erased[ref]; before != nil {
			r.erased[ref] = append(slices.Clone(before), by)
			continue
		}
		r.erased[ref] = one
	}
}

func (r *reading) has(source, day string) bool {
	_, ok := r.index(source)
	t, err := time.Parse(time.DateOnly, day)
	return ok && err == nil && r.days.Contains(t)
}

// finish takes out the segments that are gone and puts the others in the order of
// the lines. Two segments that cannot be told apart are an error.
func (r *reading) finish() error {
	type key struct {
		seq     uint64
		source  string
		day     string
		section event.Section
	}
	named := map[key]bool{}
	for ref := range r.erased {
		named[key{ref.Seq, ref.Source, ref.Day, ref.Section}] = true
	}
	for file := range r.files {
		if len(r.gone) > 0 || len(named) > 0 {
			r.files[file] = slices.DeleteFunc(r.files[file], func(s segment) bool {
				removed, ok := r.gone[r.ref(s)]
				if ok {
					r.removed = append(r.removed, removed)
				}
				return ok
			})
			for i, s := range r.files[file] {
				ref := r.ref(s)
				r.files[file][i].named = named[key{ref.Seq, ref.Source, ref.Day, ref.Section}]
			}
		}
		slices.SortFunc(r.files[file], compareSegments)
		for i, s := range r.files[file] {
			if i > 0 && compareSegments(r.files[file][i-1], s) == 0 {
				return fmt.Errorf("%w: record %d names the segment of %s twice", ledger.ErrRule, s.seq, r.describe(s))
			}
		}
	}
	r.gone = nil
	slices.SortFunc(r.removed, func(a, b Removed) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Day, b.Day), cmp.Compare(a.Section, b.Section), cmp.Compare(a.Seq, b.Seq))
	})
	return nil
}

// compareSegments orders segments as their lines are in a file. Only the file of
// Own and nothing else has more than one section.
func compareSegments(a, b segment) int {
	return cmp.Or(cmp.Compare(a.section, b.section), cmp.Compare(a.day, b.day), cmp.Compare(a.seq, b.seq), cmp.Compare(a.source, b.source))
}

func sectionName(i uint8) event.Section {
	if i == rejectsIndex {
		return event.Rejects
	}
	return event.Sections()[i]
}

func dayOf(t time.Time) int32 { return int32(t.Unix() / 86400) }

func dayTime(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }

func (r *reading) ref(s segment) ledger.SegmentRef {
	return ledger.SegmentRef{Seq: s.seq, Source: r.sources[s.source], Day: dayTime(s.day).Format(time.DateOnly),
		Section: sectionName(s.section), Count: s.count, Root: s.root}
}

// describe names a segment in words.
func (r *reading) describe(s segment) string {
	return fmt.Sprintf("source %s, day %s, section %s, batch %d", r.sources[s.source], dayTime(s.day).Format(time.DateOnly), sectionName(s.section), s.seq)
}

// lines returns how many lines the events and rejects files have together.
func (r *reading) lines() (n uint64) {
	for _, file := range r.files {
		for _, s := range file {
			n += s.count
		}
	}
	return n
}

// fileName returns the name of a file of lines without folder and ending.
func fileName(file int) string {
	switch file {
	case rejectsIndex:
		return "rejects"
	case ownIndex:
		return Own
	}
	return string(event.Sections()[file])
}

// eventFiles lists the files of events that a pack of these sources has.
func (r *reading) eventFiles() []int {
	list := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	if _, ok := r.index(Own); ok {
		list = append(list, ownIndex)
	}
	return list
}
