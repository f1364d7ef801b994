package site_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/reports"
	"exhibit/reports/reporttest"
	"exhibit/reports/schedule"
	"exhibit/views"
	"exhibit/web"
	"exhibit/web/site"
)

// withMail gives a site schedules. Mails are kept in a mailbox.
func withMail(t *testing.T, s *site.Site, l *reporttest.Log, packs *reports.Packs, clock *time.Time) (web.Schedules, *schedule.Runner) {
	t.Helper()
	maker := s.Overview.Maker
	open := func(id string) (*os.File, error) { _, f, err := packs.Open(id); return f, err }
	box := &schedule.Mailbox{Dir: t.TempDir(), From: schedule.Sender{Name: "Exhibit", Address: "exhibit@example.com"}, Packs: open}
	now := func() time.Time { return *clock }
	records := schedule.Stored{DB: l.DB}
	desk := &schedule.Desk{Records: records, Frameworks: maker.Frameworks, Domains: []string{"example.com"}, Rand: bytes.NewReader(bytes.Repeat([]byte{1, 2}, 100)), Now: now}
	evidence := &schedule.FromReports{Maker: maker, Packs: packs, Base: "https://exhibit.example.com", Now: now}
	d := s.Overview.Deps
	d.Mail, d.Now = &site.Mailing{Desk: desk, Evidence: evidence, Mailbox: box}, now
	*s = *site.New(d)
	runner := &schedule.Runner{Records: records, Evidence: evidence, Post: box, Directories: schedule.Directories{}, Domains: desk.Domains, MailDomain: "example.com", Now: now,
		Diary: func(context.Context, schedule.Entry) error { return nil }}
	return s.Schedules(), runner
}

// create keeps a new schedule and returns its id.
func create(t *testing.T, m web.Schedules, f views.ScheduleForm, by web.Identity) string {
	t.Helper()
	id, err := m.NewID()
	if err == nil {
		err = m.Create(t.Context(), id, f, by)
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestSchedules is a schedule from its form to its pack, over a real store.
func TestSchedules(t *testing.T) {
	s, l, packs := open(t, nil)
	const nasty = `<img src=x onerror=alert(1)>`
	l.Source(now().Add(-time.Hour), ledger.Source{Name: nasty, Kind: "hcp-terraform", Since: now().Add(-30 * day)})
	l.Batch(now(), "hcp-prod", []*event.Event{reporttest.Event("hcp-prod", nasty, now().Add(-day), event.AdminChanges, nasty)}, nil)
	clock := now()
	m, runner := withMail(t, s, l, packs, &clock)
	ctx, by := t.Context(), web.Identity{Subject: "1", Name: "Rita Okoye", Role: web.Reviewer}

	f, err := m.Form(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	f.Name, f.Framework, f.Recipients, f.Period = "Weekly "+nasty, "soc2", "ada@example.com; bob@example.com", "last 7 days"
	for name, change := range map[string]func(*views.ScheduleForm){"Mail may not go": func(f *views.ScheduleForm) { f.Recipients = "eve@elsewhere.example" },
		"no source": func(f *views.ScheduleForm) { f.Sources = []string{"okta"} }, "time of the day": func(f *views.ScheduleForm) { f.Time = "7" },
		"no framework": func(f *views.ScheduleForm) { f.Framework = "sox" }, "day of a month": func(f *views.ScheduleForm) { f.Day = "x" }} {
		wrong := f
		change(&wrong)
		var input *web.InputError
		if err := m.Check(ctx, wrong); !errors.As(err, &input) || !strings.Contains(strings.ToLower(input.Sentence), strings.ToLower(name)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	id := create(t, m, f, by)
	again, err := m.Form(ctx, id)
	if err != nil || again.Recipients != "ada@example.com, bob@example.com" || again.Time != "07:00" || again.Version != "1" {
		t.Errorf("the form comes back as %+v, %v", again, err)
	}
	preview, html, err := m.Preview(ctx, id, "")
	if err != nil || !strings.HasPrefix(preview.Subject, "Evidence for 15 to 21 April 2026: ") || strings.Contains(html, "<img") || !strings.Contains(html, "&lt;img") {
		t.Errorf("preview %q, %v", preview.Subject, err)
	}
	if err := m.RunNow(ctx, id, by); err != nil {
		t.Fatal(err)
	}
	if err := runner.Tick(ctx); err != nil {
		t.Fatal(err)
	}
	page, err := m.Schedule(ctx, id)
	if err != nil || len(page.Runs) != 1 || len(page.Runs[0].Deliveries) != 2 || page.Runs[0].Deliveries[0].State != "sent" || !page.Runs[0].Pack {
		t.Fatalf("got %+v, %v", page, err)
	}
	list, err := m.List(ctx)
	if err != nil || len(list.List) != 1 || len(list.Kept) != 2 || len(list.Failing) != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
	mail, html, err := m.Mail(ctx, list.Kept[0].Name)
	if err != nil || !strings.HasPrefix(mail.Subject, "Evidence for ") || !strings.Contains(mail.Text, "Keep this mail") || !strings.Contains(html, "&lt;img") || strings.Contains(html, "<img") ||
		len(mail.Files) != 1 || mail.Files[0].Size == 0 {
		t.Errorf("the mail of the mailbox: %+v, %v", mail, err)
	}
	var file bytes.Buffer
	if err := m.MailFile(ctx, mail.Name, mail.Files[0].Name, func() (io.Writer, error) { return &file, nil }); err != nil || int64(file.Len()) != mail.Files[0].Size || file.String()[:2] != "PK" {
		t.Errorf("the attached pack: %d bytes, %v", file.Len(), err)
	}
	if _, _, err := m.Mail(ctx, "../"+mail.Name); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("a mail elsewhere: %v", err)
	}
	key := page.Runs[0].Key
	if pack, err := m.Pack(ctx, id, key); err != nil || packs.List()[0].ID != pack {
		t.Errorf("the link leads to %q, %v", pack, err)
	}
	clock = clock.Add(31 * day)
	var input *web.InputError
	if _, err := m.Pack(ctx, id, key); !errors.As(err, &input) || !strings.Contains(input.Sentence, "expired") {
		t.Errorf("an old link: %v", err)
	}
	if _, err := m.Pack(ctx, id, "2020"); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("no run: %v", err)
	}
	if err := m.Resend(ctx, "other", id+"/"+key, "ada@example.com", by); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("a delivery of another schedule: %v", err)
	}
}

// What fails is the business of the first page.
func TestFailingDeliveryIsOnTheOverview(t *testing.T) {
	s, l, packs := open(t, nil)
	clock := now()
	m, runner := withMail(t, s, l, packs, &clock)
	f, err := m.Form(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	f.Name, f.Framework, f.Recipients, f.Attach = "Monthly", "pci", "ada@example.com", false
	by := web.Identity{Subject: "1", Email: "rita@example.com"}
	id := create(t, m, f, by)
	if err := m.RunNow(t.Context(), id, by); err != nil {
		t.Fatal(err)
	}
	runner.Post = refusing{}
	if err := runner.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := s.Overview.Overview(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range v.Tasks {
		if task.Title == "Mail to ada@example.com failed: Monthly, March 2026" && task.Detail == "RCPT: 550 no" && task.Severity == views.Act && task.Link.Path == "/schedules/"+id {
			return
		}
	}
	t.Errorf("not among the tasks: %+v", v.Tasks)
}

type refusing struct{}

func (refusing) Send(context.Context, schedule.Parcel) schedule.Outcome {
	return schedule.Outcome{State: schedule.Failed, Reply: "RCPT: 550 no"}
}
