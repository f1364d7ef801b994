package web_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"exhibit/views"
	"exhibit/web"
)

// planned is one schedule in memory; it counts what is done to it.
type planned struct{ saved, changed int }

func (p *planned) view() views.Schedule {
	return views.Schedule{ID: "k1", Name: "Monthly <b>", State: "active", Zone: time.UTC, At: "UTC", Runs: []views.ScheduleRun{{Schedule: "k1", Key: "a_b", State: "made",
		Deliveries: []views.Delivery{{Schedule: "k1", Run: "k1/a_b", Name: "Monthly", Words: "March 2026", Target: "ada@example.com", State: "failed", Reply: "550 <no>", Again: true}}}}}
}

func (p *planned) List(context.Context) (views.Schedules, error) {
	return views.Schedules{Zone: time.UTC, List: []views.Schedule{p.view()}, Failing: p.view().Runs[0].Deliveries}, nil
}

func (p *planned) Schedule(_ context.Context, id string) (views.Schedule, error) {
	if id != "k1" {
		return views.Schedule{}, web.ErrNotFound
	}
	return p.view(), nil
}

func (p *planned) Form(context.Context, string) (views.ScheduleForm, error) {
	return views.ScheduleForm{ID: "k1"}, nil
}

func (p *planned) Options(_ context.Context, f views.ScheduleForm) (views.ScheduleForm, error) {
	return f, nil
}

func (p *planned) Check(_ context.Context, f views.ScheduleForm) error {
	if f.Name == "" {
		return &web.InputError{Sentence: "Give it a name."}
	}
	return nil
}

func (p *planned) NewID() (string, error) { return "k2", nil }

func (p *planned) Create(_ context.Context, id string, f views.ScheduleForm, _ web.Identity) error {
	if id != "k2" || f.ID != "" {
		return web.ErrNotFound
	}
	p.saved++
	return nil
}

func (p *planned) Save(_ context.Context, f views.ScheduleForm, _ web.Identity) error {
	if f.ID != "k1" {
		return web.ErrNotFound
	}
	p.saved++
	return nil
}

func (p *planned) SetState(context.Context, string, string, web.Identity) error {
	p.changed++
	return nil
}
func (p *planned) RunNow(context.Context, string, web.Identity) error { p.changed++; return nil }

func (p *planned) Resend(context.Context, string, string, string, web.Identity) error {
	return &web.InputError{Sentence: "It is tried again by itself."}
}

func (p *planned) Preview(context.Context, string, string) (views.SchedulePreview, string, error) {
	return views.SchedulePreview{ID: "k1", Name: "Monthly", Subject: "S"}, "<!DOCTYPE html><p style='color:red'>mail</p>", nil
}

func (p *planned) Pack(context.Context, string, string) (string, error) { return "p0001", nil }

func (p *planned) Mail(_ context.Context, name string) (views.Mail, string, error) {
	if name != "m1.eml" {
		return views.Mail{}, "", web.ErrNotFound
	}
	return views.Mail{KeptMail: views.KeptMail{Name: name, Subject: "<b>S</b>", To: "ada@example.com"}, Zone: time.UTC, Text: "<script>alert(1)</script>",
		Files: []views.MailFile{{Name: "pack.zip", Size: 1000}}}, "<!DOCTYPE html><script>alert(1)</script><p style='color:red'>mail</p>", nil
}

func (p *planned) MailFile(_ context.Context, _, file string, open func() (io.Writer, error)) error {
	if file != "" && file != "pack.zip" {
		return web.ErrNotFound
	}
	w, err := open()
	if err == nil {
		_, err = io.WriteString(w, "bytes of "+file)
	}
	return err
}

