package ingest_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/demo"
	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"

	"golang.org/x/mod/sumdb/note"
)

// A mission is what a process of its own is told to do: start an engine on a data
// directory, import a file or poll a server, be killed at some moment, or check
// everything at the end.
type mission struct {
	Dir     string
	Lib     string
	Source  string
	File    string        // to import
	Server  string        // to poll
	Chunk   int           // events in one record
	Kill    string        // worker, engine, both
	Step    int           // killed before the nth step of the log ...
	Name    string        // ... or before the Step-th one of this name ...
	After   time.Duration // ... or when this time has passed since the log was open
	Accept  string        // an operator who accepts a rollback
	Audit   uint64        // check: segments from this record on
	Redrive bool          // the rejects of the source are tried again, after a fix
	Senders int           // that push at the same time ...
	Answers string        // ... and write down here what was answered; with Check it must all be there
	Flood   *flood        // instead of all this
	Check   bool          // check everything when done
}

// A result is what a process found.
type result struct {
	Steps    int // of the log
	PeakKiB  int // memory of this process at its highest
	Restarts int // of the engine
	Batch    ledger.Batch
	Events   uint64 // audited
	Size     uint64 // of the ledger
	Problems []string
	Flood    floodResult
}

const missionVariable = "EXHIBIT_TEST_MISSION"

func TestMain(m *testing.M) {
	engine.RunChildIfAsked()
	if text := os.Getenv(missionVariable); text != "" {
		os.Exit(runMission(text))
	}
	enginetest.Main(m)
}

