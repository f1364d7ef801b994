package main

import (
	"path/filepath"
	"strings"
	"testing"

	"exhibit/reports/schedule/mailtest"

	"log/slog"
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
		"no domains":        {"domains: [example.com]", "domains: []", "mail.domains"},
		"checkpoint":        {"witness@elsewhere.example", "witness", "mail.checkpoint.to"},
		"password of whom":  {"server: smtp.example.com", "server: smtp.example.com\n  password_env: X", "mail.user"},
		"password in there": {"server: smtp.example.com", "server: smtp.example.com\n  password: s3cret", "unknown field"},
	} {
		if _, err := load(t, goodConfig+strings.Replace(goodMail, tt.from, tt.to, 1)); err == nil || !strings.Contains(err.Error(), tt.want) {
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
