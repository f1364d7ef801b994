package ingest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// What a proxy does to an insert.
const (
	pass    = "pass"
	refuse  = "refuse"  // the connection ends before the statement arrives
	half    = "half"    // it ends in the middle of the rows
	drop    = "drop"    // it ends when the server has written the rows, before the client hears of it
	hold    = "hold"    // the rows arrive long after the client has given up
	swallow = "swallow" // the statement arrives and is never answered
)

// A proxy stands between store and engine and spoils inserts.
type proxy struct {
	listener net.Listener
	to       string
	choose   func(table string) string

	mu     sync.Mutex
	counts map[string]int
	conns  sync.WaitGroup
}

func newProxy(t *testing.T, to string, choose func(table string) string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, to: to, choose: choose, counts: make(map[string]int)}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.conns.Go(func() { p.serve(client) })
		}
	}()
	t.Cleanup(func() {
		l.Close()
		p.conns.Wait()
	})
	return p
}

// spoils decides about a statement.
func (p *proxy) spoils(packet []byte) string {
	_, after, found := bytes.Cut(packet, []byte("INSERT INTO `"))
	if !found {
		return ""
	}
	_, after, _ = bytes.Cut(after, []byte("`.`"))
	table, _, _ := bytes.Cut(after, []byte("`"))
	p.mu.Lock()
	defer p.mu.Unlock()
	fault := p.choose(string(table))
	p.counts[string(table)+" "+fault]++
	return fault
}

func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var mu sync.Mutex
	fault, answered, sent := "", false, false // of the statement under way
	var answers sync.WaitGroup
	answers.Go(func() {
		defer client.Close()
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			if err != nil {
				return
			}
			mu.Lock()
			answered = true
			silent := fault == swallow
			gone := sent && fault == drop
			mu.Unlock()
			if gone {
				return
			}
			if silent {
				continue
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	})
	var held []byte
	b := make([]byte, 1<<20)
	for {
		n, err := client.Read(b)
		if err != nil {
			break
		}
		mu.Lock()
		if f := p.spoils(b[:n]); f != "" {
			fault, answered, sent = f, false, false
		} else if fault != "" && answered {
			sent = true // the server has named the columns: these are rows
		}
		now, rows := fault, sent
		mu.Unlock()
		switch {
		case now == refuse:
			return
		case now == half && rows:
			server.Write(b[:n/2])
			return
		case now == hold && rows:
			held = append(held, b[:n]...)
		default:
			if _, err := server.Write(b[:n]); err != nil {
				return
			}
		}
	}
	if len(held) > 0 {
		// The client has gone. What it sent arrives now.
		time.Sleep(300 * time.Millisecond)
		server.Write(held)
		server.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		io.Copy(io.Discard, server)
	}
	server.Close()
	answers.Wait()
}

// through returns the site as it is seen through a proxy.
func (s *site) through(p *proxy) *site {
	o := s.at
	o.Addrs, o.Timeout = []string{p.listener.Addr().String()}, 250*time.Millisecond
	db, err := store.Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	other := *s
	other.db, other.at = db, o
	return &other
}

