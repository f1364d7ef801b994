package ingest_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/store"
)

// Records of these sources are pushed. Those of the second have no id of their own.
func pushedSources() ([]ingest.PushedSource, error) {
	var list []ingest.PushedSource
	for name, kind := range map[string]string{"hcp-pushed": "hcp-terraform", "own": "json"} {
		k, err := source.Lookup(source.Kinds(), kind)
		if err != nil {
			return nil, err
		}
		list = append(list, ingest.PushedSource{Name: name, Kind: k, Heartbeat: time.Hour})
	}
	return list, nil
}

// An ownRecord has no id. Copies of them are in one request.
type ownRecord struct {
	Time   time.Time `json:"time"`
	Action string    `json:"action"`
	Name   string    `json:"name"`
	Copies int       `json:"copies"`
}

// push lets senders push until each has sent a number of requests or the process is
// killed, and waits until all is committed.
func (m mission) push(ctx context.Context, l *ingest.Log, c *ingest.Committer, secret []byte, log *slog.Logger) error {
	sources, err := pushedSources()
	if err != nil {
		return err
	}
	var list []ingest.Declaration
	for _, s := range sources {
		list = append(list, ingest.Declaration{Name: s.Name, Kind: s.Kind})
	}
	if err := l.Declare(ctx, list, true); err != nil {
		return err
	}
	// Small enough to be full at times.
	box, err := spool.Open(spool.Options{Dir: ingest.Dir(m.Dir).Spool(), Max: 1 << 20, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	answers, err := os.OpenFile(m.Answers, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer answers.Close()
	reached := make(chan uint64, 10_000)
	d, err := ingest.NewDrain(ingest.DrainOptions{Spool: told{box, reached}, Log: l, Committer: c, Sources: sources, Secret: secret, Random: rand.Reader,
		Now: time.Now, Slog: log, Wait: 10 * time.Millisecond})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	var draining, sending sync.WaitGroup
	var failed error
	draining.Go(func() { failed = d.Run(running) })
	errs := make([]error, m.Senders)
	for i := range m.Senders {
		sending.Go(func() { errs[i] = m.sender(ctx, box, answers, i) })
	}
	sending.Wait()
	last, err := appendPatiently(ctx, box, "own", []source.Record{{Raw: []byte(`{"action":"last"}`), Received: time.Now()}})
	for err == nil && box.Committed() < last {
		select {
		case <-reached:
		case <-time.After(2 * time.Minute):
			err = fmt.Errorf("committed up to %d of %d", box.Committed(), last)
		}
	}
	stop()
	draining.Wait()
	return errors.Join(errors.Join(errs...), err, failed, box.Close())
}

// appendPatiently sends a request again while the spool is full.
func appendPatiently(ctx context.Context, box *spool.Spool, name string, records []source.Record) (uint64, error) {
	for {
		mark, err := box.Append(ctx, name, records)
		if full := (*spool.FullError)(nil); !errors.As(err, &full) {
			return mark, err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (m mission) sender(ctx context.Context, box *spool.Spool, answers *os.File, sender int) error {
	for n := range m.Chunk {
		name, records := "hcp-pushed", []source.Record(nil)
		now := time.Now().UTC().Truncate(time.Millisecond)
		for i := range 1 + (sender+n)%17 {
			raw := []byte(strings.Replace(hcp(n*100+i, now, "create"), `{"id":"`, fmt.Sprintf(`{"id":"%s-%d-`, m.Source, sender), 1))
			if n%3 == 1 {
				name = "own"
				var err error
				if raw, err = json.Marshal(ownRecord{now, "door.open", fmt.Sprintf("%s/%d/%d/%d", m.Source, sender, n, i), 2}); err != nil {
					return err
				}
				records = append(records, source.Record{Raw: raw, Received: now})
			}
			records = append(records, source.Record{Raw: raw, Received: now})
		}
		if n%11 == 5 {
			records = nil // a heartbeat
		}
		if _, err := appendPatiently(ctx, box, name, records); err != nil {
			return err
		}
		var text strings.Builder
		for _, r := range records {
			text.Write(append(r.Raw, '\n'))
		}
		if _, err := answers.WriteString(text.String()); err != nil {
			return err
		}
	}
	return nil
}

// checkPushed compares what was answered with what is stored.
func (m mission) checkPushed(ctx context.Context, l *ingest.Log, db *store.DB, r *result) error {
	say := func(format string, args ...any) { r.Problems = append(r.Problems, fmt.Sprintf(format, args...)) }
	text, err := os.ReadFile(m.Answers)
	if err != nil {
		return err
	}
	answered, stored := make(map[string]int), make(map[string]int)
	for line := range strings.Lines(string(text)) {
		answered[strings.TrimSuffix(line, "\n")]++
	}
	head := l.Head()
	if err := db.EachEvent(ctx, head.Snapshot(), []string{"hcp-pushed", "own"}, everything(), func(_ uint64, e *event.Event) error {
		stored[e.Raw]++
		return nil
	}); err != nil {
		return err
	}
	for raw, n := range answered {
		if stored[raw] != n {
			say("answered %d times, stored %d times: %s", n, stored[raw], raw)
		}
	}
	for raw, n := range stored {
		var own ownRecord
		if most := 1; n > most {
			if err := json.Unmarshal([]byte(raw), &own); err != nil || n > own.Copies {
				say("stored %d times: %s", n, raw)
			}
		}
	}
	for _, b := range head.State.Batches {
		if b.Rejects > 0 {
			say("%d rejects of %s", b.Rejects, b.Source)
		}
	}
	if len(r.Problems) > 5 {
		r.Problems = append(r.Problems[:5], fmt.Sprint(len(r.Problems)-5, " more"))
	}
	return nil
}

// Whatever is killed under a load of pushed records, and when: every record that was
// answered is there exactly once.
func TestKillDuringPush(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	dir := t.TempDir()
	base := mission{Dir: dir, Lib: lib, Senders: 8, Chunk: 60, Answers: filepath.Join(dir, "answers")}
	random := mathrand.New(mathrand.NewPCG(31, 32))
	steps := []string{"dedupe", "insert", "count", "read", "swap", "file", "done"}
	rounds := min(soak(t, 6), 200)
	kills := make(map[string]int)
	var audited uint64
	for round := range rounds {
		m := base
		m.Source = fmt.Sprint("r", round)
		m.Kill = []string{"worker", "both", "worker", "engine"}[round%4]
		if round%3 == 0 {
			m.Name, m.Step = steps[random.IntN(len(steps))], 2+random.IntN(4)
		} else {
			m.After = time.Duration(random.IntN(500)) * time.Millisecond
		}
		r, killed := m.start(t)
		kills[fmt.Sprintf("%s killed=%v", m.Kill, killed || r.Restarts > 0)]++
		if round%5 == 4 || round == rounds-1 {
			again := base
			again.Source, again.Chunk, again.Check, again.Audit = m.Source+"-after", 1, true, audited
			r, killed = again.start(t)
			if killed || len(r.Problems) > 0 {
				t.Fatalf("round %d, %+v: %s", round, m, strings.Join(r.Problems, "\n"))
			}
			audited = r.Size
		}
	}
	last := base
	last.Senders, last.Check = 0, true
	r, _ := last.start(t)
	if len(r.Problems) > 0 || r.Events == 0 {
		t.Errorf("at the end: %s", strings.Join(r.Problems, "\n"))
	}
	t.Logf("%d rounds, %d records, %d events: %v", rounds, r.Size, r.Events, kills)
}
