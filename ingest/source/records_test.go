package source_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"exhibit/ingest/source"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

var wraps = []string{"data", "events", "hook.events"}

// cut returns the pieces of a file, records as they are and others as "reason!bytes".
func cut(t testing.TB, r io.Reader, limit int) (pieces []string, err error) {
	t.Helper()
	for p, e := range source.Records(r, source.RecordsOptions{Wraps: wraps, Limit: limit}) {
		if e != nil {
			if err != nil {
				t.Fatalf("a second error: %v", e)
			}
			err = e
			continue
		}
		if err != nil {
			t.Fatalf("a piece after the error: %q", p.Raw)
		}
		s := string(p.Raw)
		if p.Bad != "" {
			s = p.Bad + "!" + s
		}
		pieces = append(pieces, s)
	}
	return pieces, err
}

func TestRecords(t *testing.T) {
	a, b, c := `{"id":"a","x":[1,{"y":"]}\\\""}]}`, `{"id":"b"}`, `{"id":"c"}`
	pretty := "{\n  \"id\": \"p\",\n  \"n\": {\"m\": 1}\n}"
	all := []string{a, b, c}
	tests := []struct {
		name, in string
		want     []string
		err      string
	}{
		{"empty", "", nil, ""},
		{"blank", " \r\n\t\n", nil, ""},
		{"lines", a + "\n" + b + "\n" + c + "\n", all, ""},
		{"no last line end", a + "\n" + b + "\n" + c, all, ""},
		{"crlf, blanks and bom", "\ufeff\r\n" + a + "\r\n\r\n  " + b + " \r\n" + c, all, ""},
		{"one object", a, []string{a}, ""},
		{"one pretty object", pretty, []string{pretty}, ""},
		{"pretty objects", pretty + "\n" + pretty + pretty, []string{pretty, pretty, pretty}, ""},
		{"side by side", a + b + " " + c, all, ""},
		{"array", "[" + a + "," + b + " ,\n" + c + "]", all, ""},
		{"empty array", " [ ] ", nil, ""},
		{"arrays", "[" + a + "]\n[" + b + "," + c + "]", all, ""},
		{"pretty array", "[\n  " + pretty + ",\n  " + b + "\n]\n", []string{pretty, b}, ""},
		{"page", `{"data":[` + a + "," + b + "," + c + `],"pagination":{"next_page":null}}`, all, ""},
		{"page, frame first", `{"pagination":{"total":[3]},"n":1 , "data" : [` + a + "," + b + "," + c + `] }`, all, ""},
		{"pages line by line", `{"data":[` + a + "]}\n" + `{"data":[],"x":1}` + "\n" + `{"events":[` + b + "," + c + "]}\n", all, ""},
		{"pretty page", "{\n \"data\": [\n  " + a + ",\n  " + pretty + "\n ],\n \"pagination\": null\n}\n", []string{a, pretty}, ""},
		{"page in an object", `{"id":"h","hook":{"n":{},"events":[` + a + "," + b + `],"x":1},"y":{"events":[1]}}` + "\n" + `{"hook":{"events":[` + c + "]}}", all, ""},
		{"object without its page", `{"hook":{"x":[1]},"id":"h"}` + "\n" + b, []string{`{"hook":{"x":[1]},"id":"h"}`, b}, ""},
		{"cut in an object", `{"hook":{"events":[` + b + "]", []string{b}, "ends at byte"},
		{"data that is no list", `{"id":1,"data":{}}` + "\n" + b, []string{`{"id":1,"data":{}}`, b}, ""},
		{"array of other things", `[{"a":1},2,"x,]",null,[3]]`, []string{`{"a":1}`, "2", `"x,]"`, "null", "[3]"}, ""},

		{"text in lines", a + "\nhello\n" + b + "\n", []string{a, "hello", b}, ""},
		{"text first", "# comment\n" + a + "\n", []string{"# comment", a}, ""},
		{"log lines", "[INFO] x\n[WARN] y\n", []string{"[INFO] x", "[WARN] y"}, ""},
		{"broken first line", a[:9] + "\n" + b + "\n" + c + "\n", []string{a[:9], b, c}, ""},
		{"cut last line", a + "\n" + b[:5], []string{a, b[:5]}, ""},
		{"broken inside, brackets right", "[" + a + `,{"id":tru},` + b + "]", []string{a, `{"id":tru}`, b}, ""},
		{"broken array", "[" + a + "," + b + "; " + c + "]", []string{a, b, "not JSON!; " + c + "]"}, "broken at byte 45"},
		{"comma too many", "[" + b + ",," + c + "]", []string{b, "not JSON!," + c + "]"}, "broken at byte 12"},
		{"cut in a record", "[" + a + "," + b[:6], []string{a, "cut short!" + b[:6]}, "ends at byte"},
		{"cut after a record", "[" + a + ",", []string{a}, "ends at byte"},
		{"cut page", `{"data":[` + a + "]", []string{a}, "ends at byte"},
		{"page with broken frame", `{"data":[` + a + `] x}`, []string{a, "not JSON!x}"}, "neither a comma"},
		{"bracket too many", pretty + "}" + a, []string{pretty, "not JSON!}" + a}, "broken at byte"},
		{"utf-16", "\xff\xfe{\x00}\x00", nil, "UTF-16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readers := map[string]io.Reader{
				"at once": strings.NewReader(tt.in),
				"by byte": iotest.OneByteReader(strings.NewReader(tt.in)),
				"gzip":    bytes.NewReader(packGzip(t, tt.in)),
				"zstd":    bytes.NewReader(packZstd(t, tt.in)),
			}
			for name, r := range readers {
				got, err := cut(t, r, 0)
				if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
					t.Errorf("%s:\ngot  %q\nwant %q", name, got, tt.want)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%s: got error %v, want %q", name, err, tt.err)
				}
			}
		})
	}
}

