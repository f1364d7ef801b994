package ingest_test

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/internal/coverage"
	"exhibit/internal/demo"
	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/store"
)

// The worker is killed while it polls: the next turns bring what is missing.
func TestKillDuringPolling(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	now := time.Now().UTC().Truncate(time.Hour)
	vendor := demo.NewHCP(demo.HCPOptions{Token: "t", Now: time.Now, RateLimit: -1})
	var requests atomic.Int64
	server := httptest.NewServer(vendor)
	defer server.Close()
	for r := range (demo.History{Seed: 2}).Records(now.AddDate(0, 0, -8), now) {
		vendor.Append(r)
	}
	vendor.Plan(func(request int) *demo.Fault {
		requests.Add(1)
		return demo.RandomFaults(5, 0.2)(request)
	})
	base := mission{Dir: t.TempDir(), Lib: lib, Server: server.URL, Source: "hcp-prod", Chunk: 400}
	random := mathrand.New(mathrand.NewPCG(21, 22))
	rounds := soak(t, 4)
	kills, n := 0, 0
	for round := range rounds {
		for range random.IntN(30) { // something new each time
			vendor.Append(record(n, time.Now().Add(-time.Duration(random.IntN(600))*time.Second)))
			n++
		}
		m := base
		m.Kill, m.Step = []string{"worker", "both"}[round%2], 1+random.IntN(14)
		if round%3 == 2 {
			m.Step, m.After = 0, time.Duration(random.IntN(300))*time.Millisecond
		}
		if _, killed := m.start(t); killed {
			kills++
		}
	}
	last := base
	last.Check = true
	r, _ := last.start(t)
	want := vendor.Records(time.Unix(0, 0), time.Now())
	if len(r.Problems) > 0 || r.Events != uint64(len(want)) {
		t.Errorf("%d events of %d: %s", r.Events, len(want), strings.Join(r.Problems, "\n"))
	}
	t.Logf("%d rounds, %d killed, %d requests, %d events, %d records", rounds, kills, requests.Load(), r.Events, r.Size)
}

// A full disk: a clear error, and when there is room again the same import brings
// everything, once.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128m,mode=0700"); err != nil {
		t.Skipf("mount a small disk: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	e, err := engine.Start(t.Context(), engine.Options{Dir: dir, Lib: lib})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a := e.Address()
	s := newSiteAt(t, store.Options{Addrs: []string{a.Addr}, Database: "exhibit", User: a.User, Password: a.Password})
	s.dir = ingest.Dir(dir)
	if s.secret, err = s.dir.Secret(); err != nil {
		t.Fatal(err)
	}
	w := s.open(quick)
	from, to := crashPeriod()
	var text strings.Builder
	if err := demo.WriteEvents(&text, 3, 40_000, from, to); err != nil {
		t.Fatal(err)
	}
	load := func() (ingest.ImportResult, error) {
		return w.committer.Import(t.Context(), strings.NewReader(text.String()), ingest.Import{Source: "hcp-prod", Kind: w.kind("hcp-terraform"), Secret: w.secret,
			Name: "week.jsonl", By: "ada", Covers: &coverage.Interval{From: from, To: to}, Now: w.now, Chunk: 4000})
	}
	ballast := filepath.Join(dir, "ballast")
	for _, left := range []uint64{3 << 20, 1 << 20, 64 << 10} {
		fill(t, dir, ballast, left)
		_, err := load()
		if err == nil {
			t.Fatalf("40,000 events fit into %d KiB", left>>10)
		}
		if !errors.Is(err, ingest.ErrFull) {
			t.Errorf("%d KiB left: the error does not say that the disk is full: %v", left>>10, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}
	r, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if r.Fetched != 40_000 || r.Events+r.Duplicates != 40_000 {
		t.Errorf("with room again: %+v", r.Batch)
	}
	if audit := w.audit(); audit.Events != 40_000 {
		t.Errorf("%d events, want 40000", audit.Events)
	}
	head := w.log.Head()
	for raw, n := range s.stored("hcp-prod", head) {
		if n != 1 {
			t.Errorf("stored %d times: %s", n, raw)
		}
	}
	if set := head.State.Coverage("hcp-prod"); len(set) != 1 {
		t.Errorf("coverage %v", set)
	}
	w.stop()
	if err := sameLedger(t.Context(), s.db, s.dir.Ledger(), s.options().Key); err != nil {
		t.Error(err)
	}
	t.Logf("%d records, %d void", head.State.Size, len(head.State.Voids))
	if err := s.db.Close(); err != nil {
		t.Error(err)
	}
}

// fill leaves so many bytes free.
func fill(t *testing.T, dir, ballast string, left uint64) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	if free <= left {
		return
	}
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(free-left)); err != nil {
		t.Fatal(err)
	}
}

// An import's memory does not grow with the file.
func TestImportMemoryIsFlat(t *testing.T) {
	lib := enginetest.Lib(t)
	sizes := []int{60_000, 180_000}
	if soak(t, 0) > 0 {
		sizes = []int{100_000, 400_000, 1_000_000}
	}
	dir := t.TempDir()
	var peaks []int
	for i, n := range sizes {
		path := filepath.Join(t.TempDir(), "events.jsonl")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		from, to := crashPeriod()
		if err := demo.WriteEvents(f, uint64(i), n, from, to); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		r, _ := mission{Dir: dir, Lib: lib, Source: fmt.Sprint("hcp-", i), File: path}.start(t)
		if r.Batch.Events != uint64(n) {
			t.Fatalf("%+v", r.Batch)
		}
		t.Logf("%d events in %v: peak %d MiB beside the engine", n, time.Since(began).Round(10*time.Millisecond), r.PeakKiB>>10)
		peaks = append(peaks, r.PeakKiB)
	}
	if last := peaks[len(peaks)-1]; last > raceMemory*256<<10 || last > peaks[0]*2 {
		t.Errorf("peaks in KiB: %v", peaks)
	}
}

// peakKiB is the most memory that this process ever had resident.
func peakKiB() int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0 // not Linux: nothing is measured
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	n, _ := strconv.Atoi(strings.Fields(after)[0]) // the kernel writes a number
	return n
}

// An engine that is gone for good does not keep the program from ending.
func TestShutdownWithoutEngine(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	e, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir(), Lib: lib})
	if err != nil {
		t.Fatal(err)
	}
	a := e.Address()
	s := newSiteAt(t, store.Options{Addrs: []string{a.Addr}, Database: "exhibit", User: a.User, Password: a.Password})
	w := s.open(quick)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	p := ingest.Parcel{Source: "hcp-prod", Fetched: 1, Skipped: 1, Urgent: true}
	if _, err := w.committer.Commit(ctx, p); err == nil {
		t.Error("committed without an engine")
	}
	began := time.Now()
	_ = w.log.Head() // does not wait for the commit that is under way
	if waited := time.Since(began); waited > 100*time.Millisecond {
		t.Errorf("reading the head took %v", waited)
	}
	w.stop()
	if waited := time.Since(began); waited > 30*time.Second {
		t.Errorf("the end took %v", waited)
	}
}
