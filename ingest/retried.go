package ingest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/tlog"
)

// A retried record is one that came from stored rejects: of several, when different
// reasons were given for the same bytes.
type retried struct {
	keys    []store.RejectKey
	leaves  []tlog.Hash // of the rejects' lines, as keys
	id      string      // of its first event
	skipped bool
}

// conflict notes that an event of a record that is tried again contradicts a stored one.
func (s *sourceBatch) conflict(item *Item) {
	if item.from == nil {
		return
	}
	if s.conflicts == nil {
		s.conflicts = make(map[*retried]bool)
	}
	s.conflicts[item.from] = true
}

// outcome says what becomes of a record that is tried again.
func (s *sourceBatch) outcome(r *retried) string {
	switch {
	case r.skipped:
		return ledger.ResolvedSkipped
	case s.conflicts[r]:
		return ledger.ResolvedConflict
	case s.first(r) != nil:
		return ledger.ResolvedEvent
	}
	return ledger.ResolvedDuplicate
}

// hopeless reports whether a record that contradicts an event adds nothing to what the
// store knows: it is there as a conflict, and has no other event that is new.
func (s *sourceBatch) hopeless(r *retried) bool {
	return s.first(r) == nil && !slices.ContainsFunc(r.keys, func(k store.RejectKey) bool { return k.Reason != ReasonConflict })
}

// first returns the first new item of a record.
func (s *sourceBatch) first(r *retried) *Item {
	if s.firsts == nil {
		s.firsts = make(map[*retried]*Item, len(s.retried))
		for _, item := range s.items {
			if item.from != nil && s.firsts[item.from] == nil {
				s.firsts[item.from] = item
			}
		}
	}
	return s.firsts[r]
}

// resolve returns the rejects that the batch deals with, and has the ledger name them.
// A conflict stays open until what it says and what is stored are the same.
func (s *sourceBatch) resolve() (list []store.Resolution) {
	ids := make(map[*retried]string, len(s.retried))
	leaves := make(map[string][]tlog.Hash)
	for _, r := range s.retried {
		outcome := s.outcome(r)
		if item := s.first(r); item != nil {
			ids[r] = item.Event.ID
		}
		for i, key := range r.keys {
			if outcome == ledger.ResolvedConflict && key.Reason == ReasonConflict {
				continue
			}
			list = append(list, store.Resolution{RejectKey: key, Outcome: outcome, ID: cmp.Or(ids[r], r.id)})
			leaves[outcome] = append(leaves[outcome], r.leaves[i])
		}
	}
	s.Resolved = nil
	for _, outcome := range slices.Sorted(maps.Keys(leaves)) {
		slices.SortFunc(leaves[outcome], func(a, b tlog.Hash) int { return bytes.Compare(a[:], b[:]) })
		s.Resolved = append(s.Resolved, ledger.Resolved{Outcome: outcome, Leaves: leaves[outcome]})
	}
	return list
}

// insertResolved writes and counts what rejects a batch deals with. A crash here leaves
// rows of a batch without a record, which nobody reads.
func (l *Log) insertResolved(ctx context.Context, seq uint64, list []store.Resolution) error {
	if len(list) == 0 {
		return nil
	}
	l.Trace("resolve")
	if err := l.DB.InsertResolved(ctx, seq, list); err != nil {
		return err
	}
	n, err := l.DB.CountResolved(ctx, seq)
	if err == nil && n != uint64(len(list)) {
		err = fmt.Errorf("ingest: batch %d: %d resolved rejects arrived of %d", seq, n, len(list))
	}
	return err
}