func packGzip(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packZstd(t testing.TB, s string) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(s), nil)
}

// Records beyond the limit come as bad pieces with their size and hash, and the
// records beside them are not touched.
func TestRecordsTooLarge(t *testing.T) {
	small := `{"id":"s"}`
	huge := `{"id":"h","x":"` + strings.Repeat("0123456789abcdef", 3<<20/16) + `\"}{"}`
	for name, in := range map[string]string{
		"lines": small + "\n" + huge + "\n" + small + "\n",
		"array": "[" + small + "," + huge + "," + small + "]",
		"page":  `{"data":[` + small + "," + huge + "," + small + "]}",
	} {
		t.Run(name, func(t *testing.T) {
			var got []source.Piece
			for p, err := range source.Records(strings.NewReader(in), source.RecordsOptions{Wraps: wraps, Limit: 2 << 20}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, p)
			}
			if len(got) != 3 || string(got[0].Raw) != small || string(got[2].Raw) != small {
				t.Fatalf("got %d pieces, want small, huge, small", len(got))
			}
			p := got[1]
			if p.Bad != source.ReasonTooLarge || p.Size != int64(len(huge)) || p.SHA256 != sha256.Sum256([]byte(huge)) {
				t.Errorf("got %q, %d bytes, %x; want %d bytes", p.Bad, p.Size, p.SHA256, len(huge))
			}
			if len(p.Raw) != 1<<20 || !strings.HasPrefix(huge, string(p.Raw)) {
				t.Errorf("got %d bytes kept, want the first MiB", len(p.Raw))
			}
			if p.Offset != int64(strings.Index(in, huge)) {
				t.Errorf("got offset %d, want %d", p.Offset, strings.Index(in, huge))
			}
		})
	}
}

