package pack

import (
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"os"

	"github.com/klauspost/compress/flate"
)

// level is the compression of pack files: the fastest, for they are text that
// gets small anyway and a pack is made while somebody waits.
const level = 1

// A file is one file of a pack on its way: compressed into a temporary file while
// its bytes come, copied into the zip at the end. Its hash and its compression
// may run in two goroutines.
type file struct {
	name    string
	temp    *os.File
	out     *bufio.Writer
	deflate *flate.Writer
	sum     hash.Hash
	crc     uint32
	size    uint64
}

func createFile(dir, name string) (*file, error) {
	temp, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, fmt.Errorf("pack: create temporary file for %s: %w", name, err)
	}
	out := bufio.NewWriterSize(temp, 64<<10)
	deflate, err := flate.NewWriter(out, level)
	if err != nil {
		return nil, fmt.Errorf("pack: create %s: %w", name, err)
	}
	return &file{name: name, temp: temp, out: out, deflate: deflate, sum: sha256.New()}, nil
}

func (f *file) hash(p []byte) {
	f.sum.Write(p)
	f.crc = crc32.Update(f.crc, crc32.IEEETable, p)
	f.size += uint64(len(p))
}

func (f *file) compress(p []byte) error {
	if _, err := f.deflate.Write(p); err != nil {
		return fmt.Errorf("pack: write %s: %w", f.name, err)
	}
	return nil
}

// Write makes file an io.Writer for small files.
func (f *file) Write(p []byte) (int, error) {
	f.hash(p)
	return len(p), f.compress(p)
}

func (f *file) entry() File {
	return File{Name: f.name, Size: f.size, SHA256: hex.EncodeToString(f.sum.Sum(nil))}
}

// finish ends the compression; nothing may be written after it.
func (f *file) finish() error {
	err := f.deflate.Close()
	if err == nil {
		err = f.out.Flush()
	}
	if err != nil {
		return fmt.Errorf("pack: finish %s: %w", f.name, err)
	}
	f.deflate = nil // half a megabyte that is not needed any more
	return nil
}

// copyTo appends the file to the zip. Its metadata say nothing but the name, so
// that the same content gives the same entry.
func (f *file) copyTo(zw *zip.Writer) error {
	size, err := f.temp.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.temp.Seek(0, io.SeekStart)
	}
	if err != nil {
		return fmt.Errorf("pack: read back %s: %w", f.name, err)
	}
	//lint:ignore SA1019 CreateRaw writes this field as it stands, and does not look at Modified
	h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, ModifiedDate: 1<<5 | 1, // 1980-01-01, the zero of zip
		CRC32: f.crc, CompressedSize64: uint64(size), UncompressedSize64: f.size}
	if max(h.CompressedSize64, h.UncompressedSize64) >= math.MaxUint32 {
		h.Flags |= 8 // sizes that the local header cannot hold follow the data
	}
	w, err := zw.CreateRaw(h)
	if err == nil {
		_, err = io.Copy(w, f.temp)
	}
	if err != nil {
		return fmt.Errorf("pack: add %s to the zip: %w", f.name, err)
	}
	return nil
}
