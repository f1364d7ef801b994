package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/demo"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// A clock is set by hand. It starts in the past: the ledger refuses one that is
// ahead of the server's.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
	return c.at
}

// A feed is a source with its vendor, its worker and its time.
type feed struct {
	*writer
	clock  *clock
	vendor *demo.HCP
	url    string
	kind   source.Kind
	since  time.Time
	pages  string // size of pages: requests are limited by the real clock
	again  int    // attempts at a request after the first
	worker *ingest.Worker
}

// freshPuller makes a puller for every read: its limit of requests a second goes by
// the real clock, and these tests do not.
type freshPuller struct{ make func() (source.Puller, error) }

func (p freshPuller) Pull(ctx context.Context, ask source.Ask, page func(source.Page) error) (source.Answer, error) {
	fresh, err := p.make()
	if err != nil {
		return source.Answer{}, err
	}
	return fresh.Pull(ctx, ask, page)
}

func newFeed(t *testing.T, since time.Time) *feed {
	t.Helper()
	s := newSite(t)
	c := &clock{at: time.Now().UTC().AddDate(0, 0, -100).Truncate(24 * time.Hour)}
	s.now = c.now
	f := &feed{clock: c, since: since, pages: "1000", again: 10}
	f.vendor = demo.NewHCP(demo.HCPOptions{Token: "t", Now: c.now, RateLimit: -1})
	server := httptest.NewServer(f.vendor)
	t.Cleanup(server.Close)
	f.url = server.URL
	f.kind = s.kind("hcp-terraform")
	f.begin(s)
	return f
}

// begin starts a writer and a worker on the site; again after stop is a restart.
func (f *feed) begin(s *site) {
	s.t.Helper()
	f.writer = s.open(quick)
	if err := f.log.Declare(s.t.Context(), []ingest.Declaration{{Name: "hcp-prod", Kind: f.kind, Since: f.since}}, true); err != nil {
		s.t.Fatal(err)
	}
	fresh := func() (source.Puller, error) {
		return f.kind.NewPuller(source.Config{Name: "hcp-prod", Settings: map[string]string{"url": f.url, "token": "t", "page_size": f.pages},
			Now: f.clock.now, Retry: source.Retry{Min: time.Millisecond, Max: 5 * time.Millisecond, Times: f.again}})
	}
	f.worker = ingest.NewWorker(ingest.WorkerOptions{Log: f.log, Committer: f.committer, Secret: s.secret, Now: f.clock.now,
		Slog: slog.New(slog.DiscardHandler), Feed: ingest.Feed{Name: "hcp-prod", Kind: f.kind, Puller: freshPuller{fresh}, Since: f.since,
			Settle: f.kind.Settle, Every: time.Minute}})
}

