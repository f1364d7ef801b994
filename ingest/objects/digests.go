package objects

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"

	"github.com/klauspost/compress/gzip"
)

// maxDigest bounds a digest, with and without compression: several are held at a
// time. One names about a hundred log files, in some ten kilobytes.
const maxDigest = 16 << 20

// A digestBody is a digest as it lies in the bucket.
type digestBody struct {
	raw  []byte
	sign string
	err  error
}

// lookDigests takes in the digests of a piece of the listing. Those that are stored
// were proven; the others are read. One that is not proven is not stored, and read
// again in the next turn: what was missing may be put back.
func (t *turn) lookDigests(ctx context.Context, entries []entry, stored map[string][]event.Object) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	bodies := make([]chan digestBody, len(entries))
	fetched := 0
	for i, e := range entries {
		if o := version(stored[e.Key], e.ETag); o != nil {
			if source.IsBackfill(e.Key) {
				continue
			}
			t.digest(e.chain, &hour{from: o.First, to: o.Last, key: o.Key, plain: o.Plain, begins: o.Note == chainBegins, proven: true}, nil)
			continue
		}
		for ; fetched < min(len(entries), i+ahead); fetched++ {
			if f := entries[fetched]; version(stored[f.Key], f.ETag) == nil {
				bodies[fetched] = make(chan digestBody, 1)
				go func(to chan<- digestBody) { to <- t.fetchDigest(ctx, &f) }(bodies[fetched])
			}
		}
		if err := t.readDigest(ctx, e, stored[e.Key], <-bodies[i]); err != nil {
			return err
		}
		if t.parcel.Full() {
			if err := t.commit(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// version returns the stored object with the tag.
func version(stored []event.Object, tag string) *event.Object {
	for i := range slices.Backward(stored) {
		if stored[i].ETag == tag {
			return &stored[i]
		}
	}
	return nil
}

func (t *turn) fetchDigest(ctx context.Context, e *entry) digestBody {
	if e.Size > maxDigest {
		return digestBody{} // readDigest says so
	}
	raw, err := t.readStart(ctx, e.Key, maxDigest)
	if err != nil {
		return digestBody{err: err}
	}
	a, err := t.feed.Bucket.Attributes(ctx, e.Key)
	if err != nil {
		return digestBody{err: err}
	}
	return digestBody{raw: raw, sign: a.Metadata["signature"]}
}

// readDigest checks a digest and what it says of log files. What is wrong is an
// alarm, and its hour is not proven: the chain is there all the same.
func (t *turn) readDigest(ctx context.Context, e entry, before []event.Object, body digestBody) error {
	_, end, _ := source.IsDigest(e.Key)
	unproven := &hour{from: end.Add(-time.Hour), to: end, key: e.Key}
	t.reads++
	if body.err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t.failed = append(t.failed, fmt.Errorf("%s: %w", e.Key, body.err))
		t.found(e.chain, unproven, nil)
		return nil
	}
	plain, err := unpack(e.Size, body.raw)
	var d source.Digest
	if err == nil {
		d, err = source.ParseDigest(e.Key, plain)
	}
	if err == nil && len(t.feed.Keys) > 0 {
		err = d.CheckSignature(t.feed.Keys, plain, body.sign)
	}
	if err != nil {
		t.alarm(end, "%s: the digest that ends at %s proves nothing: %v", e.chain, minute(end), err)
		t.found(e.chain, unproven, nil)
		return nil
	}
	h := &hour{from: d.Start, to: d.End, key: e.Key, plain: sha256.Sum256(plain), begins: d.Begins(), sign: body.sign}
	if h.proven, err = t.filesAreThere(ctx, e, &d); err != nil {
		return err
	}
	h.object = &event.Object{Source: t.feed.Name, Key: e.Key, ETag: e.ETag, Size: uint64(len(body.raw)), SHA256: sha256.Sum256(body.raw),
		Plain: h.plain, First: d.Start, Last: d.End}
	if h.begins {
		h.object.Note = chainBegins
	}
	t.compare(&reading{entry: e, before: before}, h.object)
	t.found(e.chain, h, &d)
	return nil
}

// found takes in a digest that was read. What a backfill digest proves is only that log
// files are there, which that of their hour said nothing of: their events are of that
// hour, or late ones.
func (t *turn) found(chain string, h *hour, d *source.Digest) {
	switch {
	case !source.IsBackfill(h.key):
		t.digest(chain, h, d)
	case h.proven:
		t.parcel.Objects = append(t.parcel.Objects, *h.object)
	default:
		t.doubts[chain] = append(t.doubts[chain], coverage.Interval{From: h.from.Add(-t.feed.Settle), To: h.to})
	}
}

func unpack(size int64, raw []byte) ([]byte, error) {
	if max(size, int64(len(raw))) > maxDigest {
		return nil, fmt.Errorf("it has more than %d MiB", maxDigest>>20)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("it is not gzip: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxDigest+1))
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("it is cut short")
	case len(plain) > maxDigest:
		err = fmt.Errorf("without compression it has more than %d MiB", maxDigest>>20)
	}
	return plain, err
}

// filesAreThere reports whether each log file that a digest names was read, with the
// content that it had when it was delivered. A file that was changed after it was
// read has that content in the store, and is shown as changed. Of what ends before the
// required time not all log files are listed: nothing is said of it.
func (t *turn) filesAreThere(ctx context.Context, e entry, d *source.Digest) (bool, error) {
	keys := make([]string, len(d.Files))
	for i, f := range d.Files {
		local, ok := d.Local(e.Key, f.Key)
		if !ok || f.Bucket != d.Bucket {
			t.alarm(d.Start, "%s: log file %s lies in %s, which this source does not read", e.chain, f.Key, f.Bucket)
			return false, nil
		}
		keys[i] = local
	}
	head := t.log.Head()
	stored, err := ingest.StoredObjects(ctx, t.db, &head.State, head.Snapshot(), t.feed.Name, keys)
	if err != nil {
		return false, err
	}
	there := true
	for i, f := range d.Files {
		versions := stored[keys[i]]
		if slices.ContainsFunc(versions, func(o event.Object) bool { return source.SameHash(f.Hash, o.Plain) && !o.Damaged }) {
			continue
		}
		there = false
		switch {
		case !d.End.After(t.feed.Since):
		case len(versions) > 0:
			t.alarm(d.Start, "%s: log file %s is not the one that was delivered: it was altered", e.chain, f.Key)
		case t.skipped == 0 && !slices.ContainsFunc(t.failed, func(err error) bool { return strings.HasPrefix(err.Error(), keys[i]+":") }):
			t.alarm(d.Start, "%s: log file %s is missing", e.chain, f.Key)
		}
	}
	return there, nil
}
