package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"exhibit/internal/disk"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A position is what was read and committed. It is kept in two files that take turns
// and are written over in place: one of them is always whole, and a disk that is full
// does not keep the spool from being emptied. Each holds two lines, the CRC-32C of the
// second one and that one; what is behind them is of no meaning.
type position struct {
	Saved     uint64         `json:"saved"` // how often; the file with more is the newer one
	Committed uint64         `json:"committed"`
	State     jsontext.Value `json:"state,omitzero"`   // of the reader, as of Committed
	Refused   []string       `json:"refused,omitzero"` // sources that were turned away since their last request
}

func (p *position) refuse(name string) {
	if !p.refused(name) {
		p.Refused = append(slices.Clone(p.Refused), name)
	}
}

func (p *position) refused(name string) bool { return slices.Contains(p.Refused, name) }

func (p *position) taken(name string) {
	if p.refused(name) {
		p.Refused = slices.DeleteFunc(slices.Clone(p.Refused), func(n string) bool { return n == name })
	}
}

func (s *Spool) positionPath(i uint64) string {
	return filepath.Join(s.o.Dir, fmt.Sprint("position-", i%2))
}

// positionRoom is what a position file takes at least: it can grow without more room.
const positionRoom = 16 << 10

// loadPosition reads the newer file and makes those that are missing; false: there was
// none that can be read.
func (s *Spool) loadPosition() (known bool, err error) {
	damaged := false
	for i := range uint64(2) {
		b, err := os.ReadFile(s.positionPath(i))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("spool: %w", err)
		}
		var p position
		switch err := p.parse(b); {
		case err == nil && (!known || p.Saved > s.position.Saved):
			s.position, known = p, true
		case err != nil && len(bytes.Trim(b, "\n")) > 0:
			damaged = true // the one that was being written when the process ended, or worse
		}
	}
	if damaged && !known {
		s.o.Log.Error("spool: its position cannot be read; all that is in it is handed in again, which adds nothing twice")
	}
	s.noted = s.position.Refused
	for i := range uint64(2) {
		f, err := os.OpenFile(s.positionPath(i), os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
		info, err := f.Stat()
		if err == nil && info.Size() < positionRoom {
			_, err = f.WriteAt(bytes.Repeat([]byte("\n"), int(positionRoom-info.Size())), info.Size())
		}
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return false, fmt.Errorf("spool: %w", err)
		}
	}
	return known, disk.SyncDir(s.o.Dir)
}

func (p *position) parse(b []byte) error {
	sum, rest, _ := bytes.Cut(b, []byte("\n"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if string(sum) != checksum(line) {
		return errors.New("spool: the position is damaged")
	}
	return json.Unmarshal(line, p)
}

func checksum(line []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(line, castagnoli())) }

// save writes the position over the older one.
func (s *Spool) save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	p := s.copied()
	s.mu.Unlock()
	line, err := json.Marshal(p)
	if err == nil {
		err = overwrite(s.positionPath(p.Saved), fmt.Appendf(nil, "%s\n%s\n", checksum(line), line))
	}
	if err != nil {
		return fmt.Errorf("spool: save the position: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted = p.Refused
	return nil
}

// copied returns the position that is written next. The caller holds mu.
func (s *Spool) copied() position {
	s.position.Saved++
	p := s.position
	s.noted = slices.DeleteFunc(slices.Clone(s.noted), func(name string) bool { return !p.refused(name) })
	return p
}

// overwrite writes over the beginning of a file.
func overwrite(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// State returns what the last Commit kept beside its mark.
func (s *Spool) State() jsontext.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.position.State
}

// Commit says that everything up to the mark of an entry is in the ledger, and keeps
// the state of the reader with it. Segments that are no longer needed are deleted.
// After a crash before it, entries come again from the Commit before on.
func (s *Spool) Commit(mark uint64, state jsontext.Value) error {
	s.mu.Lock()
	moved := mark - s.position.Committed
	s.position.Committed, s.position.State = mark, state
	s.out.add(s.o.Now(), float64(moved))
	s.mu.Unlock()
	if err := s.save(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.segments) > 0 {
		first := s.segments[0]
		if first.open || first.last > mark || first == s.reader.segment {
			break
		}
		if err := os.Remove(first.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("spool: delete a segment: %w", err)
		}
		s.segments, s.used = s.segments[1:], s.used-uint64(first.size)
	}
	if s.used <= s.o.Max-s.o.Max/8 && !s.status.Full.IsZero() {
		s.roomy()
	}
	return nil
}
