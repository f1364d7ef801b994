package ingest_test

import (
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// honest checks that what is said to be covered is there now, except for what is late.
func (s *simulation) honest() {
	s.t.Helper()
	head := s.log.Head()
	covered := head.State.Coverage(simulatedSource, ledger.Read)
	got := s.stored(simulatedSource, head)
	for _, e := range s.events {
		if covered.Contains(e.At) && e.Seen.Sub(e.At) < s.kind.Settle && got[e.raw] != 1 {
			s.t.Fatalf("at %v covered is %v, and stored %d times: %s", s.clock.now(), covered, got[e.raw], e.raw)
		}
	}
}

// judge compares what is stored with what the vendor had, and coverage with when it
// was read: to its end until left, and again from back on.
func (s *simulation) judge(left, back time.Time) {
	s.t.Helper()
	head := s.log.Head()
	covered := head.State.Coverage(simulatedSource, ledger.Read)
	s.judgeCoverage(covered, left, back)
	got := s.stored(simulatedSource, head)
	missing, wanted := 0, 0
	for _, e := range s.events {
		n := got[e.raw]
		delete(got, e.raw)
		if n > 1 {
			s.t.Errorf("stored %d times: %s", n, e.raw)
		}
		if covered.Contains(e.At) { // also what came late
			if wanted++; n != 1 {
				if missing++; missing < 4 {
					s.t.Errorf("in covered time and not stored: at %v, seen %v: %s", e.At, e.Seen, e.raw)
				}
			}
		}
	}
	for raw := range got {
		s.t.Errorf("stored, and the vendor never had it: %s", raw)
	}
	if missing > 0 || wanted == 0 {
		s.t.Errorf("%d of %d events in covered time are missing", missing, wanted)
	}
	s.audit()
	s.t.Logf("%d events, %d in covered time; %d turns, %d failed; %d restarts; %d requests, %d spoiled; %d records",
		len(s.events), wanted, s.turns, s.failed, s.restarts, s.net.requests, s.net.spoiled, head.State.Size)
}

// judgeCoverage: without a hole from the start until left; nothing until what the
// vendor still had when it was back; without a hole since what it still had when it
// was first read to its end. In between are pieces, as some were read before that.
func (s *simulation) judgeCoverage(covered coverage.Set, left, back time.Time) {
	s.t.Helper()
	now := s.clock.now()
	last := len(covered) - 1
	switch begin, end := back.Add(-s.keeps), s.whole.Add(-s.keeps+2*time.Minute); {
	case last < 1,
		!covered[0].From.Equal(s.since()), !ends(covered[0].To, left.Add(-s.kind.Settle)),
		covered[1].From.Before(begin), covered[last].From.After(end), !ends(covered[last].To, now.Add(-s.kind.Settle)):
		s.t.Errorf("covered is %v\nwant from %v to %v, and from %v (but for what was lost until %v) to %v", covered,
			s.since(), left.Add(-s.kind.Settle), begin, end, now.Add(-s.kind.Settle))
	}
	head := s.log.Head()
	period := coverage.Interval{From: s.since(), To: now.Add(-s.kind.Settle - time.Minute)}
	var lost time.Duration
	for _, span := range head.State.Spans(simulatedSource, period, now) {
		switch span.State {
		case ledger.Lost:
			lost += span.Length()
		case ledger.Covered:
		default:
			s.t.Errorf("at the end: %s from %v to %v", span.State, span.From, span.To)
		}
	}
	if want := coverage.Gaps(period, covered).Length(); lost != want {
		s.t.Errorf("%v are said to be lost, %v are", lost, want)
	}
}

// ends reports whether coverage ends at due: a turn that ends there began a little earlier.
func ends(to, due time.Time) bool { return !to.After(due) && due.Sub(to) < time.Minute }