// turn takes a turn that must succeed.
func (f *feed) turn() {
	f.t.Helper()
	if err := f.worker.Turn(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// flush ends the worker as a shutdown does.
func (f *feed) flush() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	cancel()
	if err := f.worker.Run(ctx); err != nil {
		f.t.Fatal(err)
	}
}

func record(n int, at time.Time) demo.Record {
	r, err := demo.ParseRecord([]byte(hcp(n, at, "create")))
	if err != nil {
		panic(err) // hcp makes them
	}
	return r
}

// same compares what is stored with what the vendor has in the period, and coverage with
// the events: whatever is covered is there.
func (f *feed) same(want []demo.Record) {
	f.t.Helper()
	head := f.log.Head()
	got := f.stored("hcp-prod", head)
	for raw, n := range got {
		if n != 1 {
			f.t.Errorf("stored %d times: %s", n, raw)
		}
	}
	missing := 0
	for _, r := range want {
		if got[string(r.Raw)] == 0 {
			if missing++; missing < 4 {
				f.t.Errorf("not stored: %s", r.Raw)
			}
		}
	}
	if len(got) != len(want) || missing > 0 {
		f.t.Errorf("%d events are stored, want %d; %d are missing", len(got), len(want), missing)
	}
}

func (f *feed) batches() (sum ledger.Batch) {
	for _, b := range f.log.Head().State.Batches {
		if b.Source != "hcp-prod" {
			continue
		}
		sum.Fetched += b.Fetched
		sum.Events += b.Events
		sum.Duplicates += b.Duplicates
		sum.Rejects += b.Rejects
		sum.Late += b.Late
		sum.Unmapped += b.Unmapped
	}
	return sum
}

func (f *feed) spans(from, to time.Time) string {
	var list []string
	head := f.log.Head()
	for _, s := range head.State.Spans("hcp-prod", coverage.Interval{From: from, To: to}, f.clock.now()) {
		list = append(list, fmt.Sprintf("%s %s", s.State, s.Length()))
	}
	return strings.Join(list, ", ")
}

// An ordinary day: everything is stored once, coverage never reaches into the
// settle time, and minutes without events make a record an hour.
func TestPolling(t *testing.T) {
	t.Parallel()
	f := newFeed(t, time.Time{})
	began := f.clock.now()
	var all []demo.Record
	for i := range 40 { // equal times, and some before the first turn
		all = append(all, record(i, began.Add(time.Duration(i/4-3)*17*time.Minute)))
	}
	unknown := record(900, began.Add(time.Hour))
	unknown.Raw = []byte(strings.Replace(string(unknown.Raw), `"workspace","action":"create"`, `"hovercraft","action":"fill-with-eels"`, 1))
	all = append(all, unknown)
	f.vendor.Append(all...)
	wrong := demo.WrongTotal(3)
	f.vendor.Plan(func(int) *demo.Fault { return &wrong })
	f.turn()
	f.vendor.Plan(nil)
	f.vendor.Inject(demo.Twice())
	if told := f.worker.Status().Told; told == nil || told.Total != told.Read+3 {
		t.Errorf("told %+v, want 3 more than were read", told)
	}
	for range 4 * 60 {
		now := f.clock.pass(time.Minute)
		f.turn()
		head := f.log.Head()
		if set := head.State.Coverage("hcp-prod").Union(f.worker.Status().Uncommitted...); len(set) != 1 || set[0].To.After(now.Add(-f.kind.Settle)) {
			t.Fatalf("at %v coverage is %v", now, set)
		}
	}
	records := f.log.Head().State.Size
	for range 10 * 60 { // nothing happens
		f.clock.pass(time.Minute)
		f.turn()
	}
	if idle := f.log.Head().State.Size - records; idle < 8 || idle > 12 {
		t.Errorf("ten idle hours made %d records, want about ten", idle)
	}
	f.flush()
	head := f.log.Head()
	if set := head.State.Coverage("hcp-prod"); len(set) != 1 || !set[0].To.Equal(f.clock.now().Add(-f.kind.Settle)) {
		t.Errorf("after the end coverage is %v at %v", set, f.clock.now())
	}
	f.same(all)
	if sum := f.batches(); sum.Unmapped != 1 || sum.Late != 0 || sum.Rejects != 0 {
		t.Errorf("sums %+v", sum)
	}
	f.audit()
}

// A record that makes an event which cannot be stored is a reject with its bytes, and
// in the way of nothing: neither of the other records nor of coverage.
func TestPollingUnstorable(t *testing.T) {
	t.Parallel()
	f := newFeed(t, time.Time{})
	f.stop()
	storable := f.kind.Normalize
	f.kind.Normalize = func(r source.Record) ([]source.Result, error) {
		out, err := storable(r)
		if strings.Contains(string(r.Raw), "fill-with-eels") {
			out[0].Event.Section = "nowhere"
		}
		return out, err
	}
	f.begin(f.site)
	whole := []demo.Record{record(1, f.clock.now()), record(3, f.clock.now())}
	odd := record(2, f.clock.now())
	odd.Raw = []byte(strings.Replace(string(odd.Raw), `"action":"create"`, `"action":"fill-with-eels"`, 1))
	f.vendor.Append(whole[0], odd, whole[1])
	for range 3 { // once is enough, however often it is read
		f.clock.pass(20 * time.Minute)
		f.turn()
	}
	f.flush()
	f.same(whole)
	if sum := f.batches(); sum.Events != 2 || sum.Rejects != 1 {
		t.Errorf("sums %+v, want two events and a reject", sum)
	}
	if got := f.rejects(store.RejectsOpen); got["hcp-prod "+ingest.ReasonUnstorable] != 1 {
		t.Errorf("rejects %v", got)
	}
	head := f.log.Head()
	if set := head.State.Coverage("hcp-prod"); len(set) != 1 || !set[0].To.Equal(f.clock.now().Add(-f.kind.Settle)) {
		t.Errorf("coverage is %v at %v", set, f.clock.now())
	}
	f.audit()
}

// The list moves while it is read, and answers are spoiled in every way.
func TestPollingThroughFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(max(soak(t, 10)/10, 1)) {
		f := newFeed(t, time.Time{})
		f.pages = "50"
		random := mathrand.New(mathrand.NewPCG(seed, 1))
		n := 0
		more := func(most int) (list []demo.Record) {
			for range random.IntN(most) {
				list = append(list, record(n, f.clock.now().Add(-time.Duration(random.IntN(60))*time.Second)))
				n++
			}
			return list
		}
		f.vendor.Append(more(150)...)
		faults := demo.RandomFaults(seed, 0.4)
		f.vendor.Plan(func(request int) *demo.Fault {
			if random.IntN(3) == 0 {
				arrive := demo.Arrive(more(5)...)
				return &arrive
			}
			return faults(request)
		})
		for range 12 {
			f.clock.pass(time.Minute)
			f.vendor.Append(more(40)...)
			if err := f.worker.Turn(t.Context()); err != nil {
				t.Logf("turn: %v", err)
			}
		}
		f.vendor.Plan(nil)
		f.clock.pass(20 * time.Minute)
		f.turn()
		f.flush()
		f.same(f.vendor.Records(time.Unix(0, 0), f.clock.now().Add(time.Hour)))
		if set := f.log.Head(); len(set.State.Coverage("hcp-prod")) != 1 {
			t.Errorf("coverage %v", set.State.Coverage("hcp-prod"))
		}
		f.audit()
	}
}