// A compressed file that is cut short yields what is whole, then says where it ends.
func TestRecordsCutCompressed(t *testing.T) {
	var in strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&in, `{"id":"%08x","n":%d}`+"\n", i*2654435761, i)
	}
	for name, packed := range map[string][]byte{"gzip": packGzip(t, in.String()), "zstd": packZstd(t, in.String())} {
		t.Run(name, func(t *testing.T) {
			half := len(packed) / 2
			pieces, err := cut(t, bytes.NewReader(packed[:half]), 0)
			if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), fmt.Sprintf("byte %d ", half)) {
				t.Errorf("got error %v, want the end at byte %d", err, half)
			}
			text := strings.Join(pieces, "\n")
			if n := len(pieces); n > 0 {
				text = strings.Replace(text, "cut short!", "", 1)
			}
			if !strings.HasPrefix(in.String(), text) {
				t.Errorf("the pieces are not the beginning of the file")
			}
			packed[half] ^= 0xff
			if _, err := cut(t, bytes.NewReader(packed), 0); err == nil {
				t.Errorf("a damaged file was read without an error")
			}
		})
	}
}

func TestRecordsReadError(t *testing.T) {
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader(event1+"\n"+event1[:20]), iotest.ErrReader(broken))
	pieces, err := cut(t, r, 0)
	if !errors.Is(err, broken) || len(pieces) != 2 || pieces[0] != event1 || pieces[1] != "cut short!"+event1[:20] {
		t.Errorf("got %q, error %v", pieces, err)
	}
}

// Raw stays valid, and the caller may stop at any time.
func TestRecordsStayValid(t *testing.T) {
	var in strings.Builder
	for i := range 50000 {
		fmt.Fprintf(&in, `{"id":%d,"pad":"%s"}`+"\n", i, strings.Repeat("x", i%97))
	}
	var got [][]byte
	for p, err := range source.Records(strings.NewReader(in.String()), source.RecordsOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Line != len(got)+1 {
			t.Fatalf("got line %d, want %d", p.Line, len(got)+1)
		}
		if want := in.String()[p.Offset:][:len(p.Raw)]; string(p.Raw) != want {
			t.Fatalf("offset %d: got %q, want %q", p.Offset, p.Raw, want)
		}
		got = append(got, p.Raw)
	}
	if all := string(bytes.Join(got, []byte("\n"))) + "\n"; all != in.String() {
		t.Error("records changed after they were handed over")
	}
	n := 0
	for range source.Records(strings.NewReader(in.String()), source.RecordsOptions{}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("got %d pieces, want 3", n)
	}
}

