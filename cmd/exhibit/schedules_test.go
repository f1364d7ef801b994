package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"exhibit/reports/schedule/mailtest"

	"github.com/chromedp/chromedp"
)

const metricsToken = "a-token-that-nobody-guesses"

// sinceHeld is what exhibit-verify says of a checkpoint that was held elsewhere.
const sinceHeld = "are the ones that your checkpoint was made of"

// startWithMail runs the demo's world with a real mail server.
func startWithMail(t *testing.T, server *mailtest.Server) *trial {
	t.Helper()
	env, bin := environment(t), binaries(t)
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
	for name, content := range map[string][]byte{"password": []byte(mailtest.Password), "ca.pem": server.CA, "metrics": []byte(metricsToken)} {
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
	config.Metrics.TokenFile = filepath.Join(dir, "metrics")
	config.Mail.complete()
	if err := config.check(); err != nil {
		t.Fatal(err)
	}
	if _, err := world.startTrail(t.Context()); err != nil { // the keys that the configuration names
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
	d := &trial{bin: bin, env: env, data: config.Data, url: "http://" + address, passwords: map[string]string{}}
	for _, u := range world.users {
		d.passwords[u.Name] = u.Password
	}
	if err := checkMail(t.Context(), config, "", log); err != nil {
		t.Errorf("check without an address: %v", err)
	}
	return d
}

// TestScheduledMail is what a reviewer does once: make a monthly schedule, look at its
// mail, run it. A real mail server gets it. The program that auditors have verifies the
// attached pack, the checkpoint in its mail, and the one that the witness got before.
func TestScheduledMail(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{Size: 30 << 20})
	d := startWithMail(t, server)
	browser := chromium(t) // its time begins when all is built
	d.signIn(t, browser, "reviewer", "/schedules")
	do(t, browser, chromedp.Navigate(d.url+"/schedules/new"), chromedp.WaitVisible(chromedp.ID("save")),
		chromedp.SendKeys(chromedp.CSS("[name=name]"), "SOC 2 monthly"), chromedp.SendKeys(chromedp.CSS("[name=recipients]"), "cfo@elsewhere.example"))
	look(t, browser, "schedule-form")
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
	look(t, browser, "schedule-mail")
	do(t, browser, chromedp.Navigate(d.url+"/schedules/checkpoint"), chromedp.WaitVisible(chromedp.ID("run-now")), chromedp.Click(chromedp.ID("run-now")), chromedp.WaitVisible(chromedp.CSS(".run")))
	server.Wait(t)
	do(t, browser, chromedp.Navigate(d.url+"/schedules"), chromedp.Click(chromedp.CSS("tbody th a[href]:not([href$=checkpoint])")), chromedp.WaitVisible(chromedp.ID("run-now")),
		chromedp.Click(chromedp.ID("run-now")), chromedp.WaitVisible(chromedp.CSS(".run")))
	server.Wait(t)
	server.Wait(t)
	mails := server.Mails()
	if mails[0].To != "witness@elsewhere.example" || !strings.Contains(mails[0].Body, "Subject: Checkpoint of ") {
		t.Errorf("the witness got a mail to %s:\n%.500s", mails[0].To, mails[0].Body)
	}
	d.verifyMail(t, mails[0], mails[1])

	const untilSent = `(async () => { for (let i = 0; i < 100; i++) { const page = await (await fetch(location.href)).text(); if (page.split(">sent<").length == 3) return true; await new Promise(r => setTimeout(r, 100)) } return false })()`
	sent, err := chromedp.Run(browser, chromedp.Evaluate[bool](untilSent, chromedp.EvalAwaitPromise))
	if err != nil || !sent {
		t.Errorf("the page does not show two deliveries as sent, %v", err)
	}
	do(t, browser, chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS(".run table")))
	look(t, browser, "schedule")
	do(t, browser, chromedp.Navigate(d.url+"/schedules"), chromedp.WaitVisible(chromedp.CSS("table")))
	look(t, browser, "schedules")
	text, err = chromedp.Run(browser, chromedp.Text(chromedp.ID("content")))
	if err != nil || !strings.Contains(text, "SOC 2 monthly") || !strings.Contains(text, "Daily checkpoint") || strings.Contains(text, "did not arrive") {
		t.Errorf("the list says %q, %v", text, err)
	}
	d.scrape(t)
	for _, action := range []string{"schedule.create", "schedule.ask", "schedule.run", "delivery.sent"} {
		do(t, browser, chromedp.Navigate(d.url+"/events?source=exhibit&action="+action), chromedp.WaitReady(chromedp.ID("content")))
		text, err := chromedp.Run(browser, chromedp.Text(chromedp.ID("content")))
		if err != nil || !strings.Contains(text, "SOC 2 monthly") && !strings.Contains(text, "@demo.example") {
			t.Errorf("events %s: %.300q, %v", action, text, err)
		}
	}
}

