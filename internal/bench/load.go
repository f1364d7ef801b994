package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/demo"
	"exhibit/migrations"
)

// feed is the name of the source that the events belong to.
const feed = "hcp-prod"

// span is how long the history of the events is.
const span = 120 * 24 * time.Hour

// generate writes the file of events.
func (st *stage) generate(context.Context) error {
	f, err := os.Create(st.input())
	if err != nil {
		return err
	}
	if err := st.start(); err != nil {
		return err
	}
	err = demo.WriteEvents(f, 1, st.events, st.now.Add(-span), st.now)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	info, err := os.Stat(st.input())
	if err != nil {
		return err
	}
	st.m.Numbers = map[string]float64{"bytes": float64(info.Size())}
	return st.stop(uint64(st.events))
}

// imports brings the file in as `exhibit import --covers` does: parse, normalise,
// dedupe, hash, insert, ledger.
func (st *stage) imports(ctx context.Context) error {
	if err := st.db.Migrate(ctx, migrations.FS); err != nil {
		return err
	}
	return st.importFile(ctx, func(r ingest.ImportResult) error {
		if r.Events != uint64(st.events) {
			return fmt.Errorf("%d of %d events were stored", r.Events, st.events)
		}
		return nil
	})
}

// importAgain brings the same file in once more, which adds nothing.
func (st *stage) importAgain(ctx context.Context) error {
	return st.importFile(ctx, func(r ingest.ImportResult) error {
		if r.Duplicates != uint64(st.events) {
			return fmt.Errorf("%d of %d events were known", r.Duplicates, st.events)
		}
		return nil
	})
}

func (st *stage) importFile(ctx context.Context, check func(ingest.ImportResult) error) error {
	debug.SetMemoryLimit(ingest.ImportMemory)
	kind, err := source.Lookup(source.Kinds(), "hcp-terraform")
	if err != nil {
		return err
	}
	w, err := st.openWriter(ctx)
	if err != nil {
		return err
	}
	declared := ingest.Declaration{Name: feed, Kind: kind, Since: st.now.Add(-span)}
	if err := w.log.Declare(ctx, []ingest.Declaration{declared}, true); err != nil {
		return errors.Join(err, w.close())
	}
	f, err := os.Open(st.input())
	if err != nil {
		return errors.Join(err, w.close())
	}
	defer f.Close()
	if err := st.start(); err != nil {
		return errors.Join(err, w.close())
	}
	result, err := w.committer.Import(ctx, f, ingest.Import{Source: feed, Kind: kind, Secret: w.secret, Name: "events.jsonl", By: "bench",
		Covers: &coverage.Interval{From: st.now.Add(-span), To: st.now}, Now: time.Now})
	if err := errors.Join(err, w.close()); err != nil {
		return err
	}
	if err := check(result); err != nil {
		return err
	}
	return st.stop(result.Fetched)
}

// trace returns what notes how long each step of a commit takes, in seconds.
func (st *stage) trace() func(step string) {
	st.m.Numbers = map[string]float64{}
	step, began := "", time.Now()
	return func(next string) {
		now := time.Now()
		if step != "" {
			st.m.Numbers[step] += now.Sub(began).Seconds()
		}
		step, began = next, now
		if next == "done" {
			step = "wait"
		}
	}
}

// A writer is a ledger with a committer at work.
type writer struct {
	log       *ingest.Log
	committer *ingest.Committer
	secret    []byte
	close     func() error
}

func (st *stage) openWriter(ctx context.Context) (*writer, error) {
	dir := ingest.Dir(st.data())
	unlock, err := dir.Lock()
	if err != nil {
		return nil, err
	}
	key, err := dir.Key("exhibit.example/bench")
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	w := new(writer)
	if w.secret, err = dir.Secret(); err != nil {
		return nil, errors.Join(err, unlock())
	}
	w.log, err = ingest.OpenLog(ctx, ingest.LogOptions{DB: st.db, Key: key, Path: dir.Ledger(), Now: time.Now, Random: rand.Reader,
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Trace: st.trace()})
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	w.committer = ingest.NewCommitter(w.log)
	running, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- w.committer.Run(running) }()
	w.close = func() error {
		cancel()
		return errors.Join(<-ended, w.log.Close(), unlock())
	}
	return w, nil
}

// load has ClickHouse itself read the same file into the same table.
func (st *stage) load(ctx context.Context) error {
	if err := st.db.Migrate(ctx, migrations.FS); err != nil {
		return err
	}
	conn, err := st.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := st.start(); err != nil {
		return err
	}
	if err := conn.Exec(ctx, loadStatement(st.database(), st.input())); err != nil {
		return err
	}
	if err := st.stop(0); err != nil {
		return err
	}
	return conn.QueryRow(ctx, "SELECT count() FROM "+st.database()+".events").Scan(&st.m.Events)
}

// lines counts the lines of a file.
func lines(path string) (n uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		n++
	}
	return n, scan.Err()
}
