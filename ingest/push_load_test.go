package ingest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"
)

// A flood is what a process of its own is told to do: take a steady load of pushed
// records while its engine is stopped until the spool is full, then started.
type flood struct {
	Dir    string
	Lib    string
	Spool  uint64 // its size
	Record int    // bytes of one
}

// A floodResult is what it found.
type floodResult struct {
	Answered, Stored int
	Refused          int
	Full, Drained    time.Duration // from the stop of the engine, and from its start
	PeakKiB          int
	Waiting          uint64 // records, when the spool was full
	Heard            int    // stretches
	Problems         []string
}

const floodRate = 5000 // events a second

// A relay is the address that the engine keeps when it is stopped and started.
type relay struct {
	listener net.Listener
	mu       sync.Mutex
	to       string
	conns    sync.WaitGroup
}

func newRelay() (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r := &relay{listener: l}
	if err == nil {
		go func() {
			for {
				client, err := l.Accept()
				if err != nil {
					return
				}
				r.conns.Go(func() { r.serve(client) })
			}
		}()
	}
	return r, err
}

func (r *relay) point(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
}

func (r *relay) serve(client net.Conn) {
	defer client.Close()
	r.mu.Lock()
	to := r.to
	r.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client) // ends with either
		server.Close()
	}()
	_, _ = io.Copy(client, server)
}

// sameReader gives the same bytes always: engines with it have the same password.
type sameReader struct{}

