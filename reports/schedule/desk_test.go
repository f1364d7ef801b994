package schedule

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/reports/framework"
)

func newDesk(m *memory, now *time.Time) *Desk {
	return &Desk{Records: m, Frameworks: []framework.Framework{{ID: "pci"}}, Domains: []string{"example.com"}, Directories: []string{"archive"},
		Rand: bytes.NewReader(bytes.Repeat([]byte{7, 8, 9}, 100)), Now: func() time.Time { return *now }}
}

// A schedule from its first version to its end, with what a person can do wrong.
func TestDesk(t *testing.T) {
	m, now := &memory{}, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	d := newDesk(m, &now)
	s := monthly("", "Europe/Berlin", 2, 7, 0, time.Time{})
	s.ID = ""
	if _, err := d.Create(t.Context(), s, "Rita"); !errors.Is(err, ErrChanged) {
		t.Errorf("created without an id: %v", err)
	}
	id, err := d.NewID()
	if err != nil {
		t.Fatal(err)
	}
	s.ID = id
	saved, err := d.Create(t.Context(), s, "Rita")
	if err != nil || len(saved.ID) != 12 || saved.Version != 1 || saved.By != "Rita" || !saved.At.Equal(now) {
		t.Fatalf("got %+v, %v", saved, err)
	}
	if _, err := d.Create(t.Context(), s, "Eve"); !errors.Is(err, ErrChanged) {
		t.Errorf("created twice: %v", err)
	}
	var input InputError
	wrong := saved
	wrong.Recipients, wrong.Framework, wrong.Directory = []string{"eve@elsewhere.example"}, "sox", "elsewhere"
	if _, err := d.Save(t.Context(), wrong, "Rita"); !errors.As(err, &input) || !strings.Contains(err.Error(), "eve@") || !strings.Contains(err.Error(), "sox") || !strings.Contains(err.Error(), "mail.directories") {
		t.Errorf("got %v", err)
	}
	if _, err := d.SetState(t.Context(), saved.ID, Paused, "Ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Save(t.Context(), saved, "Rita"); !errors.Is(err, ErrChanged) {
		t.Errorf("saved over a newer version: %v", err)
	}
	saved.Version = 2
	saved.Name = "Renamed"
	if got, err := d.Save(t.Context(), saved, "Rita"); err != nil || got.Version != 3 || got.State != Paused {
		t.Errorf("an edit of a paused schedule: %+v, %v", got, err)
	}
	if _, err := d.Save(t.Context(), Schedule{ID: Checkpoint, Name: "x", Framework: "pci", Period: "last month", Every: s.Every, Zone: "UTC", Recipients: []string{"a@example.com"}}, "Rita"); !errors.Is(err, ErrBuiltIn) {
		t.Errorf("got %v", err)
	}
	if _, err := d.SetState(t.Context(), saved.ID, Removed, "Ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Find(t.Context(), saved.ID); !errors.Is(err, ErrNone) {
		t.Errorf("a removed schedule is found: %v", err)
	}
}

func TestRunNowAndResend(t *testing.T) {
	start, now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 10, 8, 0, 0, 0, time.UTC)
	m := &memory{schedules: []Schedule{monthly("one", "UTC", 20, 7, 0, start)}}
	d := newDesk(m, &now)
	ids := map[string]int{}
	server := post(func(p Parcel) Outcome { ids[p.MessageID]++; return Outcome{State: Sent, Reply: "250 OK"} })
	tick := func() {
		t.Helper()
		r, _ := newRunner(t, m, &invented{ready: func(Schedule, Span) bool { return false }}, server, &now)
		if err := r.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tick()
	if len(ids) != 0 {
		t.Fatalf("sent before it was due: %v", ids)
	}
	run, err := d.RunNow(t.Context(), "one", "Rita")
	if err != nil || run.Span.Words() != "February 2026" {
		t.Fatalf("got %+v, %v", run, err)
	}
	tick()
	if len(ids) != 3 {
		t.Errorf("a run that was asked for waits for coverage: %v", ids)
	}
	if err := d.Resend(t.Context(), run.ID(), "a@example.com", "Rita"); err != nil {
		t.Fatal(err)
	}
	if err := d.Resend(t.Context(), run.ID(), "a@example.com", "Rita"); !errors.As(err, new(InputError)) {
		t.Errorf("asked twice: %v", err)
	}
	if err := d.Resend(t.Context(), run.ID(), "x@example.com", "Rita"); !errors.Is(err, ErrNone) {
		t.Errorf("a recipient that never was: %v", err)
	}
	tick()
	tick()
	if len(ids) != 4 {
		t.Errorf("%d mails with ids of their own, want 4", len(ids))
	}
	now = time.Date(2026, 3, 22, 8, 0, 0, 0, time.UTC) // the grace is over: the period has its own run still
	tick()
	if len(ids) != 7 {
		t.Errorf("%d mails, want those of the run that was due too", len(ids))
	}
}

