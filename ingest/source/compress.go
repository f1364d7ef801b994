package source

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd file can ask for; zstd -19 needs 8 MiB.
const maxWindow = 64 << 20

// A file reads a plain or compressed file as plain.
type file struct {
	io.Reader
	format string // gzip, zstd or empty
	packed *counter
	buf    *bufio.Reader
	close  func()
}

// A counter counts what was read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func openFile(r io.Reader) (*file, error) {
	f := &file{packed: &counter{r: r}, close: func() {}}
	f.buf = bufio.NewReaderSize(f.packed, 64<<10)
	magic, err := f.buf.Peek(4)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("source: read the beginning of the file: %w", err)
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		f.format = "gzip"
		z, err := gzip.NewReader(f.buf)
		if err != nil {
			return nil, f.explain(err, 0)
		}
		f.Reader = z
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}),
		len(magic) == 4 && magic[0]&0xf0 == 0x50 && bytes.Equal(magic[1:], []byte{0x2a, 0x4d, 0x18}): // a skippable frame
		f.format = "zstd"
		z, err := zstd.NewReader(f.buf, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, f.explain(err, 0)
		}
		f.Reader, f.close = z, z.Close
	default:
		f.Reader = f.buf
	}
	return f, nil
}

// explain says where in the file reading ended, and why.
func (f *file) explain(err error, plain int64) error {
	if f.format == "" {
		return fmt.Errorf("source: read at byte %d of the file: %w", plain, err)
	}
	at := f.packed.n - int64(f.buf.Buffered())
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("source: the %s file is cut short: it ends at byte %d (byte %d of what it holds): %w", f.format, at, plain, io.ErrUnexpectedEOF)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("source: the zstd file needs more than %d MiB of memory; compress it again without --long or --ultra: %w", maxWindow>>20, err)
	}
	return fmt.Errorf("source: the %s file is damaged near byte %d (byte %d of what it holds): %w", f.format, at, plain, err)
}
