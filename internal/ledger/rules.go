package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/event"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrRule is wrapped by the errors of Add: a record that breaks a rule of the
// log. A log that we wrote holds no such record.
var ErrRule = errors.New("ledger: record breaks a rule of the log")

// ErrStanding is the ErrRule of a record before which others are missing that it
// depends on.
var ErrStanding = fmt.Errorf("%w: earlier records are missing", ErrRule)

// Add checks the record against the rules that the proof of completeness rests
// on, and takes it in. These are: seq follows seq; time never goes back; no
// segment's day is later than the UTC day of the record's time plus an hour;
// coverage ends at or before the record's time; what went in of a batch equals what
// came out; each thing is said once; and the record counts the earlier ones that
// stand, so that none of them can be left out where only some are shown.
func (s *State) Add(r Record) error {
	if r.Seq != s.Size {
		return fmt.Errorf("%w: record %d where %d was due", ErrRule, r.Seq, s.Size)
	}
	if err := s.check(r); err != nil {
		return err
	}
	s.take(r)
	s.Size = r.Seq + 1
	return nil
}

// AddEarlier takes in a record from before the first one that Add will see: packs
// carry those that stand, without what lies between.
func (s *State) AddEarlier(r Record) error {
	if !Stands(r.Kind) {
		return fmt.Errorf("%w: %s record %d among the earlier ones", ErrRule, r.Kind, r.Seq)
	}
	if err := s.check(r); err != nil {
		return err
	}
	s.take(r)
	return nil
}

func (s *State) check(r Record) error {
	if r.At.Before(s.At) {
		return fmt.Errorf("%w: record %d is of %s, before the one in front of it (%s)", ErrRule, r.Seq,
			r.At.Format(event.TimeFormat), s.At.Format(event.TimeFormat))
	}
	if r.Standing != s.Standing {
		return fmt.Errorf("%w: record %d says that %d records that stand come before it, %d are there", ErrStanding, r.Seq, r.Standing, s.Standing)
	}
	if err := r.checkMember(); err != nil {
		return err
	}
	if err := r.checkRefs(); err != nil {
		return err
	}
	lastDay := r.At.Add(event.MaxAhead).UTC().Format(DayFormat)
	sources := make(map[string]bool, len(r.Batch))
	for i := range r.Batch {
		b := &r.Batch[i]
		if sources[b.Source] || b.Source == "" {
			return fmt.Errorf("%w: record %d names source %q twice, or none", ErrRule, r.Seq, b.Source)
		}
		sources[b.Source] = true
		if err := b.check(r.At, lastDay); err != nil {
			return fmt.Errorf("%w: record %d of %s, source %s: %w", ErrRule, r.Seq, r.At.Format(event.TimeFormat), b.Source, err)
		}
	}
	return nil
}

// checkMember checks that the record says what its kind says, and nothing else.
func (r *Record) checkMember() error {
	for _, m := range []struct {
		kind  string
		there bool
	}{
		{KindBatch, len(r.Batch) > 0}, {KindVoid, r.Void != nil}, {KindSource, r.Source != nil}, {KindGap, r.Gap != nil},
		{KindExpire, r.Expire != nil}, {KindErase, r.Erase != nil}, {KindRefile, r.Refile != nil}, {KindHold, r.Hold != nil},
		{KindKey, r.Key != nil}, {KindRollback, r.Rollback != nil},
	} {
		if m.there && m.kind != r.Kind {
			return fmt.Errorf("%w: %s record %d has a member %s", ErrRule, r.Kind, r.Seq, m.kind)
		}
		if !m.there && m.kind == r.Kind && r.Kind != KindVoid {
			return fmt.Errorf("%w: %s record %d says nothing", ErrRule, r.Kind, r.Seq)
		}
	}
	if r.Source != nil && r.Source.Name == "" {
		return fmt.Errorf("%w: source record %d names no source", ErrRule, r.Seq)
	}
	return nil
}

