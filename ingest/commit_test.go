package ingest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// toyKind makes "id/content/n" into n events, "bad ..." into a reject and "skip" into
// nothing.
func toyKind() source.Kind {
	return source.Kind{Name: "toy", Mapping: 1, Normalize: func(r source.Record) ([]source.Result, error) {
		text := string(r.Raw)
		if text == "skip" {
			return nil, fmt.Errorf("toy: %w", source.ErrSkip)
		}
		parts := strings.Split(text, "/")
		if len(parts) != 3 {
			return nil, &source.RejectError{Reason: source.ReasonNotJSON}
		}
		n, err := strconv.Atoi(parts[2])
		if err != nil {
			return nil, err
		}
		var results []source.Result
		for i := range n {
			e := event.Event{ID: parts[0], Time: start().Add(time.Duration(len(parts[0])) * time.Hour), Action: parts[1],
				Section: event.Sections()[i%3], Outcome: event.Success, Raw: text}
			if i > 0 {
				e.ID += fmt.Sprint("#", i)
			}
			results = append(results, source.Result{Event: e, Unmapped: i == 1})
		}
		return results, nil
	}}
}

// A ledger by hand: what became of every record that a source delivered.
type tally struct {
	stored  map[string]string // id → content
	rejects map[string]bool
	counts  ledger.Batch
}

func (m *tally) take(raw string) {
	m.counts.Fetched++
	reject := func(reason string) {
		if m.rejects[reason+raw] {
			m.counts.Duplicates++
			return
		}
		m.rejects[reason+raw] = true
		m.counts.Rejects++
	}
	parts := strings.Split(raw, "/")
	switch {
	case raw == "skip":
		m.counts.Skipped++
		return
	case len(parts) != 3:
		reject("not JSON")
		return
	}
	n, _ := strconv.Atoi(parts[2]) // made below
	m.counts.Extra += uint64(n - 1)
	for i := range n {
		id := parts[0]
		if i > 0 {
			id += fmt.Sprint("#", i)
		}
		switch before, there := m.stored[id]; {
		case !there:
			m.stored[id] = parts[1]
			m.counts.Events++
			if i == 1 {
				m.counts.Unmapped++
			}
		case before == parts[1]:
			m.counts.Duplicates++
		default:
			reject("conflict")
		}
	}
}

// Whatever mix comes, in however many parcels of however many sources, the counts
// of the ledger are those of a tally by hand, and nothing is unaccounted for.
func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	kind := toyKind()
	for seed := range uint64(max(soak(t, 60)/20, 3)) {
		s := newSite(t)
		w := s.open()
		random := mathrand.New(mathrand.NewPCG(seed, 9))
		tallies := make(map[string]*tally)
		for range 12 {
			var parcels []ingest.Parcel
			before := make(map[string]ledger.Batch)
			for range 1 + random.IntN(6) {
				name := fmt.Sprint("toy-", random.IntN(3))
				m := tallies[name]
				if m == nil {
					m = &tally{stored: make(map[string]string), rejects: make(map[string]bool)}
					tallies[name] = m
				}
				if _, there := before[name]; !there {
					before[name] = m.counts
				}
				p := ingest.NewPreparer(name, kind, s.secret, rand.Reader)
				for range random.IntN(30) {
					raw := fmt.Sprintf("%0*d/%d/%d", 1+random.IntN(3), random.IntN(40), random.IntN(10)/9, 1+random.IntN(10)/8)
					switch random.IntN(10) {
					case 0:
						raw = "skip"
					case 1:
						raw = fmt.Sprint("bad ", random.IntN(9))
					}
					m.take(raw)
					if err := p.Add(source.Record{Raw: []byte(raw), Received: time.Now()}); err != nil {
						t.Fatal(err)
					}
				}
				parcels = append(parcels, p.Take())
			}
			batches, err := w.log.Commit(t.Context(), parcels)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range batches {
				if in, out := b.Fetched+b.Extra, b.Events+b.Duplicates+b.Skipped+b.Rejects+b.Expired; in != out {
					t.Errorf("seed %d: %d in, %d out: %+v", seed, in, out, b)
				}
				was, now := before[b.Source], tallies[b.Source].counts
				want := ledger.Batch{Source: b.Source, Fetched: now.Fetched - was.Fetched, Extra: now.Extra - was.Extra, Events: now.Events - was.Events,
					Duplicates: now.Duplicates - was.Duplicates, Skipped: now.Skipped - was.Skipped, Rejects: now.Rejects - was.Rejects, Unmapped: now.Unmapped - was.Unmapped}
				b.Segments = nil
				if fmt.Sprintf("%+v", b) != fmt.Sprintf("%+v", want) {
					t.Errorf("seed %d: the ledger counts %+v\nby hand %+v", seed, b, want)
				}
			}
		}
		for name, m := range tallies {
			n := 0
			for _, count := range s.stored(name, w.log.Head()) {
				n += count
			}
			if n != len(m.stored) {
				t.Errorf("seed %d: %s has %d events, want %d", seed, name, n, len(m.stored))
			}
		}
		w.audit()
	}
}

