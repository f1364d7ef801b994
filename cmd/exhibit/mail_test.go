package main

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/internal/bucket/buckettest"
	"exhibit/reports/schedule"
	"exhibit/reports/schedule/mailtest"
)

const goodMail = `mail:
  server: smtp.example.com
  from: exhibit@example.com
  domains: [example.com]
  directories: {archive: evidence}
  checkpoint: {to: [witness@elsewhere.example], held_by: Elsewhere Ltd}
`

func TestMailSection(t *testing.T) {
	c, err := load(t, goodConfig+goodMail)
	if err != nil {
		t.Fatal(err)
	}
	if m := c.Mail; m.Port != 587 || m.Security != "starttls" || m.MaxSize != 25<<20 || !filepath.IsAbs(m.Directories["archive"]) {
		t.Errorf("got %+v", m)
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"no server":         {"server: smtp.example.com", "port: 25", "mail.server"},
		"both":              {"server: smtp.example.com", "server: a\n  mailbox: b", "sent or kept"},
		"open line":         {"server: smtp.example.com", "server: smtp.example.com\n  security: none", "only for a server on this machine"},
		"unknown security":  {"server: smtp.example.com", "server: smtp.example.com\n  security: ssl", "starttls, tls or none"},
		"sender":            {"exhibit@example.com", `"a\r\nBcc: b@example.com"`, "mail.from"},
		"name of sender":    {"from: exhibit@example.com", "from: exhibit@example.com\n  from_name: \"Exhibit\\r\\nBcc: b@example.com\"", "mail.from_name"},
		"no domains":        {"domains: [example.com]", "domains: []", "mail.domains"},
		"checkpoint":        {"witness@elsewhere.example", "witness", "mail.checkpoint.to"},
		"password of whom":  {"server: smtp.example.com", "server: smtp.example.com\n  password_env: X", "mail.user"},
		"bucket":            {"directories: {archive: evidence}", "buckets: {e: evidence}", "mail.buckets.e"},
		"bucket with a key": {"directories: {archive: evidence}", `buckets: {e: "s3://key:s3cret@evidence"}`, "without credentials"},
		"password in there": {"server: smtp.example.com", "server: smtp.example.com\n  password: s3cret", "unknown field"},
	} {
		if _, err := load(t, goodConfig+strings.Replace(goodMail, tt.from, tt.to, 1)); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(tt.to, "buckets") && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want it to say %q", name, err, tt.want)
		}
	}
}

func TestCheckMail(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{NoTLS: true})
	t.Setenv("SMTP_PASSWORD", mailtest.Password)
	config := Config{Mail: Mail{Server: server.Host, Port: server.Port, Security: "none", User: mailtest.User, PasswordEnv: "SMTP_PASSWORD", From: "exhibit@example.com", Domains: []string{"example.com"}}}
	config.Mail.complete()
	log := slog.New(slog.DiscardHandler)
	if err := checkMail(t.Context(), config, "ada@example.com", log); err != nil || len(server.Mails()) != 1 {
		t.Errorf("%v, %d mails", err, len(server.Mails()))
	}
	if err := checkMail(t.Context(), config, "", log); err != nil || len(server.Mails()) != 1 {
		t.Errorf("without an address: %v, %d mails", err, len(server.Mails()))
	}
	t.Setenv("SMTP_PASSWORD", "wrong")
	if err := checkMail(t.Context(), config, "ada@example.com", log); err == nil || !strings.Contains(err.Error(), "535") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("got %v", err)
	}
	if err := checkMail(t.Context(), Config{}, "ada@example.com", log); err == nil {
		t.Error("without a mail section nothing is wrong")
	}
}

// What 'exhibit check' says of the places that packs go to, with a real S3 server.
func TestCheckPlaces(t *testing.T) {
	server := buckettest.Start(t)
	m := Mail{Directories: map[string]string{"here": t.TempDir(), "gone": filepath.Join(t.TempDir(), "gone")},
		Buckets: map[string]string{"evidence": server.Bucket(t, "evidence"), "missing": server.URL("missing")}}
	got := map[string]bool{}
	m.checkPlaces(t.Context(), func(name string, err error) { got[name] = err == nil })
	want := map[string]bool{"directory here": true, "directory gone": false, "bucket evidence": true, "bucket missing": false}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// A token that could be guessed is refused; without one there are no metrics.
func TestMetricsToken(t *testing.T) {
	for token, want := range map[string]string{"short": "fewer than 20", "": "fewer than 20"} {
		t.Setenv("METRICS_TOKEN", token)
		w := &writer{installation: &installation{config: Config{Metrics: Metrics{TokenEnv: "METRICS_TOKEN"}}}}
		if m, err := w.metrics(nil, nil); m != nil || err == nil || !strings.Contains(err.Error(), want) || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%q: got %v, %v", token, m, err)
		}
	}
	w := &writer{installation: &installation{}}
	if m, err := w.metrics(nil, nil); m != nil || err != nil {
		t.Errorf("without a token: %v, %v", m, err)
	}
}

// mailed is records of runs of the checkpoint that were sent.
type mailed struct {
	schedule.Records
	runs []schedule.Run
}

func (mailed) Schedules(context.Context) ([]schedule.Schedule, error) { return nil, nil }

func (m mailed) Runs(context.Context, time.Time) ([]schedule.Run, error) { return m.runs, nil }

func (m mailed) Deliveries(context.Context, time.Time) (list []schedule.Delivery, err error) {
	for _, run := range m.runs {
		list = append(list, schedule.Delivery{Run: run.ID(), Target: "ada@example.com", State: schedule.Sent, At: run.At})
	}
	return list, nil
}

// A mail that says that a checkpoint could not be made is no witness.
func TestLastCheckpoint(t *testing.T) {
	at := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	run := func(key string, at time.Time, letter schedule.Letter) schedule.Run {
		return schedule.Run{Schedule: schedule.Checkpoint, Key: key, State: schedule.Made, At: at, Targets: []string{"ada@example.com"}, Letter: &letter}
	}
	book, err := schedule.Read(t.Context(), mailed{runs: []schedule.Run{run("a", at, schedule.Letter{Kind: "checkpoint", Records: 8114}),
		run("b", at.AddDate(0, 0, 1), schedule.Letter{Kind: "problem"})}}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if last, records := lastCheckpoint(book); !last.Equal(at) || records != 8114 {
		t.Errorf("got %s of %d records", last, records)
	}
}
