package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
)

// A faulty file does something else than it should.
type faulty struct {
	file
	sync, truncate func() error // nil: as the file does
}

func (f *faulty) Sync() error {
	if f.sync != nil {
		if err := f.sync(); err != nil {
			return err
		}
	}
	return f.file.Sync()
}

func (f *faulty) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate()
	}
	return f.file.Truncate(size)
}

func openIn(t *testing.T, dir string, now func() time.Time) *Spool {
	t.Helper()
	s, err := Open(Options{Dir: dir, Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func add(t *testing.T, s *Spool, texts ...string) (uint64, error) {
	var list []source.Record
	for _, text := range texts {
		list = append(list, source.Record{Raw: []byte(text)})
	}
	return s.Append(t.Context(), "a", list)
}

// tell reads what is there, and commits each entry before it reads the next.
func tell(t *testing.T, s *Spool) string {
	t.Helper()
	var out []string
	for {
		e, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if e == nil {
			return strings.Join(out, "; ")
		}
		text := fmt.Sprint(e.Mark)
		for _, r := range e.Records {
			text += " " + string(r.Raw)
		}
		if e.Lost > 0 {
			text += fmt.Sprint(" lost ", e.Lost)
		}
		if e.Refused {
			text += " refused"
		}
		out = append(out, text)
		if err := s.Commit(e.Mark, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// What is turned away while a request is on its way came later than it: the request
// behind it says so.
func TestRefusedDuringAppend(t *testing.T) {
	var s *Spool
	refuse := false
	now := func() time.Time {
		if refuse {
			refuse = false
			s.Refused("a")
		}
		return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	}
	s = openIn(t, filepath.Join(t.TempDir(), "spool"), now)
	must := func(text string) {
		t.Helper()
		if _, err := add(t, s, text); err != nil {
			t.Fatal(err)
		}
	}
	must("first")
	// The writing goroutine has answered and waits: nobody else looks at the file.
	f := &faulty{file: s.active, sync: func() error { s.Refused("a"); return nil }}
	s.active = f
	must("synced")
	f.sync = nil
	must("behind it")
	must("all is well")
	refuse = true // as soon as it has come
	must("on its way")
	must("behind it")
	must("all is well")
	if got, want := tell(t, s), "1 first; 2 synced; 3 behind it refused; 4 all is well; 5 on its way refused; 6 behind it refused; 7 all is well"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A refusal that comes while the position is written without it is on disk when Refused
// returns.
func TestRefusedDuringSave(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := openIn(t, dir, time.Now)
	s.Refused("a")
	if _, err := add(t, s, "first"); err != nil {
		t.Fatal(err)
	}
	s.saving.Lock() // a save is under way, and has taken its copy
	s.mu.Lock()
	s.copied()
	s.mu.Unlock()
	s.saving.Unlock()
	s.Refused("a")
	again := &Spool{o: s.o}
	if _, err := again.loadPosition(); err != nil {
		t.Fatal(err)
	}
	if again.position.Saved != s.position.Saved || !again.position.refused("a") {
		t.Errorf("on disk is %+v, after %d", again.position, s.position.Saved)
	}
}

// A group that the disk neither keeps nor gives back does not hide what is answered
// after it.
func TestLeftBehind(t *testing.T) {
	broken := func() error { return errors.New("the disk fails") }
	once := func() func() error {
		failed := false
		return func() error {
			if failed {
				return nil
			}
			failed = true
			return broken()
		}
	}
	tests := []struct {
		name           string
		sync, truncate func() error
		live, crashed  string
	}{
		{"cut off", once(), nil, "1 one; 2 answered", "1 one; 2 answered"},
		{"not cut off", once(), broken, "1 one; 4 lost 3; 5 answered", "1 one; 4 left behind it; 5 answered"},
		{"nobody knows", broken, nil, "1 one; 4 lost 3; 5 answered", "1 one; 4 lost 3; 5 answered"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "spool")
			s := openIn(t, dir, time.Now)
			if _, err := add(t, s, "one"); err != nil {
				t.Fatal(err)
			}
			s.active = &faulty{s.active, tt.sync, tt.truncate}
			if _, err := add(t, s, "left", "behind", "it"); err == nil {
				t.Fatal("no error")
			}
			mark, err := add(t, s, "answered")
			if err != nil {
				t.Fatal(err)
			}
			crashed := filepath.Join(t.TempDir(), "crashed")
			if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			for what, want := range map[*Spool]string{s: tt.live, openIn(t, crashed, time.Now): tt.crashed} {
				if got := strings.ReplaceAll(tell(t, what), " refused", ""); got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
				if what.Committed() < mark {
					t.Errorf("committed %d, answered %d", what.Committed(), mark)
				}
			}
		})
	}
}
