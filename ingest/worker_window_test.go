package ingest_test

import (
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// newDaybook returns a simulation that nothing happens in but what a test does.
func newDaybook(t *testing.T, piece time.Duration) (*simulation, *daybook) {
	tr := daybookTrial()
	tr.kind.Piece = piece
	tr.every = 4 * time.Hour
	s := newSimulation(t, tr, 1)
	s.skew = 0
	return s, s.fake.(*daybook)
}

func (s *simulation) states(from, to time.Time) string {
	var list []string
	head := s.log.Head()
	for _, span := range head.State.Spans(simulatedSource, coverage.Interval{From: from, To: to}, s.clock.now()) {
		list = append(list, span.State+" "+span.Length().Round(time.Hour).String())
	}
	return strings.Join(list, ", ")
}

// A first history is read in pieces, oldest first, and what was read of it stays
// read, whatever happens; until it is all there it is being filled, and is no gap.
func TestBackfill(t *testing.T) {
	t.Parallel()
	s, d := newDaybook(t, 12*time.Hour)
	day := 24 * time.Hour
	d.sick = coverage.Interval{From: s.since().Add(2 * day), To: s.since().Add(2*day + 13*time.Hour)}
	if err := s.turn(); err == nil {
		t.Fatal("a sick day was read")
	}
	if got := s.states(s.since(), s.clock.now()); got != "covered 48h0m0s, backfilling 69h0m0s, pending 3h0m0s" {
		t.Errorf("after the first turn: %s", got)
	}
	if status := s.worker.Status(); status.State != ingest.Backoff || len(status.Missing) != 1 || !status.Missing[0].From.Equal(d.sick.From) {
		t.Errorf("status %+v", status)
	}
	s.stop()
	s.begin(s.site)
	d.asked = nil
	if err := s.turn(); err == nil || !d.asked[0].From.Equal(d.sick.From) {
		t.Errorf("after a restart it went on at %v, error %v", d.asked, err)
	}
	if len(d.asked) != 1 {
		t.Errorf("after a failure it asked on: %v", d.asked)
	}
	// Days that stay sick do not cost the others.
	s.clock.pass(time.Hour)
	for range 2 {
		if err := s.turn(); err == nil {
			t.Fatal("a sick day was read")
		}
	}
	if got := s.states(s.since(), s.clock.now()); got != "covered 48h0m0s, gap, recoverable 24h0m0s, covered 46h0m0s, pending 3h0m0s" {
		t.Errorf("when the day stays sick: %s", got)
	}
	// One that is well again is not kept back by one that is not.
	d.sick.To = d.sick.From.Add(time.Hour)
	for range 2 {
		if err := s.turn(); err == nil {
			t.Fatal("a sick day was read")
		}
	}
	if got := s.states(s.since(), s.clock.now()); got != "covered 48h0m0s, gap, recoverable 12h0m0s, covered 58h0m0s, pending 3h0m0s" {
		t.Errorf("when a part of it is well: %s", got)
	}
	d.sick = coverage.Interval{}
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	if got := s.states(s.since(), s.clock.now()); got != "covered 118h0m0s, pending 3h0m0s" {
		t.Errorf("at last: %s", got)
	}
	for i, window := range d.asked {
		if window.Length() > 12*time.Hour || window.Empty() {
			t.Errorf("request %d asked for %v", i, window)
		}
	}
	s.flush()
	s.audit()
}

// The settle time is long, and most turns read only its last minutes; coverage goes
// on all the same, and late events are found.
func TestTail(t *testing.T) {
	t.Parallel()
	s, d := newDaybook(t, 0)
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	at := s.clock.now().Add(30 * time.Minute)
	late := d.Happen(happening{N: 9000, At: at, Seen: at.Add(2 * time.Hour)})
	veryLate := d.Happen(happening{N: 9001, At: at, Seen: at.Add(20 * time.Hour)})
	d.asked = nil
	var asked time.Duration
	for range 21 * 20 {
		s.clock.pass(3 * time.Minute)
		if err := s.turn(); err != nil {
			t.Fatal(err)
		}
		if got := s.states(s.since(), s.clock.now()); strings.Contains(got, "gap") {
			t.Fatalf("at %v: %s", s.clock.now(), got)
		}
	}
	whole := 0
	for _, window := range d.asked {
		asked += window.Length()
		if window.Length() > 15*time.Minute {
			whole++
		}
	}
	if want := 21 * 60 / 45; whole < want-1 || whole > want+1 {
		t.Errorf("more than the last minutes was read %d times in 21 hours, want about %d", whole, want)
	}
	got := s.stored(simulatedSource, s.log.Head())
	if got[string(late)] != 1 || got[string(veryLate)] != 0 {
		t.Errorf("stored %d times what was 2 h late, %d times what was 20 h late", got[string(late)], got[string(veryLate)])
	}
	s.clock.pass(4 * time.Hour)
	if err := s.turn(); err != nil { // a day is over: covered time is looked at again
		t.Fatal(err)
	}
	s.flush()
	if got := s.stored(simulatedSource, s.log.Head()); got[string(veryLate)] != 1 {
		t.Error("what was 20 h late was not found")
	}
	var sum ledger.Batch
	for _, b := range s.log.Head().State.Batches {
		sum.Events, sum.Late = sum.Events+b.Events, sum.Late+b.Late
	}
	if sum.Late != 1 {
		t.Errorf("%d late events, want one", sum.Late)
	}
	s.audit()
}

// From when a source says that its log was switched off, nothing is granted, until
// it logs something newer; a restart does not change that.
func TestLogSwitchedOff(t *testing.T) {
	t.Parallel()
	s, d := newDaybook(t, 12*time.Hour)
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	hours := func(n int) {
		for range n {
			s.clock.pass(time.Hour)
			if err := s.turn(); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := s.clock.now()
	hours(6)
	off := s.clock.now().Add(30 * time.Minute)
	d.Happen(happening{N: switchedOff, At: off, Seen: off})
	hours(10)
	d.asked = nil
	hours(1)
	for _, window := range d.asked {
		if window.Length() > 6*time.Hour {
			t.Errorf("time that was read while the log was off is read again: %v", window)
		}
	}
	if got := s.states(began, s.clock.now()); got != "covered 7h0m0s, gap, recoverable 8h0m0s, pending 3h0m0s" && got != "covered 6h0m0s, gap, recoverable 8h0m0s, pending 3h0m0s" {
		t.Errorf("while the log is off: %s", got)
	}
	s.stop()
	s.begin(s.site)
	hours(3)
	on := s.clock.now().Add(10 * time.Minute)
	d.Happen(happening{N: 9001, At: on, Seen: on})
	hours(12)
	s.flush()
	head := s.log.Head()
	covered := head.State.Coverage(simulatedSource)
	if len(covered) != 2 || !covered[0].To.Equal(off) || covered[1].From.Before(on) || covered[1].From.Sub(on) > time.Minute {
		t.Errorf("off at %v and on at %v; covered is %v", off, on, covered)
	}
	s.audit()
}

// What appeared late while nobody could look is found, although programs ended in
// between and only the first of what is missing could be read by each.
func TestLateEventAfterRestarts(t *testing.T) {
	t.Parallel()
	s, d := newDaybook(t, 12*time.Hour)
	turn := func(good bool) {
		t.Helper()
		if err := s.turn(); (err == nil) != good {
			t.Fatalf("a turn ended with %v", err)
		}
	}
	turn(true)
	at := s.clock.now().Add(time.Hour)
	late := d.Happen(happening{N: 9000, At: at, Seen: at.Add(20 * time.Hour)})
	for range 9 {
		s.clock.pass(2 * time.Hour)
		turn(true)
	}
	s.clock.pass(80 * time.Hour)
	for _, hours := range []time.Duration{40, 64, 76} {
		s.stop()
		s.begin(s.site)
		d.sick = coverage.Interval{From: at.Add(hours * time.Hour), To: at.Add((hours + 1) * time.Hour)}
		turn(false)
	}
	d.sick = coverage.Interval{}
	turn(true)
	s.flush()
	if got := s.stored(simulatedSource, s.log.Head()); got[string(late)] != 1 {
		t.Errorf("what was 20 h late is stored %d times", got[string(late)])
	}
	s.audit()
}
