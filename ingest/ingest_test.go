package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A site is a store with everything around it that a writer needs.
type site struct {
	t      *testing.T
	dir    ingest.Dir
	db     *store.DB
	at     store.Options
	origin string
	now    func() time.Time
	kinds  []source.Kind
	secret []byte
}

func newSite(t *testing.T) *site {
	t.Helper()
	address := enginetest.Start(t).Address()
	return newSiteAt(t, store.Options{Addrs: []string{address.Addr}, Database: enginetest.Database(t), User: address.User, Password: address.Password})
}

func newSiteAt(t *testing.T, o store.Options) *site {
	t.Helper()
	db, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: ingest.Dir(t.TempDir()), db: db, at: o, origin: "exhibit.example/test", now: time.Now, kinds: source.Kinds()}
	if s.secret, err = s.dir.Secret(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) options() ingest.LogOptions {
	s.t.Helper()
	key, err := s.dir.Key(s.origin)
	if err != nil {
		s.t.Fatal(err)
	}
	return ingest.LogOptions{DB: s.db, Key: key, Path: s.dir.Ledger(), Now: s.now, Random: rand.Reader,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// open starts a writer; stop ends it.
func (s *site) open(change ...func(*ingest.LogOptions)) *writer {
	s.t.Helper()
	w, err := s.tryOpen(change...)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

func (s *site) tryOpen(change ...func(*ingest.LogOptions)) (*writer, error) {
	o := s.options()
	for _, f := range change {
		f(&o)
	}
	log, err := ingest.OpenLog(s.t.Context(), o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	w := &writer{site: s, log: log, committer: ingest.NewCommitter(log), cancel: cancel}
	w.committer.MaxWait = 2 * time.Millisecond
	w.running.Go(func() { w.err = w.committer.Run(ctx) })
	s.t.Cleanup(w.stop)
	return w, nil
}

type writer struct {
	*site
	log       *ingest.Log
	committer *ingest.Committer
	cancel    context.CancelFunc
	running   sync.WaitGroup
	once      sync.Once
	err       error // of Run, after stop
}

func (w *writer) stop() {
	w.once.Do(func() {
		w.cancel()
		w.running.Wait()
		if err := w.log.Close(); err != nil {
			w.t.Error(err)
		}
	})
}

func (s *site) kind(name string) source.Kind {
	k, err := source.Lookup(s.kinds, name)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (w *writer) importText(text string, covers *coverage.Interval) (ingest.ImportResult, error) {
	return w.committer.Import(w.t.Context(), strings.NewReader(text), ingest.Import{Source: "hcp-prod", Kind: w.kind("hcp-terraform"),
		Secret: w.secret, Name: "events.jsonl", By: "ada", Covers: covers, Now: w.now})
}

// audit fails the test when the store is not what the ledger says.
func (w *writer) audit() ingest.Audit {
	w.t.Helper()
	a := w.findings()
	for _, f := range a.Findings {
		w.t.Errorf("audit: %s", f.What)
	}
	return a
}

func (w *writer) findings() ingest.Audit {
	w.t.Helper()
	a, err := ingest.AuditStore(w.t.Context(), w.db, w.log.Head(), w.now(), func(ledger.SegmentAt) bool { return true }, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// hcp is one event as HCP Terraform sends it.
func hcp(n int, at time.Time, action string) string {
	return fmt.Sprintf(`{"id":"%08d-db59-457c-8445-9c908ee726ae","version":"0","type":"Resource","timestamp":"%s","auth":{"accessor_id":"user-%d",`+
		`"description":"user%d","type":"Client","impersonator_id":null,"organization_id":"org-1"},"request":{"id":"req-%d"},`+
		`"resource":{"id":"ws-%d","type":"workspace","action":"%s","meta":null}}`, n, at.UTC().Format("2006-01-02T15:04:05.000Z"), n%7, n%7, n, n%11, action)
}

func start() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }

// history is n events, one every ten minutes.
func history(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, hcp(i, start().Add(time.Duration(i)*10*time.Minute), "create"))
	}
	return lines
}

func TestImportTwiceAddsNothing(t *testing.T) {
	w := newSite(t).open()
	text := strings.Join(history(500), "\n") + "\n"
	covers := &coverage.Interval{From: start(), To: start().AddDate(0, 0, 4)}
	first, err := w.importText(text, covers)
	if err != nil {
		t.Fatal(err)
	}
	if first.Fetched != 500 || first.Events != 500 || first.Duplicates != 0 {
		t.Errorf("first: %+v", first.Batch)
	}
	head := w.log.Head()
	if got := head.State.Coverage("hcp-prod", ledger.Stated).Length(); got != 96*time.Hour {
		t.Errorf("stated coverage %v, want 96h", got)
	}
	if c := head.State.Covers[0]; c.By != "ada" || c.File != "events.jsonl" || c.SHA256 != first.SHA256 || len(c.SHA256) != 64 {
		t.Errorf("cover %+v", c)
	}
	again, err := w.importText(text, covers)
	if err != nil {
		t.Fatal(err)
	}
	if again.Events != 0 || again.Duplicates != 500 || again.SHA256 != first.SHA256 {
		t.Errorf("again: %+v", again.Batch)
	}
	if a := w.audit(); a.Events != 500 {
		t.Errorf("audited %d events, want 500", a.Events)
	}
}

func TestImportFormsAreTheSame(t *testing.T) {
	w := newSite(t).open()
	lines := history(50)
	page := `{"data":[` + strings.Join(lines, ",") + `],"pagination":{"current_page":1,"prev_page":null,"next_page":null,"total_pages":1,"total_count":50}}`
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(strings.Join(lines, "\r\n"))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{page, "[" + strings.Join(lines, ",\n") + "]", strings.Join(lines, "\n"), zipped.String()} {
		got, err := w.importText(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[bool]uint64{true: 50}[i == 0]; got.Fetched != 50 || got.Events != want || got.Duplicates != 50-want {
			t.Errorf("form %d: %+v", i, got.Batch)
		}
	}
	w.audit()
}

func TestNothingIsLostOfBadInput(t *testing.T) {
	w := newSite(t).open()
	good := hcp(1, start(), "create")
	noTime := strings.Replace(hcp(2, start(), "create"), `"timestamp":"2026-03-01T00:00:00.000Z",`, "", 1)
	year1 := strings.Replace(hcp(3, start(), "create"), "2026-03-01", "0001-03-01", 1)
	year9999 := strings.Replace(hcp(4, start(), "create"), "2026-03-01", "9999-03-01", 1)
	badUTF8 := strings.Replace(hcp(5, start(), "create"), "user5", "us\xff5", 1)
	other := strings.Replace(good, "req-1", "req-other", 1)
	lines := []string{good, good, "this is not JSON", `["wrong shape"]`, `{"wrong":"shape"}`, noTime, year1, year9999, badUTF8, other, other}
	got, err := w.importText(strings.Join(lines, "\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	// one good, one without time, two with impossible times, one with a bad byte;
	// good and other come twice; three are no events and other contradicts good.
	if got.Fetched != 11 || got.Events != 5 || got.Duplicates != 2 || got.Rejects != 4 || got.ClockAhead != 2 {
		t.Errorf("got %+v", got.Batch)
	}
	head := w.log.Head()
	reasons, err := w.db.Reasons(t.Context(), head.Snapshot(), "hcp-prod")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range reasons {
		names = append(names, r.Reason)
	}
	if text := strings.Join(names, "|"); !strings.Contains(text, ingest.ReasonConflict) || !strings.Contains(text, source.ReasonNotJSON) {
		t.Errorf("reasons %s", text)
	}
	again, err := w.importText(strings.Join(lines, "\n"), nil)
	if err != nil || again.Events != 0 || again.Rejects != 0 || again.Duplicates != 11 {
		t.Errorf("again: %+v, %v", again.Batch, err)
	}
	w.audit()
}

func TestTruncatedGzipKeepsWhatIsWhole(t *testing.T) {
	w := newSite(t).open()
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	for i, line := range history(2000) {
		if _, err := io.WriteString(z, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if i == 1000 {
			if err := z.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	covers := &coverage.Interval{From: start(), To: start().AddDate(0, 0, 10)}
	got, err := w.importText(zipped.String()[:zipped.Len()-500], covers)
	if err == nil || !strings.Contains(err.Error(), "events.jsonl") {
		t.Errorf("got %v, want an error that names the file", err)
	}
	if got.Events < 1000 || len(got.Covers) != 0 {
		t.Errorf("kept %d events and %d covers, want at least 1000 and none", got.Events, len(got.Covers))
	}
	w.audit()
}

// Rows that were changed behind the ledger's back are found and named.
func TestAuditNamesWhatWasChanged(t *testing.T) {
	tests := []struct{ name, statement, want string }{
		{"changed", "ALTER TABLE events UPDATE outcome = 'failure' WHERE id LIKE '00000003%'", "source hcp-prod, day 2026-03-01, section change-management (record 1): a row was changed"},
		{"deleted", "ALTER TABLE events DELETE WHERE id LIKE '00000003%'", "section change-management (record 1): 1 of 144 rows are missing"},
		{"added", "INSERT INTO events SELECT * REPLACE ('new' AS id) FROM events WHERE request_id = 'req-3'", "145 rows where the ledger has 144"},
		{"moved to another section", "ALTER TABLE events UPDATE section = 'other' WHERE id LIKE '00000003%'", "section other: 1 rows carry batch 1, which has no such segment"},
		{"added to a record without events", "INSERT INTO events SELECT * REPLACE (0 AS batch) FROM events WHERE id LIKE '00000003%'", "1 rows carry batch 0, whose record lists no events"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newSite(t).open()
			if _, err := w.importText(strings.Join(history(144*3), "\n"), nil); err != nil {
				t.Fatal(err)
			}
			w.audit()
			w.exec(tt.statement)
			var all []string
			for _, f := range w.findings().Findings {
				all = append(all, f.What)
			}
			if text := strings.Join(all, "\n"); !strings.Contains(text, tt.want) {
				t.Errorf("audit says %q, want %q", text, tt.want)
			}
		})
	}
}

func TestRestartsAreFencedAndHealed(t *testing.T) {
	s := newSite(t)
	w := s.open()
	if _, err := w.importText(strings.Join(history(10), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	old := w.log // still open: a process that was thought dead
	second := s.open()
	if _, err := second.importText(strings.Join(history(20), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	if err := old.Append(t.Context(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "x"}}); !errors.Is(err, ingest.ErrTaken) {
		t.Errorf("the older writer got %v, want ErrTaken", err)
	}
	if err := old.Append(t.Context(), ledger.Record{Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "x"}}); !errors.Is(err, ingest.ErrTaken) {
		t.Errorf("the older writer went on: %v", err)
	}
	if a := second.audit(); a.Events != 20 {
		t.Errorf("%d events, want 20", a.Events)
	}
	head := second.log.Head()
	if fmt.Sprint(head.State.Voids) != "[2]" {
		t.Errorf("voids %v, want the start of the second writer", head.State.Voids)
	}
}

func TestAnotherDataDirectoryIsRefused(t *testing.T) {
	s := newSite(t)
	w := s.open()
	if _, err := w.importText(strings.Join(history(10), "\n"), nil); err != nil {
		t.Fatal(err)
	}
	checkpoint := w.log.Head().Checkpoint
	size := w.log.Head().State.Size
	w.stop()

	other := *s
	other.dir = ingest.Dir(t.TempDir())
	if _, err := other.tryOpen(); !errors.Is(err, ingest.ErrForeign) {
		t.Fatalf("another data directory: got %v, want ErrForeign", err)
	}
	if rows := s.rows(); rows != size {
		t.Fatalf("the refused writer left %d records, there were %d", rows, size)
	}
	// The data directory was lost, its key was kept elsewhere.
	key, err := s.dir.ExistingKey()
	if err != nil {
		t.Fatal(err)
	}
	withKey := func(o *ingest.LogOptions) { o.Key, o.Accept.Checkpoint = key, checkpoint }
	adopted, err := other.tryOpen(withKey)
	if err != nil {
		t.Fatal(err)
	}
	if a := adopted.audit(); a.Events != 10 {
		t.Errorf("%d events, want 10", a.Events)
	}
	if _, err := other.tryOpen(func(o *ingest.LogOptions) { o.Key = key }); err != nil {
		t.Errorf("after it was adopted: %v", err)
	}
}

// exec changes the store behind everybody's back.
func (s *site) exec(statement string) {
	s.t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{Addr: s.at.Addrs, Auth: clickhouse.Auth{Database: s.at.Database, Username: s.at.User, Password: s.at.Password},
		Settings: clickhouse.Settings{"mutations_sync": 2}})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(conn.Exec(s.t.Context(), statement), conn.Close()); err != nil {
		s.t.Fatal(err)
	}
}

// rows counts the records in the store.
func (s *site) rows() uint64 {
	var n uint64
	if err := s.db.LedgerRows(s.t.Context(), 0, 1<<62, func(store.LedgerRow) error { n++; return nil }); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func TestLostDataDirectoryFile(t *testing.T) {
	s := newSite(t)
	s.open().stop()
	s.open().stop()
	path := filepath.Join(string(s.dir), "ledger.jsonl")
	if err := removeFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryOpen(); !errors.Is(err, ingest.ErrForeign) || !strings.Contains(err.Error(), "exhibit adopt --checkpoint") {
		t.Errorf("without ledger.jsonl: got %v", err)
	}
}

func TestClock(t *testing.T) {
	s := newSite(t)
	w := s.open()
	before := w.log.Head().State.At
	w.stop()
	s.now = func() time.Time { return time.Now().Add(-24 * time.Hour) }
	w = s.open()
	if at := w.log.Head().State.At; !at.Equal(before) {
		t.Errorf("clock set back by a day: record of %v after one of %v", at, before)
	}
	w.stop()
	s.now = func() time.Time { return time.Now().Add(6 * time.Minute) }
	if _, err := s.tryOpen(); !errors.Is(err, ingest.ErrClock) || !strings.Contains(err.Error(), "exhibit accept --clock") {
		t.Errorf("six minutes ahead of the server: got %v", err)
	}
	w, err := s.tryOpen(func(o *ingest.LogOptions) { o.Accept.Clock = true })
	if err != nil {
		t.Fatalf("accepted: %v", err)
	}
	if err := s.dir.AcceptAhead(w.log.Ahead()); err != nil {
		t.Fatal(err)
	}
	w.stop()
	// What was accepted holds for the next start, and no more than that.
	ahead, err := s.dir.AcceptedAhead()
	if err != nil || ahead < 5*time.Minute {
		t.Fatalf("accepted: %s, %v", ahead, err)
	}
	accepted := func(o *ingest.LogOptions) { o.AcceptedAhead = ahead }
	if w, err = s.tryOpen(accepted); err != nil {
		t.Fatalf("accepted before: %v", err)
	}
	w.stop()
	s.now = func() time.Time { return time.Now().Add(12 * time.Minute) }
	if _, err := s.tryOpen(accepted); !errors.Is(err, ingest.ErrClock) {
		t.Errorf("twice as far ahead: got %v", err)
	}
}
