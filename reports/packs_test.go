package reports_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/reporttest"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// wait polls a job until it has ended; the deadline is the test's own.
func wait(t *testing.T, p *reports.Packs, id string) reports.Job {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		job, err := p.Job(id)
		if err != nil {
			t.Fatal(err)
		}
		if job.State == reports.Done || job.State == reports.Failed {
			return job
		}
		select {
		case <-tick.C:
		case <-t.Context().Done():
			t.Fatal("the job does not end")
		}
	}
}

func TestPacks(t *testing.T) {
	l := story(t)
	dir := filepath.Join(t.TempDir(), "packs")
	p, err := reports.OpenPacks(dir, maker(t, l), quiet(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := reports.Request{Framework: "soc2", Period: period(t, "2026-03-01", "2026-03-31", "Europe/Berlin"),
		By: pack.Person{ID: "u1", Name: "Alan Example", Role: "auditor"}, Engagement: "SOC 2 2026"}
	id, err := p.Start(request)
	if err != nil {
		t.Fatal(err)
	}
	bad := request
	bad.Sources = []string{"okta"}
	wrong, err := p.Start(bad)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	job := wait(t, p, id)
	failed := wait(t, p, wrong)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if job.State != reports.Done || job.Events == 0 || job.Written != job.Total || job.Zone != "Europe/Berlin" || job.Engagement != "SOC 2 2026" {
		t.Fatalf("job %+v", job)
	}
	if failed.State != reports.Failed || failed.Problem != `there is no source "okta": use one of hcp-prod` {
		t.Errorf("job %+v", failed)
	}

	// The next process finds the pack, and one that died with this one as failed.
	waiting, err := p.Start(request)
	if err != nil {
		t.Fatal(err)
	}
	left := []string{".exhibit-tmp-123", waiting + ".zip", "exhibit-pack-123/part"}
	if err := os.Mkdir(filepath.Join(dir, "exhibit-pack-123"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again, err := reports.OpenPacks(dir, maker(t, l), quiet(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range left {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	if died, err := again.Job(waiting); err != nil || died.State != reports.Failed || !strings.Contains(died.Problem, "restarted") {
		t.Errorf("job %+v, %v", died, err)
	}
	list := again.List()
	if len(list) != 1 || list[0].ID != id || list[0].SHA256 != job.SHA256 || list[0].By.Name != "Alan Example" {
		t.Fatalf("list %+v", list)
	}
	kept, f, err := again.Open(id)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := io.Copy(io.Discard, f); err != nil || n != kept.Size {
		t.Errorf("read %d of %d bytes, %v", n, kept.Size, err)
	}
	verifyPack(t, filepath.Join(dir, id+".zip"), l.Key.Public)
	for _, no := range []string{"nothing", waiting, "../packs/" + id, ""} {
		if _, _, err := again.Open(no); !errors.Is(err, reports.ErrNoPack) {
			t.Errorf("open %q: %v", no, err)
		}
	}
}

// A pack that is made directly, for a schedule, waits for the one that is being made.
func TestPacksAreMadeOneAtATime(t *testing.T) {
	l := story(t)
	m := maker(t, l)
	entered, release := make(chan struct{}, 9), make(chan struct{})
	m.Outside = func(ctx context.Context) (reports.Outside, error) { // asked at the beginning of each
		entered <- struct{}{}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return reports.Outside{}, nil
	}
	p, err := reports.OpenPacks(t.TempDir(), m, quiet(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := reports.Request{Framework: "soc2", Period: period(t, "2026-03-01", "2026-03-31", "Europe/Berlin")}
	id, err := p.Start(request)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	<-entered
	impatient, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := p.Make(impatient, request); !errors.Is(err, context.Canceled) || len(entered) != 0 {
		t.Errorf("a second one was begun beside the first: %d, %v", len(entered), err)
	}
	close(release)
	if job, err := p.Make(t.Context(), request); err != nil || job.State != reports.Done {
		t.Errorf("after the first: %+v, %v", job, err)
	}
	if job, err := p.Job(id); err != nil || job.State != reports.Done {
		t.Errorf("the first: %+v, %v", job, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTooManyPacksWait(t *testing.T) {
	l := reporttest.New(t)
	l.Source(today().Add(-day), hcp())
	p, err := reports.OpenPacks(t.TempDir(), maker(t, l), quiet(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	request := reports.Request{Framework: "soc2", Period: period(t, "2026-03-01", "2026-03-31", "")}
	start := func() (n int, err error) {
		for ; n < 100; n++ {
			if _, err = p.Start(request); err != nil {
				return n, err
			}
		}
		return n, nil
	}
	for _, want := range []struct {
		who string
		n   int
		err error
	}{{"a", 5, reports.ErrOwnBusy}, {"b", 5, reports.ErrOwnBusy}, {"c", 5, reports.ErrOwnBusy}, {"d", 5, reports.ErrBusy}, {"e", 0, reports.ErrBusy}} {
		request.By = pack.Person{ID: want.who}
		if n, err := start(); n != want.n || !errors.Is(err, want.err) {
			t.Errorf("%s started %d, then %v; want %d and %v", want.who, n, err, want.n, want.err)
		}
	}
}

// A pack is not made when the disk has little room: what collects needs it more.
func TestPackNeedsRoom(t *testing.T) {
	l := reporttest.New(t)
	l.Source(today().Add(-day), hcp())
	m := maker(t, l)
	m.MinFree = 1 << 62
	p, err := reports.OpenPacks(t.TempDir(), m, quiet(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	job, err := p.Make(t.Context(), reports.Request{Framework: "soc2", Period: period(t, "2026-03-01", "2026-03-31", "")})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("made %+v, %v", job, err)
	}
	if text := reports.Problem(err); !strings.Contains(text, "Make room") {
		t.Errorf("people are told %q", text)
	}
}
