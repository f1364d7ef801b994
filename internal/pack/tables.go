package pack

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// The small tables of a pack. Each is a pure function of what was counted, and
// made by writer and verifier alike.

func number(n uint64) string { return strconv.FormatUint(n, 10) }

func seconds(d time.Duration) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(d.Seconds(), 'f', 9, 64), "0"), ".")
}

// Worth says what a method of coverage lets a reader conclude from no events.
func Worth(c ledger.Cover) string {
	switch c.Method {
	case ledger.Read:
		return "read to the end: none means none"
	case ledger.Heard:
		return "stream was up: none means none received"
	case ledger.Stated:
		return "stated by " + c.By + ": none means none in the file"
	}
	return "unknown method"
}

// Basis says how it is known that all of an interval was collected.
func Basis(c ledger.Cover) string {
	switch {
	case c.Basis != "":
		return c.Basis
	case c.Method == ledger.Read:
		return "polled to the end"
	case c.Method == ledger.Heard:
		return "the path was alive between heartbeats"
	case c.Method == ledger.Stated:
		return "a person's statement about a file"
	}
	return "unknown"
}

// intervals is coverage/intervals.csv. What was read, or heard, is joined as far as it
// is known in the same way; each statement stands for itself.
func intervals(s *Summary, z zone) table {
	var t table
	t.row("source", "method", "basis", "worth", "from_utc", "from ["+z.Name+"]", "to_utc", "to ["+z.Name+"]", "seconds", "file", "sha256", "by")
	for _, src := range s.Counts.Sources {
		for _, c := range covers(s, src.Source) {
			t.text(src.Source)
			t.text(c.Method)
			t.text(Basis(c))
			t.text(Worth(c))
			t.instant(z, c.From)
			t.instant(z, c.To)
			t.plain(seconds(c.To.Sub(c.From)))
			t.text(c.File)
			t.text(c.SHA256)
			t.text(c.By)
			t.end()
		}
	}
	return t
}

// covers returns the coverage of a source in the period: by method, then by time.
func covers(s *Summary, source string) (list []ledger.Cover) {
	type way struct{ method, basis string }
	joined := map[way]coverage.Set{}
	for _, c := range s.State.Covers {
		i := c.Interval().Intersect(s.Period)
		if c.Source != source || i.Empty() {
			continue
		}
		if c.Method == ledger.Read || c.Method == ledger.Heard {
			k := way{c.Method, c.Basis}
			joined[k] = append(joined[k], i)
			continue
		}
		c.From, c.To = i.From, i.To
		list = append(list, c.Cover)
	}
	for k, set := range joined {
		for _, i := range coverage.Of(set...) {
			list = append(list, ledger.Cover{From: i.From, To: i.To, Method: k.method, Basis: k.basis})
		}
	}
	methods := []string{ledger.Read, ledger.Heard, ledger.Stated}
	rank := func(c ledger.Cover) int { return slices.Index(methods, c.Method) }
	slices.SortStableFunc(list, func(a, b ledger.Cover) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), a.From.Compare(b.From), cmp.Compare(a.Basis, b.Basis))
	})
	return list
}

// gaps is coverage/gaps.csv: all time of the period that is not covered, and
// what was there and is gone.
func gaps(s *Summary, z zone) table {
	var t table
	t.row("source", "state", "from_utc", "from ["+z.Name+"]", "to_utc", "to ["+z.Name+"]", "seconds",
		"recoverable_until_utc", "recoverable_until ["+z.Name+"]", "section", "events", "record", "notes")
	for _, src := range s.Counts.Sources {
		for _, span := range s.Spans[src.Source] {
			if span.State == ledger.Covered {
				continue
			}
			t.text(src.Source)
			t.text(span.State)
			t.instant(z, span.From)
			t.instant(z, span.To)
			t.plain(seconds(span.Length()))
			t.instant(z, span.Until)
			t.text("")
			t.text("")
			t.text("")
			t.text(gapNotes(s.State, src.Source, span.Interval))
			t.end()
		}
		for _, r := range s.Removed {
			if r.Source != src.Source {
				continue
			}
			state := "expired by policy"
			if r.Kind == ledger.KindRollback {
				state = "lost by the store"
			}
			day, _ := time.Parse(time.DateOnly, r.Day) // checked when the record was read
			t.text(r.Source)
			t.text(state)
			t.instant(z, day)
			t.instant(z, day.Add(24*time.Hour))
			t.plain("86400")
			t.instant(z, time.Time{})
			t.text(string(r.Section))
			t.plain(number(r.Count))
			t.plain(number(r.By))
			t.text(r.Why)
			t.end()
		}
	}
	return t
}