func (sameReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

func (f flood) startEngine(ctx context.Context, r *relay) (*engine.Engine, error) {
	e, err := engine.Start(ctx, engine.Options{Dir: f.Dir, Lib: f.Lib, Rand: sameReader{}, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		r.point(e.Address().Addr)
	}
	return e, err
}

func (f flood) run(ctx context.Context) (r floodResult, err error) {
	relay, err := newRelay()
	if err != nil {
		return r, err
	}
	defer relay.listener.Close()
	e, err := f.startEngine(ctx, relay)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	a := e.Address()
	db, err := store.Open(ctx, store.Options{Addrs: []string{relay.listener.Addr().String()}, Database: "exhibit", User: a.User, Password: a.Password})
	if err != nil {
		return r, err
	}
	defer db.Close()
	if err := db.Migrate(ctx, migrations.FS); err != nil {
		return r, err
	}
	dir := ingest.Dir(f.Dir)
	key, err := dir.Key("exhibit.example/flood")
	if err != nil {
		return r, err
	}
	log := slog.New(slog.DiscardHandler)
	l, err := ingest.OpenLog(ctx, ingest.LogOptions{DB: db, Key: key, Path: dir.Ledger(), Now: time.Now, Log: log, Random: rand.Reader})
	if err != nil {
		return r, err
	}
	defer l.Close()
	c := ingest.NewCommitter(l)
	box, err := spool.Open(spool.Options{Dir: dir.Spool(), Max: f.Spool, Now: time.Now, Log: log})
	if err != nil {
		return r, err
	}
	sources, err := pushedSources()
	if err != nil {
		return r, err
	}
	d, err := ingest.NewDrain(ingest.DrainOptions{Spool: box, Log: l, Committer: c, Sources: sources, Secret: make([]byte, 32), Random: rand.Reader, Now: time.Now, Slog: log})
	if err != nil {
		return r, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { err = errors.Join(err, c.Run(running)) })
	draining, stopDrain := context.WithCancel(ctx)
	defer stopDrain()
	var drained sync.WaitGroup
	var failed error
	drained.Go(func() { failed = d.Run(draining) })

	s := &floodSender{flood: f, box: box, pad: strings.Repeat("x", f.Record)}
	if err := s.send(ctx, time.Second, func() bool { return true }); err != nil { // an ordinary second
		return r, err
	}
	if err := e.Close(); err != nil {
		return r, err
	}
	began := time.Now()
	if err := s.send(ctx, 2*time.Minute, func() bool { return s.refused == 0 }); err != nil {
		return r, err
	}
	r.Full, r.Waiting = time.Since(began), box.Status().Waiting
	began = time.Now()
	if e, err = f.startEngine(ctx, relay); err != nil {
		return r, err
	}
	full := s.answered
	if err := s.send(ctx, 2*time.Minute, func() bool { return s.answered < full+floodRate }); err != nil { // the load goes on
		return r, err
	}
	for tick := time.NewTicker(10 * time.Millisecond); box.Committed() < s.mark; <-tick.C {
		if time.Since(began) > 5*time.Minute {
			return r, fmt.Errorf("committed up to %d of %d: %s", box.Committed(), s.mark, d.Status().Problem)
		}
	}
	r.Drained, r.PeakKiB, r.Answered, r.Refused = time.Since(began), peakKiB(), s.answered, s.refused
	stopDrain()
	drained.Wait()
	stop()
	group.Wait()
	if err := errors.Join(err, failed, box.Close()); err != nil {
		return r, err
	}
	head := l.Head()
	r.Heard = len(head.State.Coverage("hcp-pushed", ledger.Heard))
	counts := make([]int, s.n)
	return r, db.EachEvent(ctx, head.Snapshot(), []string{"hcp-pushed"}, everything(), func(_ uint64, e *event.Event) error {
		r.Stored++
		if n, err := strconv.Atoi(e.ID[:8]); err != nil || n >= s.n {
			r.Problems = append(r.Problems, "stored, and never sent: "+e.ID)
		} else if counts[n]++; counts[n] > 1 {
			r.Problems = append(r.Problems, "stored twice: "+e.ID)
		}
		return nil
	})
}

// A floodSender sends requests of 100 events, and again what is refused.
type floodSender struct {
	flood
	box      *spool.Spool
	pad      string
	n        int // events made
	answered int
	refused  int // requests
	mark     uint64
	again    []source.Record
}

// send keeps up the rate for a while, or until it should not go on.
func (s *floodSender) send(ctx context.Context, while time.Duration, goOn func() bool) error {
	const size = 100
	tick := time.NewTicker(time.Second * size / floodRate)
	defer tick.Stop()
	for end := time.After(while); goOn(); {
		select {
		case <-tick.C:
		case <-end:
			return nil
		}
		if s.again == nil {
			now := time.Now()
			for range size {
				raw := strings.Replace(hcp(s.n, now, "create"), `"meta":null`, `"meta":{"pad":"`+s.pad+`"}`, 1)
				s.again = append(s.again, source.Record{Raw: []byte(raw), Received: now})
				s.n++
			}
		}
		mark, err := s.box.Append(ctx, "hcp-pushed", s.again)
		if full := (*spool.FullError)(nil); errors.As(err, &full) {
			s.refused++
			continue
		}
		if err != nil {
			return err
		}
		s.answered, s.mark, s.again = s.answered+size, mark, nil
	}
	return nil
}

// The engine is stopped under a load of 5,000 events a second until the spool is full,
// then started: nothing is lost, nothing is double, and the memory does not grow with
// the spool.
func TestPushMemoryWhileEngineIsStopped(t *testing.T) {
	t.Parallel()
	f := flood{Dir: t.TempDir(), Lib: enginetest.Lib(t), Spool: 320 << 20, Record: 8 << 10}
	if soak(t, 0) > 0 {
		f.Spool = 1 << 30
	}
	result, _ := mission{Flood: &f}.start(t)
	r := result.Flood
	t.Logf("%d events answered, %d refusals; full after %v with %d waiting, drained %v after the start; peak %d MiB", r.Answered, r.Refused,
		r.Full.Round(time.Millisecond), r.Waiting, r.Drained.Round(time.Millisecond), r.PeakKiB>>10)
	if len(r.Problems) > 0 || r.Stored != r.Answered {
		t.Errorf("%d events stored of %d answered: %s", r.Stored, r.Answered, strings.Join(r.Problems[:min(5, len(r.Problems))], "\n"))
	}
	if r.Refused == 0 || r.Waiting < 30_000 {
		t.Errorf("the spool was not full: %d refused, %d waiting", r.Refused, r.Waiting)
	}
	if r.Heard < 2 {
		t.Errorf("%d stretches were heard; a refusal ends one", r.Heard)
	}
	// All of the process, and less than the spool alone holds; 201 to 255 MiB were seen.
	if r.PeakKiB > raceMemory*300<<10 {
		t.Errorf("peak of %d MiB with a spool of %d MiB", r.PeakKiB>>10, f.Spool>>20)
	}
}
