package spool_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A process that ends in the middle of a write leaves a torn tail. It was never
// answered; it is cut off, wherever it ends, and what came before is all there.
func TestTornTail(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	p.add(s, "a", "one", "two")
	p.add(s, "a", "three")
	image := read(t, p.files()[0]) // synced, without the frame that Close writes
	p.add(s, "b", "torn", "off")
	whole := read(t, p.files()[0])
	name := filepath.Base(p.files()[0])
	p.close(s)
	for end := len(image); end <= len(whole); end++ {
		for _, tail := range []string{"", strings.Repeat("\x00", 50*(end%3))}[end%2:] {
			p := newPlace(t)
			write(t, filepath.Join(p.o.Dir, name), append(whole[:end:end], tail...))
			s := p.open()
			p.add(s, "c", "next")
			got := words(p.drain(s))
			if end < len(whole) && got != "2 a: one two; 3 a: three; 4 c: next" || end == len(whole) && got != "2 a: one two; 3 a: three; 5 b: torn off; 6 c: next" {
				t.Fatalf("cut at %d of %d with %d more: %s", end, len(whole), len(tail), got)
			}
			if torn := end > len(image) && end < len(whole) || tail != ""; torn != strings.Contains(p.log.String(), "half written") {
				t.Errorf("cut at %d: the log says %q", end, p.log.String())
			}
			p.close(s)
		}
	}
}

// Damage in the middle is handed out, and reading goes on behind it.
func TestDamage(t *testing.T) {
	p := newPlace(t)
	p.o.Segment = 4 << 10
	s := p.open()
	p.add(s, "a", "first")
	p.add(s, "a", "second one", "second two", "second three")
	p.add(s, "b", "third")
	p.close(s)
	s = p.open()
	p.add(s, "a", "fourth")
	p.close(s)
	if len(p.files()) != 2 {
		t.Fatalf("files %v", p.files())
	}
	good := read(t, p.files()[0])
	at := func(text string) int { return bytes.Index(good, []byte(text)) }
	const fixed, row = 38, 28
	// Where the frame of the second request begins.
	second := at("second one") - 3*row - len("a") - fixed
	third := at("third") - row - len("b") - fixed
	tests := []struct {
		name   string
		change func(b []byte) []byte
		want   string
	}{
		{"nothing", func(b []byte) []byte { return b }, "1 a: first; 4 a: second one second two second three; 5 b: third; 6 a: fourth"},
		{"a record", flip(at("second two")), "1 a: first; 4 a: second one second three damage(10); 5 b: third; 6 a: fourth"},
		{"all records", flip(at("second one"), at("second two"), at("second three")),
			"1 a: first; 4 a: damage(10) damage(10) damage(12); 5 b: third; 6 a: fourth"},
		{"a table", flip(at("second one") - 40), "1 a: first; 1 : damage(155); 4 : lost 3; 5 b: third; 6 a: fourth"},
		{"a key", flip(second), "1 a: first; 1 : damage(155); 4 : lost 3; 5 b: third; 6 a: fourth"},
		{"a length", flip(second + 27), "1 a: first; 1 : damage(155); 4 : lost 3; 5 b: third; 6 a: fourth"},
		{"two frames", flip(second, third), "1 a: first; 1 : damage(227); 5 : lost 4; 6 a: fourth"},
		{"the first frame", flip(0), "0 : damage(72); 1 : lost 1; 4 a: second one second two second three; 5 b: third; 6 a: fourth"},
		{"the end", flip(len(good) - 1), "1 a: first; 4 a: second one second two second three; 5 b: third; 5 : damage(38); 6 a: fourth"},
		{"a hole", func(b []byte) []byte { return append(b[:second], b[third:]...) }, "1 a: first; 4 : lost 3; 5 b: third; 6 a: fourth"},
		{"a cut", func(b []byte) []byte { return b[:at("second two")+3] },
			"1 a: first; 4 a: second one damage(3) damage(0); 5 : lost 1; 6 a: fourth"},
		{"everything", func(b []byte) []byte { return make([]byte, len(b)) }, fmt.Sprintf("0 : damage(%d); 5 : lost 5; 6 a: fourth", len(good))},
		{"all of it gone", func(b []byte) []byte { return nil }, "5 : lost 5; 6 a: fourth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := newPlace(t)
			for i, f := range p.files() {
				b := read(t, f)
				if i == 0 {
					b = tt.change(b)
				}
				write(t, filepath.Join(q.o.Dir, filepath.Base(f)), b)
			}
			s := q.open()
			want(t, words(q.drain(s)), tt.want)
		})
	}
}

