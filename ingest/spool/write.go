package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"exhibit/internal/disk"
)

// run writes what is appended. Requests that come while it syncs wait, and share
// the next sync.
func (s *Spool) run() {
	defer close(s.ended)
	for {
		select {
		case r := <-s.requests:
			s.write(s.gather(r))
		case <-s.closing:
			if s.active != nil {
				s.closed = s.finish()
			}
			return
		}
	}
}

// gather takes those that wait beside the first one.
func (s *Spool) gather(first *request) []*request {
	group, size := []*request{first}, first.size
	for size < int64(s.o.Segment/4) {
		select {
		case r := <-s.requests:
			group, size = append(group, r), size+r.size
		default:
			return group
		}
	}
	return group
}

// write puts a group on disk and answers its senders.
func (s *Spool) write(group []*request) {
	var taken []*request
	var size uint64
	room, roomErr := s.o.Free()
	for _, r := range group {
		err := roomErr
		if err == nil {
			err = s.admit(size+uint64(r.size), room)
		}
		if err != nil {
			s.refuse(r, err)
			continue
		}
		taken, size = append(taken, r), size+uint64(r.size)
	}
	if len(taken) == 0 {
		return
	}
	if err := s.put(taken, int64(size)); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = s.full(true)
		} else {
			s.o.Log.Error("pushed records could not be kept; their senders were told", "error", err)
		}
		for _, r := range taken {
			s.refuse(r, err)
		}
		return
	}
	for _, r := range taken {
		r.done <- answer{mark: binary.LittleEndian.Uint64(r.head[8:])}
	}
	s.tell()
}

// tell says that there is something new to read.
func (s *Spool) tell() {
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

// admit reports whether there is room for so many bytes.
func (s *Spool) admit(size, room uint64) error {
	s.mu.Lock()
	used := s.used
	s.mu.Unlock()
	switch {
	case used+size > s.o.Max:
		return s.full(false)
	case room < s.o.MinFree+size:
		return s.full(true)
	}
	return nil
}

// How long a refused sender should wait: little while the spool is being emptied.
const (
	retrySoon  = 5 * time.Second
	retryLater = 30 * time.Second
)

// full notes that there is no room.
func (s *Spool) full(disk bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if s.status.Full.IsZero() {
		s.status.Full, s.status.Disk = now, disk
		s.o.Log.Error("the spool is full: senders of pushed records are told to wait", "used", s.used, "max", s.o.Max, "disk_full", disk)
	}
	e := &FullError{Since: s.status.Full, RetryAfter: retryLater, Disk: disk}
	if !disk && s.out.at(now) > 0 {
		e.RetryAfter = retrySoon
	}
	return e
}

// roomy notes that there is room again. The caller holds mu.
func (s *Spool) roomy() {
	s.o.Log.Info("the spool has room again", "full_since", s.status.Full)
	s.status.Full, s.status.Disk = time.Time{}, false
}

// refuse answers a sender whose request is not kept.
func (s *Spool) refuse(r *request, err error) {
	s.Refused(r.name)
	r.done <- answer{err: err}
}

// Refused notes that something of a source was turned away: its next entry says so,
// because nobody can say from then on that all of it came. Append calls it for what it
// refuses; who refuses requests before they come to Append calls it too. A crash
// before the next entry does not make it forgotten.
func (s *Spool) Refused(name string) {
	if err := s.Missed([]string{name}); err != nil {
		s.o.Log.Error("spool: could not note that a sender was turned away", "source", name, "error", err)
	}
}

// Missed notes of several sources that something of them may have been turned away, as
// it is while nothing listens.
func (s *Spool) Missed(names []string) error {
	s.mu.Lock()
	noted := true
	for _, name := range names {
		s.position.refuse(name)
		s.refusals[name]++
		noted = noted && slices.Contains(s.noted, name)
	}
	s.mu.Unlock()
	if noted {
		return nil
	}
	return s.save()
}

// put writes a group and syncs it. After an error nothing of it is on disk, or its
// numbers are not given out again.
func (s *Spool) put(group []*request, size int64) error {
	seg := s.last()
	if s.active != nil && seg.size > 0 && seg.size+size > int64(s.o.Segment) {
		if err := s.finish(); err != nil {
			return err
		}
	}
	if s.active == nil {
		if err := s.begin(); err != nil {
			return err
		}
		seg = s.last()
	}
	s.mu.Lock()
	mark := s.mark
	for _, r := range group {
		mark += r.count
		flags := byte(0)
		if s.position.refused(r.name) {
			flags |= flagRefused
		}
		seal(r.head, seg.key, mark, flags)
	}
	s.mu.Unlock()
	if err := s.send(group); err != nil {
		return errors.Join(err, s.abandon(seg, mark))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range group {
		// What was turned away after the request came is for the next frame to say.
		if s.refusals[r.name] == r.refusals {
			s.position.taken(r.name)
		}
	}
	seg.size, seg.last, s.mark, s.used = seg.size+size, mark, mark, s.used+uint64(size)
	s.in.add(s.o.Now(), float64(size))
	if s.status.Disk {
		s.roomy()
	}
	return nil
}

func (s *Spool) send(group []*request) error {
	s.writer.Reset(s.active)
	for _, r := range group {
		// Errors stay in the writer and come out at the end.
		_, _ = s.writer.Write(r.head)
		for i := range r.records {
			_, _ = s.writer.Write(r.records[i].Raw)
		}
	}
	if err := errors.Join(s.writer.Flush(), s.active.Sync()); err != nil {
		return fmt.Errorf("spool: write: %w", err)
	}
	return nil
}

// last returns the newest segment, nil when there is none.
func (s *Spool) last() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) == 0 {
		return nil
	}
	return s.segments[len(s.segments)-1]
}

