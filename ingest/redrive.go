package ingest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/tlog"
)

// A Redrive takes rejects that are stored through the pipeline again: after a fix of
// a normaliser, a mapping or the rules, records that could not become events may do.
//
// What becomes of a record, whether an event, a duplicate or a skip, is in the ledger
// as for any other; the batch says how many of its records are such. The reject stays
// where it is and in the evidence. It is resolved: rows that say so have the number of
// the batch, so that a crash leaves both or neither. A record that still cannot become
// an event is left as it was, so a second redrive of the same rejects writes nothing.
type Redrive struct {
	Source string // empty: all
	Reason string // empty: all
	DryRun bool   // look what would become of them, write nothing
	By     string // who wants it

	// KindOf returns the kind of a source as it is configured now.
	KindOf   func(name string) (source.Kind, bool)
	Secret   []byte
	Random   io.Reader
	Chunk    int                   // records in one parcel; 0: as many as one ledger record holds
	Progress func(r RedriveResult) // told after each parcel; nil: nobody is
}

// A RedriveResult says what became of rejects: each of the records that were tried is
// in one of the other numbers. Rejects, Unknown and Cut stay open.
type RedriveResult struct {
	Tried      uint64 `json:"tried"`      // distinct records
	Events     uint64 `json:"events"`     // became events, one or more
	Duplicates uint64 `json:"duplicates"` // stored already, with the same content
	Skipped    uint64 `json:"skipped"`
	Conflicts  uint64 `json:"conflicts"` // contradict a stored event: rejects for that from now on
	Rejects    uint64 `json:"rejects"`   // still cannot become an event, or still contradict one
	Unknown    uint64 `json:"unknown"`   // of sources of which no kind is known
	Cut        uint64 `json:"cut"`       // too large to have been kept whole
}

// Open returns how many rejects stay open.
func (r *RedriveResult) Open() uint64 { return r.Rejects + r.Unknown + r.Cut }

// Redrive tries rejects again, one source after the other, and commits what became of
// them. It can be stopped and started again at any moment; a second one waits for the
// first, or both would say what became of the same rejects.
func (c *Committer) Redrive(ctx context.Context, r Redrive) (RedriveResult, error) {
	if r.Chunk == 0 {
		r.Chunk = maxEvents / 8
	}
	if !r.DryRun {
		c.redrives.Lock()
		defer c.redrives.Unlock()
	}
	x := &redriving{Redrive: r, log: c.log, committer: c}
	err := x.run(ctx)
	if err != nil {
		err = fmt.Errorf("ingest: redrive: %w", err)
	}
	return x.result, err
}

type redriving struct {
	Redrive
	log       *Log
	committer *Committer
	result    RedriveResult
}

// pageOfKeys is how many keys are asked for at a time.
const pageOfKeys = 4096

func (x *redriving) run(ctx context.Context) error {
	// One snapshot for all: what this run resolves, and adds, must not change the list
	// that it walks along.
	head := x.log.Head()
	snap := head.Snapshot()
	filter := store.RejectFilter{Source: x.Source, Reason: x.Reason}
	var after store.RejectKey
	var group []store.StoredReject
	var bytes uint64
	for {
		page, err := x.log.DB.OpenRejects(ctx, snap, filter, after, pageOfKeys)
		if err != nil {
			return err
		}
		for i := range page {
			r := page[i]
			if n := len(group); n > 0 && (group[0].Source != r.Source || group[n-1].SHA256 != r.SHA256 && (n >= x.Chunk || bytes+r.Size > maxBytes)) {
				if err := x.group(ctx, snap, group); err != nil {
					return err
				}
				group, bytes = group[:0], 0
			}
			group, bytes = append(group, r), bytes+r.Size
			after = store.Key(&r.Reject)
		}
		if len(page) < pageOfKeys {
			break
		}
	}
	if len(group) == 0 {
		return nil
	}
	return x.group(ctx, snap, group)
}

