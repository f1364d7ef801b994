package ingest_test

import (
	"context"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
)

// A simulation runs the worker of one pull kind through days of a fake vendor's life
// on a clock of its own: events that show late and out of order, faults of the net
// and of the vendor, programs that end in the middle, and one outage for longer than
// the vendor keeps its events. At the end the stored set must be the vendor's set and
// the gaps must be the truth.
//
// A kind plugs in with a trial: its row of the table of kinds, the settings that make
// its puller fast (requests are limited by the real clock: set the limit high), and a
// fake of its vendor. See daybook_test.go for the smallest one and okta_sim_test.go
// for one that is followed.
type trial struct {
	kind     source.Kind // Keeps may be made short, so that the outage is
	settings map[string]string
	vendor   func(world *world) vendor
	every    time.Duration // between events, on average
}

// A vendor is the fake of an API. The simulation puts the faults of networks in front
// of it: 429 in two forms, 5xx, resets, cut bodies, pages of a proxy.
type vendor interface {
	http.Handler
	// Happen adds an event: it bears the time At, and the API shows it from Seen on.
	// It returns the record as the API will give it, byte for byte.
	Happen(e happening) []byte
	// Trouble is called before a turn to begin and end the vendor's own faults (tokens
	// that expire, answers that are partial, pages that come twice) as random says;
	// with nil it ends all of them.
	Trouble(random *mathrand.Rand)
}

// A happening is an event of the vendor.
type happening struct {
	N        int       // number of the event, for an id
	At, Seen time.Time // by the vendor's clock
}

// A world is what a fake vendor sees of a simulation.
type world struct {
	clock *clock
	keeps time.Duration
	skew  time.Duration // of the vendor's clock
}

// now is the vendor's time: what happened before it and was seen by then is shown,
// except what is older than keeps.
func (w *world) now() time.Time { return w.clock.now().Add(w.skew) }

// A simulation is one run of a trial.
type simulation struct {
	trial
	*writer
	*world
	fake   vendor
	net    *network
	url    string
	random *mathrand.Rand
	worker *ingest.Worker
	began  time.Time
	start  time.Time // another since

	events   []simulated
	until    time.Time // events were made up to here
	restarts int
	turns    int
	failed   int
	whole    time.Time // end of the first turn that succeeded; zero: none did
}

type simulated struct {
	happening
	raw string
}

const simulatedSource = "simulated"

// simulate runs a trial for about as many days as it is told.
func simulate(t *testing.T, tr trial, seed uint64, days int) {
	t.Helper()
	s := newSimulation(t, tr, seed)
	half := time.Duration(days) * 12 * time.Hour
	s.troubled(half)
	s.calm()
	left := s.clock.now()
	s.net.change(func() { s.net.down = true })
	s.silent(s.keeps + time.Duration(1+s.random.IntN(48))*time.Hour)
	if err := s.turn(); err == nil {
		t.Error("a turn succeeded while the vendor was away")
	}
	s.net.change(func() { s.net.down = false })
	s.whole = time.Time{}
	back := s.clock.now()
	s.troubled(half)
	s.calm()
	s.flush()
	s.judge(left, back)
}

func newSimulation(t *testing.T, tr trial, seed uint64) *simulation {
	t.Helper()
	site := newSite(t)
	random := mathrand.New(mathrand.NewPCG(seed, 3))
	c := &clock{at: time.Now().UTC().AddDate(-2, 0, 0).Truncate(24 * time.Hour)}
	site.now = c.now
	s := &simulation{trial: tr, random: random, began: c.now(),
		world: &world{clock: c, keeps: tr.kind.Keeps, skew: time.Duration(random.IntN(90)-45) * time.Second}}
	// The first history: it was there before the first turn.
	s.until = s.since()
	s.fake = tr.vendor(s.world)
	s.net = &network{next: s.fake, random: mathrand.New(mathrand.NewPCG(seed, 4)), clock: c}
	server := httptest.NewServer(s.net)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.happen(s.began)
	s.begin(site)
	return s
}