func TestSchedulePages(t *testing.T) {
	p := &planned{}
	s := newSite(t, func(d *web.Deps) { d.Schedules = p })
	b := s.signedIn(t, web.Reviewer)
	s.audit.Actions()
	must(t, b.get(t, "/schedules"), http.StatusOK, "Monthly <b>", "550 <no>")
	must(t, b.get(t, "/schedules/new"), http.StatusOK, "Save schedule")
	must(t, b.get(t, "/schedules/nope"), http.StatusNotFound)
	must(t, b.post(t, "/schedules", url.Values{"name": {""}}), http.StatusBadRequest, "Give it a name.")
	if got := s.audit.Actions(); len(got) != 0 || p.saved != 0 {
		t.Errorf("a form that is refused leaves %+v", got)
	}
	a := b.post(t, "/schedules", url.Values{"name": {"Weekly"}, "recipients": {"ada@example.com"}})
	must(t, a, http.StatusSeeOther)
	must(t, b.post(t, "/schedules/k1/run", url.Values{}), http.StatusSeeOther)
	must(t, b.post(t, "/schedules/k1/state", url.Values{"state": {"paused"}}), http.StatusSeeOther)
	must(t, b.post(t, "/schedules/k1/state", url.Values{"state": {"on fire"}}), http.StatusBadRequest)
	must(t, b.post(t, "/schedules/k1/resend", url.Values{"run": {"k1/a_b"}, "target": {"ada@example.com"}}), http.StatusBadRequest, "tried again by itself")
	var names []string
	for _, x := range s.audit.Actions() {
		names = append(names, x.Name+" "+x.Outcome+" "+x.Actor.Name)
	}
	want := "schedule.create success Rita Okoye, schedule.ask success Rita Okoye, schedule.pause success Rita Okoye, delivery.ask success Rita Okoye, delivery.ask failure Rita Okoye"
	if strings.Join(names, ", ") != want {
		t.Errorf("recorded %v", names)
	}
	a = b.get(t, "/schedules/k1/mail")
	if policy := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'unsafe-inline'") || !strings.Contains(policy, "sandbox") {
		t.Errorf("the mail is shown under %q", policy)
	}
	must(t, b.get(t, "/schedules/k1/preview"), http.StatusOK, `<iframe class="mail"`)
	a = b.get(t, "/mailbox/m1.eml")
	must(t, a, http.StatusOK, "<b>S</b>", "pack.zip", "1.0 kB")
	if policy := a.Header.Get("Content-Security-Policy"); strings.Contains(a.body, "<script>a") || !strings.Contains(policy, "frame-src 'self'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the page of a mail, under %q:\n%s", policy, a.body)
	}
	a = b.get(t, "/mailbox/m1.eml/html")
	if policy := a.Header.Get("Content-Security-Policy"); a.StatusCode != http.StatusOK || !strings.HasPrefix(policy, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'") ||
		!strings.Contains(policy, "sandbox") || strings.Contains(policy, "allow-scripts") || strings.Contains(policy, "allow-same-origin") {
		t.Errorf("the HTML of a mail: %d under %q", a.StatusCode, policy)
	}
	for path, want := range map[string]string{"/file": "m1.eml", "/files/pack.zip": "pack.zip"} {
		if a := b.get(t, "/mailbox/m1.eml"+path); a.StatusCode != http.StatusOK || !strings.Contains(a.Header.Get("Content-Disposition"), `attachment; filename="`+want) || !strings.HasPrefix(a.body, "bytes of") {
			t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
		}
	}
	must(t, b.get(t, "/mailbox/m1.eml/files/other.zip"), http.StatusNotFound)
	must(t, b.get(t, "/mailbox/m2.eml"), http.StatusNotFound)
	must(t, b.get(t, "/mailbox/m2.eml/html"), http.StatusNotFound)
	if a := b.get(t, "/schedules/k1/packs/a_b"); a.Header.Get("Location") != "/packs/p0001/download" {
		t.Errorf("the link to the pack leads to %q", a.Header.Get("Location"))
	}
	s.audit.Fail(errors.New("ledger stopped"))
	saved, changed := p.saved, p.changed
	must(t, b.post(t, "/schedules", url.Values{"name": {"Weekly"}}), http.StatusServiceUnavailable, "could not be recorded")
	must(t, b.post(t, "/schedules/k1/run", url.Values{}), http.StatusServiceUnavailable)
	if p.saved != saved || p.changed != changed {
		t.Error("something was done unrecorded")
	}
	s.audit.Fail(nil)
	auditor := s.signedIn(t, web.Auditor)
	must(t, auditor.get(t, "/schedules"), http.StatusForbidden)
	must(t, auditor.post(t, "/schedules/k1/run", url.Values{}), http.StatusForbidden)
	must(t, auditor.get(t, "/mailbox/m1.eml/html"), http.StatusForbidden)
	// A mail goes to people without a role too: they are told what to ask for.
	must(t, auditor.get(t, "/schedules/k1/packs/a_b"), http.StatusForbidden, "the link in the mail is for admins and reviewers", "Ask who runs the schedule to send you the pack as a file")
	must(t, s.browser(t).signIn(t, "victor", "/schedules/k1/packs/a_b"), http.StatusForbidden, "No role here yet", "Ask who runs the schedule to send you the pack as a file")
}

func TestWithoutMail(t *testing.T) {
	s := newSite(t)
	b := s.signedIn(t, web.Admin)
	must(t, b.get(t, "/schedules"), http.StatusNotFound, "No mail is configured")
	if a := b.get(t, "/"); strings.Contains(a.body, "/schedules") {
		t.Error("the navigation leads to schedules")
	}
}

// The event of a schedule says all that was asked for.
func TestScheduleIsRecorded(t *testing.T) {
	s := newSite(t, func(d *web.Deps) { d.Schedules = &planned{} })
	b := s.signedIn(t, web.Reviewer)
	form := func(kind string) url.Values {
		return url.Values{"name": {"PCI"}, "framework": {"pci"}, "period": {"last month"}, "kind": {kind}, "weekday": {"Monday"}, "day": {"2"}, "month": {"March"},
			"time": {"07:00"}, "cron": {"0 7 * * mon"}, "zone": {"Europe/Berlin"}, "recipients": {"ada@example.com"}, "source": {"hcp-prod", "okta"}, "place": {"bucket:archive"}, "grace": {"24"}}
	}
	for kind, every := range map[string]string{"daily": "daily at 07:00", "weekly": "weekly on Monday at 07:00", "monthly": "monthly on day 2 at 07:00",
		"yearly": "yearly on March 2 at 07:00", "cron": "cron 0 7 * * mon"} {
		for path, name := range map[string]string{"/schedules": "schedule.create", "/schedules/k1": "schedule.update"} {
			s.audit.Actions()
			a := b.post(t, path, form(kind))
			must(t, a, http.StatusSeeOther)
			got := s.audit.Actions()
			want := map[string]string{"framework": "pci", "period": "last month", "every": every, "zone": "Europe/Berlin", "to": "ada@example.com",
				"sources": "hcp-prod, okta", "place": "bucket:archive", "attach": "false", "grace": "24 h"}
			id := map[string]string{"schedule.create": "k2", "schedule.update": "k1"}[name]
			if a.Header.Get("Location") != "/schedules/"+id || len(got) == 1 && (got[0].Target.Type != "schedule" || got[0].Target.ID != id) {
				t.Errorf("%s leads to %s, recorded of %+v", name, a.Header.Get("Location"), got)
			}
			if len(got) != 1 || got[0].Name != name || !maps.Equal(got[0].Details, want) {
				t.Errorf("recorded %+v, want %s %v", got, name, want)
			}
		}
	}
}
