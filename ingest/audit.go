package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// A Finding is a difference between the store's rows and the ledger.
type Finding struct {
	Segment ledger.SegmentRef // zero: not about one segment
	Found   uint64            // rows found
	What    string
}

// An Audit is the result of comparing the store's rows with the ledger.
type Audit struct {
	At       time.Time
	Size     uint64 // records compared
	Segments int
	Events   uint64
	Findings []Finding
}

// AuditStore recomputes every segment that chosen reports true for from the
// store's rows and compares it with the ledger. progress is called after each
// batch and may be nil.
func AuditStore(ctx context.Context, db *store.DB, head store.Head, now time.Time, chosen func(ledger.SegmentAt) bool, progress func(done, total int)) (Audit, error) {
	result := Audit{At: now, Size: head.State.Size}
	groups := bySeq(head.State.Segments)
	for i, group := range groups {
		wanted := slices.DeleteFunc(slices.Clone(group), func(s ledger.SegmentAt) bool { return !chosen(s) })
		if len(wanted) == 0 {
			continue
		}
		findings, err := auditBatch(ctx, db, group)
		if err != nil {
			return Audit{}, err
		}
		result.Findings = append(result.Findings, findings...)
		result.Segments += len(group)
		for _, s := range group {
			result.Events += s.Count
		}
		if progress != nil {
			progress(i+1, len(groups))
		}
	}
	objects, err := auditObjects(ctx, db, &head.State)
	if err != nil {
		return Audit{}, err
	}
	result.Findings = append(result.Findings, objects...)
	strays, err := strayBatches(ctx, db, &head.State)
	if err != nil {
		return Audit{}, err
	}
	result.Findings = append(result.Findings, strays...)
	return result, nil
}

type segmentKey struct {
	source, day string
	section     event.Section
}

// auditBatch recomputes the segments of one batch, all of which are given.
func auditBatch(ctx context.Context, db *store.DB, group []ledger.SegmentAt) ([]Finding, error) {
	seq := group[0].Seq
	roots := make(map[segmentKey]*ledger.Root)
	var order []segmentKey
	add := func(k segmentKey, line []byte) {
		if roots[k] == nil {
			roots[k] = new(ledger.Root)
			order = append(order, k)
		}
		roots[k].Add(event.Leaf(line))
	}
	var line []byte
	err := db.EachBatchEvent(ctx, seq, func(e *event.Event) error {
		line = e.AppendLine(line[:0])
		add(segmentKey{e.Source, e.Time.Format(ledger.DayFormat), e.Section}, line)
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = db.EachBatchReject(ctx, seq, func(r *event.Reject) error {
		line = r.AppendLine(line[:0])
		add(segmentKey{r.Source, r.Received.Format(ledger.DayFormat), event.Rejects}, line)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, s := range group {
		k := segmentKey{s.Source, s.Day, s.Section}
		root := roots[k]
		delete(roots, k)
		if root == nil {
			root = new(ledger.Root)
		}
		if f, differs := compareSegment(s, root); differs {
			findings = append(findings, f)
		}
	}
	for _, k := range order {
		if root, left := roots[k]; left {
			findings = append(findings, Finding{Found: root.Count(), What: fmt.Sprintf(
				"source %s, day %s, section %s: %d rows carry batch %d, which has no such segment: rows were added", k.source, k.day, k.section, root.Count(), seq)})
		}
	}
	return findings, nil
}

func compareSegment(s ledger.SegmentAt, root *ledger.Root) (Finding, bool) {
	where := fmt.Sprintf("source %s, day %s, section %s (record %d): ", s.Source, s.Day, s.Section, s.Seq)
	f := Finding{Segment: s.Ref(), Found: root.Count()}
	switch {
	case root.Count() < s.Count:
		f.What = where + fmt.Sprintf("%d of %d rows are missing", s.Count-root.Count(), s.Count)
	case root.Count() > s.Count:
		f.What = where + fmt.Sprintf("%d rows where the ledger has %d: rows were added", root.Count(), s.Count)
	case root.Hash() != s.Root:
		f.What = where + "a row was changed: the count is right, the root is not"
	default:
		return Finding{}, false
	}
	return f, true
}

// strayBatches finds rows that no reader sees but that nobody wrote either: of
// committed records that hold no batch, and of records that do not exist. Rows of
// void batches are expected.
func strayBatches(ctx context.Context, db *store.DB, s *ledger.State) ([]Finding, error) {
	counts, err := db.Batches(ctx, 0, 1<<63)
	if err != nil {
		return nil, err
	}
	listed := make(map[uint64]bool)
	for _, seg := range s.Segments {
		listed[seg.Seq] = true
	}
	var findings []Finding
	for batch, n := range counts {
		if listed[batch] || s.Void(batch) || batch >= s.Size {
			// A batch beyond the head may be one that is being written now.
			continue
		}
		findings = append(findings, Finding{Found: n, What: fmt.Sprintf("%d rows carry batch %d, whose record lists no events: rows were added", n, batch)})
	}
	slices.SortFunc(findings, func(a, b Finding) int { return int(a.Found) - int(b.Found) })
	return findings, nil
}
