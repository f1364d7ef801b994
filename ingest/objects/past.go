package objects

import (
	"context"
	"maps"
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
	offs   map[string]off               // by note
}

// An off is the first and the last time in an object that the log was switched off.
type off struct {
	coverage.Interval
	of string // how the names of the chains end that this is for; empty: all
}

// loadPast finds out at the first turn what the store knows.
func (w *Worker) loadPast(ctx context.Context) error {
	if w.past != nil {
		return nil
	}
	p := &past{make(map[string]coverage.Interval), make(map[string]coverage.Interval), make(map[string]off)}
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
		if name, _, ok := source.IsDigest(key); ok && !source.IsBackfill(key) {
			p.chains[name] = span(p.chains[name], i)
		}
	}
	files, err := w.db.LogFiles(ctx, snap, w.feed.Name)
	if err != nil {
		return err
	}
	for _, key := range files {
		p.file(key)
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

// file notes a log file, by its place: account and region. Those from before the required
// time show that there was something to log.
func (p *past) file(key string) {
	m := logFile.FindStringSubmatch(path.Base(key))
	if m == nil {
		return
	}
	if at, err := time.Parse("20060102T1504Z", m[3]); err == nil {
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
// switched off. offLast follows when it says so several times, offOf when it says so of
// one trail only.
const (
	offSince = "the log was switched off at "
	offLast  = ", for the last time at "
	offOf    = ", of trail "
	noteEnd  = "; " // before what else is to be said of the object
)

// off notes what the note of an object says of a log that was switched off.
func (p *past) off(note string) {
	if o, ok := parseOff(note); ok {
		p.offs[note] = o
	}
}

// sorted returns when the log was switched off, the earliest first.
func (p *past) sorted() []off {
	list := slices.Collect(maps.Values(p.offs))
	slices.SortFunc(list, func(a, b off) int { return a.From.Compare(b.From) })
	return list
}

// offTimes returns when the log was switched off of a chain, the earliest first; of no
// chain, of all. To does not go back.
func offTimes(offs []off, chain string) []coverage.Interval {
	var list []coverage.Interval
	for _, o := range offs {
		if chain != "" && !strings.HasSuffix(chain, " "+o.of) && o.of != "" {
			continue
		}
		if n := len(list); n > 0 && o.To.Before(list[n-1].To) {
			o.To = list[n-1].To
		}
		list = append(list, o.Interval)
	}
	return slices.Compact(list)
}

// parseOff reads the note of an object.
func parseOff(note string) (o off, ok bool) {
	text, ok := strings.CutPrefix(note, offSince)
	if !ok {
		return o, false
	}
	text, _, _ = strings.Cut(text, noteEnd)
	text, o.of, _ = strings.Cut(text, offOf)
	first, last, several := strings.Cut(text, offLast)
	if !several {
		last = first
	}
	from, err := time.Parse(time.RFC3339Nano, first)
	to, err2 := time.Parse(time.RFC3339Nano, last)
	o.Interval = coverage.Interval{From: from.UTC(), To: to.UTC()}
	return o, err == nil && err2 == nil
}

// offNote adds a time to a note. One of several trails is for all.
func offNote(note string, at time.Time, of string) string {
	i := coverage.Interval{From: at.UTC(), To: at.UTC()}
	if before, ok := parseOff(note); ok {
		i = span(before.Interval, i)
		if before.of != of {
			of = ""
		}
	}
	note = offSince + i.From.Format(time.RFC3339Nano)
	if !i.To.Equal(i.From) {
		note += offLast + i.To.Format(time.RFC3339Nano)
	}
	if of != "" {
		note += offOf + of
	}
	return note
}
