package objects

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
	"exhibit/internal/event"
)

// A reading is an object that is to be read.
type reading struct {
	entry
	before []event.Object // contents that it had when it was read before
	body   chan body      // of a small object, fetched ahead
}

type body struct {
	bytes []byte
	err   error
}

// Small objects are fetched a few at a time: the time goes by waiting for the
// store's answers. Large ones are read as a stream, one after the other.
const (
	ahead = 8
	small = 1 << 20
)

// ReasonDamaged is the reason of the reject that keeps the beginning of an object
// that cannot be read to its end.
const ReasonDamaged = "damaged object"

// maxFailures is how many objects in a row may fail before the rest of the piece of
// the listing is skipped: whole folders may be out of reach, such as in an archive.
const maxFailures = 5

// read reads objects, in order. It gives up when none can be read and the bucket does
// not answer either.
func (t *turn) read(ctx context.Context, list []reading) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fetched, failures, good := 0, 0, false
	for i := range list {
		for ; fetched < len(list) && fetched < i+ahead; fetched++ {
			t.fetch(ctx, &list[fetched])
		}
		err := t.object(ctx, &list[i])
		f := (*readError)(nil)
		switch {
		case err == nil:
			failures, good = 0, true
			continue
		case !errors.As(err, &f) || ctx.Err() != nil:
			return err
		}
		t.slog.Warn("object not read", "key", list[i].Key, "error", f.err)
		t.failed = append(t.failed, fmt.Errorf("%s: %w", list[i].Key, f.err))
		t.dayOf(list[i].entry).bad = true
		t.again = append(t.again, list[i].Key)
		if failures++; failures < maxFailures {
			continue
		}
		if !good && !t.answers(ctx) {
			return fmt.Errorf("%d objects in a row could not be read, the last: %s: %w", failures, list[i].Key, f.err)
		}
		t.skip(list[i+1:], list[i].Key, f.err)
		return nil
	}
	return nil
}

// answers reports whether the bucket can be listed.
func (t *turn) answers(ctx context.Context) bool {
	for _, err := range bucket.Objects(ctx, t.feed.Bucket, "", "") {
		return err == nil
	}
	return true
}

// skip passes over objects: nothing counts of the days that they name, and say tells.
func (t *turn) skip(list []reading, key string, why error) {
	for i := range list {
		t.dayOf(list[i].entry).bad = true
	}
	if t.skipped == 0 && len(list) > 0 {
		t.reason = fmt.Sprintf("%s: %v", key, why)
	}
	t.skipped += len(list)
}

// A readError is a failure of the store, not of the object: it is read again later.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

func (t *turn) fetch(ctx context.Context, r *reading) {
	if r.Size > small {
		return
	}
	r.body = make(chan body, 1)
	go func() {
		b, err := t.readStart(ctx, r.Key, small)
		r.body <- body{b, err}
	}()
}

// readStart reads an object to its end, or to the byte after most: it may have grown
// since it was listed.
func (t *turn) readStart(ctx context.Context, key string, most int64) ([]byte, error) {
	r, err := bucket.NewReader(ctx, t.feed.Bucket, key)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if closeErr := r.Close(); err == nil {
		err = closeErr
	}
	return b, err
}

// open returns the object's bytes as they are stored.
func (t *turn) open(ctx context.Context, r *reading) (io.ReadCloser, error) {
	t.reads++
	if r.body == nil {
		return bucket.NewReader(ctx, t.feed.Bucket, r.Key)
	}
	got := <-r.body
	return io.NopCloser(bytes.NewReader(got.bytes)), got.err
}

// A stored reads an object's bytes, counts and hashes them, and keeps the first.
type stored struct {
	r     io.Reader
	sum   hash.Hash
	n     int64
	start []byte // at most small
	err   error  // of the bucket
}

func (s *stored) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.sum.Write(p[:n])
	s.n += int64(n)
	s.start = append(s.start, p[:min(n, small-len(s.start))]...)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// object reads an object and adds what it holds to the parcel; when that is full it
