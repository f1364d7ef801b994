package push

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/semaphore"
)

// Why a body is not read or cut to its end.
var (
	errTooLarge = errors.New("too large")
	errTooMany  = errors.New("too many records")
	errNoShare  = errors.New("more memory than one source may hold")
	errBusy     = errors.New("too much is being read at the same time")
)

// limited reports whether an error is one of these, and says nothing about the bytes.
func limited(err error) bool {
	for _, limit := range []error{errTooLarge, errTooMany, errNoShare, errBusy} {
		if errors.Is(err, limit) {
			return true
		}
	}
	return false
}

// A meter holds the memory of one request, within what its source and all together may
// hold. One request waits for no longer than Limits.Wait, all its waits together.
type meter struct {
	h     *Handler
	share *semaphore.Weighted
	ctx   context.Context // of the request
	left  time.Duration   // to wait
	held  int64
	spare int64 // of held: what step has not given out
}

func (h *Handler) meter(ctx context.Context, source string) *meter {
	return &meter{h: h, share: h.shares[source], ctx: ctx, left: h.Limits.Wait}
}

// take waits until others have released what they hold.
func (m *meter) take(n int64) error {
	if m.held+n > m.h.Limits.share() {
		return errNoShare
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(m.ctx, m.left)
	defer cancel()
	defer func() { m.left -= time.Since(began) }()
	if m.share.Acquire(ctx, n) != nil {
		return errBusy
	}
	if m.h.held.Acquire(ctx, n) != nil {
		m.share.Release(n)
		return errBusy
	}
	m.held += n
	return nil
}

// step takes little, often.
func (m *meter) step(n int64) error {
	if m.spare < n {
		more := max(n, 8<<10)
		if err := m.take(more); err != nil {
			return err
		}
		m.spare += more
	}
	m.spare -= n
	return nil
}

func (m *meter) give(n int64) {
	m.h.held.Release(n)
	m.share.Release(n)
	m.held -= n
}

func (m *meter) release() { m.give(m.held) }

// all reads everything, or says that it is more than limit. It takes memory as bytes
// come, whatever is said of how many will; hint only makes it begin with less.
func (m *meter) all(r io.Reader, limit, hint int64) ([]byte, error) {
	size := min(max(hint, 511)+1, 4<<10, limit+1)
	for b := []byte(nil); ; {
		if len(b) == cap(b) {
			old := int64(cap(b))
			if err := m.take(size - old); err != nil {
				return nil, err
			}
			b = append(make([]byte, 0, size), b...)
			size = min(2*size, limit+1)
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > limit:
			return nil, errTooLarge
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, err
		}
	}
}
