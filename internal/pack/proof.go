package pack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// A proof is what the ledger files of a pack come to.
type proof struct {
	head  ledger.Checkpoint
	first uint64               // records are in full from this seq on
	begun time.Time            // time of that record
	roots map[uint64]tlog.Hash // of the log at the sizes that were asked for
	times map[uint64]time.Time // of the last record at those sizes, where it is in full
	size  uint64               // records in the pack, leaves included

	damaged bool // the records are not the ones that the checkpoint signs
}

// A leafAt is an earlier record that the pack has in full.
type leafAt struct {
	seq  uint64
	leaf tlog.Hash
}

// ledger reads the ledger's files: it takes in all records and computes the roots
// that checkpoints are compared with. It reports whether what they say can be
// used to check the lines.
func (v *verifier) ledger(ctx context.Context) (usable bool, err error) {
	v.proof.roots, v.proof.times = map[uint64]tlog.Hash{}, map[uint64]time.Time{}
	v.readHead()
	root := tree{roots: v.proof.roots, wanted: v.wantedSizes()}
	standing, ok := v.earlier(ctx)
	usable = ok && v.leaves(ctx, &root, standing)
	v.proof.first = root.Count()
	v.r.state.Size = root.Count()
	usable = v.records(ctx, &root) && usable
	if err := ctx.Err(); err != nil {
		return false, err
	}
	v.proof.size = root.Count()
	v.compareRoot(root.Hash())
	v.proof.damaged = !usable || root.Hash() != v.proof.head.Root || root.Count() != v.proof.head.Size
	if err := v.r.finish(); err != nil {
		v.find("ledger/records.jsonl", err.Error(), doAskHistory)
		return false, nil
	}
	return usable, nil
}

// A tree is a root that remembers what it was at some sizes.
type tree struct {
	ledger.Root
	wanted map[uint64]bool
	roots  map[uint64]tlog.Hash
}

func (t *tree) add(leaf tlog.Hash) {
	t.Add(leaf)
	if t.wanted[t.Count()] {
		t.roots[t.Count()] = t.Hash()
	}
}

// readHead reads the checkpoint that the pack is pinned to, without its signature.
func (v *verifier) readHead() {
	b, err := v.c.read("ledger/checkpoint", 64<<10)
	if err != nil {
		v.unreadable("ledger/checkpoint", err)
		return
	}
	text, _, _ := strings.Cut(string(b), "\n\n")
	head, err := ledger.ParseCheckpoint(text + "\n")
	if err != nil {
		v.find("ledger/checkpoint", err.Error(), doAskAgain)
		return
	}
	v.proof.head = head
	v.res.Origin, v.res.Records, v.res.Root = head.Origin, head.Size, head.Root.String()
	if head.Origin != v.m.Origin || head.Root.String() != v.m.Root || head.Size != v.m.Counts.Size {
		v.find("ledger/checkpoint", fmt.Sprintf("it is of %s with %d records and root %s; manifest.json says %s, %d and %s",
			head.Origin, head.Size, head.Root, v.m.Origin, v.m.Counts.Size, v.m.Root), doAskAgain)
	}
}

// wantedSizes lists the sizes at which a checkpoint will be compared.
func (v *verifier) wantedSizes() map[uint64]bool {
	sizes := map[uint64]bool{}
	for name := range v.c.files {
		if seq, ok := strings.CutPrefix(name, "ledger/key-checkpoints/"); ok {
			n, _ := strconv.ParseUint(seq, 10, 64) // the container lets only numbers in
			sizes[n+1] = true
		}
	}
	for _, h := range v.held {
		sizes[h.Size] = true
	}
	return sizes
}

// file streams a ledger file through each. Its errors are findings.
func (v *verifier) file(ctx context.Context, name string, each func(line []byte) error) bool {
	s, err := v.c.stream(name)
	if err != nil {
		v.unreadable(name, err)
		return false
	}
	defer s.close()
	ok := true
	n := 0
	err = s.lines(ctx, func(line []byte) error {
		n++
		if !ok {
			return nil // read on for the hash
		}
		if err := each(line); err != nil {
			ok = false
			v.find(name, fmt.Sprintf("line %d: %s", n, err), doAskHistory)
		}
		return nil
	})
	if err != nil {
		v.unreadable(name, err)
		s.drain() // for the hash; the error is known
		ok = false
	}
	v.note(s.entry())
	return ok
}

