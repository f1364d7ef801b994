// Package word looks at eight bytes of a text at a time. Texts of events are mostly
// plain: what says so fastest decides how long reading and writing them takes.
package word

import "math/bits"

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// Size is the number of bytes in a word.
const Size = 8

// Load returns the word at s[i:], which has Size bytes; the first byte is the lowest.
func Load[T string | []byte](s T, i int) uint64 {
	_ = s[i+7]
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// A Mask has the top bit of each byte of a word that it marks.
type Mask uint64

// Equal marks the bytes that are c.
func Equal(w uint64, c byte) Mask {
	w ^= ones * uint64(c)
	return Mask(^((w&^tops + ^uint64(tops)) | w) & tops) // no byte of the sum carries into the next
}

// Below marks the bytes that are smaller than c, which is at most 0x80.
func Below(w uint64, c byte) Mask {
	return Mask(^((w&^tops + ones*(0x80-uint64(c))) | w) & tops)
}

// High marks the bytes that are not ASCII.
func High(w uint64) Mask { return Mask(w & tops) }

// First returns the place of the first marked byte, Size when there is none.
func (m Mask) First() int { return bits.TrailingZeros64(uint64(m)) / 8 }

// From returns the marks of the bytes from the place n on.
func (m Mask) From(n int) Mask { return m >> (8 * n) << (8 * n) }