func runMission(text string) int {
	var m mission
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	r, err := m.run(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (m mission) run(ctx context.Context) (r result, err error) {
	if m.Flood != nil {
		r.Flood, err = m.Flood.run(ctx)
		return r, err
	}
	level := slog.LevelError
	if os.Getenv("EXHIBIT_TEST_LOG") != "" {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	dir := ingest.Dir(m.Dir)
	unlock, err := dir.Lock()
	if err != nil {
		return r, err
	}
	defer unlock()
	e, err := engine.Start(ctx, engine.Options{Dir: m.Dir, Lib: m.Lib, Log: log})
	if err != nil {
		return r, err
	}
	defer e.Close()
	a := e.Address()
	db, err := store.Open(ctx, store.Options{Addrs: []string{a.Addr}, Database: "exhibit", User: a.User, Password: a.Password})
	if err != nil {
		return r, err
	}
	defer db.Close()
	if err := db.Migrate(ctx, migrations.FS); err != nil {
		return r, err
	}
	key, err := dir.Key("exhibit.example/crash")
	if err != nil {
		return r, err
	}
	secret, err := dir.Secret()
	if err != nil {
		return r, err
	}
	kill := sync.OnceFunc(func() { m.kill(e) })
	var mu sync.Mutex
	named := 0
	l, err := ingest.OpenLog(ctx, ingest.LogOptions{DB: db, Key: key, Path: dir.Ledger(), Now: time.Now, Log: log, Random: rand.Reader,
		Accept: ingest.Accept{Rollback: m.Accept},
		Trace: func(step string) {
			mu.Lock()
			defer mu.Unlock()
			r.Steps++
			if step == m.Name {
				named++
			}
			if m.Kill != "" && m.Step > 0 && (m.Name == "" && r.Steps == m.Step || step == m.Name && named == m.Step) {
				kill()
			}
		}})
	if err != nil {
		return r, err
	}
	defer l.Close()
	if m.Kill != "" && m.After > 0 {
		defer time.AfterFunc(m.After, kill).Stop()
	}
	c := ingest.NewCommitter(l)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var group sync.WaitGroup
	group.Go(func() { err = errors.Join(err, c.Run(running)) })
	work := m.work(ctx, l, c, secret, log, &r)
	stop()
	group.Wait()
	if err = errors.Join(err, work); err != nil {
		return r, err
	}
	mu.Lock()
	defer mu.Unlock()
	r.Restarts, r.PeakKiB = e.Restarts(), peakKiB()
	if m.Check {
		err = m.check(ctx, l, db, key, &r)
	}
	r.Size = l.Head().State.Size
	return r, err
}

// kill ends the engine, this process or both, as no shutdown would.
func (m mission) kill(e *engine.Engine) {
	if m.Kill != "worker" {
		_ = syscall.Kill(e.Pid(), syscall.SIGKILL) // it may be gone already
	}
	if m.Kill != "engine" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens in this process
	}
}

func (m mission) work(ctx context.Context, l *ingest.Log, c *ingest.Committer, secret []byte, log *slog.Logger, r *result) error {
	kind, err := source.Lookup(source.Kinds(), "hcp-terraform")
	if err != nil {
		return err
	}
	if m.Server != "" {
		return m.poll(ctx, l, c, secret, log, kind)
	}
	if m.Answers != "" {
		return m.push(ctx, l, c, secret, log)
	}
	if m.Redrive {
		return m.redrive(ctx, l, c, secret, r)
	}
	if m.File == "" {
		return nil
	}
	f, err := os.Open(m.File)
	if err != nil {
		return err
	}
	defer f.Close()
	from, to := crashPeriod()
	result, err := c.Import(ctx, f, ingest.Import{Source: m.Source, Kind: kind, Secret: secret, Name: filepath.Base(m.File), By: "ada",
		Covers: &coverage.Interval{From: from, To: to}, Now: time.Now, Chunk: m.Chunk})
	r.Batch = result.Batch
	r.Batch.Covers, r.Batch.Segments = nil, nil
	return err
}

func (m mission) poll(ctx context.Context, l *ingest.Log, c *ingest.Committer, secret []byte, log *slog.Logger, kind source.Kind) error {
	puller, err := kind.NewPuller(source.Config{Name: m.Source, Settings: map[string]string{"url": m.Server, "token": "t", "page_size": strconv.Itoa(m.Chunk)},
		Retry: source.Retry{Min: time.Millisecond, Max: 10 * time.Millisecond}})
	if err != nil {
		return err
	}
	w := ingest.NewWorker(ingest.WorkerOptions{Feed: ingest.Feed{Name: m.Source, Kind: kind, Puller: puller, Settle: time.Minute, Every: time.Minute},
		Log: l, Committer: c, Secret: secret, Now: time.Now, Slog: log})
	return w.Turn(ctx)
}

// check compares the store with the ledger, the ledger with its copy, and the
// source with the file.
func (m mission) check(ctx context.Context, l *ingest.Log, db *store.DB, key ledger.SigningKey, r *result) error {
	say := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	head := l.Head()
	audit, err := ingest.AuditStore(ctx, db, head, time.Now(), func(s ledger.SegmentAt) bool { return s.Seq >= m.Audit }, nil)
	if err != nil {
		return err
	}
	r.Events = audit.Events
	for _, f := range audit.Findings {
		say("audit: %s", f.What)
	}
	if err := sameLedger(ctx, db, ingest.Dir(m.Dir).Ledger(), key); err != nil {
		say("ledger: %v", err)
	}
	if m.Answers != "" {
		return m.checkPushed(ctx, l, db, r)
	}
	if m.File == "" {
		return nil
	}
	want := make(map[string]int)
	text, err := os.ReadFile(m.File)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		want[strings.TrimSpace(line)]++
	}
	n := len(want)
	if err := db.EachEvent(ctx, head.Snapshot(), []string{m.Source}, everything(), func(_ uint64, e *event.Event) error {
		want[e.Raw]--
		return nil
	}); err != nil {
		return err
	}
	for raw, left := range want {
		if left != 0 {
			say("stored %d times too few: %.120s", left, raw)
		}
	}
	from, to := crashPeriod()
	if got := head.State.Coverage(m.Source, ledger.Stated); len(got) != 1 || got[0] != (coverage.Interval{From: from, To: to}) {
		say("coverage is %v", got)
	}
	if got := r.Batch.Events + r.Batch.Duplicates; got != uint64(n) || r.Batch.Fetched != uint64(n) {
		say("the import says %+v of %d", r.Batch, n)
	}
	var counted uint64
	for _, b := range head.State.Batches {
		if b.Source == m.Source {
			counted += b.Events
		}
	}
	if counted != uint64(n) && len(head.State.Rollbacks) == 0 {
		say("the ledger counts %d events of %d", counted, n)
	}
	return nil
}

func everything() coverage.Interval {
	return coverage.Interval{From: time.Unix(0, 0), To: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// sameLedger reads the ledger from the store and from its copy: they must be the
// same records in one unbroken, signed log.
func sameLedger(ctx context.Context, db *store.DB, path string, key ledger.SigningKey) error {
	copied, err := readEntries(path)
	if err != nil {
		return err
	}
	var seq uint64
	var previous store.LedgerRow
	if err := db.LedgerRows(ctx, 0, 1<<62, func(row store.LedgerRow) error {
		if seq > 0 && row == previous {
			return nil // a repetition of the same row counts as one
		}
		if row.Seq != seq || seq >= uint64(len(copied)) || copied[seq] != (ledger.Entry{Record: row.Record, Checkpoint: row.Checkpoint}) {
			return fmt.Errorf("row %d of the store is not entry %d of the copy", row.Seq, seq)
		}
		previous = row
		seq++
		return nil
	}); err != nil {
		return err
	}
	if seq != uint64(len(copied)) {
		return fmt.Errorf("the store has %d records, the copy %d", seq, len(copied))
	}
	verifier, err := key.Verifier()
	if err != nil {
		return err
	}
	_, err = db.NewReader(verifiers(verifier)).Head(ctx)
	return err
}

func crashPeriod() (from, to time.Time) {
	return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC)
}

// crashFile writes n events of a week.
func crashFile(t *testing.T, n int) string {
	t.Helper()
	from, to := crashPeriod()
	var b bytes.Buffer
	if err := demo.WriteEvents(&b, 7, n, from, to); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "week.jsonl")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a mission in a process of its own and waits for its end.
func (m mission) start(t *testing.T) (r result, killed bool) {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), missionVariable+"="+string(text))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGKILL && ctx.Err() == nil {
		return r, true
	}
	if err != nil {
		t.Fatalf("%+v: %v\n%s", m, err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%+v: %v\n%s", m, err, out.String())
	}
	if errs.Len() > 0 && testing.Verbose() {
		t.Logf("%+v:\n%s", m, errs.String())
	}
	return r, false
}

// soak is how many kills to try: a handful, or as many as EXHIBIT_SOAK says.
func soak(t *testing.T, handful int) int {
	text := os.Getenv("EXHIBIT_SOAK")
	if text == "" {
		return handful
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("EXHIBIT_SOAK: %v", err)
	}
	return n
}

// Whatever is killed, and when: after the same import again nothing is lost and
// nothing is double.
func TestKillDuringImport(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	base := mission{Dir: t.TempDir(), Lib: lib, File: crashFile(t, 1200), Chunk: 300}
	steps := []string{"dedupe", "insert", "count", "read", "swap", "file", "done"}
	whom := []string{"both", "worker", "engine"}
	rounds := soak(t, 7)
	random := mathrand.New(mathrand.NewPCG(11, 12))
	kills := make(map[string]int)
	var audited uint64
	for round := range rounds {
		m := base
		m.Source = fmt.Sprintf("hcp-%d", round)
		m.Kill = whom[round%3]
		switch {
		case round < len(steps)*3 && (rounds > 7 || round < len(steps)):
			// Every step of the second commit; the first records are those of the start.
			m.Name, m.Step = steps[round%len(steps)], 2+random.IntN(2)
		case round%2 == 0:
			m.Step = 1 + random.IntN(40)
		default:
			m.After = time.Duration(random.IntN(600)) * time.Millisecond
		}
		r, killed := m.start(t)
		kills[fmt.Sprintf("%s killed=%v", m.Kill, killed || r.Restarts > 0)]++
		again := base
		again.Source, again.Check, again.Audit = m.Source, true, audited
		r, killed = again.start(t)
		if killed || len(r.Problems) > 0 {
			t.Fatalf("round %d, %+v: %s", round, m, strings.Join(r.Problems, "\n"))
		}
		if round%25 != 0 {
			audited = r.Size // everything, every 25 rounds and at the end
		} else {
			audited = 0
		}
	}
	last := base
	last.File, last.Check = "", true
	r, _ := last.start(t)
	if len(r.Problems) > 0 || r.Events != uint64(rounds)*1200 {
		t.Errorf("at the end %d events of %d: %s", r.Events, rounds*1200, strings.Join(r.Problems, "\n"))
	}
	t.Logf("%d rounds, %d records, %d events: %v", rounds, r.Size, r.Events, kills)
}

func verifiers(v note.Verifier) note.Verifiers { return note.VerifierList(v) }

func readEntries(path string) ([]ledger.Entry, error) {
	var list []ledger.Entry
	file, err := ledger.OpenFile(path, func(_ uint64, e ledger.Entry) error {
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, file.Close()
}

// each counts raw records.
func each(counts map[string]int) func(uint64, *event.Event) error {
	return func(_ uint64, e *event.Event) error {
		counts[e.Raw]++
		return nil
	}
}