// earlier takes in the records from before the proof that later ones depend on.
func (v *verifier) earlier(ctx context.Context) (list []leafAt, ok bool) {
	ok = v.file(ctx, "ledger/earlier.jsonl", func(line []byte) error {
		h, err := ledger.ParseHead(line)
		if err != nil {
			return err
		}
		if n := len(list); n > 0 && h.Seq <= list[n-1].seq {
			return fmt.Errorf("record %d comes after record %d", h.Seq, list[n-1].seq)
		}
		list = append(list, leafAt{h.Seq, tlog.RecordHash(line)})
		v.proof.times[h.Seq+1] = h.At
		return v.r.earlier(line)
	})
	return list, ok
}

// leaves adds the leaf hashes of the earlier records, and compares those that
// are there in full.
func (v *verifier) leaves(ctx context.Context, root *tree, standing []leafAt) bool {
	ok := v.file(ctx, "ledger/earlier-leaves", func(line []byte) error {
		leaf, err := tlog.ParseHash(string(line))
		if err != nil || leaf.String() != string(line) {
			return errors.New("it is not 32 bytes of base64")
		}
		if len(standing) > 0 && standing[0].seq == root.Count() {
			if standing[0].leaf != leaf {
				v.find("ledger/earlier.jsonl", fmt.Sprintf("record %d is not the one whose leaf hash ledger/earlier-leaves has", standing[0].seq), doAskHistory)
			}
			standing = standing[1:]
		}
		root.add(leaf)
		return nil
	})
	if ok && len(standing) > 0 {
		v.find("ledger/earlier.jsonl", fmt.Sprintf("record %d is not one of the %d earlier ones", standing[0].seq, root.Count()), doAskHistory)
		return false
	}
	return ok
}

// records takes in the records from the start of the proof to the checkpoint.
func (v *verifier) records(ctx context.Context, root *tree) bool {
	begin := root.Count()
	ok := v.file(ctx, "ledger/records.jsonl", func(line []byte) error {
		first := root.Count() == begin
		root.add(tlog.RecordHash(line))
		err := v.r.record(line)
		if first && errors.Is(err, ledger.ErrStanding) {
			v.find("ledger/earlier.jsonl", err.Error(), doAskHistory)
		}
		if err != nil {
			return err
		}
		at := v.r.state.At
		if root.wanted[root.Count()] {
			v.proof.times[root.Count()] = at
		}
		if first {
			v.proof.begun = at
		}
		if first && begin > 0 && !at.Before(v.r.before()) {
			v.find("ledger/records.jsonl", fmt.Sprintf("records start at %d of %s, too late to prove the first day: one before %s is needed",
				begin, instant(at), instant(v.r.before())), doAskHistory)
		}
		return nil
	})
	if ok && root.Count() == begin {
		v.find("ledger/records.jsonl", "it has no record", doAskAgain)
		return false
	}
	return ok
}

func (v *verifier) compareRoot(root tlog.Hash) {
	head := v.proof.head
	switch {
	case head.Origin == "": // reported
	case v.proof.size != head.Size:
		v.find("ledger/records.jsonl", fmt.Sprintf("with the earlier leaves there are %d records; the checkpoint signs %d: some are missing or were added", v.proof.size, head.Size), doAskAgain)
	case root != head.Root:
		v.find("ledger/records.jsonl", "records and earlier leaves do not give the root that the checkpoint signs: one was changed, exchanged or put in another place", doAskAgain)
	case !head.At.Equal(v.r.state.At):
		v.find("ledger/checkpoint", fmt.Sprintf("it says that its last record is of %s; that is of %s", instant(head.At), instant(v.r.state.At)), doAskHistory)
	}
	v.res.At = v.r.state.At
}

// instant says a time in a message.
func instant(t time.Time) string {
	if t.IsZero() {
		return "no time"
	}
	return t.UTC().Format(time.RFC3339Nano)
}
