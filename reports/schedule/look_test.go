package schedule

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestLooks shows the mail in Chromium at the width of a phone and of a desk, light and
// dark: nothing is wider than the window, nothing comes from elsewhere. With
// EXHIBIT_SHOTS the pictures are kept in that folder.
func TestLooks(t *testing.T) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true), chromedp.Flag("disable-dev-shm-usage", true)))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	good := letter()
	good.Good, good.Verdict, good.Needs, good.Gaps = true, "Evidence for March 2026: collected without gaps", nil, nil
	good.Sources = good.Sources[1:]
	for name, l := range map[string]*Letter{"gap": letter(), "good": good, "problem": problem(Run{Problem: "The disk is full.", Span: Span{From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}})} {
		html, err := l.HTML(ctx, "The pack is attached, and can be downloaded too.")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, []byte(html), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{360, 800} {
			for _, scheme := range []string{"light", "dark"} {
				if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
					t.Fatal(err)
				}
				if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 800), chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String())); err != nil {
					t.Fatal(err)
				}
				const wrong = `Math.max(0, document.documentElement.scrollWidth - innerWidth) + document.images.length + performance.getEntriesByType("resource").length`
				if n, err := chromedp.Run(ctx, chromedp.Evaluate[int](wrong)); err != nil || n != 0 {
					t.Errorf("%s at %d: %d too wide or from elsewhere, %v", name, width, n, err)
				}
				shoot(t, ctx, fmt.Sprintf("mail-%s-%d-%s.png", name, width, scheme))
			}
		}
	}
}

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
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

func problem(run Run) *Letter {
	l := problemLetter(Schedule{Framework: "pci"}, run, "https://exhibit.example.com/schedules/k3")
	l.Name = "PCI monthly"
	return l
}
