package ingest_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
)

// handoff starts a writer that takes work on its socket, and returns what it logs.
func handoff(t *testing.T) (*writer, *ingest.RunningWriter, *said) {
	t.Helper()
	w := newSite(t).open()
	socket, err := w.dir.Listen()
	if err != nil {
		t.Fatal(err)
	}
	said := new(said)
	log := slog.New(slog.NewTextHandler(said, nil))
	own, err := source.Lookup(w.kinds, source.Own)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.log.Declare(t.Context(), []ingest.Declaration{{Name: source.Own, Kind: own}}, true); err != nil {
		t.Fatal(err)
	}
	diary := ingest.NewDiary(w.committer, own, w.secret, w.now)
	h := &ingest.Handoff{Committer: w.committer, Log: w.log, Diary: diary, Kinds: source.Catalog{Kinds: w.kinds}, Secret: w.secret, Now: w.now, Slog: log}
	ctx, stop := context.WithCancel(t.Context())
	w.running.Go(func() {
		if err := h.Serve(ctx, socket); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop) // before the writer stops, which waits for it
	running, err := w.dir.Writer()
	if err != nil {
		t.Fatal(err)
	}
	return w, running, said
}

// said keeps what is logged.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// A name is permanent: a wrong one would be in the ledger, and in the way, for ever.
func TestWrongImportsLeaveNoTrace(t *testing.T) {
	w, running, _ := handoff(t)
	before := w.log.Head().State.Size
	day := func(n int) time.Time { return start().AddDate(0, 0, n) }
	for name, c := range map[string]struct {
		source, kind string
		covers       *coverage.Interval
		want         string
	}{
		"no name":         {"", "hcp-terraform", nil, "no name"},
		"Exhibit's own":   {source.Own, source.Own, nil, "Exhibit's own"},
		"a path":          {"../../etc", "hcp-terraform", nil, "small letters"},
		"markup":          {"<b>", "hcp-terraform", nil, "small letters"},
		"two lines":       {"a\nb", "hcp-terraform", nil, "small letters"},
		"a very long one": {strings.Repeat("x", 64), "hcp-terraform", nil, "small letters"},
		"no such kind":    {"other", "nothing", nil, "nothing"},
		"period reversed": {"hcp-prod", "hcp-terraform", &coverage.Interval{From: day(2), To: day(1)}, "before it begins"},
		"period to come":  {"hcp-prod", "hcp-terraform", &coverage.Interval{From: day(0), To: time.Now().AddDate(1, 0, 0)}, "not come yet"},
	} {
		im := ingest.Import{Source: c.source, Name: "file", By: "ada", Covers: c.covers}
		if _, err := running.Import(t.Context(), strings.NewReader(hcp(1, day(0), "create")), im, c.kind); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if after := w.log.Head().State.Size; after != before {
		t.Errorf("%d records were written", after-before)
	}
}

// Nobody reads the history of a source that an import made: it is missing, not on its way.
func TestSourceOfAnImport(t *testing.T) {
	w, running, _ := handoff(t)
	im := ingest.Import{Source: "archive", Name: "file", By: "ada"}
	if _, err := running.Import(t.Context(), strings.NewReader(hcp(1, start(), "create")), im, "hcp-terraform"); err != nil {
		t.Fatal(err)
	}
	head := w.log.Head()
	if first, ok := head.State.First("archive"); !ok || !first.Pushed {
		t.Errorf("got %+v, %t", first, ok)
	}
}

// What a client sends must not be able to keep an act from being written.
func TestActsAreWrittenWhateverTheyHold(t *testing.T) {
	w, running, _ := handoff(t)
	before := w.log.Head().State.Size
	act := source.Act{Action: "event.view", Outcome: "success", UserAgent: "x\xff\xfe", Reason: "\xc3", Target: source.Party{ID: "\x80"}}
	if err := running.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	if after := w.log.Head().State.Size; after != before+1 {
		t.Errorf("%d records, want 1 more than %d", after, before)
	}
}

// An import that stops before its file does ends its connection cleanly.
func TestRefusedImportEndsItsConnection(t *testing.T) {
	w, running, said := handoff(t)
	for _, size := range []int64{100, 100 << 10, 8 << 20} {
		im := ingest.Import{Source: "", Name: "large", By: "ada"}
		if _, err := running.Import(t.Context(), io.LimitReader(zeros{}, size), im, "hcp-terraform"); err == nil {
			t.Fatal("an import without a source is taken")
		}
	}
	if err := running.Write(t.Context(), source.Act{Action: "audit.run"}); err != nil {
		t.Fatal(err)
	}
	w.cancel()
	if strings.Contains(said.String(), "panic") {
		t.Errorf("the log says %s", said)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestSocketIsClosedToOthers(t *testing.T) {
	dir := ingest.Dir(t.TempDir())
	if err := os.Mkdir(filepath.Dir(dir.Socket()), 0o777); err != nil { // of another version, or another user's trap
		t.Fatal(err)
	}
	for range 2 { // the second finds the first one's
		l, err := dir.Listen()
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Dir(dir.Socket()))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("the socket's directory: %v, %v", info.Mode(), err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	long := ingest.Dir(filepath.Join(t.TempDir(), strings.Repeat("x", 120)))
	if err := os.Mkdir(string(long), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := long.Listen(); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("a long path: %v", err)
	}
}

func TestDataDirectoryOfEverybodyIsRefused(t *testing.T) {
	dir := ingest.Dir(t.TempDir())
	if err := os.Chmod(string(dir), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Lock(); err == nil || !strings.Contains(err.Error(), "chmod o-w") {
		t.Errorf("got %v", err)
	}
}

func TestReadableSecretsAreRefused(t *testing.T) {
	dir := ingest.Dir(t.TempDir())
	if _, err := dir.Key("exhibit.example/test"); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Secret(); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"signing.key": func() error { _, err := dir.Key(""); return err },
		"secret":      func() error { _, err := dir.Secret(); return err },
	} {
		if err := read(); err != nil {
			t.Error(err)
		}
		if err := os.Chmod(filepath.Join(string(dir), name), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := read(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%s that all can read: %v", name, err)
		}
	}
}
