package ingest_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/internal/coverage"
	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// twoSources fills a site with two sources, rejects, coverage and late events in five
// commits and returns the lines of one of them.
func twoSources(t *testing.T, w *writer) []string {
	t.Helper()
	lines := history(288)
	for i, name := range []string{"hcp-prod", "hcp-dev", "hcp-prod", "hcp-dev", "hcp-prod"} {
		text := strings.Join(lines[i/2*96:(i/2+1)*96], "\n") + fmt.Sprintf("\nnot JSON %d\n", i)
		from := start().Add(time.Duration(i/2*16) * time.Hour)
		_, err := w.committer.Import(t.Context(), strings.NewReader(text), ingest.Import{Source: name, Kind: w.kind("hcp-terraform"), Secret: w.secret,
			Name: fmt.Sprint(i), By: "ada", Covers: &coverage.Interval{From: from, To: from.Add(16 * time.Hour)}, Now: w.now})
		if err != nil {
			t.Fatal(err)
		}
	}
	return lines
}

func accept(o *ingest.LogOptions) { o.Accept.Rollback = "ada" }

// Whatever part of a store was restored to an older state: what is lost is named,
// its coverage is withdrawn, and the same imports bring it back.
func TestRollbackOfSeveralSources(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		statements []string
		lost       int // segments
	}{
		{"ledger alone", []string{"ALTER TABLE ledger DELETE WHERE seq >= 3"}, 0},
		{"everything after a record", []string{"ALTER TABLE ledger DELETE WHERE seq >= 3", "ALTER TABLE events DELETE WHERE batch >= 3", "ALTER TABLE rejects DELETE WHERE batch >= 3"}, 8},
		{"rejects", []string{"ALTER TABLE ledger DELETE WHERE seq >= 4", "ALTER TABLE rejects DELETE WHERE batch >= 4"}, 2},
		{"events older than the ledger", []string{"ALTER TABLE ledger DELETE WHERE seq >= 5", "ALTER TABLE events DELETE WHERE batch >= 2"}, 6},
		{"one row", []string{"ALTER TABLE ledger DELETE WHERE seq >= 5", "ALTER TABLE events DELETE WHERE batch = 2 AND id LIKE '00000003%'"}, 1},
		{"the whole database", []string{"TRUNCATE TABLE ledger", "TRUNCATE TABLE events", "TRUNCATE TABLE rejects", "TRUNCATE TABLE filed"}, 12},
		{"rows, not the ledger", []string{"ALTER TABLE events DELETE WHERE batch = 3"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t)
			w := s.open()
			twoSources(t, w)
			before := w.log.Head()
			w.stop()
			for _, statement := range tt.statements {
				s.exec(statement)
			}
			if _, err := s.tryOpen(); tt.name != "rows, not the ledger" && !errors.Is(err, ingest.ErrRolledBack) {
				t.Fatalf("got %v, want ErrRolledBack", err)
			}
			w, err := s.tryOpen(accept)
			if err != nil {
				t.Fatal(err)
			}
			head := w.log.Head()
			if n := len(head.State.Rollbacks); n != 1 || len(head.State.Rollbacks[0].Segments) != tt.lost {
				t.Errorf("rollbacks %+v, want one that names %d segments", head.State.Rollbacks, tt.lost)
			}
			w.audit()
			for _, c := range head.State.Covers {
				f := func(seg ledger.SegmentRef) bool {
					day, err := time.Parse(ledger.DayFormat, seg.Day)
					return err == nil && seg.Section != "rejects" && seg.Source == c.Source && !c.Interval().Intersect(coverage.Interval{From: day, To: day.AddDate(0, 0, 1)}).Empty()
				}
				if slices.ContainsFunc(head.State.Rollbacks[0].Segments, f) {
					t.Errorf("coverage %v of %s holds although rows of that day are lost", c.Interval(), c.Source)
				}
			}
			if tt.lost == 0 && len(head.State.Covers) != len(before.State.Covers) {
				t.Errorf("nothing is lost, but %d of %d covers hold", len(head.State.Covers), len(before.State.Covers))
			}
			twoSources(t, w)
			w.audit()
			for _, name := range []string{"hcp-prod", "hcp-dev"} {
				head := w.log.Head()
				if got, want := head.State.Coverage(name), before.State.Coverage(name); fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("coverage of %s is %v, was %v", name, got, want)
				}
				for line, n := range s.stored(name, head) {
					if n != 1 {
						t.Errorf("stored %d times: %s", n, line)
					}
				}
			}
			w.stop()
			again := s.open()
			again.audit()
			if n := len(again.log.Head().State.Rollbacks); n != 1 {
				t.Errorf("%d rollbacks after another start", n)
			}
			if err := sameLedger(t.Context(), s.db, s.dir.Ledger(), s.options().Key); err != nil {
				t.Error(err)
			}
		})
	}
}

