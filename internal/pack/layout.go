package pack

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Signatures and sizes of the structures of a zip.
const (
	localSignature, localSize         = 0x04034b50, 30
	directorySignature, directorySize = 0x02014b50, 46
	endSignature, endSize             = 0x06054b50, 22
	end64Signature, end64Size         = 0x06064b50, 56
	locatorSignature, locatorSize     = 0x07064b50, 20
	descriptorSignature               = 0x08074b50

	maxExtra = 64 // room for sizes of large files and for times
)

// layout checks that the zip holds its files, one after the other, what the format
// asks for between them, and no other byte; and that all that a program could go by
// says the same: local headers, descriptors and directory.
func (c *container) layout(files []*zip.File) error {
	type place struct {
		f    *zip.File
		data int64
	}
	var places []place
	directory := int64(0)
	for _, f := range files {
		if f.CompressedSize64 > uint64(c.size) {
			return fmt.Errorf("%s is said to be larger than the zip", f.Name)
		}
		data, err := f.DataOffset()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if f.Comment != "" || !plainExtra(f.Extra) {
			return fmt.Errorf("the directory's entry of %s has more than an entry needs", f.Name)
		}
		places = append(places, place{f, data})
		directory += int64(directorySize + len(f.Name) + len(f.Extra))
	}
	slices.SortFunc(places, func(a, b place) int { return int(min(max(a.data-b.data, -1), 1)) })
	at := int64(0)
	for _, p := range places {
		if err := c.local(p.f, at, p.data); err != nil {
			return err
		}
		n, err := c.descriptor(p.f, p.data+int64(p.f.CompressedSize64))
		if err != nil {
			return err
		}
		at = p.data + int64(p.f.CompressedSize64) + n
	}
	return c.end(at, directory)
}

// local checks the header that stands before the data of a file.
func (c *container) local(f *zip.File, from, to int64) error {
	n := to - from
	if n < localSize || n > localSize+maxExtra+int64(len(f.Name)) {
		return fmt.Errorf("%d bytes stand before the data of %s", n, f.Name)
	}
	b, err := c.bytes(from, n)
	if err != nil {
		return err
	}
	name, extra := int64(u16(b[26:])), int64(u16(b[28:]))
	if u32(b) != localSignature || n != localSize+name+extra || string(b[localSize:localSize+name]) != f.Name {
		return fmt.Errorf("the local header of %s names another file, is longer than it says, or is none", f.Name)
	}
	later := f.Flags&8 != 0 // sizes and sum follow the data
	same := func(local uint32, directory uint64) bool {
		return uint64(local) == directory || local == math.MaxUint32 || later && local == 0
	}
	b, tail := b[:localSize], b[localSize+name:]
	if u16(b[6:]) != f.Flags || u16(b[8:]) != f.Method || !same(u32(b[14:]), uint64(f.CRC32)) ||
		!same(u32(b[18:]), f.CompressedSize64) || !same(u32(b[22:]), f.UncompressedSize64) || !plainExtra(tail) {
		return fmt.Errorf("the local header of %s says something else than the directory", f.Name)
	}
	if sizes, ok := extraOf(tail, zip64Extra); ok && !(later && allZero(sizes)) &&
		(len(sizes) < 16 || u64(sizes) != f.UncompressedSize64 || u64(sizes[8:]) != f.CompressedSize64) {
		return fmt.Errorf("the local header of %s says another size than the directory", f.Name)
	}
	return nil
}

// descriptor returns how long the descriptor behind the data of a file is. It has a
// signature or none, and sizes of four or of eight bytes.
func (c *container) descriptor(f *zip.File, from int64) (int64, error) {
	if f.Flags&8 == 0 {
		return 0, nil
	}
	b, err := c.bytes(from, min(24, c.size-from))
	if err != nil {
		return 0, err
	}
	var sum, wide, narrow []byte
	sum = binary.LittleEndian.AppendUint32(sum, f.CRC32)
	wide = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(wide, f.CompressedSize64), f.UncompressedSize64)
	narrow = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(narrow, uint32(f.CompressedSize64)), uint32(f.UncompressedSize64))
	for _, start := range [][]byte{binary.LittleEndian.AppendUint32(nil, descriptorSignature), nil} {
		for _, sizes := range [][]byte{wide, narrow} {
			if want := slices.Concat(start, sum, sizes); bytes.HasPrefix(b, want) {
				return int64(len(want)), nil
			}
		}
	}
	return 0, fmt.Errorf("what stands behind the data of %s is not what the directory says of it", f.Name)
}

// end checks that the directory begins at from and that the end of the zip follows.
func (c *container) end(from, directory int64) error {
	wrong := errors.New("there are bytes after the last file that the directory does not explain")
	rest := c.size - from - directory
	if rest != endSize && rest != endSize+end64Size+locatorSize || directory == 0 {
		return wrong
	}
	first, err := c.bytes(from, 4)
	if err != nil {
		return err
	}
	b, err := c.bytes(from+directory, rest)
	if err != nil {
		return err
	}
	if u32(first) != directorySignature {
		return wrong
	}
	end := b[len(b)-endSize:]
	same := func(end32 uint32, want int64) bool {
		return int64(end32) == want || end32 == math.MaxUint32 && rest > endSize
	}
	if u32(end) != endSignature || u16(end[20:]) != 0 || !same(u32(end[12:]), directory) || !same(u32(end[16:]), from) {
		return wrong
	}
	if rest > endSize && (u32(b) != end64Signature || u64(b[4:]) != end64Size-12 || u64(b[40:]) != uint64(directory) || u64(b[48:]) != uint64(from) ||
		u32(b[end64Size:]) != locatorSignature || u64(b[end64Size+8:]) != uint64(from+directory)) {
		return wrong
	}
	return nil
}

func (c *container) bytes(from, n int64) ([]byte, error) {
	if from < 0 || n < 0 || n > c.size-from {
		return nil, fmt.Errorf("%d bytes at %d are not in the zip", n, from)
	}
	b := make([]byte, n)
	if _, err := c.in.ReadAt(b, from); err != nil {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, from, err)
	}
	return b, nil
}

// Extra fields that say nothing but sizes, times and owners. Others can give a file
// another name.
const zip64Extra = 0x0001

func plainExtra(extra []byte) bool {
	if len(extra) > maxExtra {
		return false
	}
	for len(extra) > 0 {
		if len(extra) < 4 || len(extra) < 4+int(u16(extra[2:])) {
			return false
		}
		switch u16(extra) {
		case zip64Extra, 0x000a, 0x5455, 0x5855, 0x7875: // NTFS, extended, old and new Unix
		default:
			return false
		}
		extra = extra[4+int(u16(extra[2:])):]
	}
	return true
}

// extraOf returns a field of extras that plainExtra took.
func extraOf(extra []byte, id uint16) ([]byte, bool) {
	for len(extra) > 0 {
		n := 4 + int(u16(extra[2:]))
		if u16(extra) == id {
			return extra[4:n], true
		}
		extra = extra[n:]
	}
	return nil, false
}

func allZero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