// group tries some rejects of one source again. Those of the same bytes are next to
// each other.
func (x *redriving) group(ctx context.Context, snap store.Snapshot, list []store.StoredReject) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	keys, leaves := make([]store.RejectKey, len(list)), make([]tlog.Hash, len(list))
	for i := range list {
		keys[i], leaves[i] = store.Key(&list[i].Reject), event.Leaf(list[i].AppendLine(nil))
	}
	kind, known := x.KindOf(list[0].Source)
	if !known {
		x.result.Tried += uint64(len(list))
		x.result.Unknown += uint64(len(list))
		return nil
	}
	raws, err := x.log.DB.RawRejects(ctx, snap, keys)
	if err != nil {
		return err
	}
	p := NewPreparer(list[0].Source, kind, x.Secret, x.Random)
	for i := 0; i < len(list); {
		first := i
		for i++; i < len(list) && list[i].SHA256 == list[first].SHA256; i++ {
		}
		x.result.Tried++
		raw := raws[keys[first]]
		if uint64(len(raw)) != list[first].Size || sha256.Sum256([]byte(raw)) != list[first].SHA256 {
			x.result.Cut++
			continue
		}
		again := &retried{keys: keys[first:i], leaves: leaves[first:i]}
		if err := p.retry(source.Record{Raw: []byte(raw), Received: list[first].Received, Transport: list[first].Transport}, again); err != nil {
			return err
		}
	}
	return x.commit(ctx, p.Take())
}

// retry is AddOrReject for a record that comes from stored rejects. One that is still a reject
// leaves nothing behind.
func (p *Preparer) retry(r source.Record, again *retried) error {
	clear(p.seen) // each is the first of its read: that it came twice was counted when it came
	before := p.parcel
	if err := p.AddOrReject(r); err != nil {
		return err
	}
	if len(p.parcel.Rejects) > len(before.Rejects) {
		p.parcel = before
		return nil
	}
	again.skipped = p.parcel.Skipped > before.Skipped
	for i := len(before.Items); i < len(p.parcel.Items); i++ {
		p.parcel.Items[i].from = again
		again.id = cmp.Or(again.id, p.parcel.Items[i].Event.ID)
	}
	p.parcel.retried = append(p.parcel.retried, again)
	return nil
}

// commit counts what became of a group and commits it, without the records that would
// only say again what the store has: that they contradict an event.
func (x *redriving) commit(ctx context.Context, p Parcel) error {
	judged, err := x.log.judge(ctx, p)
	if err != nil {
		return err
	}
	hopeless := make(map[*retried]bool)
	for _, r := range p.retried {
		switch judged.outcome(r) {
		case ledger.ResolvedEvent:
			x.result.Events++
		case ledger.ResolvedDuplicate:
			x.result.Duplicates++
		case ledger.ResolvedSkipped:
			x.result.Skipped++
		case ledger.ResolvedConflict:
			if hopeless[r] = judged.hopeless(r); hopeless[r] {
				continue
			}
			x.result.Conflicts++
		}
	}
	x.result.settle()
	p.drop(hopeless)
	if len(p.retried) > 0 && !x.DryRun {
		p.Urgent = true // there is nothing more to wait for
		// Also when nobody listens any more: the next redrive has to know what came of it.
		if _, err := x.committer.Commit(context.WithoutCancel(ctx), p); err != nil {
			return err
		}
	}
	if x.Progress != nil {
		x.Progress(x.result)
	}
	return nil
}

// settle makes Rejects what is left of those that were tried.
func (r *RedriveResult) settle() {
	r.Rejects = r.Tried - r.Events - r.Duplicates - r.Skipped - r.Conflicts - r.Unknown - r.Cut
}

// judge finds out what would become of a parcel, without writing anything.
func (l *Log) judge(ctx context.Context, p Parcel) (*sourceBatch, error) {
	b, err := l.dedupe(ctx, l.Head(), []Parcel{p})
	if err != nil {
		return nil, err
	}
	return b.sources[0], nil
}

// drop takes records out of a parcel that only holds such.
func (p *Parcel) drop(gone map[*retried]bool) {
	items := p.Items[:0:0]
	events := make(map[*retried]uint64)
	for _, item := range p.Items {
		events[item.from]++
		if !gone[item.from] {
			items = append(items, item)
		}
	}
	var kept []*retried
	for _, r := range p.retried {
		if !gone[r] {
			kept = append(kept, r)
			continue
		}
		p.Fetched--
		p.Extra -= events[r] - 1
	}
	p.Items, p.retried = items, kept
}
