package idp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/oauth2"
)

// newBrowser starts Chromium for one test.
func newBrowser(t *testing.T) context.Context {
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
		chromedp.Flag("disable-dev-shm-usage", true)))
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(stop)
	return ctx
}

// TestSignInWithBrowser signs in as a person does: no script, a strict CSP, and
// an application on another origin.
func TestSignInWithBrowser(t *testing.T) {
	ctx := newBrowser(t)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>app</title><p id=arrived>%t", r.FormValue("code") != "")
	}))
	defer app.Close()
	srv := httptest.NewUnstartedServer(nil)
	issuer := "http://" + srv.Listener.Addr().String()
	h, err := New(issuer, []Client{{ID: "exhibit", Secret: "s", RedirectURIs: []string{app.URL + "/cb"}, PostLogoutRedirectURIs: []string{app.URL + "/"}}},
		[]User{{Name: "admin", Password: "right"}, {Name: "reviewer", Password: "x"}, {Name: "auditor", Password: "y"}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = h
	srv.Start()
	defer srv.Close()
	config := oauth2.Config{ClientID: "exhibit", RedirectURL: app.URL + "/cb", Endpoint: oauth2.Endpoint{AuthURL: issuer + "/authorize"}, Scopes: []string{"openid"}}

	console, stopConsole := context.WithCancel(ctx)
	messages := chromedp.Console(console)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.EmulateViewport(800, 760), chromedp.Navigate(config.AuthCodeURL("s", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))),
		chromedp.WaitVisible(chromedp.ID("username")))
	lookAt(t, ctx, "sign-in")
	do(chromedp.SendKeys(chromedp.ID("username"), "admin"), chromedp.SendKeys(chromedp.ID("password"), "wrong\n"),
		chromedp.WaitVisible(chromedp.ID("problem")))
	lookAt(t, ctx, "wrong-password")
	do(chromedp.SendKeys(chromedp.ID("password"), "right"), chromedp.Click(chromedp.CSS("button")), chromedp.WaitVisible(chromedp.ID("arrived")))
	if got, err := chromedp.Run(ctx, chromedp.Text(chromedp.ID("arrived"))); err != nil || got != "true" {
		t.Errorf("the application got a code: %q %v, want true", got, err)
	}
	do(chromedp.Navigate(issuer + "/signed-out"))
	lookAt(t, ctx, "signed-out")

	stopConsole()
	for m := range messages {
		// The 401 of the wrong password is meant.
		if m.Text != "" && !strings.Contains(m.Text, "status of 401") {
			t.Errorf("console: %s %s", m.Type, m.Text)
		}
	}
}

// lookAt runs axe on the page and leaves pictures of it for those who run the
// test with -artifacts.
func lookAt(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{360, 800} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 760)); err != nil {
				t.Fatal(err)
			}
			picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
			if err != nil {
				t.Fatal(err)
			}
			file := fmt.Sprintf("%s-%s-%d.png", name, scheme, width)
			if err := os.WriteFile(filepath.Join(t.ArtifactDir(), file), picture, 0o644); err != nil {
				t.Fatal(err)
			}
			wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > innerWidth"))
			if err != nil || wide {
				t.Errorf("%s at %d: scrolls sideways: %v %v", name, width, wide, err)
			}
			checkAccessible(t, ctx, fmt.Sprintf("%s %s %d", name, scheme, width))
		}
	}
}

func checkAccessible(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	axe, err := os.ReadFile("../../../node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Logf("axe-core is not installed, %s is not checked: %v", name, err)
		return
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](string(axe)+
		`; axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.target))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	var violations []string
	if err := json.Unmarshal([]byte(found), &violations); err != nil || len(violations) > 0 {
		t.Errorf("%s: %v %v", name, violations, err)
	}
}