// kindOf returns the row of a kind.
func kindOf(t *testing.T, name string) source.Kind {
	t.Helper()
	k, err := source.Lookup(source.Kinds(), name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// since is the configured start: half of what the vendor keeps lies before the first turn.
func (s *simulation) since() time.Time {
	if !s.start.IsZero() {
		return s.start
	}
	return s.began.Add(-s.keeps / 2)
}

// begin starts a writer and a worker; after stop it is a restart.
func (s *simulation) begin(site *site) {
	s.writer = site.open(quick)
	declared := []ingest.Declaration{{Name: simulatedSource, Kind: s.kind, Since: s.since()}}
	if err := s.log.Declare(s.t.Context(), declared, true); err != nil {
		s.t.Fatal(err)
	}
	settings := map[string]string{"url": s.url}
	for name, value := range s.settings {
		settings[name] = value
	}
	fresh := func() (source.Puller, error) {
		return s.kind.NewPuller(source.Config{Name: simulatedSource, Settings: settings, Now: s.clock.now,
			Retry: source.Retry{Min: time.Millisecond, Max: 3 * time.Millisecond, Times: 3}})
	}
	s.worker = ingest.NewWorker(ingest.WorkerOptions{Log: s.log, Committer: s.committer, Secret: s.secret, Now: s.clock.now,
		Slog: slog.New(slog.DiscardHandler), Feed: ingest.Feed{Name: simulatedSource, Kind: s.kind, Puller: freshPuller{fresh}, Since: s.since(),
			Settle: s.kind.Settle, Every: time.Minute}})
}

// turn takes a turn; some are cut off by the end of the program.
func (s *simulation) turn() error {
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	s.net.change(func() {
		if s.net.trouble > 0 && s.random.IntN(20) == 0 {
			s.net.cancel, s.net.after = cancel, s.random.IntN(6)
		}
	})
	s.turns++
	err := s.worker.Turn(ctx)
	s.net.change(func() { s.net.cancel = nil })
	if err != nil {
		s.failed++
	} else if s.whole.IsZero() {
		s.whole = s.clock.now()
	}
	if ctx.Err() != nil {
		s.restart()
	}
	return err
}

func (s *simulation) restart() {
	if s.random.IntN(2) == 0 {
		s.flush()
	}
	s.stop()
	s.begin(s.site)
	s.restarts++
}

// flush ends the worker as a shutdown does.
func (s *simulation) flush() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	if err := s.worker.Run(ctx); err != nil {
		s.t.Fatal(err)
	}
}

// troubled lets a stretch of time pass in which everything goes wrong now and then.
func (s *simulation) troubled(d time.Duration) {
	for end := s.clock.now().Add(d); s.clock.now().Before(end); {
		s.net.change(func() {
			s.net.trouble = 0.25
			s.fake.Trouble(s.random)
		})
		step := time.Duration(1+s.random.IntN(90)) * time.Minute
		switch s.random.IntN(30) {
		case 0: // an outage
			s.net.change(func() { s.net.down = true })
			step += time.Duration(s.random.IntN(int(min(s.keeps/4, 48*time.Hour).Minutes()))) * time.Minute
		case 1, 2:
			s.restart()
		case 3, 4, 5, 6, 7, 8: // an ordinary minute
			step = time.Minute
		}
		s.happen(s.clock.pass(step))
		_ = s.turn() // what does not succeed now does later
		s.net.change(func() { s.net.down = false })
		if s.random.IntN(3) == 0 {
			s.honest()
		}
	}
}

// calm lets two days pass without faults and without late events: those of before
// are all there then, and were looked for.
func (s *simulation) calm() {
	s.t.Helper()
	s.net.change(func() {
		s.net.trouble = 0
		s.fake.Trouble(nil)
	})
	for range 25 {
		s.quiet(s.clock.pass(2 * time.Hour))
		if err := s.turn(); err != nil {
			s.t.Fatalf("on calm days: %v", err)
		}
	}
}

// silent lets time pass without turns.
func (s *simulation) silent(d time.Duration) { s.happen(s.clock.pass(d)) }

// happen lets events happen up to now. One in thirty comes later than the settle time.
func (s *simulation) happen(now time.Time) {
	s.generate(now, func() time.Duration {
		switch s.random.IntN(30) {
		case 0:
			return s.kind.Settle + time.Duration(s.random.IntN(20*60))*time.Minute
		case 1, 2, 3, 4, 5:
			return s.inTime()
		}
		return time.Duration(s.random.IntN(3000)) * time.Millisecond
	})
}

// quiet is happen without late events.
func (s *simulation) quiet(now time.Time) { s.generate(now, s.inTime) }

// inTime is a delay within the settle time, whatever the skew of the clock.
func (s *simulation) inTime() time.Duration {
	return time.Duration(s.random.Int64N(int64(s.kind.Settle - 2*time.Minute)))
}

func (s *simulation) generate(now time.Time, lag func() time.Duration) {
	for s.until.Before(now) {
		s.until = s.until.Add(time.Duration(s.random.Int64N(int64(2 * s.every))))
		for range 1 + s.random.IntN(3) { // some at the same time
			at := s.until.Add(s.skew).Truncate(time.Millisecond)
			h := happening{N: len(s.events), At: at, Seen: at.Add(lag())}
			s.net.change(func() { s.events = append(s.events, simulated{h, string(s.fake.Happen(h))}) })
		}
	}
}