// An outage of two days heals by itself; of one of twenty days six are lost, and
// say so.
func TestOutages(t *testing.T) {
	t.Parallel()
	f := newFeed(t, time.Time{})
	began := f.clock.now()
	h := demo.History{Seed: 4}
	for r := range h.Records(began.AddDate(0, 0, -14), began.AddDate(0, 0, 40)) {
		f.vendor.Append(r)
	}
	f.turn()
	if got := f.spans(began.AddDate(0, 0, -14).Add(time.Minute), f.clock.now()); got != "covered 335h49m0s, pending 10m0s" {
		t.Errorf("at first: %s", got)
	}
	f.again = 1
	f.vendor.Down(demo.Status(503))
	for range 48 {
		f.clock.pass(time.Hour)
		if err := f.worker.Turn(t.Context()); err == nil {
			t.Fatal("a turn succeeded while the vendor was down")
		}
	}
	if s := f.worker.Status(); s.State != ingest.Backoff || s.Problem == "" || len(s.Missing) == 0 {
		t.Errorf("status %+v", s)
	}
	if got := f.spans(began, f.clock.now()); !strings.HasPrefix(got, ledger.Recoverable+" 47h50m0s") && !strings.Contains(got, ledger.Recoverable) {
		t.Errorf("during the outage: %s", got)
	}
	f.vendor.Up()
	f.turn()
	healed := f.clock.now()
	if got := f.spans(began, healed); got != "covered 47h50m0s, pending 10m0s" {
		t.Errorf("after the outage: %s", got)
	}
	if s := f.worker.Status(); s.State != ingest.Idle || s.Problem != "" {
		t.Errorf("status %+v", s)
	}

	f.vendor.Down(demo.ResetConnection())
	f.clock.pass(20 * 24 * time.Hour)
	if err := f.worker.Turn(t.Context()); err == nil {
		t.Fatal("a turn succeeded while the vendor was down")
	}
	f.vendor.Up()
	f.clock.pass(time.Minute)
	f.turn()
	now := f.clock.now()
	f.clock.pass(2 * time.Minute)
	if got, want := f.spans(healed.Add(-10*time.Minute), now), "gap, lost 144h12m0s, covered 335h49m0s, pending 10m0s"; got != want {
		t.Errorf("after twenty days: %s, want %s", got, want)
	}
	f.clock.pass(2 * time.Hour)
	f.turn()
	if sum := f.batches(); sum.Late != 0 {
		t.Errorf("%d late events", sum.Late)
	}
	want := f.vendor.Records(began.Add(-14*24*time.Hour), healed.Add(time.Nanosecond))
	want = append(want, f.vendor.Records(healed.Add(time.Nanosecond), f.clock.now().Add(time.Nanosecond))...)
	kept := want[:0]
	for _, r := range want {
		if r.Time.After(healed) && r.Time.Before(now.Add(time.Minute-f.kind.Keeps)) {
			continue
		}
		kept = append(kept, r)
	}
	f.same(kept)
	f.audit()
}

