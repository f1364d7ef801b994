package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// rolledBack deals with a store that has only the first size records of
// ledger.jsonl. With an operator's consent the records go back in; what their rows
// have lost is named in a rollback record, and its coverage is withdrawn, so that
// it is fetched again as any gap.
func (l *Log) rolledBack(ctx context.Context, size uint64) error {
	if l.Accept.Rollback == "" {
		return fmt.Errorf("%w: it has %d records, %s has %d. Restore a newer backup; or accept the loss with 'exhibit accept --rollback', "+
			"which names what is lost and fetches it again where its source still has it", ErrRolledBack, size, l.Path, l.file.Len())
	}
	if err := l.reinsert(ctx, size); err != nil {
		return err
	}
	lost, err := l.lostSegments(ctx, size)
	if err != nil {
		return err
	}
	rollback := ledger.Rollback{By: l.Accept.Rollback, Segments: lost}
	for source, since := range firstLost(lost) {
		for _, c := range l.head.State.Covers {
			if c.Source == source && c.Seq >= since {
				rollback.Covers = append(rollback.Covers, ledger.WithdrawnSpan{Source: source, From: c.From, To: c.To})
			}
		}
	}
	l.written = l.Now()
	if err := l.fence(ctx); err != nil {
		return err
	}
	for _, seg := range lost {
		if err := l.DB.DeleteSegment(ctx, seg); err != nil {
			return err
		}
	}
	if err := l.Append(ctx, ledger.Record{Kind: ledger.KindRollback, Rollback: &rollback}); err != nil {
		return err
	}
	l.Log.Warn("the store was restored to an older state; the loss is in the ledger", "records", l.file.Len()-size, "segments", len(lost))
	return nil
}

// reinsert offers the records that the store lost, with the bytes they had.
func (l *Log) reinsert(ctx context.Context, size uint64) error {
	var lost []store.LedgerRow
	file, err := ledger.OpenFile(l.Path, func(seq uint64, e ledger.Entry) error {
		if seq >= size {
			row := store.RowOf(seq, e)
			lost = append(lost, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	for _, row := range lost {
		if err := l.swap(ctx, row); err != nil {
			return fmt.Errorf("ingest: put record %d back: %w", row.Seq, err)
		}
		if err := l.head.Take(row); err != nil {
			return err
		}
	}
	return l.head.CheckSigned(l.keys)
}

// lostSegments returns the segments of the records from seq on whose rows are not
// what the record says.
func (l *Log) lostSegments(ctx context.Context, from uint64) ([]ledger.SegmentRef, error) {
	var lost []ledger.SegmentRef
	for _, group := range bySeq(l.head.State.Segments) {
		if group[0].Seq < from || l.head.State.Void(group[0].Seq) {
			continue
		}
		findings, err := auditBatch(ctx, l.DB, group)
		if err != nil {
			return nil, err
		}
		for _, f := range findings {
			if f.Segment == (ledger.SegmentRef{}) {
				return nil, errors.New("ingest: " + f.What)
			}
			lost = append(lost, f.Segment)
		}
	}
	return lost, nil
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
