package ingest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"exhibit/ingest"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// A part that was lost behind a token that the server remembers: the token is
// spent, the swap goes on with the next one of the sequence.
func TestSpentTokens(t *testing.T) {
	t.Parallel()
	for spent := range 3 {
		s := newSite(t)
		w := s.open()
		if _, err := w.importText(strings.Join(history(10), "\n"), nil); err != nil {
			t.Fatal(err)
		}
		next := w.log.Head().State.Size
		for i := range spent + 1 {
			token := fmt.Sprint(next)
			if i > 0 {
				token = fmt.Sprintf("%d/%d", next, i)
			}
			if err := s.db.InsertLedgerRow(t.Context(), token, store.LedgerRow{Seq: next, Record: "lost"}); err != nil {
				t.Fatal(err)
			}
			s.exec(fmt.Sprintf("ALTER TABLE ledger DELETE WHERE seq = %d", next))
		}
		if rows := s.rows(); rows != next {
			t.Fatalf("%d rows, want the %d from before", rows, next)
		}
		if r, err := w.importText(strings.Join(history(20), "\n"), nil); err != nil || r.Events != 10 {
			t.Fatalf("%d tokens spent: %+v, %v", spent+1, r.Batch, err)
		}
		if a := w.audit(); a.Events != 20 {
			t.Errorf("%d events, want 20", a.Events)
		}
		w.stop()
		s.open().audit()
		if err := sameLedger(t.Context(), s.db, s.dir.Ledger(), s.options().Key); err != nil {
			t.Error(err)
		}
	}
}

// A dedup log that was lost behind its rows: the server takes every token again, but
// a writer reads before it inserts.
func TestLostDedupLog(t *testing.T) {
	ways := map[string][]string{
		"window closed and opened": {
			"ALTER TABLE ledger MODIFY SETTING non_replicated_deduplication_window = 0",
			"ALTER TABLE ledger MODIFY SETTING non_replicated_deduplication_window = 10000",
		},
		"table copied": {
			"CREATE TABLE ledger_copy AS ledger",
			"INSERT INTO ledger_copy SELECT * FROM ledger",
			"DROP TABLE ledger SYNC",
			"RENAME TABLE ledger_copy TO ledger",
		},
	}
	for name, statements := range ways {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			old := s.open()
			if _, err := old.importText(strings.Join(history(10), "\n"), nil); err != nil {
				t.Fatal(err)
			}
			w := s.open() // the old one is fenced, and does not know it
			for _, statement := range statements {
				s.exec(statement)
			}
			if _, err := old.importText(strings.Join(history(30), "\n"), nil); !errors.Is(err, ingest.ErrTaken) {
				t.Errorf("the fenced writer got %v, want ErrTaken", err)
			}
			if r, err := w.importText(strings.Join(history(20), "\n"), nil); err != nil || r.Events != 10 {
				t.Errorf("the writer got %+v, %v", r.Batch, err)
			}
			// A repeated offer of the last row is taken twice now: it counts once.
			var last store.LedgerRow
			if err := s.db.LedgerRows(t.Context(), 0, 1<<62, func(row store.LedgerRow) error { last = row; return nil }); err != nil {
				t.Fatal(err)
			}
			if err := s.db.InsertLedgerRow(t.Context(), "again", last); err != nil {
				t.Fatal(err)
			}
			w.stop()
			again := s.open()
			if a := again.audit(); a.Events != 20 {
				t.Errorf("%d events, want 20", a.Events)
			}
			if err := sameLedger(t.Context(), s.db, s.dir.Ledger(), s.options().Key); err != nil {
				t.Error(err)
			}
		})
	}
}

