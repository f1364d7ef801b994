package ingest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"github.com/go-json-experiment/json/jsontext"
)

// A pushing is a writer with a spool in front of it.
type pushing struct {
	*writer
	clock   *clock
	spool   *spool.Spool
	after   func(time.Duration) <-chan time.Time
	sources []ingest.PushedSource
	drain   *ingest.Drain
	reached chan uint64 // marks that are committed
}

func newPushing(t *testing.T) *pushing {
	t.Helper()
	s := newSite(t)
	p := &pushing{clock: &clock{at: time.Now().UTC().AddDate(0, 0, -10).Truncate(time.Hour)}}
	s.now = p.clock.now
	p.writer = s.open()
	hcpKind, generic := s.kind("hcp-terraform"), s.kind("json")
	p.sources = []ingest.PushedSource{
		{Name: "hcp-pushed", Kind: hcpKind, Settle: 5 * time.Minute, Heartbeat: time.Hour},
		{Name: "own", Kind: generic, Heartbeat: time.Hour},
		{Name: "polled", Kind: hcpKind},
		{Name: "scalr", Kind: s.kind("scalr"), Heartbeat: time.Hour},
	}
	p.declare()
	p.begin()
	return p
}

func (p *pushing) declare() {
	p.t.Helper()
	var list []ingest.Declaration
	for _, s := range p.sources {
		list = append(list, ingest.Declaration{Name: s.Name, Kind: s.Kind})
	}
	if err := p.log.Declare(p.t.Context(), list, false); err != nil {
		p.t.Fatal(err)
	}
}

// begin opens the spool; again after end it is a restart.
func (p *pushing) begin() {
	p.t.Helper()
	var err error
	p.spool, err = spool.Open(spool.Options{Dir: filepath.Join(string(p.dir), "spool"), Max: 32 << 20, Now: p.clock.now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := p.spool.Close(); err != nil {
			p.t.Error(err)
		}
	})
	p.reached = make(chan uint64, 1000)
	p.drain, err = ingest.NewDrain(ingest.DrainOptions{Spool: told{p.spool, p.reached}, Log: p.log, Committer: p.committer, Sources: p.sources,
		Kinds: source.Catalog{Kinds: p.kinds}, Secret: p.secret, Random: rand.Reader, Now: p.clock.now, Slog: slog.New(slog.DiscardHandler), After: p.after,
		Wait: time.Millisecond})
	if err != nil {
		p.t.Fatal(err)
	}
}

// told tells of every Commit.
type told struct {
	*spool.Spool
	reached chan<- uint64
}

func (s told) Commit(mark uint64, state jsontext.Value) error {
	err := s.Spool.Commit(mark, state)
	s.reached <- mark
	return err
}

// push sends one request.
func (p *pushing) push(name string, raw ...string) uint64 {
	p.t.Helper()
	var records []source.Record
	for _, r := range raw {
		records = append(records, source.Record{Raw: []byte(r), Received: p.clock.now()})
	}
	mark, err := p.spool.Append(p.t.Context(), name, records)
	if err != nil {
		p.t.Fatal(err)
	}
	return mark
}

// run drains until the mark is committed.
func (p *pushing) run(until uint64) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := p.drain.Run(ctx); err != nil {
			p.t.Error(err)
		}
	})
	for mark := uint64(0); mark < until; {
		select {
		case mark = <-p.reached:
		case <-time.After(5 * time.Minute):
			p.t.Error("nothing is committed")
			mark = until
		}
	}
	cancel()
	group.Wait()
}

func (p *pushing) heard(name string) string {
	var list []string
	head := p.log.Head()
	for _, i := range head.State.Coverage(name, ledger.Heard) {
		list = append(list, i.From.Format("15:04")+"-"+i.To.Format("15:04"))
	}
	return strings.Join(list, " ")
}

func (p *pushing) counts(name string) string {
	var b ledger.Batch
	for _, one := range p.log.Head().State.Batches {
		if one.Source == name {
			b.Fetched += one.Fetched
			b.Events += one.Events
			b.Duplicates += one.Duplicates
			b.Skipped += one.Skipped
			b.Rejects += one.Rejects
		}
	}
	return fmt.Sprintf("%d = %d + %d + %d + %d", b.Fetched, b.Events, b.Duplicates, b.Skipped, b.Rejects)
}

