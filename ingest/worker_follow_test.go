package ingest_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source/vendortest"
)

// newFollowed returns a simulation of an Okta organization in which nothing happens
// but what a test does, and the line to it.
func newFollowed(t *testing.T) (*simulation, *vendortest.Okta, *vendortest.Line) {
	tr := oktaTrial(t)
	tr.every = 4 * time.Hour
	s := newSimulation(t, tr, 1)
	s.skew = 0
	line := &vendortest.Line{Next: s.net.next}
	s.net.next = line
	return s, s.fake.(*oktaVendor).Okta, line
}

// asked returns what was asked for since the last call: "after" or "since TIME".
func asked(line *vendortest.Line, from int) (list []string) {
	for _, q := range line.Questions()[from:] {
		query, err := url.ParseQuery(q.Query)
		switch {
		case err != nil:
			list = append(list, err.Error())
		case query.Has("after"):
			list = append(list, "after")
		default:
			list = append(list, "since "+query.Get("since"))
		}
	}
	return list
}

// A long way is committed with its cursors: who stops on it goes on there, and not
// before its end is anything covered. A cursor that is refused costs a note.
func TestFollow(t *testing.T) {
	t.Parallel()
	s, okta, line := newFollowed(t)
	okta.Limit = 5
	line.Spoil(nil, nil, nil, vendortest.Status(403, "")) // on the way
	if err := s.turn(); err == nil {
		t.Fatal("a read that broke off succeeded")
	}
	if got := s.states(s.since(), s.clock.now()); got != "backfilling 120h0m0s, pending 0s" {
		t.Errorf("on the way: %s", got)
	}
	if status := s.worker.Status(); status.State != ingest.Rejected {
		t.Errorf("status %+v", status)
	}
	stored := len(s.stored(simulatedSource, s.log.Head()))
	if stored != 15 {
		t.Errorf("%d events are stored on the way, want three pages of five", stored)
	}
	s.stop()
	s.begin(s.site)
	before := len(line.Questions())
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	if got := asked(line, before); slices.ContainsFunc(got, func(q string) bool { return q != "after" }) {
		t.Errorf("after a restart it asked for %v", got)
	}
	if got := s.states(s.since(), s.clock.now()); got != "covered 120h0m0s, pending 0s" {
		t.Errorf("at the end: %s", got)
	}
	for range 3 { // an event that is late; a cursor of an idle hour; a restart without a flush
		at := s.clock.now()
		okta.Happen(9000+len(line.Questions()), at.Add(-5*time.Hour), at)
		s.clock.pass(2 * time.Hour)
		before = len(line.Questions())
		if err := s.turn(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(asked(line, before), ", "); got != "after, after" {
			t.Errorf("asked for %s", got)
		}
		s.stop()
		s.begin(s.site)
	}
	okta.Forget()
	s.clock.pass(time.Hour)
	before = len(line.Questions())
	from := s.worker.Status().Note
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	head := s.log.Head()
	covered := head.State.Coverage(simulatedSource)
	if got := asked(line, before); got[0] != "after" || !strings.HasPrefix(got[1], "since ") {
		t.Errorf("asked for %v", got)
	}
	status := s.worker.Status()
	if from != "" || status.State != ingest.Idle || status.Problem != "" || !strings.Contains(status.Note, "did not know its cursor any more") {
		t.Errorf("status %+v", status)
	}
	if len(covered) != 1 || !covered[0].From.Equal(s.since()) {
		t.Errorf("covered is %v", covered)
	}
	for _, b := range head.State.Batches {
		if b.Cursor != "" && strings.Contains(b.Cursor, "SSWS") {
			t.Errorf("cursor %q", b.Cursor)
		}
	}
	s.flush()
	for raw, n := range s.stored(simulatedSource, head) {
		if n != 1 {
			t.Errorf("stored %d times: %s", n, raw)
		}
	}
	s.audit()
}

// Time that is missing from before the cursor's is read anew: it does not lead there.
func TestFollowBeforeCursor(t *testing.T) {
	t.Parallel()
	s, _, line := newFollowed(t)
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.start = s.since().Add(-24 * time.Hour)
	s.begin(s.site)
	before := len(line.Questions())
	s.clock.pass(time.Hour)
	if err := s.turn(); err != nil {
		t.Fatal(err)
	}
	if got, want := asked(line, before)[0], "since "+s.since().Format("2006-01-02T15:04:05.000Z"); got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
	head := s.log.Head()
	if covered := head.State.Coverage(simulatedSource); len(covered) != 1 || !covered[0].From.Equal(s.since()) {
		t.Errorf("covered is %v", covered)
	}
	s.audit()
}
