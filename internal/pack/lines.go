package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
)

// maxLine bounds one line of a pack: a record of 16 MiB, each byte of it escaped,
// and room.
const maxLine = 128 << 20

// longLine is the size from which on a line is long: the verifier checks one long line
// at a time, whatever files it is in, for it needs several times its memory.
const longLine = 4 << 20

var (
	errMissing   = errors.New("the pack does not have it")
	errUnended   = errors.New("its last line does not end")
	errLongLine  = fmt.Errorf("a line is longer than %d bytes", maxLine)
	errUnpacking = errors.New("it cannot be unpacked")
)

// A stream reads one file of a pack and hashes it on the way.
type stream struct {
	name string
	in   io.ReadCloser
	sum  hash.Hash
	size uint64
	says uint64 // size that the zip says it has

	meter *meter
	long  chan struct{} // holds one token while a long line is in memory; nil: nobody minds
}

func (c *container) stream(name string) (*stream, error) {
	f := c.files[name]
	if f == nil {
		return nil, errMissing
	}
	in, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnpacking, err)
	}
	return &stream{name: name, in: in, sum: sha256.New(), says: f.UncompressedSize64, meter: &c.meter}, nil
}

// Read makes stream an io.Reader. It fails when the zip's own checksum does.
func (s *stream) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.sum.Write(p[:n])
	s.size += uint64(n)
	s.meter.add(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", errUnpacking, err)
	}
	return n, err
}

func (s *stream) close() { s.in.Close() }

// drain reads what is left, for the hash.
func (s *stream) drain() error {
	b := make([]byte, min(32<<10, s.says+1))
	for {
		if _, err := s.Read(b); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (s *stream) entry() File {
	return File{Name: s.name, Size: s.size, SHA256: hex.EncodeToString(s.sum.Sum(nil))}
}

// blocks reads whole lines in blocks of about size bytes, and gives each block as
// b[1:]: b[0] is free to be borrowed, see leafOf. fresh returns a buffer of any
// length, each takes it over, and the token in s.long with a block that isLong.
func (s *stream) blocks(ctx context.Context, size int, fresh func() []byte, each func(b []byte) error) error {
	size = int(min(uint64(size), s.says+2)) // with b[0], and room to see the end
	b := fill(fresh(), size)
	have, end := 1, 0 // bytes that are there, and where their last whole line ends
	held := false
	defer func() {
		if held {
			<-s.long
		}
	}()
	for {
		n, err := s.Read(b[have:min(len(b), have+size)]) // little more than the line, when it is long
		if i := bytes.LastIndexByte(b[have:have+n], '\n'); i >= 0 {
			end = have + i + 1
		}
		have += n
		switch full := have == len(b); {
		case end > 0 && (full || err != nil || len(b) > size):
			next := fill(fresh(), max(size, have-end+1))
			left := copy(next[1:], b[end:have])
			if e := each(b[:end]); e != nil {
				return e
			}
			b, have, end, held = next, left+1, 0, false
		case full && len(b) > maxLine:
			return errLongLine
		case full:
			grown := min(2*len(b), maxLine+2)
			if s.long != nil && !held && grown > longLine {
				select {
				case s.long <- struct{}{}:
					held = true
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			b = fill(b, grown)
		}
		if err == io.EOF {
			if have > 1 {
				return errUnended
			}
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// isLong reports whether a block, or what was made of it, is kept by nobody.
func isLong(b []byte) bool { return cap(b) > longLine }

// fill returns b with the length, kept content included.
func fill(b []byte, size int) []byte {
	if cap(b) >= size {
		return b[:size]
	}
	grown := make([]byte, size)
	copy(grown, b)
	return grown
}

// lines gives the lines of a file one by one, without their ends.
func (s *stream) lines(ctx context.Context, each func(line []byte) error) error {
	var b []byte
	return s.blocks(ctx, 64<<10, func() []byte { old := b; b = nil; return old }, func(block []byte) error {
		for line := range bytes.Lines(block[1:]) {
			if err := each(line[:len(line)-1]); err != nil {
				return err
			}
		}
		b = block
		return nil
	})
}