// A token that expires is a state that says what to do; a new one ends it.
func TestTokenExpires(t *testing.T) {
	f := newFeed(t, time.Time{})
	f.vendor.Append(record(1, f.clock.now()))
	f.vendor.ExpireToken(f.clock.now().Add(time.Hour))
	f.turn()
	f.clock.pass(2 * time.Hour)
	f.vendor.Append(record(2, f.clock.now()))
	if err := f.worker.Turn(t.Context()); err == nil {
		t.Fatal("an expired token was taken")
	}
	if s := f.worker.Status(); s.State != ingest.Rejected || !strings.Contains(s.Problem, "make a new audit trail token") {
		t.Errorf("status %+v", s)
	}
	f.vendor.ExpireToken(time.Time{})
	f.clock.pass(time.Minute)
	f.turn()
	if s := f.worker.Status(); s.State != ingest.Idle || s.Problem != "" {
		t.Errorf("status %+v", s)
	}
	f.same(f.vendor.Records(time.Unix(0, 0), f.clock.now()))
}

// An event that comes later than the settle time is stored and counted as late.
func TestLateEvents(t *testing.T) {
	f := newFeed(t, time.Time{})
	f.turn()
	f.clock.pass(2 * time.Hour)
	f.vendor.AppendLate(30*time.Minute, record(1, f.clock.now()))
	f.vendor.AppendLate(5*time.Minute, record(2, f.clock.now()))
	for range 26 * 6 {
		f.clock.pass(10 * time.Minute)
		f.turn()
	}
	f.same(f.vendor.Records(time.Unix(0, 0), f.clock.now()))
	if sum := f.batches(); sum.Late != 1 || sum.Events != 2 {
		t.Errorf("sums %+v, want one late of two", sum)
	}
	f.audit()
}

// The whole of Run: turns by the clock, longer pauses after failures, coverage that
// was held back is committed at the end, and nothing is left running.
func TestRunEndsCleanly(t *testing.T) {
	f := newFeed(t, time.Time{})
	ctx, cancel := context.WithCancel(t.Context())
	var pauses []time.Duration
	w := ingest.NewWorker(ingest.WorkerOptions{Log: f.log, Committer: f.committer, Secret: f.secret, Now: f.clock.now, Slog: slog.New(slog.DiscardHandler),
		Feed: ingest.Feed{Name: "hcp-prod", Kind: f.kind, Settle: f.kind.Settle, Every: time.Minute, Puller: freshPuller{func() (source.Puller, error) {
			return f.kind.NewPuller(source.Config{Name: "hcp-prod", Settings: map[string]string{"url": f.url, "token": "t"}, Now: f.clock.now,
				Retry: source.Retry{Min: time.Millisecond, Max: time.Millisecond, Times: 1}})
		}}},
		After: func(d time.Duration) <-chan time.Time {
			pauses = append(pauses, d)
			f.clock.pass(d)
			switch len(pauses) {
			case 3:
				f.vendor.Down(demo.Status(500))
			case 12:
				f.vendor.Up()
			case 14:
				cancel()
			}
			c := make(chan time.Time, 1)
			c <- f.clock.now()
			return c
		}})
	if err := w.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if pauses[4] != 4*time.Minute || pauses[10] != 15*time.Minute || pauses[13] != time.Minute {
		t.Errorf("pauses %v", pauses)
	}
	if s := w.Status(); s.State != ingest.Stopped || len(s.Uncommitted) != 0 {
		t.Errorf("status %+v", s)
	}
	head := f.log.Head()
	if set := head.State.Coverage("hcp-prod"); len(set) != 1 || set[0].To.Before(f.clock.now().Add(-f.kind.Settle-2*time.Minute)) {
		t.Errorf("coverage %v at %v", set, f.clock.now())
	}
}

