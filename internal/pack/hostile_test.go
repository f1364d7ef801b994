package pack_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"exhibit/internal/pack"

	"github.com/klauspost/compress/flate"
)

// entry is one file of a zip made by hand.
type entry struct {
	zip.FileHeader
	content []byte
}

func zipOf(t testing.TB, comment string, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, e := range entries {
		if e.Method == 0 {
			e.Method = zip.Deflate
		}
		w, err := zw.CreateHeader(&e.FileHeader)
		if err == nil {
			_, err = w.Write(e.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.SetComment(comment); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostileZip(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	list := func() (entries []entry) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			entries = append(entries, entry{FileHeader: zip.FileHeader{Name: name}, content: files[name]})
		}
		return entries
	}
	named := func(name string) func() []byte {
		return func() []byte {
			e := entry{FileHeader: zip.FileHeader{Name: name}, content: []byte("x")}
			if strings.HasSuffix(name, "/") {
				e.content = nil
			}
			return zipOf(t, "", append(list(), e))
		}
	}
	link := entry{FileHeader: zip.FileHeader{Name: "report.pdf"}, content: []byte("/etc/passwd")}
	link.SetMode(fs.ModeSymlink | 0o777)
	tests := []struct {
		name string
		zip  func() []byte
		file string
		what string
	}{
		{"twice", named("events/logins.jsonl"), "events/logins.jsonl", "there is also"},
		{"other case", named("EVENTS/logins.jsonl"), "EVENTS/logins.jsonl", "no pack has"},
		{"absolute", named("/etc/passwd"), "/etc/passwd", "its name"},
		{"outside", named("../x"), "../x", "its name"},
		{"outside, from below", named("events/../../x"), "events/../../x", "its name"},
		{"backslashes", named(`events\x`), `events\x`, "its name"},
		{"drive", named(`C:x`), `C:x`, "its name"},
		{"control", named("events/\x1b[2Jx"), "events/\x1b[2Jx", "its name"},
		{"folder", named("events/"), "events/", "its name"},
		{"empty name", named(""), "", "its name"},
		{"number with zeros", named("ledger/key-checkpoints/007"), "ledger/key-checkpoints/007", "no pack has"},
		{"other ledger file", named("ledger/more"), "ledger/more", "no pack has"},
		{"link", func() []byte { return zipOf(t, "", append(list(), link)) }, "report.pdf", "not a regular file"},
		{"comment", func() []byte { return zipOf(t, "read me", list()) }, "", "comment"},
		{"bytes in front", func() []byte { return append([]byte("#!/bin/sh\nexit\n"), zipOf(t, "", list())...) }, "", "more than its files"},
		{"bytes between", func() []byte { return between(t, whole) }, "", "more than its files"},
		{"extra field", func() []byte {
			entries := list()
			entries[0].Extra = append([]byte{0xfe, 0xca, 200, 0}, make([]byte, 200)...)
			return zipOf(t, "", entries)
		}, "", "more than its files"},
		{"unknown method", func() []byte {
			i := bytes.LastIndex(whole, []byte("PK\x01\x02")) // of the last entry of the directory
			b := slices.Clone(whole)
			b[i+10] = 99
			return b
		}, "", ""},
		{"bomb", func() []byte { return bomb(t, files) }, "report.pdf", "than the compression can hold"},
		{"directory that names another file", func() []byte {
			return bytes.Replace(slices.Clone(whole), []byte("README.html"), []byte("README.htmL"), 1)
		}, "", "more than its files"},
		{"corrupt data", func() []byte {
			b := slices.Clone(whole)
			i := bytes.Index(b, []byte("events/logins.jsonl"))
			for string(b[i-30:i-26]) != "PK\x03\x04" { // the name may stand elsewhere too
				i += 1 + bytes.Index(b[i+1:], []byte("events/logins.jsonl"))
			}
			for j := range 64 {
				b[i+200+j] ^= 0x55
			}
			return b
		}, "events/logins.jsonl", "cannot be unpacked"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := verify(t, tt.zip(), l.keys[0].public)
			if tt.what == "" {
				if res.OK {
					t.Error("said to be good")
				}
				return
			}
			mustFind(t, res, tt.file, tt.what)
		})
	}
	for _, cut := range []int{0, 1, 100, len(whole) / 2, len(whole) - 1} {
		if _, err := pack.Verify(t.Context(), bytes.NewReader(whole[:cut]), int64(cut), pack.Options{Key: l.keys[0].public}); err == nil {
			t.Errorf("a pack cut to %d bytes gave no error", cut)
		}
	}
}

// between puts bytes between two files, where no directory looks.
func between(t testing.TB, whole []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	in, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	zw := zip.NewWriter(&b)
	for i, f := range in.File {
		r, err := f.OpenRaw()
		if err != nil {
			t.Fatal(err)
		}
		w, err := zw.CreateRaw(&f.FileHeader)
		if err == nil {
			_, err = io.Copy(w, r)
		}
		if i == 3 && err == nil {
			_, err = io.WriteString(w, "hidden") // more than the header says
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb adds a file that says it is a terabyte.
func bomb(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b, packed bytes.Buffer
	fw, err := flate.NewWriter(&packed, 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fw.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := fw.Close(); err != nil {
		t.Fatal(err)
	}
	zw := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := zw.Create(name)
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := zw.CreateRaw(&zip.FileHeader{Name: "report.pdf", Method: zip.Deflate, CompressedSize64: uint64(packed.Len()), UncompressedSize64: 1 << 40})
	if err == nil {
		_, err = w.Write(packed.Bytes())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
