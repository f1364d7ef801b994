package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/framework"
	"exhibit/reports/schedule"
	"exhibit/web/site"
)

// Mail is how scheduled reports are sent. Without a server and a mailbox there are
// no schedules.
type Mail struct {
	Server   string `yaml:"server"`   // name of the mail server, as its certificate has it
	Port     int    `yaml:"port"`     // default: 587; 465 with security tls
	Security string `yaml:"security"` // starttls (default, required), tls, or none on this machine only
	User     string `yaml:"user"`     // for AUTH; empty: none
	// PasswordFile and PasswordEnv name where the password is.
	PasswordFile string        `yaml:"password_file"`
	PasswordEnv  string        `yaml:"password_env"`
	CAFile       string        `yaml:"ca_file"`   // certificate of the server's authority; default: the system's
	From         string        `yaml:"from"`      // address that mails come from
	FromName     string        `yaml:"from_name"` // default: Exhibit
	Domains      []string      `yaml:"domains"`   // that people may send schedules to
	Timeout      time.Duration `yaml:"timeout"`   // of a conversation; default 1m
	MaxSize      Size          `yaml:"max_size"`  // of a mail with its pack, where the server takes more; default 25MiB
	// Directories may get packs too: name → path.
	Directories map[string]string `yaml:"directories"`
	// Buckets may get packs too: name → URL, such as s3://evidence?region=eu-central-1.
	// Credentials come from where the provider's tools look for them.
	Buckets    map[string]string `yaml:"buckets"`
	Checkpoint CheckpointMail    `yaml:"checkpoint"`
	// Mailbox is a directory that keeps mails instead of sending them, for a trial.
	Mailbox string `yaml:"mailbox"`
}

// CheckpointMail gets the checkpoint of each day.
type CheckpointMail struct {
	To []string `yaml:"to"` // addresses, in any domain
	// HeldBy says who reads them and the operator cannot delete them for. Empty: they
	// are held by the operator, and do not count as a witness.
	HeldBy string `yaml:"held_by"`
}

func (m *Mail) enabled() bool { return m.Server != "" || m.Mailbox != "" }

// complete fills in defaults.
func (m *Mail) complete() {
	m.Security = cmp.Or(m.Security, schedule.StartTLS)
	m.FromName = cmp.Or(m.FromName, "Exhibit")
	m.Timeout = cmp.Or(m.Timeout, time.Minute)
	m.MaxSize = cmp.Or(m.MaxSize, 25<<20)
	if m.Port == 0 {
		m.Port = 587
		if m.Security == schedule.TLS {
			m.Port = 465
		}
	}
}

