package reports_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/reporttest"
)

// A pack of every framework that was made from the engine verifies, its cover
// needs nothing from outside, and its numbers are those of a full count.
func TestPackVerifies(t *testing.T) {
	l := story(t)
	m := maker(t, l)
	for _, id := range []string{"soc2", "hipaa", "pci"} {
		dir := t.TempDir()
		if keep := os.Getenv("KEEP_PACKS"); keep != "" {
			dir = keep
		}
		request := reports.Request{Framework: id, Period: period(t, "2026-01-01", "2026-04-22", "Europe/Berlin"),
			By: pack.Person{ID: "u1", Name: "Alan Example", Role: "auditor"}}
		info, err := m.Make(t.Context(), request, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, info.File)
		verifyPack(t, path, l.Key.Public)
		cover := readCover(t, path)
		for _, never := range []string{"<script", "http://", "https://", "src=", "compliant", "score"} {
			if strings.Contains(strings.ToLower(cover), never) {
				t.Errorf("%s: the cover holds %q", id, never)
			}
		}
		for _, want := range []string{"GitHub: no source is connected", "Ticket OPS-1432", "gap, lost", "exhibit-verify", info.Content} {
			if !strings.Contains(cover, want) {
				t.Errorf("%s: the cover lacks %q", id, want)
			}
		}
		again, err := m.Make(t.Context(), request, filepath.Join(t.TempDir(), "again.zip"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if again.Content != info.Content {
			t.Errorf("%s: made again, the content digest is another one", id)
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".exhibit-tmp-*")); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func verifyPack(t *testing.T, path, key string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	res, err := pack.Verify(t.Context(), bytes.NewReader(b), int64(len(b)), pack.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if !res.OK {
		var out bytes.Buffer
		if err := res.Print(&out); err != nil {
			t.Fatal(err)
		}
		t.Fatalf("the pack is not good:\n%s", out.String())
	}
}

func readCover(t *testing.T, path string) string {
	t.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("README.html")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Events of Exhibit itself are in a pack only when they are asked for, in a file of
// their own, and evidence no control.
func TestPackWithOwnEvents(t *testing.T) {
	l := story(t)
	own := ledger.Source{Name: pack.Own, Kind: "exhibit", Abilities: map[event.Section]string{event.Logins: "logged"}}
	l.Source(today(), own)
	l.Batch(today(), pack.Own, []*event.Event{reporttest.Event(pack.Own, "x1", today().Add(-time.Hour), event.Logins, "session.sign_in")}, nil)
	m := maker(t, l)
	for _, sources := range [][]string{nil, {"hcp-prod", pack.Own}} {
		dir := t.TempDir()
		info, err := m.Make(t.Context(), reports.Request{Framework: "pci", Sources: sources, Period: period(t, "2026-04-01", "2026-04-22", "America/New_York")}, dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		verifyPack(t, filepath.Join(dir, info.File), l.Key.Public)
		if len(info.Sources) != max(1, len(sources)) {
			t.Errorf("asked for %v, got %v", sources, info.Sources)
		}
		if cover := readCover(t, filepath.Join(dir, info.File)); !strings.Contains(cover, "not evidenced: no source logs this; connect an identity provider") {
			t.Error("a sign-in to Exhibit evidences sign-ins elsewhere")
		}
	}
}
