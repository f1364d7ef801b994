package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A position is what the file of this name holds: what was read and committed.
type position struct {
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

func (s *Spool) positionPath() string { return filepath.Join(s.o.Dir, "position") }

// loadPosition reads the file; false: there is none that can be read.
func (s *Spool) loadPosition() (bool, error) {
	b, err := os.ReadFile(s.positionPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("spool: %w", err)
	}
	if err := json.Unmarshal(b, &s.position); err != nil {
		s.o.Log.Error("spool: its position cannot be read; all that is in it is handed in again, which adds nothing twice", "error", err)
		s.position = position{}
		return false, nil
	}
	s.noted = s.position.Refused
	return true, nil
}

// save writes the position, whole or not at all.
func (s *Spool) save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	p := s.position
	s.mu.Unlock()
	b, err := json.Marshal(p)
	if err == nil {
		err = replaceFile(s.positionPath(), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("spool: save the position: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted = p.Refused
	return nil
}

func replaceFile(path string, b []byte) error {
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(path+".new", path), syncDir(filepath.Dir(path)))
}

// syncDir makes a change of names survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
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