func flip(at ...int) func([]byte) []byte {
	return func(b []byte) []byte {
		for _, i := range at {
			b[i] ^= 0x40
		}
		return b
	}
}

// Damage in what was closed in order is damage even at the end of the last file: only
// a crash leaves something half written.
func TestDamageBeforeTheEnd(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	p.add(s, "a", "first")
	p.add(s, "a", "last")
	p.close(s)
	b := read(t, p.files()[0])
	b[bytes.Index(b, []byte("last"))] ^= 1
	write(t, p.files()[0], b)
	s = p.open()
	want(t, words(p.drain(s)), "1 a: first; 2 a: damage(4)")
}

// A file that is gone is missed; without a position the first file is where it begins.
func TestMissingFiles(t *testing.T) {
	p := newPlace(t)
	p.o.Segment = 4 << 10
	for i := range 3 {
		s := p.open()
		p.add(s, "a", fmt.Sprint("n", i))
		if i == 0 {
			p.drain(s)
			if err := s.Commit(1, nil); err != nil {
				t.Fatal(err)
			}
		}
		p.close(s)
	}
	files := p.files() // the first went with its commit, or with the next
	gone := files[len(files)-2]
	b := read(t, gone)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	s := p.open()
	want(t, words(p.drain(s)), "2 : lost 1; 3 a: n2")
	p.close(s)
	write(t, gone, b)
	for _, name := range []string{"position-0", "position-1"} {
		write(t, filepath.Join(p.o.Dir, name), []byte("{"))
	}
	s = p.open()
	got := words(p.drain(s))
	if !strings.HasSuffix(got, "2 a: n1; 3 a: n2") || !strings.Contains(p.log.String(), "position cannot be read") {
		t.Errorf("%s; log %s", got, p.log.String())
	}
}

// What was committed before a restart is not read again, and damage in it is nobody's
// business.
func TestDamageOfTheCommitted(t *testing.T) {
	p := newPlace(t)
	s := p.open()
	p.add(s, "a", "first")
	p.add(s, "a", "second")
	p.add(s, "a", "third")
	p.drain(s)
	if err := s.Commit(2, nil); err != nil {
		t.Fatal(err)
	}
	p.close(s)
	write(t, p.files()[0], flip(0)(read(t, p.files()[0])))
	s = p.open()
	want(t, words(p.drain(s)), "3 a: third")
}

// FuzzSegment: whatever happens to a segment, nothing comes that was not appended,
// nothing twice, and what does not come is named, unless it is a tail that a crash
// could have torn.
func FuzzSegment(f *testing.F) {
	f.Add(uint16(0), uint16(0), []byte{}, false)
	f.Add(uint16(100), uint16(30), []byte("xxxx"), true)
	f.Add(uint16(60), uint16(1), []byte{0}, false)
	f.Add(uint16(40), uint16(2000), []byte(nil), true)
	p := newPlace(f)
	s := p.open()
	var all []string
	for i := range 6 {
		texts := []string{fmt.Sprint("record ", i), strings.Repeat("x", i*7)}
		p.add(s, fmt.Sprint("s", i%2), texts...)
		all = append(all, texts...)
	}
	path := p.files()[0]
	images := map[bool][]byte{false: read(f, path)}
	p.close(s)
	images[true] = read(f, path)
	f.Fuzz(func(t *testing.T, from, n uint16, splice []byte, closed bool) {
		b := images[closed]
		key := b[:8:8]
		at := min(int(from), len(b))
		end := min(at+int(n), len(b))
		changed := slices.Concat(b[:at], splice, b[end:])
		if bytes.Contains(splice, key[:4]) {
			t.Skip("nobody can guess the key")
		}
		p := newPlace(t)
		write(t, filepath.Join(p.o.Dir, filepath.Base(path)), changed)
		s := p.open()
		var got []string
		named := strings.Contains(p.log.String(), "half written")
		for _, e := range p.drain(s) {
			named = named || e.Lost > 0 || len(e.Damage) > 0
			for _, r := range e.Records {
				got = append(got, string(r.Raw))
			}
		}
		i := 0
		for _, text := range got {
			for i < len(all) && all[i] != text {
				i++
			}
			if i == len(all) {
				t.Fatalf("came %q of %q", got, all)
			}
			i++
		}
		if suffix := slices.Equal(got, all[:len(got)]); len(got) < len(all) && !named && !suffix {
			t.Fatalf("came only %q, and nothing is said", got)
		}
	})
}
