package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	download "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"exhibit/web"
)

// newChromium starts Chromium for one test.
func newChromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
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

type chromium struct {
	ctx  context.Context
	site *site
	axe  string
}

func (c *chromium) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(c.ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func (c *chromium) signIn(t *testing.T, user, path string) {
	t.Helper()
	c.do(t, chromedp.Navigate(c.site.url+path), chromedp.WaitVisible(chromedp.CSS("a.primary")))
	c.look(t, "sign-in")
	c.do(t, chromedp.Click(chromedp.CSS("a.primary")), chromedp.WaitVisible(chromedp.ID("username")),
		chromedp.SendKeys(chromedp.ID("username"), user), chromedp.SendKeys(chromedp.ID("password"), password+"\n"),
		chromedp.WaitVisible(chromedp.CSS(".person")))
}

func (c *chromium) open(t *testing.T, name, path string) {
	t.Helper()
	c.do(t, chromedp.Navigate(c.site.url+path), chromedp.WaitReady(chromedp.ID("content")))
	c.look(t, name)
}

// look checks the page that is open on a narrow light and a wide dark screen:
// nothing wider than the window, nothing that axe calls serious. EXHIBIT_SHOTS
// names a folder for pictures; then it looks at both screens in both colours.
func (c *chromium) look(t *testing.T, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
		if _, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, media); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{390, 1280} {
			if os.Getenv("EXHIBIT_SHOTS") == "" && (width == 390) != (scheme == "light") {
				continue
			}
			c.do(t, chromedp.EmulateViewport(width, 900))
			view := fmt.Sprintf("%s-%d-%s", name, width, scheme)
			if wide, err := chromedp.Run(c.ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - innerWidth")); err != nil || wide > 0 {
				t.Errorf("%s scrolls sideways by %d: %v", view, wide, err)
			}
			c.accessible(t, view)
			if folder := os.Getenv("EXHIBIT_SHOTS"); folder != "" {
				picture, err := chromedp.Run(c.ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, view+".png"), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func (c *chromium) accessible(t *testing.T, view string) {
	t.Helper()
	if c.axe == "" {
		return
	}
	found, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](c.axe+
		`; axe.run().then(r => JSON.stringify(r.violations.filter(v => v.impact == "serious" || v.impact == "critical").map(v => v.id + ": " + v.help + " " + v.nodes.slice(0, 5).map(n => n.target + " " + n.failureSummary))))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Errorf("%s: %s", view, v)
	}
}

func readAxe(t *testing.T) string {
	t.Helper()
	axe, err := os.ReadFile("../node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Logf("axe-core is not installed, accessibility is not checked: %v", err)
	}
	return string(axe)
}

// TestInChromium walks all pages as people do, with a real provider, and makes
// and downloads a pack. A violated policy shows on the console.
func TestInChromium(t *testing.T) {
	c := &chromium{ctx: newChromium(t), site: newSite(t), axe: readAxe(t)}
	console, stopConsole := context.WithCancel(c.ctx)
	messages := chromedp.Console(console)
	report := "/reports/soc2?" + c.site.days(89, 0).Encode()

	c.signIn(t, "rita", "/")
	first, err := c.site.deps.Events.List(t.Context(), web.EventQuery{Sources: []string{"hcp-prod"}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range [][2]string{{"overview", "/"}, {"reports", "/reports"}, {"report", report}, {"coverage", "/coverage"}, {"sources", "/sources"},
		{"source", "/sources/hcp-prod"}, {"source-rejected", "/sources/okta-workforce"}, {"events", "/events"}, {"event", web.EventPath("hcp-prod", first[0].ID, time.Time{})},
		{"events-none", "/events?actor=nobody"}} {
		c.open(t, p[0], p[1])
	}
	c.open(t, "wrong-form", "/reports/soc2?from=2026-03-01&to=2026-02-01")
	c.open(t, "not-found", "/sources/nope")
	c.site.data.Bare = true
	c.open(t, "overview-bare", "/")
	c.site.data.Bare = false
	c.do(t, chromedp.Click(chromedp.CSS(".person button")), chromedp.WaitVisible(chromedp.CSS("a.primary")))
	c.look(t, "signed-out")

	c.signIn(t, "audrey", "/reports")
	c.look(t, "auditor-reports")
	c.do(t, chromedp.Click(chromedp.CSS(".engagement button")), chromedp.WaitVisible(chromedp.CSS(".make button")))
	c.look(t, "auditor-report")
	c.printed(t, "auditor-report")
	c.packAndDownload(t)

	stopConsole()
	for m := range messages {
		meant := strings.Contains(m.Text, "status of 404") || strings.Contains(m.Text, "status of 400")
		if m.Text != "" && !meant {
			t.Errorf("console: %s %s", m.Type, m.Text)
		}
	}
}

// TestTokensInChromium makes a token and ends one. Going away and back does not show it
// again.
func TestTokensInChromium(t *testing.T) {
	c := &chromium{ctx: newChromium(t), site: newSite(t), axe: readAxe(t)}
	c.signIn(t, "ada", "/tokens")
	c.look(t, "tokens")
	c.open(t, "tokens-source", "/tokens?source=k8s-prod")
	c.open(t, "sender", "/sources/k8s-prod")
	c.do(t, chromedp.Navigate(c.site.url+"/tokens?source=k8s-prod"), chromedp.Click(chromedp.CSS("form[action='/tokens'] button")), chromedp.WaitVisible(chromedp.CSS("code.secret")))
	c.look(t, "token-made")
	c.do(t, chromedp.Click(chromedp.CSS("th a, td a[href^='/tokens']")), chromedp.WaitNotPresent(chromedp.CSS("code.secret")))
	if err := chromedp.Do(c.ctx, chromedp.NavigateBack()); err == nil || !strings.Contains(err.Error(), "ERR_CACHE_MISS") {
		t.Errorf("back to the token: %v, want a page that was not kept", err)
	}
	c.do(t, chromedp.Navigate(c.site.url+"/tokens"), chromedp.Click(chromedp.CSS("details summary")), chromedp.Click(chromedp.CSS("details[open] button")),
		chromedp.WaitVisible(chromedp.CSS("#list-title")))
	c.look(t, "token-revoked")
}

// packAndDownload makes a pack from the report that is open.
func (c *chromium) packAndDownload(t *testing.T) {
	t.Helper()
	folder := t.TempDir()
	if _, err := chromedp.CallBrowser(c.ctx, download.SetDownloadBehavior, download.SetDownloadBehaviorParams{
		Behavior: download.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, EventsEnabled: new(true)}); err != nil {
		t.Fatal(err)
	}
	c.do(t, chromedp.Click(chromedp.CSS(".make button")), chromedp.WaitVisible(chromedp.CSS("#job progress")))
	// The script keeps the page fresh until the pack is there.
	c.do(t, chromedp.WaitVisible(chromedp.CSS("#job a.primary")))
	c.look(t, "job-done")
	events, stop := context.WithTimeout(c.ctx, 20*time.Second)
	defer stop()
	progress := chromedp.BrowserEvents(events, download.DownloadProgress)
	c.do(t, chromedp.Click(chromedp.CSS("#job a.primary")))
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
	body, err := os.ReadFile(files[0])
	if err != nil || !strings.HasPrefix(string(body), "an evidence pack soc2") {
		t.Errorf("the file holds %d other bytes, %v", len(body), err)
	}
}

// TestWithoutScripts makes a pack in a browser that runs no scripts: the page of
// the job reloads itself until the pack is there.
func TestWithoutScripts(t *testing.T) {
	c := &chromium{ctx: newChromium(t), site: newSite(t)}
	if _, err := chromedp.Call(c.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	c.do(t, chromedp.Navigate(c.site.url+"/reports"), chromedp.Click(chromedp.CSS("a.primary")),
		chromedp.SendKeys(chromedp.ID("username"), "audrey"), chromedp.SendKeys(chromedp.ID("password"), password+"\n"),
		chromedp.Click(chromedp.CSS(".engagement button")), chromedp.Click(chromedp.CSS(".make button")),
		chromedp.WaitVisible(chromedp.CSS("#job progress")), chromedp.WaitVisible(chromedp.CSS("#job a.primary")))
	text, err := chromedp.Run(c.ctx, chromedp.Text(chromedp.ID("job")))
	if err != nil || !strings.Contains(text, "The pack is ready.") {
		t.Errorf("the page of the job says %q, %v", text, err)
	}
}

// printed looks at the open page as paper: no navigation, no forms, and nothing
// wider than the sheet.
func (c *chromium) printed(t *testing.T, name string) {
	t.Helper()
	medium := func(name string) {
		if _, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: name}); err != nil {
			t.Fatal(err)
		}
	}
	medium("print")
	defer medium("")
	c.do(t, chromedp.EmulateViewport(740, 1050))
	const left = `[...document.querySelectorAll("nav, form, .skip")].filter(e => e.checkVisibility()).length + Math.max(0, document.documentElement.scrollWidth - innerWidth)`
	if n, err := chromedp.Run(c.ctx, chromedp.Evaluate[int](left)); err != nil || n != 0 {
		t.Errorf("%s on paper: %d things that do not belong there, %v", name, n, err)
	}
	if folder := os.Getenv("EXHIBIT_SHOTS"); folder != "" {
		picture, err := chromedp.Run(c.ctx, chromedp.FullScreenshot(100))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+"-print.png"), picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
