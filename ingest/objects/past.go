package objects

import (
	"context"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
)

// The past is what earlier turns found, of this process and of those before it: what
// one turn lists is only a part of the bucket.
type past struct {
	chains map[string]coverage.Interval // of digests, by name: from the first to the last
	files  map[string]coverage.Interval // log files by place: when the first and the last were written
	offs   map[string]coverage.Interval // by note: first and last time in an object that the log was switched off
}

// loadPast finds out at the first turn what the store knows.
func (w *Worker) loadPast(ctx context.Context) error {
	if w.past != nil {
		return nil
	}
	p := &past{make(map[string]coverage.Interval), make(map[string]coverage.Interval), make(map[string]coverage.Interval)}
	head := w.log.Head()
	snap := head.Snapshot()
	notes, err := w.db.ObjectNotes(ctx, snap, w.feed.Name, offSince)
	if err != nil {
		return err
	}
	for _, note := range notes {
		p.off(note)
	}
	if !w.feed.Kind.Layout.Digests {
		w.past = p
		return nil
	}
	chains, err := w.db.Digests(ctx, snap, w.feed.Name)
	if err != nil {
		return err
	}
	for key, i := range chains {
		if name, _, ok := source.IsDigest(key); ok {
			p.chains[name] = span(p.chains[name], i)
		}
	}
	files, err := w.db.LogFiles(ctx, snap, w.feed.Name, w.feed.Since)
	if err != nil {
		return err
	}
	for _, key := range files {
		p.file(key, w.feed.Since)
	}
	w.past = p
	return nil
}

// span is the time from the beginning of both to the end of both; the zero interval
// is none.
func span(a, b coverage.Interval) coverage.Interval {
	if a == (coverage.Interval{}) {
		return b
	}
	if b.From.Before(a.From) {
		a.From = b.From
	}
	if b.To.After(a.To) {
		a.To = b.To
	}
	return a
}

// logFile matches the names of log files of CloudTrail:
// ACCOUNT_CloudTrail_REGION_TIME_UNIQUE.json.gz
var logFile = regexp.MustCompile(`^([0-9]{12})_CloudTrail_([a-z0-9-]+)_([0-9]{8}T[0-9]{4}Z)_`)

// file notes a log file, by its place: account and region.
func (p *past) file(key string, since time.Time) {
	m := logFile.FindStringSubmatch(path.Base(key))
	if m == nil {
		return
	}
	if at, err := time.Parse("20060102T1504Z", m[3]); err == nil && !at.Before(since) {
		place := m[1] + " " + m[2]
		p.files[place] = span(p.files[place], coverage.Interval{From: at, To: at})
	}
}

// placeOf returns account and region of a chain.
func placeOf(chain string) string {
	account, rest, _ := strings.Cut(chain, " ")
	region, _, _ := strings.Cut(rest, " ")
	return account + " " + region
}

// offSince begins the note of an object in which the source says that its log was
// switched off. offLast follows when it says so several times.
const (
	offSince = "the log was switched off at "
	offLast  = ", for the last time at "
	noteEnd  = "; " // before what else is to be said of the object
)

// off notes what the note of an object says of a log that was switched off.
func (p *past) off(note string) {
	if i, ok := offTimes(note); ok {
		p.offs[note] = i
	}
}

// offs returns when the log was switched off, the earliest first. To does not go back.
func (p *past) sorted() []coverage.Interval {
	var list []coverage.Interval
	for _, i := range p.offs {
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b coverage.Interval) int { return a.From.Compare(b.From) })
	for i := 1; i < len(list); i++ {
		if list[i].To.Before(list[i-1].To) {
			list[i].To = list[i-1].To
		}
	}
	return slices.Compact(list)
}

// offTimes returns the first and the last time at which, by a note, the log was
// switched off.
func offTimes(note string) (i coverage.Interval, ok bool) {
	text, ok := strings.CutPrefix(note, offSince)
	if !ok {
		return i, false
	}
	text, _, _ = strings.Cut(text, noteEnd)
	first, last, several := strings.Cut(text, offLast)
	if !several {
		last = first
	}
	from, err := time.Parse(time.RFC3339Nano, first)
	to, err2 := time.Parse(time.RFC3339Nano, last)
	return coverage.Interval{From: from.UTC(), To: to.UTC()}, err == nil && err2 == nil
}

// offNote adds a time to a note.
func offNote(note string, at time.Time) string {
	i := coverage.Interval{From: at.UTC(), To: at.UTC()}
	if before, ok := offTimes(note); ok {
		i = span(before, i)
	}
	note = offSince + i.From.Format(time.RFC3339Nano)
	if !i.To.Equal(i.From) {
		note += offLast + i.To.Format(time.RFC3339Nano)
	}
	return note
}
