package ledger

import (
	"crypto/sha256"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// A Root computes the RFC 6962 Merkle tree hash of leaves that come one by one,
// in the memory of a logarithm of their number. The zero value has no leaves.
type Root struct {
	n     uint64
	stack []tlog.Hash // roots of the complete subtrees, largest first
}

// Add appends a leaf hash.
func (r *Root) Add(leaf tlog.Hash) {
	r.stack = append(r.stack, leaf)
	for i := r.n; i&1 == 1; i >>= 1 {
		last := len(r.stack) - 1
		r.stack[last-1] = nodeHash(r.stack[last-1], r.stack[last])
		r.stack = r.stack[:last]
	}
	r.n++
}

// nodeHash is tlog.NodeHash, which allocates: every event has one.
func nodeHash(left, right tlog.Hash) tlog.Hash {
	var node [1 + 2*tlog.HashSize]byte
	node[0] = 1
	copy(node[1:], left[:])
	copy(node[1+tlog.HashSize:], right[:])
	return sha256.Sum256(node[:])
}

// Count returns the number of leaves.
func (r *Root) Count() uint64 { return r.n }

// Hash returns the tree hash of the leaves so far.
func (r *Root) Hash() tlog.Hash {
	if r.n == 0 {
		return sha256.Sum256(nil)
	}
	h := r.stack[len(r.stack)-1]
	for i := len(r.stack) - 2; i >= 0; i-- {
		h = tlog.NodeHash(r.stack[i], h)
	}
	return h
}

// Reset removes all leaves.
func (r *Root) Reset() { r.n, r.stack = 0, r.stack[:0] }

// A Tree is the Merkle tree of a ledger's records, kept in memory: 64 bytes per
// record. It is not safe for use by several goroutines when one of them appends.
type Tree struct {
	size   int64
	hashes []tlog.Hash // in the order of tlog.StoredHashIndex
}

// ReadHashes makes Tree a tlog.HashReader.
func (t *Tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.hashes)) {
			return nil, fmt.Errorf("ledger: no stored hash %d in a tree of %d records", x, t.size)
		}
		out[i] = t.hashes[x]
	}
	return out, nil
}

// Append adds the leaf of the next record.
func (t *Tree) Append(leaf tlog.Hash) error {
	stored, err := tlog.StoredHashesForRecordHash(t.size, leaf, t)
	if err != nil {
		return fmt.Errorf("ledger: append leaf %d: %w", t.size, err)
	}
	t.hashes = append(t.hashes, stored...)
	t.size++
	return nil
}

// Size returns the number of records.
func (t *Tree) Size() uint64 { return uint64(t.size) }

// Hash returns the root over the first size records.
func (t *Tree) Hash(size uint64) (tlog.Hash, error) {
	if size > uint64(t.size) {
		return tlog.Hash{}, fmt.Errorf("ledger: the log has %d records, not %d", t.size, size)
	}
	h, err := tlog.TreeHash(int64(size), t)
	if err != nil {
		return tlog.Hash{}, fmt.Errorf("ledger: root of %d records: %w", size, err)
	}
	return h, nil
}

// Leaf returns the leaf hash of record seq.
func (t *Tree) Leaf(seq uint64) (tlog.Hash, error) {
	hashes, err := t.ReadHashes([]int64{tlog.StoredHashIndex(0, int64(seq))})
	if err != nil || seq >= uint64(t.size) {
		return tlog.Hash{}, fmt.Errorf("ledger: no leaf %d in a log of %d records", seq, t.size)
	}
	return hashes[0], nil
}
