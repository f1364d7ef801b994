package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exhibit/ingest"
	"exhibit/internal/pack/verifier"
	"exhibit/reports/schedule/mailtest"

	"github.com/chromedp/chromedp"
)

// startWithMail runs the demo's world with a real mail server.
func startWithMail(t *testing.T, server *mailtest.Server) *trial {
	t.Helper()
	environment(t)
	dir := t.TempDir()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	world, err := newDemoSite(address, filepath.Join(dir, "demo"), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(world.close)
	for name, content := range map[string][]byte{"password": []byte(mailtest.Password), "ca.pem": server.CA} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := LoadConfig(world.configPath)
	if err != nil {
		t.Fatal(err)
	}
	config.Mail = Mail{Server: server.Host, Port: server.Port, User: mailtest.User, PasswordFile: filepath.Join(dir, "password"), CAFile: filepath.Join(dir, "ca.pem"),
		From: "exhibit@demo.example", Domains: []string{"demo.example"}, Checkpoint: CheckpointMail{To: []string{"witness@elsewhere.example"}, HeldBy: "Elsewhere Ltd"}}
	config.Mail.complete()
	if err := config.check(); err != nil {
		t.Fatal(err)
	}
	if err := world.importHistory(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- serve(ctx, config, log, func(string) { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	d := &trial{data: config.Data, url: "http://" + address, passwords: map[string]string{}}
	for _, u := range world.users {
		d.passwords[u.Name] = u.Password
	}
	if err := checkMail(t.Context(), config, "", log); err != nil {
		t.Errorf("check without an address: %v", err)
	}
	return d
}

// TestScheduledMail is what a reviewer does once: make a monthly schedule, look at its
// mail, run it. A real mail server gets it, the attached pack verifies, and so does the
// checkpoint in the mail.
func TestScheduledMail(t *testing.T) {
	browser := chromium(t)
	server := mailtest.Start(t, mailtest.Options{Size: 30 << 20})
	d := startWithMail(t, server)
	d.signIn(t, browser, "reviewer", "/schedules")
	do(t, browser, chromedp.Navigate(d.url+"/schedules/new"), chromedp.WaitVisible(chromedp.ID("save")),
		chromedp.SendKeys(chromedp.CSS("[name=name]"), "SOC 2 monthly"), chromedp.SendKeys(chromedp.CSS("[name=recipients]"), "cfo@elsewhere.example"))
	shoot(t, browser, "schedule-form")
	do(t, browser, chromedp.Click(chromedp.ID("save")), chromedp.WaitVisible(chromedp.CSS(".notice.bad")))
	text, err := chromedp.Run(browser, chromedp.Text(chromedp.CSS(".notice.bad")))
	if err != nil || !strings.Contains(text, "Mail may not go to") {
		t.Errorf("an address of another domain: %q, %v", text, err)
	}
	do(t, browser, chromedp.SetValue(chromedp.CSS("[name=recipients]"), "ciso@demo.example, audit@demo.example"), chromedp.Click(chromedp.ID("save")),
		chromedp.WaitVisible(chromedp.ID("preview")), chromedp.Click(chromedp.ID("preview")), chromedp.WaitVisible(chromedp.ID("as-mail")))
	text, err = chromedp.Run(browser, chromedp.Text(chromedp.ID("content")))
	if err != nil || !strings.Contains(text, "Keep this mail: it witnesses the ledger") || len(server.Mails()) != 0 {
		t.Errorf("the preview says %.300q, %v; %d mails", text, err, len(server.Mails()))
	}
	do(t, browser, chromedp.Click(chromedp.ID("as-mail")), chromedp.WaitVisible(chromedp.CSS(".verdict")))
	shoot(t, browser, "schedule-mail")
	do(t, browser, chromedp.Navigate(d.url+"/schedules"), chromedp.Click(chromedp.CSS("tbody th a[href]:not([href$=checkpoint])")), chromedp.WaitVisible(chromedp.ID("run-now")),
		chromedp.Click(chromedp.ID("run-now")), chromedp.WaitVisible(chromedp.CSS(".run")))
	server.Wait(t)
	server.Wait(t)
	d.verifyMail(t, server.Mails()[1])

	const untilSent = `(async () => { for (let i = 0; i < 100; i++) { const page = await (await fetch(location.href)).text(); if (page.split(">sent<").length == 3) return true; await new Promise(r => setTimeout(r, 100)) } return false })()`
	sent, err := chromedp.Run(browser, chromedp.Evaluate[bool](untilSent, chromedp.EvalAwaitPromise))
	if err != nil || !sent {
		t.Errorf("the page does not show two deliveries as sent, %v", err)
	}
	do(t, browser, chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(".run table")))
	shoot(t, browser, "schedule")
	do(t, browser, chromedp.Navigate(d.url+"/schedules"), chromedp.WaitVisible(chromedp.CSS("table")))
	shoot(t, browser, "schedules")
	text, err = chromedp.Run(browser, chromedp.Text(chromedp.ID("content")))
	if err != nil || !strings.Contains(text, "SOC 2 monthly") || !strings.Contains(text, "Daily checkpoint") || strings.Contains(text, "did not arrive") {
		t.Errorf("the list says %q, %v", text, err)
	}
	for _, action := range []string{"schedule.create", "schedule.ask", "schedule.run", "delivery.sent"} {
		do(t, browser, chromedp.Navigate(d.url+"/events?source=exhibit&action="+action), chromedp.WaitReady(chromedp.ID("content")))
		text, err := chromedp.Run(browser, chromedp.Text(chromedp.ID("content")))
		if err != nil || !strings.Contains(text, "SOC 2 monthly") && !strings.Contains(text, "@demo.example") {
			t.Errorf("events %s: %.300q, %v", action, text, err)
		}
	}
}

// verifyMail checks the pack that is attached to a mail, and the checkpoint in it.
func (d *trial) verifyMail(t *testing.T, m mailtest.Mail) {
	t.Helper()
	dir := t.TempDir()
	eml := filepath.Join(dir, "saved.eml")
	if err := os.WriteFile(eml, []byte(m.Body), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := mail.ReadMessage(strings.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	pack := ""
	for parts := multipart.NewReader(parsed.Body, params["boundary"]); ; {
		p, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.FileName() == "" {
			continue
		}
		b, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil {
			t.Fatal(err)
		}
		pack = filepath.Join(dir, p.FileName())
		if err := os.WriteFile(pack, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pack == "" || !m.TLS || m.User != mailtest.User {
		t.Fatalf("a mail without a pack, over TLS %v, from %q:\n%.2000s", m.TLS, m.User, m.Body)
	}
	key, err := ingest.Dir(d.data).ExistingKey()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := verifier.Run(t.Context(), "exhibit-verify", []string{pack, "--key", key.Public, "--since", eml}, &out, &out); code != 0 {
		t.Errorf("exit code %d\n%s", code, out.String())
	}
	t.Log(fmt.Sprintf("%d bytes of mail\n", len(m.Body)), out.String())
	if folder := os.Getenv("EXHIBIT_SHOTS"); folder != "" {
		if err := os.WriteFile(filepath.Join(folder, "saved.eml"), []byte(m.Body), 0o600); err != nil {
			t.Error(err)
		}
	}
}