func gapNotes(s *ledger.State, source string, in coverage.Interval) string {
	var notes []string
	for _, g := range s.Gaps {
		if g.Source == source && !in.Intersect(coverage.Interval{From: g.From, To: g.To}).Empty() {
			notes = append(notes, g.By+": "+g.Note)
		}
	}
	return strings.Join(notes, "; ")
}

// days is coverage/days.csv: the control totals per source and UTC day.
func days(s *Summary) table {
	var t table
	t.text("source")
	t.text("day_utc")
	t.text("covered_seconds")
	t.text("events")
	t.text("rejects")
	for _, section := range event.Sections() {
		t.text(string(section))
	}
	t.end()
	for _, d := range s.Counts.Days {
		t.text(d.Source)
		t.plain(d.Day.Format(time.DateOnly))
		t.plain(seconds(d.Covered))
		t.plain(number(d.Events))
		t.plain(number(d.Rejects))
		for _, section := range event.Sections() {
			t.plain(number(d.Sections[section]))
		}
		t.end()
	}
	return t
}

// dayCounts counts what the ledger has per source in scope and UTC day.
func (r *reading) dayCounts() []DayCount {
	first, n := dayOf(r.days.From), int(r.days.Length()/(24*time.Hour))
	out := make([]DayCount, 0, n*len(r.sources))
	for _, source := range r.sources {
		covered := r.state.Coverage(source).Intersect(r.days)
		for i := range n {
			day := dayTime(first + int32(i))
			one := coverage.Interval{From: day, To: day.Add(24 * time.Hour)}
			d := DayCount{Source: source, Day: day}
			for len(covered) > 0 && !covered[0].To.After(one.From) {
				covered = covered[1:]
			}
			for _, c := range covered {
				if !c.From.Before(one.To) {
					break
				}
				d.Covered += c.Intersect(one).Length()
			}
			out = append(out, d)
		}
	}
	for _, file := range r.files {
		for _, s := range file {
			d := &out[int(s.source)*n+int(s.day-first)]
			if s.section == rejectsIndex {
				d.Rejects += s.count
				continue
			}
			d.Events += s.count
			if d.Sections == nil {
				d.Sections = map[event.Section]uint64{}
			}
			d.Sections[sectionName(s.section)] += s.count
		}
	}
	return out
}

// controls is controls.csv.
func controls(list []Control, counts *Counts) table {
	var t table
	t.row("control", "id", "title", "asks", "strength", "answer", "bring", "events", "sections", "checks", "files")
	for _, c := range list {
		t.text(c.Key)
		t.text(c.ID)
		t.text(c.Title)
		t.text(c.Asks)
		t.text(c.Strength)
		t.text(c.Answer)
		t.text(c.Bring)
		controlCounts(&t, c, counts)
		t.end()
	}
	return t
}

func controlCounts(t *table, c Control, counts *Counts) {
	var total uint64
	var sections, checks, files []string
	for _, name := range c.Sections {
		switch i := slices.IndexFunc(counts.Sections, func(s SectionCount) bool { return s.Name == name && name != Own }); {
		case i >= 0:
			total += counts.Sections[i].Events
			sections = append(sections, name+" "+number(counts.Sections[i].Events))
			files = append(files, "sections/"+name+".csv", "events/"+name+".jsonl")
		default: // computed, not filed: it has no file of events
			sections = append(sections, name)
			files = append(files, computed(name)...)
		}
	}
	for _, check := range c.Checks {
		text := check.Question + ": " + check.Answer
		if check.Count > 0 {
			text += " (" + number(check.Count) + ")"
		}
		checks = append(checks, text)
	}
	t.plain(number(total))
	t.text(strings.Join(sections, "; "))
	t.text(strings.Join(checks, "; "))
	t.text(strings.Join(files, " "))
}

// computed names the files that hold what a computed section is made from.
func computed(section string) []string {
	switch section {
	case "retention-coverage":
		return []string{"coverage/intervals.csv", "coverage/gaps.csv", "coverage/days.csv"}
	case "integrity":
		return []string{"ledger/records.jsonl", "ledger/checkpoint"}
	}
	return nil
}
