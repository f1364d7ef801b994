package pack

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"
)

// sparse is a file whose blocks of zeros take no room.
type sparse struct {
	size   int64
	blocks map[int64][]byte // by number
}

const sparseBlock = 1 << 16

func (s *sparse) Write(p []byte) (int, error) {
	for n := 0; n < len(p); {
		at, in := s.size/sparseBlock, int(s.size%sparseBlock)
		part := p[n:min(len(p), n+sparseBlock-in)]
		if s.blocks[at] != nil || !allZero(part) {
			if s.blocks[at] == nil {
				s.blocks[at] = make([]byte, sparseBlock)
			}
			copy(s.blocks[at][in:], part)
		}
		n += len(part)
		s.size += int64(len(part))
	}
	return len(p), nil
}

func (s *sparse) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		if off >= s.size {
			return n, io.EOF
		}
		in := off % sparseBlock
		part := p[n : n+int(min(int64(len(p)-n), sparseBlock-in, s.size-off))]
		clear(part)
		if b := s.blocks[off/sparseBlock]; b != nil {
			copy(part, b[in:])
		}
		n, off = n+len(part), off+int64(len(part))
	}
	return n, nil
}

// A pack of more than four gigabytes has other structures; they are looked at as
// strictly.
func TestLayoutOfLargeZip(t *testing.T) {
	const large = 4<<30 + 5
	file := &sparse{blocks: map[int64][]byte{}}
	zw := zip.NewWriter(file)
	zeros := make([]byte, 1<<20)
	for _, name := range []string{"README.html", "workbook.xlsx", "report.pdf"} {
		f := &zip.FileHeader{Name: name, Method: zip.Store, CompressedSize64: 5, UncompressedSize64: 5, CRC32: 7}
		if name == "workbook.xlsx" {
			f.CompressedSize64, f.UncompressedSize64 = large, large
			f.Flags |= 8
		}
		w, err := zw.CreateRaw(f)
		if err != nil {
			t.Fatal(err)
		}
		for left := f.CompressedSize64; left > 0; {
			n := min(left, uint64(len(zeros)))
			if _, err := w.Write(zeros[:n]); err != nil {
				t.Fatal(err)
			}
			left -= n
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	check := func() []Finding {
		t.Helper()
		_, found, err := openContainer(file, file.size)
		if err != nil {
			return []Finding{{What: err.Error()}}
		}
		return found
	}
	if found := check(); len(found) > 0 {
		t.Fatalf("a large pack as we write it: %+v", found)
	}
	// Every byte of the structures behind the large file counts, but for what no
	// program goes by: versions, numbers of disks, times.
	tail := make([]byte, 600)
	if _, err := file.ReadAt(tail, file.size-int64(len(tail))); err != nil {
		t.Fatal(err)
	}
	end64 := bytes.Index(tail, []byte("PK\x06\x06"))
	for _, at := range []int{end64, end64 + 4, end64 + 40, end64 + 48, end64 + 56, end64 + 64, len(tail) - 22, len(tail) - 2, bytes.Index(tail, []byte("PK\x07\x08")) + 4} {
		off := file.size - int64(len(tail)) + int64(at)
		file.blocks[off/sparseBlock][off%sparseBlock] ^= 1
		if len(check()) == 0 {
			t.Errorf("byte %d of the end changed, and nothing is found", at)
		}
		file.blocks[off/sparseBlock][off%sparseBlock] ^= 1
	}
}