func quick(o *ingest.LogOptions) {
	o.Wait = func(ctx context.Context, attempt int) error {
		timer := time.NewTimer(time.Duration(attempt) * 5 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// A client that gives up on an insert while the server goes on, and every other
// way in which an insert can end: nothing is lost, nothing is double.
func TestInsertsOfUnknownOutcome(t *testing.T) {
	t.Parallel()
	faults := []string{refuse, half, drop, hold, swallow}
	for seed := range uint64(soak(t, 24) / 12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			s := newSite(t)
			random, fates := mathrand.New(mathrand.NewPCG(seed, 3)), mathrand.New(mathrand.NewPCG(seed, 4))
			p := newProxy(t, s.at.Addrs[0], func(table string) string {
				if fates.IntN(3) > 0 {
					return pass
				}
				return faults[fates.IntN(len(faults))]
			})
			far := s.through(p)
			w := far.open(quick)
			const commits = 10
			n := 0
			var lines []string
			for range commits {
				var text strings.Builder
				for range 1 + random.IntN(20) {
					line := hcp(n, start().Add(time.Duration(n)*time.Hour), "create")
					lines = append(lines, line)
					fmt.Fprintln(&text, line)
					if random.IntN(8) == 0 {
						fmt.Fprintf(&text, "not JSON %d\n", n)
					}
					n++
				}
				for attempt := 0; ; attempt++ {
					_, err := w.importText(text.String(), nil)
					if err == nil {
						break
					}
					if w.log.Failed() != nil || attempt > 20 {
						t.Fatalf("import: %v", err)
					}
				}
			}
			w.stop()
			p.listener.Close()
			far.db.Close()
			p.conns.Wait() // what was held has arrived
			direct := s.open()
			if got, want := s.stored("hcp-prod", direct.log.Head()), len(lines); len(got) != want {
				t.Errorf("%d different events, want %d", len(got), want)
			} else {
				for _, line := range lines {
					if got[line] != 1 {
						t.Errorf("stored %d times: %s", got[line], line)
					}
				}
			}
			direct.audit()
			if err := sameLedger(t.Context(), s.db, s.dir.Ledger(), s.options().Key); err != nil {
				t.Error(err)
			}
			t.Logf("%d records, %d of them void; %v", direct.log.Head().State.Size, len(direct.log.Head().State.Voids), p.counts)
		})
	}
}

// stored counts the records of a source that readers see.
func (s *site) stored(name string, head store.Head) map[string]int {
	s.t.Helper()
	got := make(map[string]int)
	if err := s.db.EachEvent(s.t.Context(), head.Snapshot(), []string{name}, everything(), each(got)); err != nil {
		s.t.Fatal(err)
	}
	return got
}

// Whoever calls the log may give up at any moment: the log finds out what became
// of the record before it writes another, and stays usable.
func TestCallersThatGiveUp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	random, faults := mathrand.New(mathrand.NewPCG(5, 6)), mathrand.New(mathrand.NewPCG(7, 8))
	slow := newProxy(t, s.at.Addrs[0], func(string) string {
		return []string{pass, pass, drop, hold, swallow}[faults.IntN(5)]
	})
	far := s.through(slow)
	w := far.open(quick)
	kind := s.kind("hcp-terraform")
	parcel := func(n int) ingest.Parcel {
		p := ingest.NewPreparer("hcp-prod", kind, s.secret, strings.NewReader(strings.Repeat("salt of some kind", 8)))
		if err := p.Add(source.Record{Raw: []byte(hcp(n, start().Add(time.Duration(n)*time.Hour), "create")), Received: s.now()}); err != nil {
			t.Fatal(err)
		}
		return p.Take()
	}
	const n = 5
	gaveUp := 0
	for i := range n {
		for patience := 60; ; patience += 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(patience))*time.Millisecond)
			_, err := w.log.Commit(ctx, []ingest.Parcel{parcel(i)})
			if err == nil {
				_ = w.log.Append(ctx, ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod", Note: fmt.Sprint(i)}}) // or not
			}
			cancel()
			if failed := w.log.Failed(); failed != nil {
				t.Fatal(failed)
			}
			if err == nil {
				break
			}
			if gaveUp++; gaveUp > 500 {
				t.Fatal(err)
			}
		}
	}
	w.stop()
	far.db.Close()
	slow.listener.Close()
	slow.conns.Wait()
	direct := s.open()
	got := s.stored("hcp-prod", direct.log.Head())
	for i := range n {
		if line := hcp(i, start().Add(time.Duration(i)*time.Hour), "create"); got[line] != 1 {
			t.Errorf("event %d is stored %d times", i, got[line])
		}
	}
	direct.audit()
	t.Logf("given up %d times, %d records, %d void", gaveUp, direct.log.Head().State.Size, len(direct.log.Head().State.Voids))
}