// is committed. A crash in between leaves records without their object: they are
// read again, and are duplicates then.
func (t *turn) object(ctx context.Context, r *reading) error {
	in, err := t.open(ctx, r)
	if err != nil {
		return &readError{err}
	}
	defer in.Close()
	raw := &stored{r: in, sum: sha256.New()}
	plain := sha256.New()
	o := event.Object{Source: t.feed.Name, Key: r.Key, ETag: r.ETag}
	received := t.now().UTC()
	p := ingest.NewPreparer(t.feed.Name, t.feed.Kind, t.secret, rand.Reader)
	damage, err := t.records(ctx, raw, plain, p, &o, received, r.Modified)
	if err != nil {
		return err
	}
	if raw.err == nil {
		_, _ = io.Copy(io.Discard, raw) // the hash is over all of it; raw keeps the error
	}
	if raw.err == nil && raw.n != r.Size {
		raw.err = fmt.Errorf("it has %d bytes and was listed with %d: it is being written", raw.n, r.Size)
	}
	if raw.err != nil {
		if err := t.add(ctx, p, &o); err != nil {
			return err
		}
		t.past.off(o.Note)
		return &readError{raw.err}
	}
	o.Size = uint64(raw.n)
	raw.sum.Sum(o.SHA256[:0])
	plain.Sum(o.Plain[:0])
	if damage != nil {
		o.Damaged = true
		why := &source.RejectError{Reason: ReasonDamaged, Detail: damage.Error()}
		if err := p.Reject(source.Record{Raw: raw.start, Received: received}, why, o.Size, o.SHA256); err != nil {
			return err
		}
		t.slog.Error("object is damaged", "key", o.Key, "error", damage)
	}
	t.compare(r, &o)
	if err := t.add(ctx, p, &o); err != nil {
		return err
	}
	if damage != nil {
		if o.Note != "" {
			o.Note += noteEnd
		}
		o.Note += damage.Error()
	}
	t.parcel.Objects = append(t.parcel.Objects, o)
	t.seen(r.entry, &o)
	if t.parcel.Full() {
		return t.commit(ctx)
	}
	return nil
}

// records prepares the records of an object. damage is what is wrong with the
// object itself, or with reading it.
func (t *turn) records(ctx context.Context, raw io.Reader, plain io.Writer, p *ingest.Preparer, o *event.Object, received, written time.Time) (damage, err error) {
	for piece, err := range source.Records(raw, source.RecordsOptions{Wraps: t.feed.Kind.Wraps, Plain: plain}) {
		if err != nil {
			return err, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		record := source.Record{Raw: piece.Raw, Received: received, Transport: written}
		if piece.Bad != "" {
			err = p.Reject(record, &source.RejectError{Reason: piece.Bad}, uint64(piece.Size), piece.SHA256)
		} else {
			err = p.AddOrReject(record)
		}
		if err != nil {
			return nil, err
		}
		o.Records++
		if records, bytes := p.Pending(); records >= ahead*chunk || bytes >= ahead*small {
			if err := t.add(ctx, p, o); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// add moves what was prepared to the parcel.
func (t *turn) add(ctx context.Context, p *ingest.Preparer, o *event.Object) error {
	q := p.Take()
	for i := range q.Items {
		e := q.Items[i].Event
		if !e.Time.After(time.Unix(0, 0)) {
			continue // the store keeps no time as this
		}
		if o.First.IsZero() || e.Time.Before(o.First) {
			o.First = e.Time
		}
		if e.Time.After(o.Last) {
			o.Last = e.Time
		}
		if q.Items[i].Ends {
			o.Note = offNote(o.Note, e.Time, q.Items[i].EndsOf)
		}
	}
	t.parcel.Add(q)
	if t.parcel.Full() {
		return t.commit(ctx)
	}
	return nil
}

// compare says so when the object had other content before. The bytes are compared,
// not the tags: stores give a new tag for the same bytes too.
func (t *turn) compare(r *reading, o *event.Object) {
	if len(r.before) == 0 {
		return
	}
	last := &r.before[len(r.before)-1]
	if last.SHA256 == o.SHA256 {
		return
	}
	o.Replaces = last.SHA256
	t.slog.Warn("an object changed after it was read", "key", o.Key, "tag", o.ETag, "before", last.ETag,
		"sha256", fmt.Sprintf("%x", o.SHA256), "sha256_before", fmt.Sprintf("%x", last.SHA256))
}
