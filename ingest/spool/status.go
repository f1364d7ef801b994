package spool

import (
	"math"
	"time"
)

// A Status says how a spool is doing.
type Status struct {
	Used, Max uint64        // bytes on disk, and as configured
	Waiting   uint64        // records that are not committed yet
	Full      time.Time     // since when there is no room; zero: there is
	Disk      bool          // of Full: the disk has no room
	Left      time.Duration // until it is full, as it fills now; 0: it does not fill
	Lasts     time.Duration // until it would be full if nothing were committed, as records come now; 0: none come
	Empties   time.Duration // until it is empty, as it empties now; 0: it does not
}

// Status returns how the spool is doing.
func (s *Spool) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	status := s.status
	status.Used, status.Waiting = s.used, s.mark-min(s.mark, s.position.Committed)
	in, out := s.in.at(now), s.out.at(now)
	if in > 0 && s.used < s.o.Max {
		status.Lasts = seconds(float64(s.o.Max-s.used) / in)
	}
	if out == 0 {
		status.Left = status.Lasts
	}
	if out > 0 && status.Waiting > 0 {
		status.Empties = seconds(float64(status.Waiting) / out)
	}
	return status
}

// seconds returns a duration of a sensible length.
func seconds(n float64) time.Duration {
	return time.Duration(min(n, (100*24*time.Hour).Seconds()) * float64(time.Second))
}

// A rate is how much came per second, the last minute counting most.
type rate struct {
	perSecond float64
	last      time.Time
}

const rateOver = time.Minute

// add counts n at now.
func (r *rate) add(now time.Time, n float64) {
	r.perSecond, r.last = r.at(now)+n/rateOver.Seconds(), now
}

// at returns the rate at now; less than one in ten minutes is none.
func (r *rate) at(now time.Time) float64 {
	v := r.perSecond * math.Exp(-max(now.Sub(r.last), 0).Seconds()/rateOver.Seconds())
	if v < 1.0/600 {
		return 0
	}
	return v
}
