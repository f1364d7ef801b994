package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// segmentName returns the name of a segment's file: the mark before its first
// request, so that names sort, and the key.
func segmentName(base, key uint64) string { return fmt.Sprintf("%020d-%016x.spool", base, key) }

var segmentFile = regexp.MustCompile(`^([0-9]{20})-([0-9a-f]{16})\.spool$`)

// list returns the segments of the directory in order.
func (s *Spool) list() ([]*segment, error) {
	entries, err := os.ReadDir(s.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var list []*segment
	for _, e := range entries {
		parts := segmentFile.FindStringSubmatch(e.Name())
		if parts == nil {
			continue
		}
		base, err := strconv.ParseUint(parts[1], 10, 64)
		if err != nil {
			continue // no name of ours
		}
		key, err := strconv.ParseUint(parts[2], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("spool: %s: %w", e.Name(), err)
		}
		info, err := e.Info()
		if err != nil {
			return nil, fmt.Errorf("spool: %w", err)
		}
		list = append(list, &segment{path: filepath.Join(s.o.Dir, e.Name()), key: key, base: base, last: base, size: info.Size()})
	}
	slices.SortFunc(list, func(a, b *segment) int { return strings.Compare(a.path, b.path) })
	for i := range len(list) - 1 {
		list[i].last = list[i+1].base
	}
	return list, nil
}

// recover takes over what the process before left.
func (s *Spool) recover() error {
	known, err := s.loadPosition()
	if err != nil {
		return err
	}
	if s.segments, err = s.list(); err != nil {
		return err
	}
	if n := len(s.segments); n > 0 {
		if err := s.cut(s.segments[n-1]); err != nil {
			return err
		}
		if last := s.segments[n-1]; last.size == 0 {
			if err := os.Remove(last.path); err != nil {
				return fmt.Errorf("spool: %w", err)
			}
			s.segments = s.segments[:n-1]
		}
	}
	s.mark = s.position.Committed
	for i, seg := range s.segments {
		if i == 0 && !known {
			s.position.Committed = seg.base
		}
		s.used += uint64(seg.size)
		s.mark = max(s.mark, seg.last)
	}
	s.reader.mark, s.reader.resumed = s.position.Committed, s.position.Committed
	return nil
}

// cut ends the last segment behind its last whole frame. What comes after it was
// being written when the process ended, and nobody was told that it is kept. Damage
// with a whole frame behind it stays: it is something else.
func (s *Spool) cut(seg *segment) error {
	f, err := os.OpenFile(seg.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	good, mark, err := lastWhole(&frames{r: f, key: seg.key}, seg.size)
	if err == nil && good < seg.size {
		s.o.Log.Warn("spool: cut off what a crash left half written; its senders were not answered", "file", filepath.Base(seg.path), "bytes", seg.size-good)
		if err = f.Truncate(good); err == nil {
			err = f.Sync()
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("spool: %s: %w", filepath.Base(seg.path), err)
	}
	seg.size, seg.last = good, max(seg.base, mark)
	return nil
}

// lastWhole returns where the last frame ends of which every byte is right, and its
// mark.
func lastWhole(f *frames, size int64) (end int64, mark uint64, err error) {
	for off := int64(0); off < size; {
		h, ok, err := f.head(off, size)
		if err != nil {
			return 0, 0, err
		}
		if !ok || h.size+h.bytes > size-off {
			if off, err = f.find(off+1, size); err != nil {
				return 0, 0, err
			}
			continue
		}
		_, damage, err := f.records(&h, off, size)
		if err != nil {
			return 0, 0, err
		}
		off += h.size + h.bytes
		if len(damage) == 0 {
			end, mark = off, h.mark
		}
	}
	return end, mark, nil
}
