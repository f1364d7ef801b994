package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"exhibit/internal/engine"
	"exhibit/internal/engine/enginetest"

	download "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// need fails the test when CI=true and skips it elsewhere.
func need(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: %v", what, err)
	}
	t.Skipf("%s: %v", what, err)
}

// binaries builds the two programs as they are shipped.
func binaries(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", dir+"/", "exhibit/cmd/exhibit", "exhibit/cmd/exhibit-verify")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return dir
}

// environment lets the built programs find libchdb, which is not beside them.
func environment(t *testing.T) []string {
	t.Helper()
	lib, err := engine.FindLib()
	need(t, err, "libchdb")
	return append(os.Environ(), "EXHIBIT_LIBCHDB="+lib)
}

// A trial is a running demo.
type trial struct {
	bin, data, url string
	env            []string
	passwords      map[string]string
}

// startDemo starts the demo and reads from what it prints how to sign in.
func startDemo(t *testing.T) *trial {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	d := &trial{bin: binaries(t), data: filepath.Join(t.TempDir(), "demo"), url: "http://" + address, env: environment(t), passwords: map[string]string{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "exhibit"), "demo", "--data", d.data, "--listen", address)
	cmd.Env = d.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 30 * time.Second
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "context canceled") {
			t.Errorf("the demo ended with %v\n%s", err, log.String())
		}
		if t.Failed() {
			t.Logf("log of the demo:\n%s", log.String())
		}
	})
	user := regexp.MustCompile(`^  (admin|reviewer|auditor) +([a-z0-9]+)`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := user.FindStringSubmatch(lines.Text()); m != nil {
			d.passwords[m[1]] = m[2]
		}
		if strings.HasPrefix(lines.Text(), "Stop with") {
			break
		}
	}
	if len(d.passwords) != 3 {
		t.Fatalf("the demo printed %d passwords\n%s", len(d.passwords), log.String())
	}
	go func() {
		// Nobody reads the rest, but it must not block.
		if _, err := io.Copy(io.Discard, out); err != nil {
			return
		}
	}()
	return d
}

func (d *trial) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(d.bin, name), args...)
	cmd.Env = d.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	need(t, err, "chromium")
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("no-first-run", true), chromedp.Flag("disable-dev-shm-usage", true)))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(stop)
	return ctx
}

