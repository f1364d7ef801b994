package ingest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// dedupeObjects keeps of the objects of a parcel those whose content is not stored
// under their key and tag: a parcel may come again after an unknown result.
func (l *Log) dedupeObjects(ctx context.Context, snap store.Snapshot, s *sourceBatch) error {
	if len(s.objects) == 0 {
		return nil
	}
	keys := make([]string, len(s.objects))
	for i, o := range s.objects {
		keys[i] = o.Key
	}
	stored, err := StoredObjects(ctx, l.DB, &l.head.State, snap, s.Source, keys)
	if err != nil {
		return err
	}
	slices.SortFunc(s.objects, compareObjects)
	s.objects = slices.CompactFunc(s.objects, sameObject)
	s.objects = slices.DeleteFunc(s.objects, func(o *event.Object) bool {
		return slices.ContainsFunc(stored[o.Key], func(b event.Object) bool { return sameObject(o, &b) })
	})
	if len(s.objects) == 0 {
		return nil
	}
	s.Objects = &ledger.Objects{Count: uint64(len(s.objects))}
	var root ledger.Root
	var line []byte
	for _, o := range s.objects {
		line = o.AppendLine(line[:0])
		root.Add(event.Leaf(line))
		if o.Changed() {
			s.Objects.Changed++
		}
		if o.Damaged {
			s.Objects.Damaged++
		}
	}
	s.Objects.Root = root.Hash()
	return nil
}

// compareObjects is the order of the root: that in which the store gives them back.
func compareObjects(a, b *event.Object) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ETag, b.ETag), slices.Compare(a.SHA256[:], b.SHA256[:]))
}

func sameObject(a, b *event.Object) bool {
	return a.Key == b.Key && a.ETag == b.ETag && a.SHA256 == b.SHA256
}

// insertObjects sends the objects of a batch and counts them.
func (l *Log) insertObjects(ctx context.Context, seq uint64, objects []*event.Object) error {
	if len(objects) == 0 {
		return nil
	}
	if err := l.DB.InsertObjects(ctx, seq, objects); err != nil {
		return err
	}
	n, err := l.DB.CountObjects(ctx, seq)
	if err == nil && n != uint64(len(objects)) {
		err = fmt.Errorf("ingest: batch %d: %d objects arrived of %d", seq, n, len(objects))
	}
	return err
}

// StoredObjects returns what is stored of the keys of a source, by key, the oldest
// content first. An object counts as not read when events that came with it, or
// before it, were lost with a restored store: it has to be read again.
func StoredObjects(ctx context.Context, db *store.DB, s *ledger.State, snap store.Snapshot, source string, keys []string) (map[string][]event.Object, error) {
	snap.Voids = slices.Concat(snap.Voids, forgotten(s, source))
	return db.StoredObjects(ctx, snap, source, keys)
}

// forgotten returns the batches of a source whose objects have to be read again.
func forgotten(s *ledger.State, source string) []uint64 {
	var list []uint64
	for _, r := range s.Rollbacks {
		since, lost := firstLost(r.Segments)[source]
		for _, o := range r.Objects {
			if o.Source == source && (!lost || o.Seq < since) {
				since, lost = o.Seq, true
			}
		}
		for _, b := range s.Batches {
			if lost && b.Source == source && b.Objects != nil && b.Seq >= since && b.Seq < r.Seq {
				list = append(list, b.Seq)
			}
		}
	}
	return list
}

