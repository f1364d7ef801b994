package main

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
)

// median returns the middle of the rounds by wall time; it is what is shown.
func median(list []measured) measured {
	sorted := slices.SortedFunc(slices.Values(list), func(a, b measured) int { return int(a.Wall - b.Wall) })
	return sorted[len(sorted)/2]
}

// ratio is the median over the rounds of what a step took against the other one.
func (b *bench) ratio(step, against string, of func(measured) time.Duration) float64 {
	var all []float64
	for i, m := range b.steps[step] {
		all = append(all, perEvent(m, of)/perEvent(b.steps[against][i], of))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func perEvent(m measured, of func(measured) time.Duration) float64 {
	return of(m).Seconds() / float64(max(m.Events, 1))
}

func wall(m measured) time.Duration { return m.Wall }

func processors(m measured) time.Duration { return m.cpu() }

// print prints the table of docs/performance.md.
func (b *bench) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d events, %d rounds, %d processors, %s %s/%s\n\n", b.steps[stepGenerate][0].Events, b.rounds, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintln(w, "| step | events/s | seconds | processor µs/event, own + engine | peak memory, MiB, own + engine |\n|---|---:|---:|---:|---:|")
	for _, row := range []struct{ name, title string }{
		{stepImport, "import"}, {stepLoad, "ClickHouse's own load"}, {stepPush, "push over HTTP, until it is in the ledger"}, {stepAgain, "the same import again"}, {stepObjects, "objects of a bucket"},
		{stepPack, "pack"}, {stepExport, "ClickHouse's own export, in the pack's order"}, {stepExportPlain, "ClickHouse's own export, in any order"},
		{stepVerify, "verify"}, {stepImport + "-more", "import of more"},
	} {
		list := b.steps[row.name]
		if len(list) == 0 {
			continue
		}
		m := median(list)
		each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(max(m.Events, 1)) }
		fmt.Fprintf(w, "| %s | %.0f | %.2f | %.2f + %.2f | %d + %d |\n", row.title, float64(m.Events)/m.Wall.Seconds(), m.Wall.Seconds(),
			each(m.Own), each(m.Engine), m.Memory>>20, m.Beside>>20)
	}
	fmt.Fprintln(w)
	for _, pair := range [][2]string{{stepImport, stepLoad}, {stepPack, stepExport}, {stepPack, stepExportPlain}} {
		fmt.Fprintf(w, "%s / %s: %.2f by the clock, %.2f in processor time\n", pair[0], pair[1], b.ratio(pair[0], pair[1], wall), b.ratio(pair[0], pair[1], processors))
	}
	if m := median(b.steps[stepPush]); len(m.Numbers) > 0 {
		fmt.Fprintf(w, "push, %d senders with %d events in a request: answered %.0f events/s, p50 %.1f ms, p99 %.1f ms\n", pushSenders, pushBatch,
			m.Numbers[pushedRate], m.Numbers[pushedP50], m.Numbers[pushedP99])
	}
	fmt.Fprint(w, b.printObjects())
	b.printDisk(w)
	for _, name := range []string{stepPages, stepPages + "-more"} {
		for _, m := range b.steps[name] {
			fmt.Fprintf(w, "\n%s, ms:\n", name)
			for _, page := range slices.Sorted(maps.Keys(m.Numbers)) {
				fmt.Fprintf(w, "  %-24s %8.1f\n", page, m.Numbers[page])
			}
		}
	}
}

func (b *bench) printDisk(w io.Writer) {
	raw, m := b.steps[stepGenerate][0].Numbers["bytes"], b.steps[stepDisk][0]
	n := float64(m.Events)
	tool := zstdTool
	if m.Numbers[tool] == 0 {
		tool = zstdLibrary
	}
	base := m.Numbers[tool]
	fmt.Fprintf(w, "\nbytes per event: file %.1f, %s %.1f; stored %.1f = %.2f times as the import left it, %.1f = %.2f times after all merges\n",
		raw/n, tool, base/n, m.Numbers["left"]/n, m.Numbers["left"]/base, m.Numbers["merged"]/n, m.Numbers["merged"]/base)
	columns := slices.SortedFunc(maps.Keys(m.Numbers), func(x, y string) int { return int(m.Numbers[y] - m.Numbers[x]) })
	for _, name := range columns {
		if column, ok := strings.CutPrefix(name, "column "); ok {
			fmt.Fprintf(w, "  %-18s %6.2f\n", column, m.Numbers[name]/n)
		}
	}
}