func is(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

// Records of several sources, heartbeats, and a restart.
func TestDrain(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	same := `{"id":"","time":"2026-03-01T00:00:00Z","action":"door.open"}`
	began := p.clock.now()
	p.push("hcp-pushed", hcp(1, began, "create"), hcp(2, began, "create"), "no JSON")
	p.push("own", same, same)
	p.push("polled", hcp(1, began, "create"))
	p.clock.pass(30 * time.Minute)
	p.push("hcp-pushed")
	p.push("polled", hcp(2, began, "create"))
	p.run(p.push("own", same))
	is(t, "hcp-pushed", p.counts("hcp-pushed"), "3 = 2 + 0 + 0 + 1")
	// The same record in another request is the same event: it may be sent again.
	is(t, "own", p.counts("own"), "3 = 2 + 1 + 0 + 0")
	is(t, "polled", p.counts("polled"), "2 = 2 + 0 + 0 + 0")
	at := func(d time.Duration) string { return began.Add(d).Format("15:04") }
	is(t, "heard", p.heard("hcp-pushed"), at(0)+"-"+at(25*time.Minute))
	is(t, "heard", p.heard("own"), at(0)+"-"+at(30*time.Minute))
	is(t, "heard of a source that is read", p.heard("polled"), "")
	if s := p.drain.Status(); !s.Sources["own"].Last.Equal(p.clock.now()) || s.Problem != "" || len(s.Sources["own"].Uncommitted) > 0 {
		t.Errorf("status %+v", s)
	}

	p.clock.pass(61 * time.Minute)
	p.run(p.push("hcp-pushed", hcp(4, began, "create")))
	is(t, "heard after a long silence", p.heard("hcp-pushed"), at(0)+"-"+at(25*time.Minute))
	p.audit()
}

// What senders gave up to send while Exhibit was down is missing, so that time is not
// covered. A restart that is short enough for all of them does not end a stretch.
func TestDrainOutage(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	send := func() uint64 { return p.push("own", `{"action":"door.open"}`) }
	began := p.clock.now()
	at := func(d time.Duration) string { return began.Add(d).Format("15:04") }
	restart := func(down time.Duration) {
		t.Helper()
		if err := p.spool.Close(); err != nil {
			t.Fatal(err)
		}
		p.clock.pass(down)
		p.begin()
	}
	send()
	p.clock.pass(10 * time.Minute)
	p.run(send())
	is(t, "at first", p.heard("own"), at(0)+"-"+at(10*time.Minute))
	restart(30 * time.Second)
	p.clock.pass(9*time.Minute + 30*time.Second)
	p.run(send())
	is(t, "after a short restart", p.heard("own"), at(0)+"-"+at(20*time.Minute))

	// It is down for less than the heartbeat, twice, and ends in between with no word of
	// a sender.
	restart(20 * time.Minute)
	p.run(0)
	restart(5 * time.Second)
	p.clock.pass(10*time.Minute - 5*time.Second)
	send()
	p.clock.pass(10 * time.Minute)
	p.run(send())
	is(t, "after an outage", p.heard("own"), at(0)+"-"+at(20*time.Minute)+" "+at(50*time.Minute)+"-"+at(60*time.Minute))

	// It is killed, and what came before that is still in the spool.
	p.clock.pass(10 * time.Minute)
	send()
	p.push("polled", hcp(1, began, "create"))
	restart(20 * time.Minute)
	p.run(send())
	is(t, "after a kill", p.heard("own"), at(0)+"-"+at(20*time.Minute)+" "+at(50*time.Minute)+"-"+at(70*time.Minute))
	p.clock.pass(10 * time.Minute)
	p.run(send())
	is(t, "again", p.heard("own"), at(0)+"-"+at(20*time.Minute)+" "+at(50*time.Minute)+"-"+at(70*time.Minute)+" "+at(90*time.Minute)+"-"+at(100*time.Minute))
	p.audit()
}

// Without the position everything comes again, and adds nothing.
func TestDrainAgain(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	same := `{"time":"2026-03-01T00:00:00Z","action":"door.open"}`
	p.push("own", same, same, `{"action":"door.open"}`)
	p.push("own", same)
	last := p.push("hcp-pushed", hcp(1, p.clock.now(), "create"), "no JSON")
	p.run(last)
	if err := p.spool.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"position-0", "position-1"} {
		if err := os.Remove(filepath.Join(p.dir.Spool(), name)); err != nil {
			t.Fatal(err)
		}
	}
	p.begin()
	p.run(last)
	is(t, "own", p.counts("own"), "8 = 3 + 5 + 0 + 0")
	is(t, "hcp-pushed", p.counts("hcp-pushed"), "4 = 1 + 2 + 0 + 1")
}

