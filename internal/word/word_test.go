package word_test

import (
	"testing"

	"exhibit/internal/word"

	"pgregory.net/rapid"
)

// Marks are where a loop over the bytes finds them.
func TestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x1f, 0x20, 0x21, '"', '#', '\\', ']', 0x7f, 0x80, 0xa2, 0xff}), 8, 8).Draw(t, "s")
		c := rapid.ByteRange(1, 0x80).Draw(t, "c")
		w := word.Load(s, 0)
		if w != word.Load(string(s), 0) {
			t.Fatal("a text and its bytes differ")
		}
		check := func(name string, got word.Mask, fits func(byte) bool) {
			for from := range len(s) + 1 {
				want := from
				for want < len(s) && !fits(s[want]) {
					want++
				}
				if marks := got.From(from); marks.First() != want || (marks == 0) != (want == len(s)) {
					t.Fatalf("%s %#x of %x from %d: %d, want %d", name, c, s, from, marks.First(), want)
				}
			}
		}
		check("equal", word.Equal(w, c), func(b byte) bool { return b == c })
		check("below", word.Below(w, c), func(b byte) bool { return b < c })
		check("high", word.High(w), func(b byte) bool { return b >= 0x80 })
		check("any", word.Equal(w, c)|word.Below(w, 0x20)|word.High(w), func(b byte) bool { return b == c || b < 0x20 || b >= 0x80 })
	})
}