// auditObjects compares the objects of every batch with the ledger.
func auditObjects(ctx context.Context, db *store.DB, s *ledger.State) ([]Finding, error) {
	counts, err := db.ObjectBatches(ctx, 0, s.Size)
	if err != nil {
		return nil, err
	}
	for _, b := range s.Batches {
		if b.Objects != nil {
			delete(counts, b.Seq)
		}
	}
	var findings []Finding
	for _, batch := range slices.Sorted(maps.Keys(counts)) {
		if !s.Void(batch) {
			findings = append(findings, Finding{Found: counts[batch],
				What: fmt.Sprintf("%d objects carry batch %d, whose record lists none: rows were added", counts[batch], batch)})
		}
	}
	for i, n := 0, 0; i < len(s.Batches); i += n {
		record := s.Batches[i:]
		n = 1
		for n < len(record) && record[n].Seq == record[0].Seq {
			n++
		}
		found, err := auditRecordObjects(ctx, db, s, record[:n])
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// auditRecordObjects compares the objects that carry the number of one record with
// what the record lists, of every source.
func auditRecordObjects(ctx context.Context, db *store.DB, s *ledger.State, record []ledger.BatchAt) ([]Finding, error) {
	if !slices.ContainsFunc(record, func(b ledger.BatchAt) bool { return b.Objects != nil }) {
		return nil, nil // rows with its number were found already
	}
	roots, err := objectRoots(ctx, db, record[0].Seq)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, b := range record {
		if f, differs := compareObjectRoot(s, b, roots[b.Source]); differs {
			findings = append(findings, f)
		}
		delete(roots, b.Source)
	}
	for _, source := range slices.Sorted(maps.Keys(roots)) {
		findings = append(findings, Finding{Found: roots[source].Count(),
			What: fmt.Sprintf("source %s, objects of record %d: %d rows of a source that the record does not have: rows were added", source, record[0].Seq, roots[source].Count())})
	}
	return findings, nil
}

func objectRoots(ctx context.Context, db *store.DB, batch uint64) (map[string]*ledger.Root, error) {
	roots := make(map[string]*ledger.Root)
	var line []byte
	err := db.EachBatchObject(ctx, batch, func(o *event.Object) error {
		if roots[o.Source] == nil {
			roots[o.Source] = new(ledger.Root)
		}
		line = o.AppendLine(line[:0])
		roots[o.Source].Add(event.Leaf(line))
		return nil
	})
	return roots, err
}

func compareObjectRoot(s *ledger.State, b ledger.BatchAt, root *ledger.Root) (Finding, bool) {
	if root == nil {
		root = new(ledger.Root)
	}
	where := fmt.Sprintf("source %s, objects of record %d: ", b.Source, b.Seq)
	want := uint64(0)
	if b.Objects != nil {
		want = b.Objects.Count
	}
	switch {
	case root.Count() == want && (want == 0 || root.Hash() == b.Objects.Root), lostObjects(s, b):
		return Finding{}, false
	case root.Count() < want:
		return Finding{Found: root.Count(), What: where + fmt.Sprintf("%d of %d rows are missing", want-root.Count(), want)}, true
	case root.Count() > want:
		return Finding{Found: root.Count(), What: where + fmt.Sprintf("%d rows where the ledger has %d: rows were added", root.Count(), want)}, true
	}
	return Finding{Found: root.Count(), What: where + "a row was changed: the count is right, the root is not"}, true
}

// lostObjects reports whether a rollback names the objects of a batch as lost.
func lostObjects(s *ledger.State, b ledger.BatchAt) bool {
	return slices.ContainsFunc(s.Rollbacks, func(r ledger.RollbackAt) bool {
		return slices.Contains(r.Objects, ledger.ObjectsRef{Seq: b.Seq, Source: b.Source})
	})
}

// missingObjects returns the batches whose objects a restored store has not all.
func (l *Log) missingObjects(ctx context.Context) ([]ledger.ObjectsRef, error) {
	counts, err := l.DB.ObjectBatches(ctx, 0, l.head.State.Size)
	if err != nil {
		return nil, err
	}
	var refs []ledger.ObjectsRef
	for i := 0; i < len(l.head.State.Batches); {
		seq, want, first := l.head.State.Batches[i].Seq, uint64(0), len(refs)
		for ; i < len(l.head.State.Batches) && l.head.State.Batches[i].Seq == seq; i++ {
			if b := l.head.State.Batches[i]; b.Objects != nil {
				want += b.Objects.Count
				refs = append(refs, ledger.ObjectsRef{Seq: seq, Source: b.Source})
			}
		}
		if counts[seq] == want {
			refs = refs[:first]
		}
	}
	// What an earlier rollback names is still lost, and was read again since.
	return slices.DeleteFunc(refs, func(ref ledger.ObjectsRef) bool {
		return slices.ContainsFunc(l.head.State.Rollbacks, func(r ledger.RollbackAt) bool { return slices.Contains(r.Objects, ref) })
	}), nil
}

// Add takes over what another parcel of the same source holds.
func (p *Parcel) Add(q Parcel) {
	p.Fetched += q.Fetched
	p.Extra += q.Extra
	p.Skipped += q.Skipped
	p.Known += q.Known
	p.Items = append(p.Items, q.Items...)
	p.Rejects = append(p.Rejects, q.Rejects...)
	p.Objects = append(p.Objects, q.Objects...)
	p.Covers = append(p.Covers, q.Covers...)
	p.bytes += q.bytes
}

// Full reports whether a parcel is as much as one record of the ledger should hold.
func (p *Parcel) Full() bool {
	return len(p.Items)+len(p.Rejects) >= maxEvents || len(p.Objects) >= maxEvents || p.bytes >= maxBytes
}
