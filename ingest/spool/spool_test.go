package spool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"exhibit/ingest/source"
	. "exhibit/ingest/spool"
)

// A place is a directory that spools are opened on.
type place struct {
	t   testing.TB
	o   Options
	now time.Time
	log strings.Builder
}

func newPlace(t testing.TB) *place {
	p := &place{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var mu sync.Mutex
	p.o = Options{Dir: filepath.Join(t.TempDir(), "spool"), Max: 1 << 20, Log: slog.New(slog.NewTextHandler(&p.log, nil)),
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return p.now
		}}
	return p
}

func (p *place) open() *Spool {
	p.t.Helper()
	s, err := Open(p.o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.close(s) })
	return s
}

func (p *place) close(s *Spool) {
	p.t.Helper()
	if err := s.Close(); err != nil {
		p.t.Error(err)
	}
}

// files returns the segments of the directory, oldest first.
func (p *place) files() []string {
	p.t.Helper()
	list, err := filepath.Glob(filepath.Join(p.o.Dir, "*.spool"))
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func (p *place) records(texts ...string) (list []source.Record) {
	for i, text := range texts {
		r := source.Record{Raw: []byte(text), Received: p.now}
		if i%2 == 1 {
			r.Transport = p.now.Add(-time.Duration(i) * time.Millisecond)
		}
		list = append(list, r)
	}
	return list
}

func (p *place) add(s *Spool, name string, texts ...string) uint64 {
	p.t.Helper()
	mark, err := s.Append(p.t.Context(), name, p.records(texts...))
	if err != nil {
		p.t.Fatal(err)
	}
	return mark
}

// drain reads everything that is there now.
func (p *place) drain(s *Spool) (list []Entry) {
	p.t.Helper()
	for {
		e, err := s.Next()
		if err != nil {
			p.t.Fatal(err)
		}
		if e == nil {
			return list
		}
		c := *e
		c.Records, c.Damage = nil, nil
		for _, r := range e.Records {
			r.Raw = slices.Clone(r.Raw)
			c.Records = append(c.Records, r)
		}
		for _, b := range e.Damage {
			c.Damage = append(c.Damage, slices.Clone(b))
		}
		list = append(list, c)
	}
}

// words tells entries in short.
func words(list []Entry) string {
	var out []string
	for _, e := range list {
		text := fmt.Sprintf("%d %s:", e.Mark, e.Name)
		for _, r := range e.Records {
			text += " " + string(r.Raw)
		}
		for _, d := range e.Damage {
			text += fmt.Sprintf(" damage(%d)", len(d))
		}
		if e.Lost > 0 {
			text += fmt.Sprintf(" lost %d", e.Lost)
		}
		if e.Refused {
			text += " refused"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWhatIsAppendedComesBack(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	if mark := p.add(s, "a", "one", "two", ""); mark != 3 {
		t.Errorf("mark %d, want 3", mark)
	}
	if mark := p.add(s, "b"); mark != 4 { // a heartbeat has a number too
		t.Errorf("mark %d, want 4", mark)
	}
	p.add(s, "a", "three")
	list := p.drain(s)
	want(t, words(list), "3 a: one two ; 4 b:; 5 a: three")
	if !reflect.DeepEqual(list[0].Records, p.records("one", "two", "")) || !list[1].At.Equal(p.now) {
		t.Errorf("records are not as they were: %+v", list)
	}
	if err := s.Commit(3, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if s.Committed() != 3 {
		t.Errorf("committed %d, want 3", s.Committed())
	}
	p.close(s)
	// After a restart everything since the last Commit comes again.
	s = p.open()
	want(t, words(p.drain(s)), "4 b:; 5 a: three")
	want(t, string(s.State()), `{"a":1}`)
	p.add(s, "a", "four")
	want(t, words(p.drain(s)), "6 a: four")
	if err := s.Commit(6, nil); err != nil {
		t.Fatal(err)
	}
	p.close(s)
	s = p.open()
	want(t, words(p.drain(s)), "")
	if mark := p.add(s, "a", "five"); mark != 7 {
		t.Errorf("mark %d, want 7", mark)
	}
	if err := s.Commit(7, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "", nil); err == nil {
		t.Error("a source without a name was taken")
	}
	p.close(s)
	if _, err := s.Append(t.Context(), "a", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(ctx, "a", nil); err == nil {
		t.Error("after Close and with an ended context: no error")
	}
}

// Many senders at once: all of what was answered is there, in the order of marks.
func TestAppendTogether(t *testing.T) {
	p := newPlace(t)
	p.o.Max, p.o.Segment = 64<<20, 16<<10
	s := p.open()
	const senders, requests = 16, 60
	marks := make([][]uint64, senders)
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			for n := range requests {
				mark, err := s.Append(t.Context(), fmt.Sprint("s", i), p.records(fmt.Sprintf("%d/%d", i, n), strings.Repeat("x", i*n)))
				if err != nil {
					t.Error(err)
				}
				marks[i] = append(marks[i], mark)
			}
		})
	}
	group.Wait()
	seen := make([]int, senders)
	var before uint64
	for _, e := range p.drain(s) {
		var i, n int
		if _, err := fmt.Sscanf(string(e.Records[0].Raw), "%d/%d", &i, &n); err != nil || e.Name != fmt.Sprint("s", i) {
			t.Fatalf("entry %+v", e)
		}
		if n != seen[i] || marks[i][n] != e.Mark || e.Mark != before+2 || len(e.Records[1].Raw) != i*n {
			t.Fatalf("sender %d: request %d where %d is due; mark %d after %d", i, n, seen[i], e.Mark, before)
		}
		seen[i]++
		before = e.Mark
	}
	if before != senders*requests*2 {
		t.Errorf("%d records came back, want %d", before, senders*requests*2)
	}
	if n := len(p.files()); n < 5 {
		t.Fatalf("%d segments", n)
	}
	if err := s.Commit(before, nil); err != nil {
		t.Fatal(err)
	}
	if n := len(p.files()); n != 1 {
		t.Errorf("%d segments are left", n)
	}
}

func TestFull(t *testing.T) {
	p := newPlace(t)
	p.o.Max = 64 << 10
	s := p.open()
	text := strings.Repeat("x", 1000)
	var full *FullError
	n := 0
	for ; full == nil; n++ {
		if _, err := s.Append(t.Context(), "a", p.records(text)); err != nil && !errors.As(err, &full) {
			t.Fatal(err)
		}
	}
	if !full.Since.Equal(p.now) || full.RetryAfter <= 0 || full.Disk {
		t.Errorf("%+v", full)
	}
	since := p.now
	p.now = p.now.Add(time.Hour)
	if _, err := s.Append(t.Context(), "b", p.records(text)); !errors.As(err, &full) || !full.Since.Equal(since) {
		t.Errorf("an hour later: %v", err)
	}
	if st := s.Status(); !st.Full.Equal(since) || st.Waiting != uint64(n-1) || st.Used > st.Max || st.Used < st.Max-3000 {
		t.Errorf("status %+v", st)
	}
	if _, err := s.Append(t.Context(), "a", p.records(strings.Repeat("x", 65<<10))); !errors.Is(err, ErrTooLarge) {
		t.Errorf("more than the spool ever holds: %v", err)
	}
	p.close(s)
	// The crash of a full receiver does not make it forgotten whom it turned away.
	s = p.open()
	list := p.drain(s)
	if len(list) != n-1 {
		t.Fatalf("%d entries, want %d", len(list), n-1)
	}
	if err := s.Commit(list[n-2].Mark, nil); err != nil {
		t.Fatal(err)
	}
	p.add(s, "a", "again")
	p.add(s, "a", "and again")
	p.add(s, "c", "never refused")
	p.add(s, "b", "b again")
	want(t, words(p.drain(s)), fmt.Sprintf("%d a: again refused; %d a: and again; %d c: never refused; %d b: b again refused", n, n+1, n+2, n+3))
	if st := s.Status(); !st.Full.IsZero() || st.Waiting != 4 {
		t.Errorf("status %+v", st)
	}
}

func TestDiskNearlyFull(t *testing.T) {
	p := newPlace(t)
	room := uint64(10_000)
	p.o.MinFree, p.o.Free = 8_000, func() (uint64, error) { return room, nil }
	s := p.open()
	p.add(s, "a", "fits")
	var full *FullError
	if _, err := s.Append(t.Context(), "a", p.records(strings.Repeat("x", 3000))); !errors.As(err, &full) || !full.Disk {
		t.Errorf("%v", err)
	}
	if st := s.Status(); st.Full.IsZero() || !st.Disk {
		t.Errorf("status %+v", st)
	}
	room = 20_000
	p.add(s, "a", "fits again")
	want(t, words(p.drain(s)), "1 a: fits; 2 a: fits again refused")
	if st := s.Status(); !st.Full.IsZero() {
		t.Errorf("with room again: %+v", st)
	}
}

// The disk ends in the middle of a write: nothing of the request stays, and nothing of
// it is taken for damage later.
func TestDiskFull(t *testing.T) {
	p := newPlace(t)
	disk := filepath.Dir(p.o.Dir)
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	s := p.open()
	text := strings.Repeat("x", 5000)
	var full *FullError
	taken, refused := 0, 0
	for i := 0; refused < 3; i++ {
		// Sizes that do not end where the pages of the disk do.
		_, err := s.Append(t.Context(), "a", p.records(fmt.Sprint(i), text[:len(text)-i]))
		switch {
		case err == nil:
			taken++
		case errors.As(err, &full) && full.Disk:
			refused++
		default:
			t.Fatal(err)
		}
	}
	list := p.drain(s)
	if len(list) != taken || taken < 20 {
		t.Fatalf("%d of %d requests came", len(list), taken)
	}
	if err := s.Commit(list[taken-5].Mark, nil); err != nil {
		t.Fatal(err)
	}
	p.add(s, "a", "with room again")
	p.close(s)
	s = p.open()
	again := p.drain(s)
	if n := len(again); n != 5 || string(again[4].Records[0].Raw) != "with room again" || !again[4].Refused {
		t.Errorf("after a restart: %s", words(again))
	}
	p.close(s)
}

// A crash while the position is written leaves the one before.
func TestTornPosition(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	for i := range uint64(4) {
		p.add(s, "a", fmt.Sprint("n", i))
		p.drain(s)
		if err := s.Commit(i+1, []byte(fmt.Sprintf(`{"n":%d}`, i))); err != nil {
			t.Fatal(err)
		}
	}
	p.add(s, "a", "next")
	p.close(s)
	newest := filepath.Join(p.o.Dir, "position-0")
	image := read(t, newest)
	for n := 0; n < 60; n += 6 {
		write(t, newest, append(bytes.Repeat([]byte("x"), n+1), image[n+1:]...))
		s := p.open()
		if got, state := words(p.drain(s)), string(s.State()); got != "4 a: n3; 5 a: next" || state != `{"n":2}` {
			t.Fatalf("torn at %d: %s, state %s", n, got, state)
		}
		p.close(s)
	}
}

func write(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