// A request that is larger than a ledger record is committed in parts.
func TestDrainLargeRequest(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	var list []string
	for i := range 45_000 {
		list = append(list, hcp(i, start().Add(time.Duration(i)*time.Second), "create"))
	}
	mark := p.push("hcp-pushed", list...)
	p.clock.pass(time.Minute * 20)
	p.run(p.push("hcp-pushed"))
	if mark != 45_000 {
		t.Errorf("mark %d", mark)
	}
	is(t, "hcp-pushed", p.counts("hcp-pushed"), "45000 = 45000 + 0 + 0 + 0")
	if a := p.audit(); a.Events != 45_000 {
		t.Errorf("%d events", a.Events)
	}
	for _, b := range p.log.Head().State.Batches {
		if b.Events > 40_000 {
			t.Errorf("a record has %d events", b.Events)
		}
	}
}

// Heartbeats gather for an hour, or until a record comes.
func TestDrainHoldsHeartbeats(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	waits, timer := make(chan time.Duration, 10), make(chan time.Time)
	p.after = func(d time.Duration) <-chan time.Time {
		waits <- d
		return timer
	}
	p.begin()
	size := p.log.Head().State.Size
	for range 5 {
		p.push("hcp-pushed")
		p.push("own")
		p.clock.pass(10 * time.Minute)
	}
	last := p.push("own")
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		if err := p.drain.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	if d := <-waits; d != time.Hour {
		t.Errorf("heartbeats wait for %v", d)
	}
	timer <- time.Time{}
	for <-p.reached < last {
	}
	head := p.log.Head()
	if head.State.Size != size+1 {
		t.Errorf("%d records for 11 heartbeats", head.State.Size-size)
	}
	p.push("hcp-pushed")
	<-waits
	mark := p.push("own", `{"action":"door.open"}`)
	if d := <-waits; d != time.Millisecond {
		t.Errorf("a record waits for %v", d)
	}
	timer <- time.Time{}
	for <-p.reached < mark {
	}
	cancel()
	group.Wait()
	if head = p.log.Head(); head.State.Size != size+2 {
		t.Errorf("%d records", head.State.Size-size)
	}
}

// Records of a source that was removed from the configuration stay events; those of a
// source that nobody knows are rejects.
func TestDrainRemovedSource(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	p.push("hcp-pushed", hcp(1, p.clock.now(), "create"))
	p.push("stranger", hcp(2, p.clock.now(), "create"))
	last := p.push("own", `{"action":"door.open"}`)
	if err := p.spool.Close(); err != nil {
		t.Fatal(err)
	}
	p.sources = p.sources[1:]
	p.declare()
	p.begin()
	p.run(last)
	is(t, "removed", p.counts("hcp-pushed"), "1 = 1 + 0 + 0 + 0")
	is(t, "never known", p.counts("stranger"), "1 = 0 + 0 + 0 + 1")
	is(t, "heard", p.heard("hcp-pushed"), "")
	p.audit()
}

