package objects_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/objects"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
	"exhibit/internal/coverage"
	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"
)

// A mission is what a process of its own does: read a bucket, and be killed at some
// moment, or check everything at the end.
type mission struct {
	Dir, Lib, Bucket string
	Source           string
	Kill             string // worker, engine, both
	Name             string // of the step before which it is killed ...
	Step             int    // ... the how-manieth one of it
	Now              time.Time
}

// A result is what a process found.
type result struct {
	Restarts int
	Events   int
	Objects  uint64
	Covered  []string
	Problems []string
}

const missionVariable = "EXHIBIT_TEST_MISSION"

func TestMain(m *testing.M) {
	engine.RunChildIfAsked()
	if text := os.Getenv(missionVariable); text != "" {
		var m mission
		err := json.Unmarshal([]byte(text), &m)
		if err == nil {
			var r result
			if r, err = m.run(context.Background()); err == nil {
				err = json.NewEncoder(os.Stdout).Encode(r)
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	enginetest.Main(m)
}

func (m mission) run(ctx context.Context) (r result, err error) {
	dir := ingest.Dir(m.Dir)
	unlock, err := dir.Lock()
	if err != nil {
		return r, err
	}
	defer unlock()
	e, err := engine.Start(ctx, engine.Options{Dir: m.Dir, Lib: m.Lib, Log: quiet()})
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
	named := 0
	kill := sync.OnceFunc(func() { m.kill(e) })
	log, err := ingest.OpenLog(ctx, ingest.LogOptions{DB: db, Key: key, Path: dir.Ledger(), Now: time.Now, Random: rand.Reader, Log: quiet(), Trace: func(step string) {
		if step == m.Name {
			if named++; named == m.Step {
				kill()
			}
		}
	}})
	if err != nil {
		return r, err
	}
	defer log.Close()
	c := ingest.NewCommitter(log)
	running, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { err = c.Run(running) })
	turnErr := m.turn(ctx, db, log, c, secret)
	stop()
	group.Wait()
	if err = errors.Join(err, turnErr); err != nil {
		return r, err
	}
	r.Restarts = e.Restarts()
	return r, m.look(ctx, db, log.Head(), &r)
}

func (m mission) kill(e *engine.Engine) {
	if m.Kill != "worker" {
		_ = syscall.Kill(e.Pid(), syscall.SIGKILL) // it may be gone already
	}
	if m.Kill != "engine" {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing more happens in this process
	}
}

func (m mission) turn(ctx context.Context, db *store.DB, log *ingest.Log, c *ingest.Committer, secret []byte) error {
	kind, err := source.Lookup(source.Kinds(), "aws-cloudtrail")
	if err != nil {
		return err
	}
	b, err := bucket.Open(ctx, m.Bucket)
	if err != nil {
		return err
	}
	defer b.Close()
	w := objects.New(objects.Options{Feed: objects.Feed{Name: m.Source, Kind: kind.FromBucket(), Bucket: b, Settle: kind.Settle, Every: time.Minute},
		DB: db, Log: log, Committer: c, Secret: secret, Now: func() time.Time { return m.Now }, Slog: quiet()})
	return w.Turn(ctx)
}

func (m mission) look(ctx context.Context, db *store.DB, head store.Head, r *result) error {
	audit, err := ingest.AuditStore(ctx, db, head, time.Now(), func(ledger.SegmentAt) bool { return true }, nil)
	if err != nil {
		return err
	}
	for _, f := range audit.Findings {
		r.Problems = append(r.Problems, f.What)
	}
	seen := make(map[string]int)
	everything := coverage.Interval{From: time.Unix(0, 0), To: noon().AddDate(50, 0, 0)}
	if err := db.EachEvent(ctx, head.Snapshot(), []string{m.Source}, everything, func(_ uint64, e *event.Event) error {
		seen[e.ID]++
		return nil
	}); err != nil {
		return err
	}
	for id, n := range seen {
		if n > 1 {
			r.Problems = append(r.Problems, fmt.Sprintf("%s is stored %d times", id, n))
		}
	}
	r.Events = len(seen)
	for _, b := range head.State.Batches {
		if b.Source == m.Source && b.Objects != nil {
			r.Objects += b.Objects.Count
		}
	}
	for _, i := range head.State.Coverage(m.Source, ledger.Read) {
		r.Covered = append(r.Covered, i.From.Format(time.RFC3339), i.To.Format(time.RFC3339))
	}
	return nil
}

// start runs a mission in a process of its own.
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
	if err != nil && m.Kill == "engine" {
		return r, true // the turn met the end of the engine; the next turn shows what that left
	}
	if err != nil {
		t.Fatalf("%+v: %v\n%s", m, err, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%+v: %v\n%s", m, err, out.String())
	}
	return r, false
}

// Whatever is killed, and before which step of a commit: after another turn every
// object is there once with its events, and what digests prove is covered.
func TestKillDuringTurn(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	address := "file://" + t.TempDir() + "?no_tmp_dir=true"
	s := &site{t: t}
	s.bucket = s.open(address)
	const n = 20
	s.trail("eu-central-1", trailKey(t)).hours(noon().Add(-n*time.Hour), n)
	base := mission{Dir: t.TempDir(), Lib: lib, Bucket: address, Now: noon()}
	steps := []string{"dedupe", "insert", "count", "read", "swap", "file", "done"}
	rounds := len(steps)
	if text := os.Getenv("EXHIBIT_SOAK"); text != "" {
		many, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		rounds = max(rounds, many)
	}
	random, kills := mathrand.New(mathrand.NewPCG(3, 4)), 0
	for round := range rounds {
		m := base
		m.Source = fmt.Sprintf("trail-%d", round)
		m.Kill = []string{"both", "worker", "engine"}[round%3]
		// A turn commits log files, then digests, then what they prove.
		m.Name, m.Step = steps[round%len(steps)], 1+random.IntN(3)
		if r, killed := m.start(t); killed || r.Restarts > 0 {
			kills++
		}
		m.Kill, m.Name = "", ""
		r, _ := m.start(t)
		covered := strings.Join(r.Covered, " ")
		want := noon().Add(-n*time.Hour).Format(time.RFC3339) + " " + noon().Add(-time.Hour).Format(time.RFC3339)
		if len(r.Problems) > 0 || r.Events != n || r.Objects != 2*n || covered != want {
			t.Fatalf("round %d: %d events, %d objects, covered %s: %s", round, r.Events, r.Objects, covered, strings.Join(r.Problems, "\n"))
		}
	}
	if kills < rounds/2 {
		t.Errorf("%d kills in %d rounds", kills, rounds)
	}
	t.Logf("%d rounds, %d kills", rounds, kills)
}
