package pack

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// conclude fills in the three lists that a verification ends with.
func (v *verifier) conclude() {
	res := &v.res
	if v.r != nil {
		for _, u := range v.r.state.Unknown {
			res.Notes = append(res.Notes, fmt.Sprintf("Ledger record %d is of kind %q, which this version does not know: it is counted and hashed, and what it says is not used.", u.Seq, u.Kind))
		}
		res.Notes = append(res.Notes, removedNotes(v.r.removed)...)
		if at := v.r.state.At; at.Before(v.r.period.To) {
			res.Notes = append(res.Notes, fmt.Sprintf("The log of this pack ends at %s, before the end of the period: the pack says nothing of the time after.", instant(at)))
		}
	}
	if !res.OK {
		res.Conditional = nil // a pack with findings proves nothing
		return
	}
	c := res.Counts
	res.Proven = []string{
		fmt.Sprintf("Every one of the %d events and %d rejects of the pack's days and sources is, byte for byte, what the ledger has: none is missing, added or changed (%d groups, each with its own root).",
			c.Lines, c.Rejects, c.Segments),
		fmt.Sprintf("By the rules of the log, nothing of the period stands in an earlier record: the proof starts at record %d and goes to the last, %d.", c.First, c.Size-1),
		"The CSV files, the coverage tables, the gap register and all counts follow from those lines and records; they were made again and are the same.",
		"All files are the ones that the manifest lists.",
	}
	if c.Erased+c.Refiled > 0 {
		res.Proven = append(res.Proven, fmt.Sprintf("Of these events, %d are only hashes because they were erased by law, and %d because they were filed anew: a ledger record names each of them.", c.Erased, c.Refiled))
	}
	res.Conditional = append([]string{
		"The log and this pack are signed by " + res.Key + ". That proves who made them if the key reached you another way than with the pack.",
	}, res.Conditional...)
	res.NotProvable = []string{
		"That a source told everything that happened in it, and told it truly.",
		"That every system that matters is connected.",
		"What people did outside of the connected systems.",
		"That what the cover and the manifest state of their own (who ran it, configuration, answers of checks) is true: they are signed, not computed.",
	}
	if c.Erased+c.Refiled > 0 {
		res.NotProvable = append(res.NotProvable, "What the events that are only hashes said, their ids and times of day, and that those filed anew stand corrected in a later batch.")
	}
	if len(c.Absent) > 0 {
		res.NotProvable = append(res.NotProvable, "Anything about the sources that are in the ledger and not in this pack: ask why they are left out.")
	}
	if len(v.held) == 0 {
		res.NotProvable = append(res.NotProvable,
			"Without an older checkpoint (--since): that the holder of the key did not make the log anew, or break its rules in records that are only hashes here. A checkpoint from a mail, a witness or an earlier pack shows it.")
	}
}

// removedNotes says, per record, what is gone from the period.
func removedNotes(list []Removed) (notes []string) {
	type sum struct{ segments, events uint64 }
	sums, first := map[uint64]sum{}, map[uint64]Removed{}
	for _, r := range list {
		s := sums[r.By]
		sums[r.By] = sum{s.segments + 1, s.events + r.Count}
		first[r.By] = r
	}
	for _, by := range slices.Sorted(maps.Keys(sums)) {
		notes = append(notes, fmt.Sprintf("%d events of the period in %d groups are gone by ledger record %d (%s: %s); coverage/gaps.csv lists them.",
			sums[by].events, sums[by].segments, by, first[by].Kind, first[by].Why))
	}
	return notes
}

// Print writes the result for a person to read.
func (res *Result) Print(w io.Writer) error {
	p := printer{w: w}
	p.line("%s", firstOf(res.Title, res.Framework, "Evidence pack"))
	if res.Period != "" {
		p.line("  period    %s", res.Period)
	}
	if len(res.Sources) > 0 {
		p.line("  sources   %s", strings.Join(res.Sources, ", "))
	}
	if res.Records > 0 {
		p.line("  log       %s, %d records, last of %s", res.Origin, res.Records, res.At.Format(time.RFC3339))
	}
	if res.OK {
		p.line("  holds     %d events, %d rejects", res.Counts.Events, res.Counts.Rejects)
		p.line("  coverage  %d gaps; %d other stretches without coverage (not due yet, or before onboarding)", res.Gaps, res.NotDue)
		p.line("  content   %s", res.Content)
	}
	p.line("")
	if !res.OK {
		p.findings(res)
	} else {
		p.line("GOOD: nothing is wrong with this pack.")
		p.list("Proven", res.Proven)
		p.list("Proven only if the key or checkpoint reached you another way", res.Conditional)
		p.list("Not provable", res.NotProvable)
	}
	p.absent(res.Counts.Absent)
	p.list("Notes", res.Notes)
	return p.err
}

// A printer writes lines and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		// Names from inside a pack may hold anything; a terminal must not obey them.
		_, p.err = io.WriteString(p.w, clean(fmt.Sprintf(format, args...))+"\n")
	}
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\uFFFD'
		}
		return r
	}, s)
}

func (p *printer) findings(res *Result) {
	n := len(res.Findings) + res.More
	p.line("WRONG: %d %s.", n, plural(n, "thing is wrong with this pack", "things are wrong with this pack"))
	for i, f := range res.Findings {
		p.line("")
		p.line("  %s", firstOf(f.File, "the pack"))
		p.line("    %s", f.What)
		if i+1 == len(res.Findings) || res.Findings[i+1].Do != f.Do || res.Findings[i+1].File != f.File {
			p.line("    -> %s", f.Do)
		}
	}
	if res.More > 0 {
		p.line("")
		p.line("  and %d more", res.More)
	}
}

func (p *printer) list(title string, items []string) {
	if len(items) == 0 {
		return
	}
	p.line("")
	p.line("%s:", title)
	for _, item := range items {
		p.line("  - %s", item)
	}
}

func (p *printer) absent(list []Absent) {
	var items []string
	for _, a := range list {
		items = append(items, fmt.Sprintf("%s: %d events, %d rejects of the same days", a.Source, a.Events, a.Rejects))
	}
	p.list("In the ledger, not in this pack", items)
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