// A store that is restored under a running writer gets no hole: the writer stops.
func TestRollbackUnderARunningWriter(t *testing.T) {
	s := newSite(t)
	w := s.open()
	lines := history(60)
	for i := range 3 {
		if _, err := w.importText(strings.Join(lines[i*20:(i+1)*20], "\n"), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.exec("ALTER TABLE ledger DELETE WHERE seq >= 2")
	s.exec("ALTER TABLE events DELETE WHERE batch >= 2")
	if _, err := w.importText(hcp(99, start(), "create"), nil); !errors.Is(err, ingest.ErrRolledBack) {
		t.Errorf("got %v, want ErrRolledBack", err)
	}
	w.stop()
	if rows := s.rows(); rows != 2 {
		t.Errorf("the store has %d records, want the two that it was restored to", rows)
	}
	w = s.open(accept)
	if _, err := w.importText(strings.Join(lines, "\n"), nil); err != nil {
		t.Fatal(err)
	}
	if a := w.audit(); a.Events != 60 {
		t.Errorf("%d events, want 60", a.Events)
	}
}

// Rows of a ledger that was thrown away or is itself older are not taken for one's
// own.
func TestRowsOfAnotherLedger(t *testing.T) {
	s := newSite(t)
	w := s.open()
	lines := history(60)
	for i := range 3 {
		if _, err := w.importText(strings.Join(lines[i*20:(i+1)*20], "\n"), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.stop()
	entries, err := readEntries(s.dir.Ledger())
	if err != nil {
		t.Fatal(err)
	}
	// Ledger and copy go back to two records, the rows stay.
	s.exec("ALTER TABLE ledger DELETE WHERE seq >= 2")
	if err := os.Remove(s.dir.Ledger()); err != nil {
		t.Fatal(err)
	}
	file, err := ledger.OpenFile(s.dir.Ledger(), func(uint64, ledger.Entry) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(file.Append(entries[:2]...), file.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryOpen(); !errors.Is(err, ingest.ErrRolledBack) || !strings.Contains(err.Error(), "rows of record 3, but the ledger has 2 records") {
		t.Errorf("got %v, want ErrRolledBack", err)
	}
	w = s.open(accept)
	for range 3 { // records without rows, under the numbers of the old ones
		if err := w.log.Append(t.Context(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod"}}); err != nil {
			t.Fatal(err)
		}
	}
	if a := w.audit(); a.Events != 20 {
		t.Errorf("%d events, want 20", a.Events)
	}
	if got := s.stored("hcp-prod", w.log.Head()); len(got) != 20 {
		t.Errorf("readers see %d events, want 20", len(got))
	}
	w.stop()
	// A new ledger does not begin on old rows, whatever was accepted.
	s.exec("TRUNCATE TABLE ledger")
	other := *s
	other.dir = ingest.Dir(t.TempDir())
	if _, err := other.tryOpen(accept); !errors.Is(err, ingest.ErrRolledBack) || other.rows() != 0 {
		t.Errorf("a new ledger on old rows: %v, %d records", err, other.rows())
	}
}

// on runs statements on the engine of a data directory that nobody else uses.
func on(t *testing.T, dir, lib string, statements ...string) {
	t.Helper()
	e, err := engine.Start(t.Context(), engine.Options{Dir: dir, Lib: lib})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	a := e.Address()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{a.Addr}, Auth: clickhouse.Auth{Database: "exhibit", Username: a.User, Password: a.Password},
		Settings: clickhouse.Settings{"mutations_sync": 2}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, statement := range statements {
		if err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// A rollback that is itself killed, at any step, goes on at the next start: the
// loss never goes unnoticed.
func TestKillDuringRollback(t *testing.T) {
	t.Parallel()
	lib := enginetest.Lib(t)
	prepared := mission{Dir: t.TempDir(), Lib: lib, Source: "hcp-prod", File: crashFile(t, 400), Chunk: 100}
	if r, _ := prepared.start(t); r.Batch.Events != 400 {
		t.Fatalf("%+v", r)
	}
	on(t, prepared.Dir, lib, "ALTER TABLE ledger DELETE WHERE seq >= 2", "ALTER TABLE events DELETE WHERE batch IN (1, 3) OR batch = 4 AND id < '8'")
	kills := []mission{
		{Name: "mark", Step: 1}, {Name: "reinsert", Step: 2}, {Name: "swap", Step: 4}, {Name: "file", Step: 1}, {Name: "file", Step: 2},
		{Name: "delete", Step: 1}, {Name: "delete", Step: 3}, {Name: "unmark", Step: 1}}
	if n := soak(t, 0); n == 0 {
		kills = []mission{kills[1], kills[3], kills[5], kills[7]}
	} else {
		for step := 1; step < min(n/5, 40); step++ {
			kills = append(kills, mission{Step: step})
		}
	}
	for _, kill := range kills {
		t.Run(fmt.Sprintf("%s%d", kill.Name, kill.Step), func(t *testing.T) {
			m := prepared
			m.Dir = filepath.Join(t.TempDir(), "site")
			if err := os.CopyFS(m.Dir, os.DirFS(prepared.Dir)); err != nil {
				t.Fatal(err)
			}
			if err := private(m.Dir); err != nil {
				t.Fatal(err)
			}
			first := m
			first.File, first.Accept, first.Kill, first.Name, first.Step = "", "ada", "worker", kill.Name, kill.Step
			if _, killed := first.start(t); !killed {
				t.Skip("there is no such step")
			}
			// Without a mark nothing was written yet; with one nobody is asked again.
			next := m
			next.File, next.Check = "", true
			if _, err := os.Stat(ingest.Dir(m.Dir).Ledger() + ".rollback"); errors.Is(err, os.ErrNotExist) && kill.Name == "mark" {
				next.Accept = "ada"
			}
			if kill.Name == "" {
				next.Accept = "ada"
			}
			if r, _ := next.start(t); len(r.Problems) > 0 || r.Events >= 400 {
				t.Fatalf("%d events, %s", r.Events, strings.Join(r.Problems, "\n"))
			}
			last := m
			last.Check = true
			if r, _ := last.start(t); len(r.Problems) > 0 || r.Events != 400 {
				t.Errorf("after the import %d events: %s", r.Events, strings.Join(r.Problems, "\n"))
			}
		})
	}
}

// A store that was rebuilt from its beginning with the same key, one with a record
// too many, and one whose record was changed are refused, and nothing is written.
func TestForgedLedgers(t *testing.T) {
	fill := func(t *testing.T, s *site, lines []string) *writer {
		w := s.open()
		if _, err := w.importText(strings.Join(lines, "\n"), nil); err != nil {
			t.Fatal(err)
		}
		w.stop()
		return w
	}
	refused := func(t *testing.T, s *site, want string, change ...func(*ingest.LogOptions)) {
		t.Helper()
		rows := s.rows()
		if _, err := s.tryOpen(change...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if now := s.rows(); now != rows {
			t.Errorf("the refused writer left %d records, there were %d", now, rows)
		}
	}
	t.Run("rebuilt from genesis", func(t *testing.T) {
		s := newSite(t)
		fill(t, s, history(20))
		held := s.open()
		checkpoint := held.log.Head().Checkpoint
		held.stop()
		for _, table := range []string{"ledger", "events"} {
			s.exec("TRUNCATE TABLE " + table)
		}
		// Whoever has the key makes another ledger, with one event less.
		forger := *s
		forger.dir = ingest.Dir(t.TempDir())
		key, err := s.dir.ExistingKey()
		if err != nil {
			t.Fatal(err)
		}
		withKey := func(o *ingest.LogOptions) { o.Key = key }
		for range 3 {
			w, err := forger.tryOpen(withKey)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.importText(strings.Join(history(19), "\n"), nil); err != nil {
				t.Fatal(err)
			}
			w.stop()
		}
		refused(t, s, "record 0 in the store is not the one in")
		refused(t, s, "one of them was changed or rebuilt", accept)
		// Without the copy a checkpoint that somebody else holds shows it.
		if err := os.Remove(s.dir.Ledger()); err != nil {
			t.Fatal(err)
		}
		refused(t, s, "exhibit adopt --checkpoint")
		refused(t, s, "they were changed or rebuilt", func(o *ingest.LogOptions) { o.Accept.Checkpoint = checkpoint })
	})
	t.Run("a record too many in the store", func(t *testing.T) {
		s := newSite(t)
		state := fill(t, s, history(20)).log.Head().State
		size := state.Size
		line, err := ledger.Record{Seq: size, At: time.Now().UTC(), Standing: state.Standing, Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod"}}.Line()
		if err != nil {
			t.Fatal(err)
		}
		row := store.RowOf(size, ledger.Entry{Record: string(line), Checkpoint: "not signed"})
		if err := s.db.InsertLedgerRow(t.Context(), "x", row); err != nil {
			t.Fatal(err)
		}
		refused(t, s, "they are not this writer's")
	})
	t.Run("a record too many in the copy", func(t *testing.T) {
		s := newSite(t)
		state := fill(t, s, history(20)).log.Head().State
		line, err := ledger.Record{Seq: state.Size, At: time.Now().UTC(), Standing: state.Standing, Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod"}}.Line()
		if err != nil {
			t.Fatal(err)
		}
		file, err := ledger.OpenFile(s.dir.Ledger(), func(uint64, ledger.Entry) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(file.Append(ledger.Entry{Record: string(line), Checkpoint: "not signed"}), file.Close()); err != nil {
			t.Fatal(err)
		}
		refused(t, s, "exhibit accept --rollback")
		refused(t, s, "they are not this writer's", accept)
	})
	for name, statement := range map[string]string{
		"a changed record":               "ALTER TABLE ledger UPDATE record = replaceAll(record, 'hcp-prod', 'hcp-dead') WHERE seq = 1",
		"a changed record with its leaf": "ALTER TABLE ledger UPDATE record = replaceAll(record, 'hcp-prod', 'hcp-dead'), leaf = toFixedString(SHA256(concat(char(0), replaceAll(record, 'hcp-prod', 'hcp-dead'))), 32) WHERE seq = 1",
		"a record removed":               "ALTER TABLE ledger DELETE WHERE seq = 1",
		"a record twice, different":      "INSERT INTO ledger SELECT seq, record, leaf, concat(checkpoint, 'x') FROM ledger WHERE seq = 1 SETTINGS insert_deduplicate = 0",
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			fill(t, s, history(20))
			s.open().stop()
			s.exec(statement)
			want := map[string]string{"a changed record": "the row was changed", "a changed record with its leaf": "record 1 in the store is not the one in",
				"a record removed": "record 2 where 1 was due", "a record twice, different": "the ledger is forked at record 1"}[name]
			refused(t, s, want)
		})
	}
}

// private takes everybody's rights to a copied data directory away, as those of the
// one it was copied from are.
func private(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		if d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
}