// However a file is cut, no byte outside white space gets lost in lines, and
// nothing comes twice.
func FuzzRecords(f *testing.F) {
	for _, s := range []string{"", event1, event1 + "\n" + event1, "[" + event1 + "," + event1 + "]", `{"data":[{}],"n":1}`,
		"{\n\"a\":1\n}\n{}", "[[{", "\x1f\x8b\x08", "(\xb5/\xfd", `{"data":[{"a":"\`, "}\n{"} {
		f.Add([]byte(s), 100)
	}
	f.Fuzz(func(t *testing.T, in []byte, limit int) {
		if limit < 1 || limit > 1<<20 {
			limit = 1 << 20
		}
		var end int64
		lines, pieces := false, 0
		for p, err := range source.Records(bytes.NewReader(in), source.RecordsOptions{Wraps: wraps, Limit: limit}) {
			if err != nil {
				continue
			}
			pieces++
			size := int64(len(p.Raw))
			if p.Bad != "" {
				size = p.Size
			}
			if size == 0 || p.Offset < end {
				t.Fatalf("piece of %d bytes at %d after one that ends at %d", size, p.Offset, end)
			}
			end = p.Offset + size
			lines = lines || p.Line > 0
		}
		if !lines || len(in) > 4 && (in[0] == 0x1f || in[0] == 0x28 || in[0]&0xf0 == 0x50) {
			return
		}
		want := 0
		for line := range bytes.SplitSeq(bytes.TrimPrefix(in, []byte("\ufeff")), []byte("\n")) {
			if len(bytes.Trim(line, " \t\r")) > 0 {
				want++
			}
		}
		if pieces != want {
			t.Fatalf("got %d pieces of %d lines: %q", pieces, want, in)
		}
	})
}

func BenchmarkRecords(b *testing.B) {
	line := event1 + strings.Repeat(" ", 1) + "\n"
	lines := strings.Repeat(strings.Replace(line, `"meta":null`, `"meta":{"pad":"`+strings.Repeat("x", 140)+`"}`, 1), 100000)
	array := "[" + strings.TrimRight(strings.ReplaceAll(lines, "\n", ","), ",") + "]"
	for name, in := range map[string]string{"lines": lines, "array": array} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range source.Records(strings.NewReader(in), source.RecordsOptions{Wraps: wraps}) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if n != 100000 {
					b.Fatalf("got %d records", n)
				}
			}
		})
	}
}

// Memory does not grow with the file, nor with one line of it.
func TestRecordsMemory(t *testing.T) {
	const size = 200 << 20
	pad := strings.Repeat("x", 1000)
	item := `{"id":"1","pad":"` + pad + `"}`
	n := int64(len("," + item))
	for name, file := range map[string]io.Reader{
		"lines":    io.LimitReader(&repeat{text: item + "\n"}, size),
		"array":    io.MultiReader(strings.NewReader("["+item), io.LimitReader(&repeat{text: "," + item}, size/n*n), strings.NewReader("]")),
		"one line": io.MultiReader(strings.NewReader(`{"a":"`), io.LimitReader(&repeat{text: pad}, size), strings.NewReader("\"}\n"+item)),
	} {
		t.Run(name, func(t *testing.T) {
			var m runtime.MemStats
			pieces, peak, read := 0, uint64(0), int64(0)
			for p, err := range source.Records(file, source.RecordsOptions{Wraps: wraps}) {
				if err != nil {
					t.Fatal(err)
				}
				if pieces++; pieces%20000 == 1 || p.Bad != "" {
					runtime.ReadMemStats(&m)
					peak = max(peak, m.HeapAlloc)
				}
				read = p.Offset
			}
			if read < size/2 || peak > 128<<20 {
				t.Errorf("got %d pieces, the last at byte %d, with %d MiB on the heap", pieces, read, peak>>20)
			}
		})
	}
}

// repeat is a text without end.
type repeat struct {
	text string
	at   int
}

func (r *repeat) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], r.text[r.at:])
		r.at = (r.at + c) % len(r.text)
		n += c
	}
	return n, nil
}

func TestRecordsZstdWindow(t *testing.T) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(128<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := io.WriteString(w, event1+"\n"); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if pieces, err := cut(t, &b, 0); len(pieces) != 0 || !errors.Is(err, zstd.ErrWindowSizeExceeded) || !strings.Contains(err.Error(), "without --long") {
		t.Errorf("got %d pieces, error %v", len(pieces), err)
	}
}

// An object that says what was done is a record, whatever it lists: what is around the
// records of a page is not kept.
func TestRecordsNotPages(t *testing.T) {
	for _, name := range []string{"json", "terracotta"} {
		k := kind(t, name)
		for raw, want := range map[string]int{
			`{"action":"order.update","user":"ann","items":[{"name":"bolt"},{"name":"nut"}]}`:       1,
			`{"entries":[],"user":"ann","event_type":"user.login"}`:                                 1,
			`{"took":3,"items":[{"action":"a"},{"action":"b"}],"next":null}`:                        2,
			`{"action":"a","data":[1]}` + "\n" + `{"action":"b","data":[1]}`:                        2,
			`{"items":[` + strings.Repeat(`{"action":"a"},`, 9999) + `{"action":"a"}],"next":null}`: 10000,
		} {
			n := 0
			for p, err := range source.Records(strings.NewReader(raw), source.RecordsOptions{Wraps: k.Wraps}) {
				if err != nil || p.Bad != "" {
					t.Errorf("%s: %.60s: %s %v", name, raw, p.Bad, err)
				}
				n++
			}
			if n != want {
				t.Errorf("%s: %.60s: %d records, want %d", name, raw, n, want)
			}
		}
	}
}