// Forty days with faults, outages and restarts: what is stored is what the vendor
// would have given at each turn, what is covered is complete, and the gaps are
// where nothing was read.
func TestFortyDays(t *testing.T) {
	t.Parallel()
	for seed := range uint64(max(soak(t, 10)/10, 1)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { fortyDays(t, seed) })
	}
}

func fortyDays(t *testing.T, seed uint64) {
	f := newFeed(t, time.Time{})
	random := mathrand.New(mathrand.NewPCG(seed, 40))
	began := f.clock.now()
	h := demo.History{Seed: seed}
	for r := range h.Records(began.AddDate(0, 0, -20), began.AddDate(0, 0, 60)) {
		f.vendor.AppendLate(time.Duration(random.IntN(9))*time.Minute, r)
	}
	f.vendor.Plan(demo.RandomFaults(seed, 0.2))
	seen := make(map[string]demo.Record)
	truth := coverage.Set{}
	restarts := 0
	away := false
	for f.clock.now().Before(began.AddDate(0, 0, 40)) {
		switch x := random.IntN(40); {
		case x == 0 || !away && f.clock.now().After(began.AddDate(0, 0, 8)):
			days := random.IntN(3)
			if !away {
				away, days = true, 12+random.IntN(8) // once for longer than the vendor keeps
			}
			f.vendor.Down(demo.Status(502))
			f.clock.pass(time.Duration(days*24+random.IntN(24)) * time.Hour)
			_ = f.worker.Turn(t.Context()) // an outage: it fails
			f.vendor.Up()
		case x < 4:
			if random.IntN(2) == 0 {
				f.flush()
			}
			f.stop()
			f.begin(f.site)
			restarts++
		}
		now := f.clock.pass(time.Duration(1+random.IntN(600)) * time.Minute)
		if err := f.worker.Turn(t.Context()); err != nil {
			continue
		}
		for _, r := range f.vendor.Records(now.Add(time.Minute-f.kind.Keeps), now.Add(-9*time.Minute)) {
			seen[r.ID] = r
		}
		truth = truth.Union(coverage.Interval{From: now.Add(time.Minute - f.kind.Keeps), To: now.Add(-f.kind.Settle)})
	}
	f.vendor.Plan(nil)
	now := f.clock.pass(time.Hour)
	f.turn()
	truth = truth.Union(coverage.Interval{From: now.Add(time.Minute - f.kind.Keeps), To: now.Add(-f.kind.Settle)})
	f.flush()
	head := f.log.Head()
	covered := head.State.Coverage("hcp-prod", ledger.Read)
	if fmt.Sprint(covered) != fmt.Sprint(truth) {
		t.Errorf("covered is %v\nwhat was read is %v", covered, truth)
	}
	got := f.stored("hcp-prod", head)
	for _, r := range seen {
		if got[string(r.Raw)] != 1 {
			t.Errorf("was there to be read, is stored %d times: %s", got[string(r.Raw)], r.Raw)
		}
	}
	complete := 0
	for _, i := range covered {
		for _, r := range f.vendor.Records(i.From, i.To) {
			complete++
			if got[string(r.Raw)] != 1 {
				t.Errorf("in a covered time, stored %d times: %s", got[string(r.Raw)], r.Raw)
			}
		}
	}
	var lost time.Duration
	for _, s := range head.State.Spans("hcp-prod", coverage.Interval{From: began, To: now}, now) {
		if s.State == ledger.Lost {
			lost += s.Length()
		}
	}
	want := coverage.Gaps(coverage.Interval{From: began, To: now.Add(-f.kind.Keeps)}, truth).Length()
	if lost != want {
		t.Errorf("%v are said to be lost, %v are", lost, want)
	}
	if sum := f.batches(); sum.Late != 0 || sum.Rejects != 0 {
		t.Errorf("sums %+v", sum)
	}
	f.audit()
	t.Logf("seed %d: %d events, %d in covered time, %d restarts, %v lost, %d records", seed, len(got), complete, restarts, lost, head.State.Size)
}