// A fork, which nothing but a lost dedup log together with two writers can make, is
// refused by readers and writers and named.
func TestForkIsNamed(t *testing.T) {
	s := newSite(t)
	w := s.open()
	if _, err := w.importText(strings.Join(history(10), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	w.stop()
	if err := s.db.InsertLedgerRow(t.Context(), "fork", store.LedgerRow{Seq: 1, Record: "another", Checkpoint: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryOpen(); !errors.Is(err, store.ErrFork) && (err == nil || !strings.Contains(err.Error(), "row 1")) {
		t.Errorf("got %v, want a fork at record 1", err)
	}
}

func TestSecondWriterWithTheSameDirectory(t *testing.T) {
	s := newSite(t)
	unlock, err := s.dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.dir.Lock(); !errors.Is(err, ingest.ErrLocked) {
		t.Errorf("got %v, want ErrLocked", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = s.dir.Lock()
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// Two data directories that begin at once on an empty store: one gets it.
func TestTwoBeginAtOnce(t *testing.T) {
	for range 5 {
		s := newSite(t)
		var group sync.WaitGroup
		errs := make([]error, 2)
		for i := range errs {
			other := *s
			other.dir = ingest.Dir(t.TempDir())
			o := other.options()
			group.Go(func() {
				var l *ingest.Log
				if l, errs[i] = ingest.OpenLog(t.Context(), o); errs[i] == nil {
					errs[i] = l.Close()
				}
			})
		}
		group.Wait()
		won, foreign := 0, 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case errors.Is(err, ingest.ErrForeign):
				foreign++
			default:
				t.Errorf("got %v", err)
			}
		}
		if won != 1 || foreign != 1 || s.rows() > 2 {
			t.Errorf("%d won, %d were refused, %d records", won, foreign, s.rows())
		}
	}
}

// Two writers with copies of one data directory, as after a machine was cloned:
// one wins, and what either was told is committed is there once.
func TestWritersRace(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.open()
	committed := make(map[string]bool)
	n := 0
	for round := range max(soak(t, 20), 20) {
		copied := *s
		copied.dir = ingest.Dir(t.TempDir())
		for _, name := range []string{"signing.key", "secret", "ledger.jsonl"} {
			b, err := os.ReadFile(filepath.Join(string(s.dir), name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(string(copied.dir), name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		lines := make([][]string, 2)
		for i := range lines {
			for range 3 {
				lines[i] = append(lines[i], hcp(n, start(), "create"))
				n++
			}
		}
		var group sync.WaitGroup
		var rival *writer
		var rivalErr error
		told := make([][]string, 2) // lines that were answered to be committed
		write := func(i int, w *writer) {
			for _, line := range lines[i] {
				if _, err := w.importText(line, nil); err == nil {
					told[i] = append(told[i], line)
				}
			}
		}
		under := make(chan struct{}) // the first writer is at work
		group.Go(func() {
			if _, err := w.importText(lines[0][0], nil); err == nil {
				told[0] = append(told[0], lines[0][0])
			}
			close(under)
			write(0, w)
		})
		group.Go(func() {
			<-under
			if rival, rivalErr = copied.tryOpen(); rivalErr == nil {
				write(1, rival)
			}
		})
		group.Wait()
		if rivalErr != nil {
			t.Fatalf("round %d: the rival does not start: %v", round, rivalErr)
		}
		if err := w.log.Failed(); err != nil && !errors.Is(err, ingest.ErrTaken) {
			t.Errorf("round %d: the first writer stopped for %v", round, err)
		}
		for _, line := range append(told[0], told[1]...) {
			committed[line] = true
		}
		if err := w.log.Append(t.Context(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{}}); !errors.Is(err, ingest.ErrTaken) {
			t.Errorf("round %d: the older writer got %v, want ErrTaken", round, err)
		}
		if err := rival.log.Append(t.Context(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{}}); err != nil {
			t.Errorf("round %d: the newer writer got %v", round, err)
		}
		w.stop()
		s, w = &copied, rival
	}
	got := s.stored("hcp-prod", w.log.Head())
	for line, count := range got {
		if count != 1 {
			t.Errorf("stored %d times: %s", count, line)
		}
	}
	for line := range committed {
		if got[line] != 1 {
			t.Errorf("was committed, is stored %d times: %s", got[line], line)
		}
	}
	w.audit()
	w.stop()
	if err := sameLedger(t.Context(), s.db, s.dir.Ledger(), s.options().Key); err != nil {
		t.Error(err)
	}
	t.Logf("%d of %d committed, %d records, %d void", len(committed), n, w.log.Head().State.Size, len(w.log.Head().State.Voids))
}
