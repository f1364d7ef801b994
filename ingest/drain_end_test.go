package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/spool"
)

// A rejecting drain is one without a log behind it, whose source has nothing but rejects.
func rejecting(t *testing.T) (*Drain, *spool.Spool, *Committer) {
	t.Helper()
	box, err := spool.Open(spool.Options{Dir: filepath.Join(t.TempDir(), "spool"), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	kind := source.Kind{Name: "k", Normalize: func(source.Record) ([]source.Result, error) { return nil, &source.RejectError{Reason: "x"} }}
	c := NewCommitter(nil)
	never := make(chan time.Time)
	d, err := NewDrain(DrainOptions{Spool: box, Log: &Log{}, Committer: c, Sources: []PushedSource{{Name: "a", Kind: kind}}, Secret: []byte("s"), Random: rand.Reader,
		Now: time.Now, Slog: slog.New(slog.DiscardHandler), After: func(time.Duration) <-chan time.Time { return never }})
	if err != nil {
		t.Fatal(err)
	}
	return d, box, c
}

func pushInto(t *testing.T, box *spool.Spool, records ...source.Record) uint64 {
	t.Helper()
	mark, err := box.Append(t.Context(), "a", records)
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

// The program is told to end while one load is committed and the next one is ready: when
// the first one fails, the second one stays in the spool too.
func TestDrainEndsBehindAFailedLoad(t *testing.T) {
	t.Parallel()
	tests := map[string]func(d *Drain, ctx context.Context) error{
		"while it runs": func(d *Drain, ctx context.Context) error { return d.Run(ctx) },
		"at the end":    func(d *Drain, ctx context.Context) error { return d.end(ctx, context.WithoutCancel(ctx)) },
	}
	for name, ends := range tests {
		t.Run(name, func(t *testing.T) {
			for range 10 { // Run may see either first
				d, box, c := rejecting(t)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				fill := func(text string) {
					pushInto(t, box, source.Record{Raw: []byte(text), Received: time.Now()})
					if _, err := d.fill(); err != nil {
						t.Fatal(err)
					}
				}
				fill("one")
				d.send(ctx, t.Context())
				first := <-c.parcels
				fill("two")
				d.load.due = true
				cancel()
				first.done <- Receipt{Err: errors.New("the database hiccups")}
				d.done <- <-d.done // Run finds both: the end, and what became of the load
				stop := make(chan struct{})
				go func() {
					select {
					case second := <-c.parcels:
						t.Error("the second load was sent")
						second.done <- Receipt{}
					case <-stop:
					}
				}()
				if err := ends(d, ctx); err != nil {
					t.Fatal(err)
				}
				close(stop)
				if n := box.Committed(); n != 0 {
					t.Fatalf("the spool forgot everything up to %d, and nothing is committed", n)
				}
			}
		})
	}
}

// Rejects and skips fill a load as events do.
func TestLoadOfRejects(t *testing.T) {
	t.Parallel()
	d, box, _ := rejecting(t)
	records := make([]source.Record, maxEvents+maxEvents/2)
	for i := range records {
		records[i] = source.Record{Raw: []byte("x"), Received: time.Now()}
	}
	pushInto(t, box, records...)
	full, err := d.fill()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(d.preparers["a"].parcel.Rejects); !full || n != maxEvents {
		t.Errorf("full %v, with %d rejects", full, n)
	}
}

// What becomes no event takes room in a parcel too.
func TestPending(t *testing.T) {
	kind := source.Kind{Name: "k", Normalize: func(r source.Record) ([]source.Result, error) {
		if string(r.Raw) == "skip" {
			return nil, source.ErrSkip
		}
		return nil, &source.RejectError{Reason: "x"}
	}}
	p := NewPreparer("a", kind, []byte("s"), rand.Reader)
	for _, text := range []string{"skip", "bad"} {
		if err := p.Add(source.Record{Raw: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Reject(source.Record{Raw: []byte("worse")}, errors.New("x"), 5, [32]byte{}); err != nil {
		t.Fatal(err)
	}
	if records, bytes := p.Pending(); records != 3 || bytes != 12 {
		t.Errorf("%d records, %d bytes", records, bytes)
	}
	for range maxEvents - 2 {
		if err := p.Add(source.Record{Raw: []byte("bad")}); err != nil {
			t.Fatal(err)
		}
	}
	if q := p.Take(); !q.Full() {
		t.Errorf("a parcel of %d rejects is not full", len(q.Rejects))
	}
}
