package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// A bar shows how far a file is read, on a terminal; elsewhere it shows nothing.
type bar struct {
	out     *os.File
	name    string
	size    int64 // 0: not known
	now     func() time.Time
	started time.Time
	shown   time.Time
	visible bool
}

func newBar(out *os.File, name string, size int64, now func() time.Time) *bar {
	info, err := out.Stat()
	return &bar{out: out, name: name, size: size, now: now, started: now(), visible: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

// Set says how many bytes were read.
func (b *bar) Set(n int64) {
	now := b.now()
	if !b.visible || now.Sub(b.shown) < 100*time.Millisecond {
		return
	}
	b.shown = now
	rate := float64(n) / (1 << 20) / max(now.Sub(b.started).Seconds(), 0.001)
	if b.size == 0 {
		fmt.Fprintf(b.out, "\r\x1b[K%s  %.1f MiB  %.0f MiB/s", b.name, float64(n)/(1<<20), rate)
		return
	}
	const width = 30
	done := int(min(n, b.size) * width / b.size)
	fmt.Fprintf(b.out, "\r\x1b[K%s  [%s%s] %3d %%  %.0f MiB/s", b.name, strings.Repeat("=", done), strings.Repeat(" ", width-done), n*100/b.size, rate)
}

// Done removes the bar.
func (b *bar) Done() {
	if b.visible && !b.shown.IsZero() {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
