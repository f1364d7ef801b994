package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// adopt takes over the ledger of a store that this data directory has never seen.
func (l *Log) adopt(ctx context.Context) error {
	if l.Accept.Checkpoint == "" {
		return fmt.Errorf("%w (%d records). Use the data directory of the process that writes it; or, when that one is lost, "+
			"'exhibit adopt --checkpoint FILE' with a checkpoint that is held elsewhere", ErrForeign, l.head.State.Size)
	}
	c, _, err := ledger.OpenCheckpoint(l.Accept.Checkpoint, l.keys)
	if err != nil {
		return fmt.Errorf("ingest: adopt: %w", err)
	}
	root, err := l.head.Tree.Hash(c.Size)
	if err != nil {
		return fmt.Errorf("ingest: adopt: the checkpoint is newer than the store, which lost records: %w", err)
	}
	if root != c.Root {
		return fmt.Errorf("ingest: adopt: the first %d records of the store are not those that the checkpoint was signed for: they were changed or rebuilt", c.Size)
	}
	return l.catchUp(ctx, 0)
}

// A rollback is a loss that is being dealt with. It is kept in a file from before
// the first record goes back in until what was lost is named in the ledger: a crash
// in between would else leave a store that has all its records and looks whole.
type rollback struct {
	By      string `json:"by"`
	Size    uint64 `json:"size"`    // records that the store had left
	Through uint64 `json:"through"` // records that ledger.jsonl had then
}

// markPath is the name of that file.
func (l *Log) markPath() string { return l.Path + ".rollback" }

// restore puts the records that the store lost back in, with an operator's consent.
// nil: there was nothing to do. An interrupted rollback goes on without being asked
// again. A consent without lost records looks for lost rows all the same.
func (l *Log) restore(ctx context.Context, lost bool) (*rollback, error) {
	size, known := l.head.State.Size, l.file.Len()
	mark, err := readMark(l.markPath())
	if err != nil {
		return nil, err
	}
	switch {
	case mark != nil && lost: // more of it, since
		mark.Size, mark.Through = min(mark.Size, size), known
	case mark != nil:
	case l.Accept.Rollback != "":
		mark = &rollback{By: l.Accept.Rollback, Size: min(size, known), Through: known}
	case lost:
		return nil, fmt.Errorf("%w: it has %d records, %s has %d. Restore a newer backup; or accept the loss with 'exhibit accept --rollback', "+
			"which names what is lost and fetches it again where its source still has it", ErrRolledBack, size, l.Path, known)
	default:
		return nil, nil
	}
	rows, next, err := l.lostRows(size)
	if err != nil {
		return nil, err
	}
	l.Trace("mark")
	if err := writeMark(l.markPath(), *mark); err != nil {
		return nil, err
	}
	for _, row := range rows {
		l.Trace("reinsert")
		if err := l.swap(ctx, row); err != nil {
			return nil, fmt.Errorf("ingest: put record %d back: %w", row.Seq, err)
		}
	}
	l.setHead(next)
	return mark, nil
}

