package pack_test

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
)

// cpu returns the processor time that the program has used: on a machine that
// others use too it says more than the clock.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// many makes a log of n events of one week, nearly all of them in two sections,
// as HCP Terraform's are.
func many(t testing.TB, n int) *log {
	l := newLog(t, 9)
	start := at("2026-03-15T00:00:00Z")
	l.add(ledger.Record{At: start, Kind: ledger.KindKey, Key: &ledger.Key{Key: l.keys[0].public}})
	l.source(start, "hcp-prod")
	week := at("2026-03-27T00:00:00Z")
	const batches = 20
	for b := range batches {
		when := week.Add(time.Duration(b+1) * 8 * time.Hour)
		events := make([]event.Event, 0, n/batches)
		for range n / batches {
			section := event.ChangeManagement
			if len(events)%5 == 0 {
				section = event.AdminChanges
			}
			events = append(events, l.event("hcp-prod", section, when.Add(-time.Duration(l.rng.Int64N(int64(8*time.Hour))))))
		}
		l.batch(when, events, nil, map[string]coverage.Interval{"hcp-prod": {From: when.Add(-8 * time.Hour), To: when}})
	}
	return l
}

func benchEvents(b *testing.B) int {
	if s := os.Getenv("BENCH_EVENTS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 200_000
}

func benchLog(b *testing.B) (*log, pack.Params) {
	l := many(b, benchEvents(b))
	p := l.params()
	p.Sources = []string{"hcp-prod"}
	return l, p
}

func BenchmarkWrite(b *testing.B) {
	l, p := benchLog(b)
	var events uint64
	var size countingWriter
	l.write(p) // sorts the rows
	used := cpu(b)
	for b.Loop() {
		size = 0
		s, err := pack.Write(b.Context(), &size, l, p)
		if err != nil {
			b.Fatal(err)
		}
		events += s.Counts.Lines
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(cpu(b)-used)/float64(events), "cpu-ns/event")
	b.ReportMetric(float64(size)/float64(benchEvents(b)), "zip-bytes/event")
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}

var _ io.Writer = (*countingWriter)(nil)

func BenchmarkVerify(b *testing.B) {
	l, p := benchLog(b)
	zip, _ := l.write(p)
	l.rows = nil
	if path := os.Getenv("KEEP_PACK"); path != "" {
		if err := os.WriteFile(path, zip, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	var events uint64
	used := cpu(b)
	for b.Loop() {
		res, err := pack.Verify(b.Context(), bytes.NewReader(zip), int64(len(zip)), pack.Options{Key: l.keys[0].public})
		if err != nil {
			b.Fatal(err)
		}
		mustBeGood(b, res)
		events += res.Counts.Lines
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(cpu(b)-used)/float64(events), "cpu-ns/event")
}
