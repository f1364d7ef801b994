package web_test

import (
	"context"
	"strings"
	"testing"

	"exhibit/web"

	"github.com/chromedp/chromedp"
)

// TestSchedulesInChromium looks at the pages about schedules and at a mail of the
// mailbox: its HTML is shown in a frame in which nothing runs.
func TestSchedulesInChromium(t *testing.T) {
	s := newSite(t, func(d *web.Deps) { d.Schedules = &planned{} })
	c := &chromium{ctx: newChromium(t), site: s, axe: readAxe(t)}
	console, stopConsole := context.WithCancel(c.ctx)
	messages := chromedp.Console(console)
	c.signIn(t, "rita", "/schedules")
	for _, p := range [][2]string{{"schedules", "/schedules"}, {"schedule", "/schedules/k1"}, {"schedule-form", "/schedules/new"}, {"schedule-preview", "/schedules/k1/preview"}, {"mailbox-mail", "/mailbox/m1.eml"}} {
		c.open(t, p[0], p[1])
	}
	// The frame is a stranger: the page cannot look into it, and it was drawn.
	const strange = `(() => { const f = document.querySelector("iframe.mail"); return f.contentDocument === null && f.clientHeight > 100 })()`
	if ok, err := chromedp.Run(c.ctx, chromedp.Evaluate[bool](strange)); err != nil || !ok {
		t.Errorf("the frame belongs to the page, %v", err)
	}
	stopConsole()
	for m := range messages {
		switch {
		case strings.Contains(m.Text, "Blocked script execution"), strings.Contains(m.Text, "Executing inline script violates"), strings.Contains(m.Text, "Refused to execute inline script"):
			// the mail has one
		case m.Text != "":
			t.Errorf("console: %s %s", m.Type, m.Text)
		}
	}
}