// checkRefs checks that a record takes away only what an earlier one brought.
func (r *Record) checkRefs() error {
	var segments []SegmentRef
	var events []EventRef
	switch r.Kind {
	case KindExpire:
		segments = r.Expire.Segments
	case KindRollback:
		segments = r.Rollback.Segments
	case KindErase:
		events = r.Erase.Events
	case KindRefile:
		events = r.Refile.Events
	}
	for _, ref := range segments {
		if ref.Seq >= r.Seq {
			return fmt.Errorf("%w: %s record %d names a segment of record %d, which is not before it", ErrRule, r.Kind, r.Seq, ref.Seq)
		}
	}
	for _, ref := range events {
		if ref.Seq >= r.Seq {
			return fmt.Errorf("%w: %s record %d names an event of record %d, which is not before it", ErrRule, r.Kind, r.Seq, ref.Seq)
		}
	}
	return nil
}

// check checks what a record of at says of one source.
func (b *Batch) check(at time.Time, lastDay string) error {
	if in, out := b.Fetched+b.Extra, b.Events+b.Duplicates+b.Skipped+b.Rejects+b.Expired; in != out {
		return fmt.Errorf("%d records in, %d accounted for", in, out)
	}
	if b.Redriven > b.Fetched {
		return fmt.Errorf("%d of %d records are said to come from rejects", b.Redriven, b.Fetched)
	}
	if len(b.Resolved) > 0 && b.Redriven == 0 {
		return errors.New("rejects are said to be resolved, and none was tried again")
	}
	for i, r := range b.Resolved {
		if r.Outcome == "" || len(r.Leaves) == 0 || i > 0 && b.Resolved[i-1].Outcome >= r.Outcome {
			return fmt.Errorf("rejects resolved as %q are named twice, not in order, or none is", r.Outcome)
		}
		if !slices.IsSortedFunc(r.Leaves, func(a, b tlog.Hash) int { return bytes.Compare(a[:], b[:]) }) {
			return fmt.Errorf("rejects resolved as %q are not in order", r.Outcome)
		}
		if n, counted := map[string]uint64{ResolvedEvent: b.Events, ResolvedDuplicate: b.Duplicates, ResolvedSkipped: b.Skipped}[r.Outcome]; counted && n == 0 {
			return fmt.Errorf("rejects are said to be resolved as %q, and the batch counts none", r.Outcome)
		}
	}
	var events, rejects uint64
	for i, seg := range b.Segments {
		if _, err := time.Parse(DayFormat, seg.Day); err != nil || seg.Day > lastDay {
			return fmt.Errorf("a segment of %s", seg.Day)
		}
		if seg.Count == 0 {
			return errors.New("an empty segment")
		}
		if i > 0 && compareSegments(b.Segments[i-1], seg) >= 0 {
			return fmt.Errorf("the segment of %s, section %s, is there twice or not in order", seg.Day, seg.Section)
		}
		switch {
		case seg.Section == event.Rejects:
			rejects += seg.Count
		case seg.Section.Known():
			events += seg.Count
		default:
			return fmt.Errorf("a segment of section %q, which this version does not know", seg.Section)
		}
	}
	if events != b.Events || rejects != b.Rejects {
		return fmt.Errorf("segments hold %d events and %d rejects, the counts say %d and %d", events, rejects, b.Events, b.Rejects)
	}
	for _, c := range b.Covers {
		if c.To.After(at) || !c.From.Before(c.To) {
			return fmt.Errorf("coverage %s to %s", c.From.Format(event.TimeFormat), c.To.Format(event.TimeFormat))
		}
		if c.Method != Read && c.Method != Heard && c.Method != Stated {
			return fmt.Errorf("coverage by a method %q, which this version does not know", c.Method)
		}
	}
	return nil
}

func compareSegments(a, b Segment) int {
	return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Section, b.Section))
}