// check returns what is wrong with the section.
func (m *Mail) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("mail."+format, args...)) }
	if !m.enabled() {
		if m.From != "" || len(m.Domains)+len(m.Checkpoint.To)+len(m.Directories)+len(m.Buckets) > 0 {
			add("server: name the mail server")
		}
		return errors.Join(errs...)
	}
	if m.Server != "" && m.Mailbox != "" {
		add("mailbox: mails are sent or kept, not both: leave server or mailbox out")
	}
	if !slices.Contains([]string{schedule.StartTLS, schedule.TLS, schedule.Plain}, m.Security) {
		add("security: %q: use starttls, tls or none", m.Security)
	}
	if m.Security == schedule.Plain && m.Mailbox == "" && !loopback(m.Server) {
		add("security: none only for a server on this machine (127.0.0.1 or localhost), not %s", m.Server)
	}
	if err := schedule.CheckAddress(m.From, nil); err != nil {
		add("from: %w", err)
	}
	if strings.ContainsFunc(m.FromName, unicode.IsControl) {
		add("from_name: %q is not one line of text", m.FromName)
	}
	if len(m.Domains) == 0 {
		add("domains: list the domains that schedules may be sent to")
	}
	for _, to := range m.Checkpoint.To {
		if err := schedule.CheckAddress(to, nil); err != nil {
			add("checkpoint.to: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.Buckets)) {
		if u, err := url.Parse(m.Buckets[name]); err != nil || u.Scheme == "" || u.User != nil {
			add("buckets.%s: it is not a URL like s3://NAME?region=REGION, without credentials", name)
		}
	}
	if m.User == "" && m.PasswordFile+m.PasswordEnv != "" {
		add("user: it is missing, but there is a password")
	}
	if m.Timeout < time.Second || m.Timeout > 10*time.Minute {
		add("timeout: %s is not within 1s and 10m", m.Timeout)
	}
	return errors.Join(errs...)
}

func (m *Mail) sender() schedule.Sender { return schedule.Sender{Name: m.FromName, Address: m.From} }

// post returns what delivers mails.
func (m *Mail) post(packs func(id string) (*os.File, error)) (schedule.Post, error) {
	if m.Mailbox != "" {
		return schedule.Mailbox{Dir: m.Mailbox, From: m.sender(), Packs: packs}, nil
	}
	return m.smtp(packs)
}

func (m *Mail) smtp(packs func(id string) (*os.File, error)) (*schedule.SMTP, error) {
	password, err := secret("mail.password", m.PasswordFile, m.PasswordEnv)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if m.CAFile != "" {
		pem, err := os.ReadFile(m.CAFile)
		if err != nil {
			return nil, fmt.Errorf("configuration: mail.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("configuration: mail.ca_file: %s holds no certificate", m.CAFile)
		}
	}
	return &schedule.SMTP{Host: m.Server, Port: m.Port, Security: m.Security, User: m.User, Password: password, TLS: config, From: m.sender(),
		Hello: m.sender().Domain(), Timeout: m.Timeout, MaxSize: int64(m.MaxSize), Packs: packs}, nil
}

// mailing makes what runs schedules and what the pages show of them; nil without mail.
func (w *writer) mailing(ctx context.Context, maker *reports.Maker, packs *reports.Packs) (*schedule.Runner, *site.Mailing, error) {
	m := &w.config.Mail
	if !m.enabled() {
		return nil, nil, nil
	}
	open := func(id string) (*os.File, error) {
		_, f, err := packs.Open(id)
		return f, err
	}
	post, err := m.post(open)
	if err != nil {
		return nil, nil, err
	}
	wake := make(chan struct{}, 1)
	desk := w.desk(maker.Frameworks)
	desk.Wake = func() {
		select {
		case wake <- struct{}{}:
		default: // it is awake already
		}
	}
	if err := desk.BuiltIn(ctx, m.Checkpoint.To, w.config.Zone); err != nil {
		return nil, nil, err
	}
	evidence := &schedule.FromReports{Maker: maker, Packs: packs, Base: strings.TrimSuffix(w.config.Web.BaseURL, "/"), Now: time.Now, Collected: w.polled}
	runner := &schedule.Runner{Records: desk.Records, Evidence: evidence, Post: post, Directories: schedule.Directories{Paths: m.Directories, Packs: open},
		Buckets: schedule.Buckets{URLs: m.Buckets, Packs: open, Timeout: bucketTimeout},
		Domains: m.Domains, MailDomain: m.sender().Domain(), Base: evidence.Base, Diary: scheduleDiary(w.diary), Now: time.Now, Slog: w.log, After: time.After, Wake: wake}
	shown := &site.Mailing{Desk: desk, Evidence: evidence}
	if box, ok := post.(schedule.Mailbox); ok {
		shown.Mailbox = &box
	}
	return runner, shown, nil
}

// bucketTimeout is how long a small pack may be on its way into a bucket.
const bucketTimeout = 5 * time.Minute

// polled reports whether a source is asked for what it has, or read from a bucket.
func (s *installation) polled(name string) bool {
	return slices.ContainsFunc(s.config.Sources, func(c Source) bool {
		kind, err := s.kinds.Of(c.Name, c.Kind)
		return c.Name == name && err == nil && (c.Bucket != "" || !c.Push && kind.NewPuller != nil)
	})
}

func (s *installation) desk(frameworks []framework.Framework) *schedule.Desk {
	return &schedule.Desk{Records: schedule.Stored{DB: s.db}, Frameworks: frameworks, Domains: s.config.Mail.Domains,
		Directories: slices.Sorted(maps.Keys(s.config.Mail.Directories)), Buckets: slices.Sorted(maps.Keys(s.config.Mail.Buckets)), Rand: rand.Reader, Now: time.Now}
}

// scheduleDiary keeps what runners do as events of Exhibit.
func scheduleDiary(d diary) func(ctx context.Context, e schedule.Entry) error {
	return func(ctx context.Context, e schedule.Entry) error {
		act := source.Act{Action: e.Action, Outcome: event.Success, Actor: source.Party{Type: event.System, ID: "exhibit"},
			Target: source.Party{Type: e.Type, ID: e.ID, Name: e.Name}, Reason: e.Details}
		if !e.OK {
			act.Outcome = event.Failure
		}
		if e.By.ID != "" {
			act.Actor = source.Party{Type: event.User, ID: e.By.ID, Name: e.By.Name}
		}
		return d.Write(ctx, act)
	}
}

// mailWitness is what a report says of the mailed checkpoint; false without one.
func (s *installation) mailWitness(ctx context.Context) (pack.Witness, bool, error) {
	c := s.config.Mail.Checkpoint
	if !s.config.Mail.enabled() || s.config.Mail.Mailbox != "" || len(c.To) == 0 {
		return pack.Witness{}, false, nil
	}
	w := pack.Witness{Name: "mail to " + strings.Join(c.To, ", "), Kind: "mail", Note: "held by " + c.HeldBy}
	if c.HeldBy == "" {
		w.Note = "held by the operator: it does not count as a witness"
	}
	// Those of about the last month tell it, unless none arrived.
	for _, newest := range []int{40, math.MaxInt32} {
		book, err := schedule.ReadOne(ctx, schedule.Stored{DB: s.db}, schedule.Checkpoint, newest)
		if err != nil {
			return w, true, err
		}
		if w.Last, w.Size = lastCheckpoint(book); w.Size > 0 {
			break
		}
	}
	return w, true, nil
}

// lastCheckpoint returns when a checkpoint was mailed last, and how many records it is of.
func lastCheckpoint(book *schedule.Book) (at time.Time, records uint64) {
	for _, run := range book.RunsOf(schedule.Checkpoint) {
		if run.Letter == nil || run.Letter.Kind != "checkpoint" {
			continue // the mail said that it could not be made
		}
		for _, to := range run.Targets {
			if d, ok := book.Delivery(run.ID(), to); ok && d.State == schedule.Sent && d.At.After(at) {
				at, records = d.At, run.Letter.Records
			}
		}
	}
	return at, records
}

// mailPaths makes paths of the section meant from where the file is.
func (m *Mail) mailPaths(dir string) {
	for name, path := range m.Directories {
		if !filepath.IsAbs(path) {
			m.Directories[name] = filepath.Join(dir, path)
		}
	}
	if m.Mailbox != "" && !filepath.IsAbs(m.Mailbox) {
		m.Mailbox = filepath.Join(dir, m.Mailbox)
	}
}
