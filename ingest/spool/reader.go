package spool

import (
	"fmt"
	"os"
	"time"

	"exhibit/ingest/source"
)

// An Entry is one request, or a damage.
type Entry struct {
	Mark    uint64    // everything up to it was handed out when this entry was
	Name    string    // of the source; empty: damage that does not tell whose it was
	At      time.Time // of arrival; zero with an empty Name
	Records []source.Record
	Refused bool // something of the source was turned away since its entry before, or may have been
	// Damage is bytes that are not as they were written: each of a record that Records
	// lacks, or, with an empty Name, a piece of what held whole requests.
	Damage [][]byte
	// Lost counts numbers that are missing in front of the next entry: of records in
	// the Damage before, or of a file that is gone.
	Lost uint64
}

// piece is how much of a damage comes at once.
const piece = 1 << 20

// A reader is where Next is.
type reader struct {
	segment *segment
	file    *os.File
	frames  frames
	off     int64
	bad     int64 // end of the damage that is being handed out
	mark    uint64
	resumed uint64 // what was committed when the spool was opened
}

func (r *reader) close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}

// Arrived holds one when there may be something for Next.
func (s *Spool) Arrived() <-chan struct{} { return s.arrived }

// Next returns the next entry, nil when there is none now. What it holds is valid
// until the next call.
func (s *Spool) Next() (*Entry, error) {
	r := &s.reader
	for {
		size, more, err := s.advance()
		if err != nil || !more {
			return nil, err
		}
		if r.off < r.bad {
			return r.damaged()
		}
		h, ok, err := r.frames.head(r.off, size)
		switch {
		case err != nil:
			return nil, err
		case !ok:
			if err := s.skip(size); err != nil {
				return nil, err
			}
			continue
		case h.start() > r.mark:
			lost := h.start() - r.mark
			r.mark = h.start()
			return &Entry{Mark: r.mark, Lost: lost}, nil
		case h.mark <= s.Committed() || h.flags&flagEnd != 0:
			r.off = min(r.off+h.size+h.bytes, size)
			continue
		}
		records, damage, err := r.frames.records(&h, r.off, size)
		if err != nil {
			return nil, err
		}
		r.off, r.mark = min(r.off+h.size+h.bytes, size), h.mark
		return &Entry{Mark: h.mark, Name: h.name, At: h.at, Records: records, Refused: h.flags&flagRefused != 0, Damage: damage}, nil
	}
}

// skip finds out how far a damage goes. One whose records were committed before the
// last restart is nobody's business any more.
func (s *Spool) skip(size int64) error {
	r := &s.reader
	end, err := r.frames.find(r.off+1, size)
	if err != nil {
		return err
	}
	s.mu.Lock()
	behind := r.segment.last
	s.mu.Unlock()
	if h, ok, err := r.frames.head(end, size); err != nil {
		return err
	} else if ok {
		behind = h.start()
	}
	if r.bad = end; behind <= r.resumed {
		r.off = end
	}
	return nil
}

// damaged hands out the next piece of a damage.
func (r *reader) damaged() (*Entry, error) {
	b := make([]byte, min(r.bad-r.off, piece))
	if err := r.frames.read(b, r.off); err != nil {
		return nil, err
	}
	r.off += int64(len(b))
	return &Entry{Mark: r.mark, Damage: [][]byte{b}}, nil
}

// advance brings the reader to a segment with something left to read, and returns
// how far that one can be read; false: nothing is left.
func (s *Spool) advance() (size int64, more bool, err error) {
	r := &s.reader
	for {
		s.mu.Lock()
		var next *segment
		switch {
		case r.segment == nil && len(s.segments) > 0:
			next = s.segments[0]
		case r.segment != nil && r.off < r.segment.size:
			next = r.segment
		case r.segment != nil && !r.segment.open:
			next = s.after(r.segment)
		}
		// A segment is entered when it has something: until then it may be taken back.
		if next != nil && next.open && next.size == 0 {
			next = nil
		}
		if next != nil {
			size = next.size
		}
		s.mu.Unlock()
		if next == nil {
			return 0, false, nil
		}
		if next == r.segment {
			return size, true, nil
		}
		if err := s.enter(next); err != nil {
			return 0, false, err
		}
	}
}

// after returns the segment behind seg. The caller holds mu.
func (s *Spool) after(seg *segment) *segment {
	for i, other := range s.segments {
		if other == seg && i+1 < len(s.segments) {
			return s.segments[i+1]
		}
	}
	return nil
}

func (s *Spool) enter(seg *segment) error {
	f, err := os.Open(seg.path)
	if err != nil {
		return fmt.Errorf("spool: read: %w", err)
	}
	r := &s.reader
	if err := r.close(); err != nil {
		s.o.Log.Warn("spool: close a segment that was read", "error", err)
	}
	r.segment, r.file, r.off, r.bad = seg, f, 0, 0
	r.frames.r, r.frames.key = f, seg.key
	return nil
}