// look checks that the page fits on a phone and on a desk.
func look(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, width := range []int64{360, 1280} {
		do(t, ctx, chromedp.EmulateViewport(width, 900))
		if wide, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - innerWidth")); err != nil || wide > 0 {
			t.Errorf("%s scrolls sideways by %d at %d, %v", name, wide, width, err)
		}
		shoot(t, ctx, fmt.Sprintf("%s-%d", name, width))
	}
}

// verifyMail checks with the built programs the pack that is attached to a mail, the
// checkpoint in the mail, and that of an earlier mail to the witness.
func (d *trial) verifyMail(t *testing.T, witness, m mailtest.Mail) {
	t.Helper()
	dir := t.TempDir()
	save := func(name, body string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pack := attachedPack(t, dir, m)
	key, err := d.run(t, "exhibit", "key", "--data", d.data)
	if err != nil {
		t.Fatalf("exhibit key: %v\n%s", err, key)
	}
	key = strings.TrimSpace(key)
	own, earlier := save("own.eml", m.Body), save("witness.eml", witness.Body)
	for _, args := range [][]string{{"exhibit-verify", pack, "--key", key, "--since", own}, {"exhibit-verify", pack, "--key", key, "--since", earlier}, {"exhibit", "verify", pack, "--key", key, "--since", own}} {
		out, err := d.run(t, args[0], args[1:]...)
		if err != nil || !strings.Contains(out, sinceHeld) {
			t.Errorf("%s with %s: %v\n%s", args[0], filepath.Base(args[len(args)-1]), err, out)
		}
	}
	// A mail in which somebody changed the root proves nothing, and is told from one that does.
	changed := save("changed.eml", changedRoot.ReplaceAllString(m.Body, "${1}AAAA"))
	out, err := d.run(t, "exhibit-verify", pack, "--key", key, "--since", changed)
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() == 0 || strings.Contains(out, sinceHeld) {
		t.Errorf("a changed mail: %v\n%s", err, out)
	}
	t.Logf("%d bytes of mail\n%s", len(m.Body), out)
	if folder := os.Getenv("EXHIBIT_SHOTS"); folder != "" {
		save("saved.eml", m.Body)
	}
}

// changedRoot finds the beginning of the root in a checkpoint, which follows its size.
var changedRoot = regexp.MustCompile(`(?m)(^\d+\r?\n)[A-Za-z0-9+/]{4}`)

// attachedPack saves the pack of a mail and returns its path.
func attachedPack(t *testing.T, dir string, m mailtest.Mail) string {
	t.Helper()
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
	return pack
}

// scrape reads the metrics as Prometheus does.
func (d *trial) scrape(t *testing.T) {
	t.Helper()
	for token, want := range map[string]int{metricsToken: http.StatusOK, "another-token-of-some-length": http.StatusUnauthorized} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.url+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != want || want == http.StatusOK && (!strings.Contains(string(text), `exhibit_deliveries{state="sent"} 3`) || strings.Contains(string(text), `exhibit_scrape_failed{part="sources"} 1`)) {
			t.Errorf("metrics: %d\n%s", answer.StatusCode, text)
		}
	}
}