func TestBuiltInFollowsTheConfiguration(t *testing.T) {
	m, now := &memory{}, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	d := newDesk(m, &now)
	for i, to := range [][]string{nil, {"a@x.example"}, {"a@x.example"}, {"b@x.example"}, nil, nil} {
		if err := d.BuiltIn(t.Context(), to, "UTC"); err != nil {
			t.Fatal(err)
		}
		if want := []int{0, 1, 1, 2, 3, 3}[i]; len(m.schedules) != want {
			t.Errorf("step %d: %d versions, want %d", i, len(m.schedules), want)
		}
	}
	m.schedules = m.schedules[:2]
	sent := ""
	server := post(func(p Parcel) Outcome { sent += p.To + " " + p.Letter.Kind; return Outcome{State: Sent} })
	now = now.AddDate(0, 0, 5)
	r, _ := newRunner(t, m, &invented{}, server, &now)
	r.Domains = []string{"example.com"}
	if err := r.Tick(t.Context()); err != nil || sent != "b@x.example checkpoint" {
		t.Errorf("sent %q, %v", sent, err)
	}
}

func TestMailboxAndDirectories(t *testing.T) {
	dir := t.TempDir()
	pack := filepath.Join(dir, "pack")
	if err := os.WriteFile(pack, []byte("a pack"), 0o600); err != nil {
		t.Fatal(err)
	}
	packs := func(string) (*os.File, error) { return os.Open(pack) }
	box := Mailbox{Dir: filepath.Join(dir, "mail"), From: Sender{"Exhibit", "exhibit@example.com"}, Packs: packs}
	for range 2 { // the second try of a mail replaces the first
		if out := box.Send(t.Context(), parcel()); out.State != Sent {
			t.Fatalf("got %+v", out)
		}
	}
	kept, err := box.List()
	if err != nil || len(kept) != 1 || kept[0].Subject != letter().Subject || kept[0].To != "ada@example.com" {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	later := parcel()
	later.At, later.MessageID, later.Letter.Subject, later.Letter.File = later.At.Add(time.Hour), "fedcba@example.com", "Größe – 3 h", "a\r\nb.zip"
	if out := box.Send(t.Context(), later); out.State != Sent {
		t.Fatalf("got %+v", out)
	}
	if kept, err = box.List(); err != nil || len(kept) != 2 || kept[0].Subject != "Größe – 3 h" {
		t.Fatalf("the newest first: %+v, %v", kept, err)
	}
	opened, err := box.Read(kept[0].Name)
	if err != nil || opened.Subject != kept[0].Subject || opened.To != kept[0].To || opened.MessageID != "fedcba@example.com" || !strings.Contains(opened.From, "exhibit@example.com") ||
		!strings.Contains(opened.Text, "Keep this mail") || !strings.Contains(opened.HTML, "<html lang") || len(opened.Files) != 1 || opened.Files[0] != (Attached{"a__b.zip", 6}) {
		t.Errorf("opened %+v, %v", opened, err)
	}
	var file bytes.Buffer
	if err := box.File(kept[0].Name, "a__b.zip", func() (io.Writer, error) { return &file, nil }); err != nil || file.String() != "a pack" {
		t.Errorf("attached: %q, %v", file.String(), err)
	}
	for _, name := range []string{"", "other.zip"} {
		if err := box.File(kept[0].Name, name, func() (io.Writer, error) { return nil, errors.New("opened") }); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("attached %q: %v", name, err)
		}
	}
	f, err := box.Open(kept[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../pack", "pack", ".new-1.eml", ""} {
		if _, err := box.Open(name); err == nil {
			t.Errorf("opened %q", name)
		}
	}
	archive := filepath.Join(dir, "archive")
	if err := os.Mkdir(archive, 0o700); err != nil {
		t.Fatal(err)
	}
	ds := Directories{Paths: map[string]string{"archive": archive, "gone": filepath.Join(dir, "gone")}, Packs: packs}
	for to, want := range map[string]DeliveryState{"directory:archive": Sent, "directory:other": Failed, "directory:gone": Deferred} {
		p := parcel()
		p.To = to
		for range 2 {
			if out := ds.Send(t.Context(), p); out.State != want {
				t.Errorf("%s: %+v", to, out)
			}
		}
	}
	if b, err := os.ReadFile(filepath.Join(archive, "exhibit-pci-2026-03-01_2026-03-31-01234567.zip")); err != nil || string(b) != "a pack" {
		t.Errorf("got %q, %v", b, err)
	}
}