// begin makes a new segment.
func (s *Spool) begin() error {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	s.mu.Lock()
	seg := &segment{key: binary.LittleEndian.Uint64(random[:]), base: s.mark, last: s.mark, open: true}
	s.mu.Unlock()
	seg.path = filepath.Join(s.o.Dir, segmentName(seg.base, seg.key))
	f, err := os.OpenFile(seg.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		if err = disk.SyncDir(s.o.Dir); err != nil {
			err = errors.Join(err, f.Close(), os.Remove(seg.path))
		}
	}
	if err != nil {
		return fmt.Errorf("spool: begin a segment: %w", err)
	}
	s.active = f
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments = append(s.segments, seg)
	return nil
}

// finish ends the active segment with a frame that says so: what is missing in front
// of it was damaged, not cut off by a crash.
func (s *Spool) finish() error {
	seg := s.last()
	end := make([]byte, fixedLen)
	binary.LittleEndian.PutUint64(end[16:], uint64(s.o.Now().UnixNano()))
	seal(end, seg.key, seg.last, flagEnd)
	if err := s.send([]*request{{head: end}}); err != nil {
		return errors.Join(err, s.abandon(seg, seg.last))
	}
	err := s.active.Close()
	s.active = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.size, seg.open, s.used = seg.size+fixedLen, false, s.used+fixedLen
	s.tell()
	return err
}

// abandon ends a segment that could not be written to, with numbers up to mark. After
// a failed sync nobody knows what is on disk: what was not answered is cut off, and the
// next request goes to another file. When it is not certain that it was cut off, it may
// be there after a crash: then its numbers are skipped, or it would hide what was
// answered under them. Numbers that were skipped are called missing, which is the
// safe side.
func (s *Spool) abandon(seg *segment, mark uint64) error {
	err := s.active.Truncate(seg.size)
	if err == nil {
		err = s.active.Sync()
	}
	left := err != nil
	err = errors.Join(err, s.active.Close())
	s.active = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.open = false
	if left {
		s.mark = max(s.mark, mark)
	}
	if seg.size == 0 {
		s.segments = s.segments[:len(s.segments)-1]
		err = errors.Join(err, os.Remove(seg.path))
	}
	return err
}