// Coverage that reaches beyond now is cut, and does not drag the time of the ledger
// along.
func TestCoverageEndsNow(t *testing.T) {
	w := newSite(t).open()
	now := time.Now()
	_, err := w.importText(hcp(1, now.Add(-time.Hour), "create"), &coverage.Interval{From: now.Add(-2 * time.Hour), To: now.AddDate(5, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	head := w.log.Head()
	if at := head.State.At; at.After(time.Now()) {
		t.Errorf("the ledger is at %v", at)
	}
	if set := head.State.Coverage("hcp-prod"); len(set) != 1 || set[0].To.After(time.Now()) || set[0].To.Before(now) {
		t.Errorf("coverage %v", set)
	}
}

// A disk that is nearly full stops batches in words, and stops nothing else; when
// there is room again, the same work goes on.
func TestFreeSpaceLimit(t *testing.T) {
	free := uint64(1 << 30)
	w := newSite(t).open(func(o *ingest.LogOptions) {
		o.Free = func(context.Context) (uint64, error) { return free, nil }
		o.MinFree = 512 << 20
	})
	text := strings.Join(history(20), "\n")
	free = 100 << 20
	if _, err := w.importText(text, nil); !errors.Is(err, ingest.ErrFull) || !strings.Contains(err.Error(), "disk nearly full: 100 MiB left, 512 MiB are kept free") {
		t.Errorf("got %v, want ErrFull", err)
	}
	if err := w.log.Append(t.Context(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod", Note: "disk full"}}); err != nil {
		t.Errorf("a note: %v", err)
	}
	free = 1 << 30
	if r, err := w.importText(text, nil); err != nil || r.Events != 20 {
		t.Errorf("with room again: %+v, %v", r.Batch, err)
	}
	w.audit()
	if left, err := w.db.Free(t.Context()); err != nil || left == 0 {
		t.Errorf("the store has %d bytes left, %v", left, err)
	}
}

// Whoever waits for a receipt gets one, also when the log ends under the committer.
func TestEveryParcelGetsAReceipt(t *testing.T) {
	s := newSite(t)
	w := s.open()
	s.open() // fences the first
	kind := toyKind()
	var parcels []ingest.Parcel
	for i := range 3 { // two do not fit into one record: the second is held for the next
		p := ingest.NewPreparer("toy", kind, s.secret, rand.Reader)
		for j := range 26_000 {
			if err := p.Add(source.Record{Raw: []byte(fmt.Sprintf("%d-%d/0/1", i, j)), Received: time.Now()}); err != nil {
				t.Fatal(err)
			}
		}
		parcels = append(parcels, p.Take())
	}
	var waiting []<-chan ingest.Receipt
	for _, p := range parcels {
		done, err := w.committer.Submit(t.Context(), p)
		if errors.Is(err, ingest.ErrStopped) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		waiting = append(waiting, done)
	}
	for _, done := range waiting {
		if r := <-done; !errors.Is(r.Err, ingest.ErrTaken) && !errors.Is(r.Err, ingest.ErrStopped) {
			t.Errorf("got %v", r.Err)
		}
	}
	w.stop()
	if !errors.Is(w.err, ingest.ErrTaken) {
		t.Errorf("the committer ended with %v", w.err)
	}
}
