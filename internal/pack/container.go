package pack

import (
	"archive/zip"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"exhibit/internal/event"

	"github.com/klauspost/compress/flate"
)

// A container is the zip of a pack, looked at with suspicion: only regular files
// with names that a pack has, each once, and no byte that belongs to none of them.
type container struct {
	in    io.ReaderAt
	size  int64
	files map[string]*zip.File
	meter meter
}

// A meter tells how far the reading of all files is.
type meter struct {
	mu                sync.Mutex
	done, told, total uint64 // bytes, unpacked; guarded by mu
	tell              func(done, total uint64)
}

func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += uint64(n)
	if m.tell != nil && (m.done-m.told >= 4<<20 || m.done == m.total) {
		m.told = m.done
		m.tell(min(m.done, m.total), m.total)
	}
}

// maxFiles bounds the directory: a pack has fewer than a hundred files, and one
// more for every change of key.
const maxFiles = 10_000

func openContainer(in io.ReaderAt, size int64) (*container, []Finding, error) {
	zr, err := zip.NewReader(in, size)
	if err != nil {
		return nil, nil, fmt.Errorf("pack: not a zip file: %w", err)
	}
	if len(zr.File) > maxFiles {
		return nil, nil, fmt.Errorf("pack: %d files in the zip: this is no evidence pack", len(zr.File))
	}
	zr.RegisterDecompressor(zip.Deflate, func(r io.Reader) io.ReadCloser { return flate.NewReader(r) })
	c := &container{in: in, size: size, files: map[string]*zip.File{}}
	var found []Finding
	lower := map[string]string{}
	for _, f := range zr.File {
		if what := suspicious(f); what != "" {
			found = append(found, Finding{f.Name, what, doNotUnpack})
			continue
		}
		if other, ok := lower[strings.ToLower(f.Name)]; ok {
			found = append(found, Finding{f.Name, "there is also " + strconv.Quote(other) + ": programs differ in which of them they show", doNotUnpack})
			continue
		}
		lower[strings.ToLower(f.Name)] = f.Name
		c.files[f.Name] = f
		c.meter.total += f.UncompressedSize64
	}
	if zr.Comment != "" {
		found = append(found, Finding{"", "the zip has a comment, which nothing signs", doAskAgain})
	}
	// Only when nothing is wrong so far do the bytes between files say more.
	if len(found) == 0 {
		if err := c.layout(zr.File); err != nil {
			found = append(found, Finding{"", "the zip holds more than its files: " + err.Error(), doNotUnpack})
		}
	}
	return c, found, nil
}

// suspicious returns what is wrong with an entry.
func suspicious(f *zip.File) string {
	switch {
	case !fs.ValidPath(f.Name) || strings.ContainsAny(f.Name, "\\:") || strings.ContainsFunc(f.Name, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return "its name is not one that a pack can have: unpacking it could write outside of its folder"
	case !f.Mode().IsRegular():
		return "it is not a regular file: a link or a folder can point anywhere"
	case f.Method != zip.Deflate && f.Method != zip.Store:
		return fmt.Sprintf("it is compressed by method %d, which packs do not use", f.Method)
	case f.Flags&1 != 0:
		return "it is encrypted"
	case f.UncompressedSize64 > 1<<16 && f.UncompressedSize64/1040 > f.CompressedSize64:
		return "it says that it unpacks to more than the compression can hold" // deflate makes at most 1032 of 1
	case !known(f.Name):
		return "no pack has such a file"
	}
	return ""
}

// known reports whether a pack of this format can have the file.
func known(name string) bool {
	switch name {
	case "README.html", "report.pdf", "workbook.xlsx", "controls.csv", "rejects.csv", "VERIFY.md", "SHA256SUMS",
		"manifest.json", "manifest.sig", "coverage/intervals.csv", "coverage/gaps.csv", "coverage/days.csv",
		"ledger/records.jsonl", "ledger/earlier-leaves", "ledger/earlier.jsonl", "ledger/checkpoint", "ledger/verify.py",
		"events/rejects.jsonl":
		return true
	}
	if seq, ok := strings.CutPrefix(name, "ledger/key-checkpoints/"); ok {
		n, err := strconv.ParseUint(seq, 10, 62)
		return err == nil && strconv.FormatUint(n, 10) == seq
	}
	section, ok := strings.CutPrefix(name, "events/")
	if ok {
		section, ok = strings.CutSuffix(section, ".jsonl")
	} else if section, ok = strings.CutPrefix(name, "sections/"); ok {
		section, ok = strings.CutSuffix(section, ".csv")
	}
	return ok && (section == Own || event.Section(section).Known())
}

// optional reports whether a pack of this format may be without the file.
func optional(name string) bool { return name == "report.pdf" || name == "workbook.xlsx" }

// read returns a small file whole.
func (c *container) read(name string, limit int64) ([]byte, error) {
	f := c.files[name]
	if f == nil {
		return nil, errMissing
	}
	if f.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", f.UncompressedSize64, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("it cannot be unpacked: %w", err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("it cannot be unpacked: %w", err)
	}
	return b, nil
}
