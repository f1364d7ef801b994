package ledger

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
)

// An Entry is a record line with the checkpoint that was signed after it.
type Entry struct {
	Record     string `json:"record"`
	Checkpoint string `json:"checkpoint"`
}

// A File is the copy of the ledger that the writer keeps beside its key, so that
// a database restored to an older state is noticed. One Entry per line, flushed to
// disk before Append returns. A last line without a newline is a write that the
// process did not survive: opening the file cuts it off.
type File struct {
	f       *os.File
	entries uint64
	whole   int64 // length of the entries in bytes
}

// OpenFile opens or makes the file and calls each with its entries in order.
func OpenFile(path string, each func(seq uint64, e Entry) error) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: open %s: %w", path, err)
	}
	file := &File{f: f}
	if err := file.load(path, each); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return file, syncDir(filepath.Dir(path))
}

func (file *File) load(path string, each func(uint64, Entry) error) error {
	r := bufio.NewReaderSize(file.f, 1<<20)
	var whole int64
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("ledger: read %s: %w", path, err)
		}
		var e Entry
		if err := json.Unmarshal(bytes.TrimSuffix(line, []byte("\n")), &e, json.RejectUnknownMembers(true)); err != nil {
			return fmt.Errorf("ledger: %s, line %d: %w", path, file.entries+1, err)
		}
		if err := each(file.entries, e); err != nil {
			return fmt.Errorf("ledger: %s, line %d: %w", path, file.entries+1, err)
		}
		whole += int64(len(line))
		file.entries++
	}
	if err := file.f.Truncate(whole); err != nil {
		return fmt.Errorf("ledger: cut %s: %w", path, err)
	}
	file.whole = whole
	return nil
}

// Len returns the number of entries.
func (file *File) Len() uint64 { return file.entries }

// Append writes entries and flushes them to disk. After an error none of them
// counts, and they can be appended again.
func (file *File) Append(entries ...Entry) error {
	var b []byte
	for _, e := range entries {
		line, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("ledger: encode entry: %w", err)
		}
		b = append(append(b, line...), '\n')
	}
	// At a place of our own choosing: what a failed attempt left is written over.
	if _, err := file.f.WriteAt(b, file.whole); err != nil {
		return fmt.Errorf("ledger: append to %s: %w", file.f.Name(), err)
	}
	if err := file.f.Sync(); err != nil {
		return fmt.Errorf("ledger: flush %s: %w", file.f.Name(), err)
	}
	file.entries += uint64(len(entries))
	file.whole += int64(len(b))
	return nil
}

// Close closes the file.
func (file *File) Close() error { return file.f.Close() }

// syncDir makes a new name in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