// What the disk did not keep is a reject with its bytes, and is said.
func TestDrainDamage(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	began := p.clock.now()
	p.push("own", `{"action":"door.open"}`)
	p.push("hcp-pushed")
	p.clock.pass(10 * time.Minute)
	p.push("own", `{"action":"first"}`, `{"action":"second"}`, `{"action":"third"}`)
	p.clock.pass(10 * time.Minute)
	p.push("own", `{"action":"head"}`)
	p.clock.pass(10 * time.Minute)
	p.push("hcp-pushed")
	last := p.push("own", `{"action":"last"}`)
	if err := p.spool.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(string(p.dir), "spool", "*.spool"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	second := strings.Index(text, `second`)
	b[second] = 'S'
	b[strings.Index(text, `{"action":"head"}`)-20] ^= 1 // in the table
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	p.begin()
	p.run(last)
	is(t, "own", p.counts("own"), "5 = 4 + 0 + 0 + 1")
	is(t, "exhibit", p.counts(source.Own), "2 = 0 + 0 + 0 + 2")
	var rejects []string
	head := p.log.Head()
	if err := p.db.EachReject(t.Context(), head.Snapshot(), []string{"own", source.Own}, everything(), func(_ uint64, r *event.Reject) error {
		rejects = append(rejects, r.Source+" "+r.Reason+" "+r.Raw)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(rejects, "\n")
	for _, want := range []string{`own damaged in the spool {"action":"Second"}`, `{"action":"head"}`, "records 6 to 6 are missing"} {
		if !strings.Contains(all, want) {
			t.Errorf("no reject has %s:\n%s", want, all)
		}
	}
	if s := p.drain.Status(); s.Damaged.IsZero() {
		t.Errorf("status %+v", s)
	}
	// Nobody can say that all of the time around the damage was heard.
	at := func(d time.Duration) string { return began.Add(d).Format("15:04") }
	is(t, "heard", p.heard("own"), "")
	is(t, "heard", p.heard("hcp-pushed"), "")
	p.clock.pass(10 * time.Minute)
	p.push("own")
	p.clock.pass(10 * time.Minute)
	p.run(p.push("own", `{"action":"after"}`))
	is(t, "heard", p.heard("own"), at(40*time.Minute)+"-"+at(50*time.Minute))
	p.audit()
}

// The event that says that the log was switched off ends the coverage.
func TestDrainSwitchedOff(t *testing.T) {
	t.Parallel()
	p := newPushing(t)
	k := p.kind("json")
	normalize := k.Normalize
	k.Normalize = func(r source.Record) ([]source.Result, error) {
		list, err := normalize(r)
		for i := range list {
			list[i].Ends = list[i].Event.Action == "log.off"
		}
		return list, err
	}
	p.sources[1].Kind = k
	p.begin()
	began := p.clock.now()
	send := func(action string) uint64 {
		return p.push("own", fmt.Sprintf(`{"time":%q,"action":%q}`, p.clock.now().Format(time.RFC3339), action))
	}
	send("door.open")
	p.clock.pass(10 * time.Minute)
	send("log.off")
	p.clock.pass(10 * time.Minute)
	p.run(p.push("own"))
	if !p.drain.Status().Sources["own"].Off {
		t.Error("the status does not say that the log is off")
	}
	p.clock.pass(10 * time.Minute)
	send("log.on")
	p.clock.pass(10 * time.Minute)
	p.run(p.push("own"))
	at := func(d time.Duration) string { return began.Add(d).Format("15:04") }
	is(t, "heard", p.heard("own"), at(0)+"-"+at(10*time.Minute)+" "+at(30*time.Minute)+"-"+at(40*time.Minute))

	// As Scalr says it.
	p.push("scalr")
	p.clock.pass(10 * time.Minute)
	p.run(p.push("scalr", fmt.Sprintf(`{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"AuditLogDisabled",`+
		`"source":"aws.partner/scalr.com/example","account":"111122223333","time":%q,"region":"us-east-1","resources":[],"detail":{}}`,
		p.clock.now().Add(-2*time.Minute).Format(time.RFC3339))))
	is(t, "heard", p.heard("scalr"), at(40*time.Minute)+"-"+at(48*time.Minute))
	is(t, "scalr", p.counts("scalr"), "1 = 1 + 0 + 0 + 0")
}
