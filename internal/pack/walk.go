package pack

import (
	"cmp"
	"fmt"
	"time"

	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// A walk follows the lines of one file through the segments that the ledger has
// for it. Lines do not name their batch: it follows from order and count. After
// something that does not fit, the rest of that day and section is passed over,
// so that one missing line is one finding.
type walk struct {
	r      *reading
	segs   []segment
	next   int
	root   ledger.Root
	line   uint64
	report func(what string)

	over    bool // the rest of this day and section is passed over
	section uint8
	day     int32

	lastTime time.Time
	lastID   []byte
}

// step takes the next line. It returns the line's segment, or nil when the line
// belongs to none or is passed over.
func (w *walk) step(section uint8, day int32, source string, leaf tlog.Hash) *segment {
	if w.over && section == w.section && day == w.day {
		return nil
	}
	w.over = false
	w.reach(section, day)
	if w.next == len(w.segs) || w.segs[w.next].section != section || w.segs[w.next].day != day {
		w.report(fmt.Sprintf("line %d: no record of the ledger has such a line of source %s, day %s, section %s", w.line, source,
			dayTime(day).Format(time.DateOnly), sectionName(section)))
		w.pass(section, day)
		return nil
	}
	seg := &w.segs[w.next]
	if w.r.sources[seg.source] != source {
		w.report(fmt.Sprintf("line %d is of source %s where line %d of %d of %s was due: a line is missing, added or in another place",
			w.line, source, w.root.Count()+1, seg.count, w.r.describe(*seg)))
		w.pass(section, day)
		return nil
	}
	w.root.Add(leaf)
	if w.root.Count() < seg.count {
		return seg
	}
	if w.root.Hash() != seg.root {
		what := fmt.Sprintf("line %d is not the one that was", w.line)
		if seg.count > 1 {
			what = fmt.Sprintf("lines %d to %d are not the %d that were", w.line-seg.count+1, w.line, seg.count)
		}
		w.report(fmt.Sprintf("%s: %s committed: one is missing, added, changed or in another place", w.r.describe(*seg), what))
		w.pass(section, day)
		return seg
	}
	w.root.Reset()
	w.next++
	return seg
}

// reach reports the segments before the day and section that have too few lines.
func (w *walk) reach(section uint8, day int32) {
	for w.next < len(w.segs) {
		seg := w.segs[w.next]
		if cmp.Or(cmp.Compare(seg.section, section), cmp.Compare(seg.day, day)) >= 0 {
			return
		}
		w.short(seg)
		w.pass(seg.section, seg.day)
		w.over = false
	}
}

func (w *walk) short(seg segment) {
	w.report(fmt.Sprintf("%s: the ledger has %d lines, the file has %d", w.r.describe(seg), seg.count, w.root.Count()))
}

// pass gives up on the rest of a day and section.
func (w *walk) pass(section uint8, day int32) {
	w.over, w.section, w.day = true, section, day
	w.root.Reset()
	for w.next < len(w.segs) && w.segs[w.next].section == section && w.segs[w.next].day == day {
		w.next++
	}
}

// ordered checks that lines of one segment come by time and id.
func (w *walk) ordered(seg *segment, t time.Time, id string) {
	begins := w.root.Count() == 1 || seg.count == 1
	if !begins && (t.Before(w.lastTime) || t.Equal(w.lastTime) && id < string(w.lastID)) {
		w.report(fmt.Sprintf("line %d: it is not in the order of time and id (%s)", w.line, w.r.describe(*seg)))
	}
	w.lastTime, w.lastID = t, append(w.lastID[:0], id...)
}

// end reports what the file should have had besides.
func (w *walk) end() {
	for w.next < len(w.segs) {
		seg := w.segs[w.next]
		w.short(seg)
		w.pass(seg.section, seg.day)
	}
}