// shoot keeps a picture of the page when EXHIBIT_SHOTS names a folder.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	folder := os.Getenv("EXHIBIT_SHOTS")
	if folder == "" {
		return
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func (d *trial) signIn(t *testing.T, ctx context.Context, user, path string) {
	t.Helper()
	do(t, ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate(d.url+path), chromedp.WaitVisible(chromedp.CSS("a.primary")), chromedp.Click(chromedp.CSS("a.primary")),
		chromedp.WaitVisible(chromedp.ID("username")), chromedp.SendKeys(chromedp.ID("username"), user),
		chromedp.SendKeys(chromedp.ID("password"), d.passwords[user]+"\n"), chromedp.WaitVisible(chromedp.CSS(".person")))
}

// TestJourney is the product's main job, as its users do it: an auditor signs in,
// generates a SOC 2 pack for the last 90 days, downloads it, and checks it offline.
func TestJourney(t *testing.T) {
	d := startDemo(t)
	browser := chromium(t)

	d.signIn(t, browser, "auditor", "/reports")
	shoot(t, browser, "demo-auditor-reports")
	do(t, browser, chromedp.Click(chromedp.CSS(".engagement button")), chromedp.WaitVisible(chromedp.CSS(".make button")))
	shoot(t, browser, "demo-auditor-report")
	pack := d.download(t, browser)

	key, err := d.run(t, "exhibit", "key", "--data", d.data)
	if err != nil {
		t.Fatalf("exhibit key: %v\n%s", err, key)
	}
	out, err := d.run(t, "exhibit-verify", pack, "--key", strings.TrimSpace(key))
	if err != nil {
		t.Fatalf("exhibit-verify: %v\n%s", err, out)
	}
	t.Log(out)
	d.checkSums(t, pack)
	d.tamper(t, pack, strings.TrimSpace(key))

	out, err = d.run(t, "exhibit", "audit", "--data", d.data)
	if err != nil || !strings.Contains(out, "all rows are as the ledger has them") {
		t.Errorf("exhibit audit: %v\n%s", err, out)
	}
	d.secondWriter(t)
	d.pages(t, chromium(t))
}

func (d *trial) download(t *testing.T, ctx context.Context) string {
	t.Helper()
	folder := t.TempDir()
	if _, err := chromedp.CallBrowser(ctx, download.SetDownloadBehavior, download.SetDownloadBehaviorParams{
		Behavior: download.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, EventsEnabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	do(t, ctx, chromedp.Click(chromedp.CSS(".make button")), chromedp.WaitVisible(chromedp.CSS("#job a.primary")))
	shoot(t, ctx, "demo-job")
	events, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	progress := chromedp.BrowserEvents(events, download.DownloadProgress)
	do(t, ctx, chromedp.Click(chromedp.CSS("#job a.primary")))
	for p, err := range progress {
		if err != nil {
			t.Fatal(err)
		}
		if p.State == download.DownloadProgressStateCompleted {
			break
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "exhibit-soc2-*.zip"))
	if err != nil || len(files) != 1 {
		t.Fatalf("downloaded %v, %v", files, err)
	}
	return files[0]
}

// checkSums unpacks the pack and checks it with what every machine has.
func (d *trial) checkSums(t *testing.T, pack string) {
	t.Helper()
	dir := t.TempDir()
	for _, command := range []string{"python3 -m zipfile -e " + pack + " " + dir, "cd " + dir + " && sha256sum --quiet -c SHA256SUMS", "cd " + dir + " && python3 ledger/verify.py"} {
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
	}
	if folder := os.Getenv("EXHIBIT_SHOTS"); folder != "" {
		if out, err := exec.Command("cp", pack, filepath.Join(folder, "demo-pack.zip")).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// tamper changes one byte in the middle of the pack.
func (d *trial) tamper(t *testing.T, pack, key string) {
	t.Helper()
	b, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	t.Logf("pack of %d bytes, sha256 %s", len(b), hex.EncodeToString(sum[:]))
	b[len(b)/2] ^= 1
	changed := filepath.Join(t.TempDir(), "changed.zip")
	if err := os.WriteFile(changed, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := d.run(t, "exhibit-verify", changed, "--key", key)
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 1 {
		t.Errorf("a changed pack: %v, want exit code 1\n%s", err, out)
	}
}

// secondWriter hands files and packs to the running demo.
func (d *trial) secondWriter(t *testing.T) {
	t.Helper()
	exports, err := filepath.Glob(filepath.Join(d.data, "exports", "*.gz"))
	if err != nil || len(exports) != demoImported-2 {
		t.Fatalf("%d exports, %v; want %d", len(exports), err, demoImported-2)
	}
	out, err := d.run(t, "exhibit", "import", "--data", d.data, "--source", demoSource, exports[0])
	if err != nil || !strings.Contains(out, "nothing new: everything is stored already") {
		t.Errorf("import beside the demo: %v\n%s", err, out)
	}
	out, err = d.run(t, "exhibit", "try", "--kind", "hcp-terraform", "--json", exports[0])
	if events := strings.Count(out, `{"fate":"event","event":{"v":1,`); err != nil || events < 10 || strings.Contains(out, `"fate":"reject"`) {
		t.Errorf("exhibit try shows %d events, %v\n%.500s", events, err, out)
	}
	to := time.Now().AddDate(0, 0, -20)
	pack := filepath.Join(t.TempDir(), "pci.zip")
	out, err = d.run(t, "exhibit", "pack", "--data", d.data, "--framework", "pci", "--from", to.AddDate(0, 0, -9).Format(time.DateOnly),
		"--to", to.Format(time.DateOnly), "--zone", demoZone, "--out", pack)
	if err != nil {
		t.Fatalf("exhibit pack: %v\n%s", err, out)
	}
	key, err := d.run(t, "exhibit", "key", "--data", d.data)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := d.run(t, "exhibit", "verify", pack, "--key", strings.TrimSpace(key)); err != nil {
		t.Errorf("exhibit verify: %v\n%s", err, out)
	}
	for _, wrong := range [][]string{
		{"pack", "--data", d.data, "--framework", "sox", "--from", "2026-01-01", "--to", "2026-01-02", "--out", pack},
		{"pack", "--data", d.data, "--framework", "soc2", "--from", "2026-02-30", "--to", "2026-03-02", "--out", pack},
		{"pack", "--data", d.data, "--framework", "soc2", "--from", "2026-03-03", "--to", "2026-03-02", "--out", pack},
		{"import", "--data", d.data, "--source", "new", exports[0]},
		{"serve", "--data", d.data},
	} {
		out, err := d.run(t, "exhibit", wrong...)
		if err == nil || strings.Contains(out, "panic") || len(out) > 2000 {
			t.Errorf("%v: %v\n%s", wrong, err, out)
		}
		t.Logf("%v: %s", wrong[:1], out)
	}
}

// pages walks what an admin sees.
func (d *trial) pages(t *testing.T, ctx context.Context) {
	t.Helper()
	console, stop := context.WithCancel(ctx)
	messages := chromedp.Console(console)
	d.signIn(t, ctx, "admin", "/")
	today := time.Now()
	period := fmt.Sprintf("?from=%s&to=%s", today.AddDate(0, 0, -29).Format(time.DateOnly), today.Format(time.DateOnly))
	for name, path := range map[string]string{"overview": "/", "reports": "/reports", "report-pci": "/reports/pci" + period, "report-hipaa": "/reports/hipaa" + period,
		"coverage": "/coverage", "sources": "/sources", "source": "/sources/" + demoSource, "trail": "/sources/" + demoAWS, "sender": "/sources/" + demoScalr, "events": "/events"} {
		do(t, ctx, chromedp.Navigate(d.url+path), chromedp.WaitReady(chromedp.ID("content")))
		shoot(t, ctx, "demo-"+name)
		text, err := chromedp.Run(ctx, chromedp.Text(chromedp.ID("content")))
		if err != nil || strings.Contains(strings.ToLower(text), "compliant") || strings.Contains(text, "went wrong") {
			t.Errorf("%s says %.300q, %v", path, text, err)
		}
	}
	stop()
	for m := range messages {
		if m.Text != "" {
			t.Errorf("console: %s %s", m.Type, m.Text)
		}
	}
}