// dropFuture deals with rows of records that the ledger never came to: a crash
// leaves some of the next record, which the fence makes void. Rows beyond are left
// of a ledger that was itself restored to an older state, or thrown away. A record
// of ours would make them look like its own.
func (l *Log) dropFuture(ctx context.Context, rows map[uint64]uint64) error {
	size := max(l.head.State.Size, l.file.Len())
	var future []uint64
	for batch := range rows {
		// The first record of a new ledger fences no rows.
		if batch > size || size == 0 {
			future = append(future, batch)
		}
	}
	if len(future) == 0 {
		return nil
	}
	if l.Accept.Rollback == "" || size == 0 {
		return fmt.Errorf("%w: the database holds rows of record %d, but the ledger has %d records. Restore the ledger and %s that belong to them; "+
			"or use another, empty database; or, when the ledger is not empty, delete these rows with 'exhibit accept --rollback'",
			ErrRolledBack, slices.Min(future), size, l.Path)
	}
	slices.Sort(future)
	l.Log.Warn("rows of records that the ledger does not have are deleted", "batches", future)
	for _, batch := range future {
		if err := l.DB.DeleteBatch(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// lostRows returns the records from seq size on as they are in ledger.jsonl, and
// the head that they lead to, which must be signed.
func (l *Log) lostRows(size uint64) ([]store.LedgerRow, store.Head, error) {
	var rows []store.LedgerRow
	next := l.head
	file, err := ledger.OpenFile(l.Path, func(seq uint64, e ledger.Entry) error {
		if seq < size {
			return nil
		}
		row := store.RowOf(seq, e)
		rows = append(rows, row)
		return next.Take(row)
	})
	if err != nil {
		return nil, next, err
	}
	if err := file.Close(); err != nil {
		return nil, next, fmt.Errorf("ingest: %w", err)
	}
	if err := next.CheckSigned(l.keys); err != nil {
		return nil, next, fmt.Errorf("ingest: %s has %d records that the store does not have, and they are not this writer's: %w", l.Path, len(rows), err)
	}
	return rows, next, nil
}

// nameLoss writes what a store that was restored has lost into a rollback record,
// and removes what is left of it. A segment that lost rows goes as a whole and is
// fetched again.
func (l *Log) nameLoss(ctx context.Context, mark *rollback) error {
	if mark == nil {
		return nil
	}
	lost, done := l.namedAlready(mark)
	var objects []ledger.ObjectsRef
	if !done {
		var err error
		if lost, err = l.lostSegments(ctx, mark.Size); err != nil {
			return err
		}
		if objects, err = l.missingObjects(ctx); err != nil {
			return err
		}
	}
	if !done && (len(lost)+len(objects) > 0 || mark.Size < mark.Through) {
		record := ledger.Rollback{By: mark.By, Segments: lost, Objects: objects, Covers: withdrawn(&l.head.State, lost)}
		if err := l.append(ctx, ledger.Record{Kind: ledger.KindRollback, Rollback: &record}, time.Time{}); err != nil {
			return err
		}
		l.Log.Warn("the store was restored to an older state; the loss is in the ledger", "records", mark.Through-mark.Size, "segments", len(lost))
	}
	// A crash here leaves the mark: the next start deletes again.
	for _, seg := range lost {
		l.Trace("delete")
		if err := l.DB.DeleteSegment(ctx, seg); err != nil {
			return err
		}
	}
	l.Trace("unmark")
	return removeMark(l.markPath())
}

// namedAlready returns the segments of the rollback record that an interrupted
// rollback came to write.
func (l *Log) namedAlready(mark *rollback) ([]ledger.SegmentRef, bool) {
	for _, r := range l.head.State.Rollbacks {
		if r.Seq >= mark.Through {
			return r.Segments, true
		}
	}
	return nil, false
}

// lostSegments returns the segments whose rows are not what their record says. The
// records from seq from on are read in full; of the others, which the restored
// store still had, those whose rows are not as many as they should be.
func (l *Log) lostSegments(ctx context.Context, from uint64) ([]ledger.SegmentRef, error) {
	counts, err := l.DB.Batches(ctx, 0, l.head.State.Size)
	if err != nil {
		return nil, err
	}
	var lost []ledger.SegmentRef
	for _, group := range bySeq(l.head.State.Segments) {
		want := uint64(0)
		for _, seg := range group {
			want += seg.Count
		}
		if seq := group[0].Seq; seq < from && counts[seq] == want {
			continue
		}
		findings, err := auditBatch(ctx, l.DB, group)
		if err != nil {
			return nil, err
		}
		for _, f := range findings {
			if f.Segment == (ledger.SegmentRef{}) {
				l.Log.Error("not lost but added: the audit will name it again", "finding", f.What)
				continue
			}
			lost = append(lost, f.Segment)
		}
	}
	return lost, nil
}

// withdrawn returns the coverage that no longer holds when segments are lost: what
// was granted since the first loss of the source, as the rows that it rests on may
// have come in any record before it, and the days of the lost rows themselves.
func withdrawn(s *ledger.State, lost []ledger.SegmentRef) []ledger.WithdrawnSpan {
	gone := make(map[string]coverage.Set)
	for source, since := range firstLost(lost) {
		for _, c := range s.Covers {
			if c.Source == source && c.Seq >= since {
				gone[source] = gone[source].Union(c.Interval())
			}
		}
	}
	for _, seg := range lost {
		day, err := time.Parse(ledger.DayFormat, seg.Day)
		if err != nil || seg.Section == event.Rejects {
			continue // the day of a reject is that of its receipt
		}
		whole := coverage.Interval{From: day, To: day.AddDate(0, 0, 1)}
		gone[seg.Source] = gone[seg.Source].Union(s.Coverage(seg.Source).Intersect(whole)...)
	}
	var spans []ledger.WithdrawnSpan
	for _, source := range slices.Sorted(maps.Keys(gone)) {
		for _, i := range gone[source] {
			spans = append(spans, ledger.WithdrawnSpan{Source: source, From: i.From, To: i.To})
		}
	}
	return spans
}

func firstLost(lost []ledger.SegmentRef) map[string]uint64 {
	first := make(map[string]uint64)
	for _, seg := range lost {
		if seq, ok := first[seg.Source]; !ok || seg.Seq < seq {
			first[seg.Source] = seg.Seq
		}
	}
	return first
}

// bySeq cuts a list of segments, which is in the order of seq, into one per batch.
func bySeq(segments []ledger.SegmentAt) [][]ledger.SegmentAt {
	var groups [][]ledger.SegmentAt
	for i, seg := range segments {
		if i == 0 || segments[i-1].Seq != seg.Seq {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], seg)
	}
	return groups
}
