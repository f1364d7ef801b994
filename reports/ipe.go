package reports

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
)

// A Fact is one labelled line of an IPE sheet.
type Fact struct {
	Label string
	Value string
	Note  string // what the value does not say; may be empty
	Mono  bool   // the value is a digest, an address or a statement
}

// A Table is a part of an IPE sheet that has rows.
type Table struct {
	Title string
	Note  string
	Head  []string
	Rows  [][]string
	None  string // what to print when there are no rows
	Count int    // how many of the columns, counted from the right, hold numbers
}

// An IPE sheet ("information produced by the entity") is the page of a report that
// lets an auditor accept the rest: what it is made from, by whom, how, and how
// anybody can tell that it is all there.
type IPE struct {
	Facts  []Fact
	Tables []Table
}

// Made says how a report was made into a pack. A page that only shows a report
// leaves By and At empty.
type Made struct {
	By        pack.Person
	At        time.Time
	Software  pack.Software
	Witnesses []pack.Witness
	Audit     *pack.Audit
	Key       string // verifier key, in the text form of package note
	// Summary is what was counted while the pack was made; nil before.
	Summary *pack.Summary
}

// IPE returns the sheet. The first line is what is missing from it.
func (r *Report) IPE(m Made) IPE {
	return IPE{Facts: r.facts(m), Tables: []Table{
		r.sourceTable(), r.ledgerTable(), r.rejectTable(m.Summary), r.toldTable(), r.changeTable(), r.gapTable(), r.abilityTable(),
		r.unmappedTable(), witnessTable(m.Witnesses), r.dayTable()}}
}

func (r *Report) facts(m Made) []Fact {
	f := r.Framework
	facts := []Fact{{Label: "Systems without a source", Value: cmp.Or(strings.Join(r.Missing, "; "), r.nothingMissing())}}
	add := func(label, value, note string, mono bool) {
		if value != "" {
			facts = append(facts, Fact{label, value, note, mono})
		}
	}
	add("Report", f.Title+", "+f.Edition, "", false)
	add("Definition", "version "+f.Version+", last changed "+f.LastChanged+" by "+f.ChangedBy, "", false)
	add("Definition hash", "sha256:"+f.Hash, "of "+f.File, true)
	add("Period", Instant(r.Period.From)+" up to but without "+Instant(r.Period.To), "asked for: "+r.Period.Text+cutText(r.Period), false)
	add("Zone", r.Period.Zone.String(), r.zoneNote(), false)
	add("Sources", strings.Join(r.Sources, ", "), "", false)
	add("Events", Number(r.Events), "in the period exactly; of types that no rule knows: "+Number(r.unmappedEvents()), false)
	add("Types that no rule knows", r.unmappedText(), "kept, and filed under other until a rule knows them", false)
	add("Rejects", r.rejectText(), "records that could not become events, over all records of the ledger; kept with their bytes", false)
	if !m.At.IsZero() {
		add("Made by", person(m.By), "", false)
		add("Made at", Instant(m.At), "", false)
	}
	if m.Software.Version != "" {
		add("Software", "Exhibit "+m.Software.Version, join("commit "+m.Software.Commit, "zone data "+m.Software.TZData), false)
	}
	add("Checkpoint", fmt.Sprintf("%d records, the last of %s", r.Head.State.Size, Instant(r.Head.State.At)),
		"everything in this report follows from these records", false)
	if c, ok := r.checkpoint(); ok {
		add("Log", c.Origin, "", true)
		add("Root", c.Root.String(), "", true)
	}
	if m.Key != "" {
		add("Signing key", m.Key, "trust it only when it reached you another way than with this pack", true)
	}
	add("Witnesses", witnessText(m.Witnesses), "", false)
	add("Last audit", auditText(m.Audit), "the stored rows, compared with the ledger", false)
	if m.Summary != nil {
		add("Content digest", m.Summary.Content, "over all files that do not say who and when", true)
		add("Control totals", countText(m.Summary.Counts), "ledger, lines and rows were counted separately and agree; otherwise there would be no pack", false)
	}
	add("Other filters", "none", "no event of these sources and this period is left out", false)
	add("truncated", "false", "a report is whole or it is not made", true)
	add("Statement", r.Query, "", true)
	return facts
}

func (r *Report) nothingMissing() string {
	if len(r.Scope) == 0 {
		return "unknown: the configuration lists no systems that must be evidenced for this framework"
	}
	return fmt.Sprintf("none: all %d systems of the configured scope have a source", len(r.Scope))
}

func (r *Report) zoneNote() string {
	if r.Period.Zone == time.UTC || r.Period.Zone.String() == "UTC" {
		return ""
	}
	return r.Period.From.In(r.Period.Zone).Format("2006-01-02 15:04 -07:00") + " up to " +
		r.Period.To.In(r.Period.Zone).Format("2006-01-02 15:04 -07:00")
}

func cutText(p Period) string {
	if note := p.CutNote(); note != "" {
		return "; " + note
	}
	return ""
}

func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if !strings.HasSuffix(p, " ") {
			out = append(out, p)
		}
	}
	return strings.Join(out, ", ")
}

func person(p pack.Person) string {
	name := cmp.Or(p.Name, p.ID)
	if p.Name != "" && p.ID != "" && p.ID != p.Name {
		name += " (" + p.ID + ")"
	}
	if p.Role != "" {
		name += ", " + p.Role
	}
	return name
}

func countText(c pack.Counts) string {
	text := fmt.Sprintf("%s in %s; %s in whole UTC days; %s",
		Plural(c.Events, "event", "events"), Plural(c.Segments, "segment", "segments"),
		Plural(c.Lines, "line", "lines"), Plural(c.Rejects, "reject", "rejects"))
	if c.Erased+c.Refiled > 0 {
		text += fmt.Sprintf("; %s erased by law, %s filed anew", Number(c.Erased), Number(c.Refiled))
	}
	return text
}

func (r *Report) checkpoint() (ledger.Checkpoint, bool) {
	text, _, _ := strings.Cut(r.Head.Checkpoint, "\n\n")
	c, err := ledger.ParseCheckpoint(text + "\n")
	return c, err == nil
}

func witnessText(list []pack.Witness) string {
	var outside []string
	for _, w := range list {
		if Counts(w) {
			outside = append(outside, fmt.Sprintf("%s holds %d records since %s", w.Name, w.Size, Instant(w.Last)))
		}
	}
	if len(outside) == 0 {
		return "none outside: who holds both database and signing key could have rebuilt the log"
	}
	return strings.Join(outside, "; ")
}

// Counts reports whether a witness counts: it holds a checkpoint, and the operator
// does not hold the witness.
func Counts(w pack.Witness) bool {
	return !w.Last.IsZero() && !strings.HasPrefix(w.Note, "held by the operator")
}

func auditText(a *pack.Audit) string {
	if a == nil || a.At.IsZero() {
		return "never"
	}
	if a.Text != "" {
		return Instant(a.At) + ": " + a.Text
	}
	return fmt.Sprintf("%s: %s checked, %d altered", Instant(a.At), Plural(a.Segments, "segment", "segments"), a.Altered)
}

func (r *Report) unmappedEvents() (n uint64) {
	for _, u := range r.Unmapped {
		n += u.Count
	}
	return n
}

func (r *Report) sourceTable() Table {
	t := Table{Title: "Sources", Head: []string{"Source", "Kind", "System", "Host or tenant", "Environment", "Collecting since", "Vendor keeps", "Settle time", "Rules"}}
	for _, s := range r.Coverage.Sources {
		c := s.Source
		t.Rows = append(t.Rows, []string{c.Name, c.Kind, c.System, c.Host, c.Environment, Instant(s.Since),
			cmp.Or(seconds(c.Keeps), "cannot be asked"), cmp.Or(seconds(c.Settle), "none"), fmt.Sprintf("version %d, %s", c.Mapping, shortHash(c.Rules))})
	}
	return t
}

func (r *Report) ledgerTable() Table {
	t := Table{Title: "The ledger's counts per source, over all its records", Count: 10,
		Note: "fetched + extra = events + duplicates + skipped + rejects + expired, in every record",
		Head: []string{"Source", "Fetched", "Extra", "Events", "Duplicates", "Skipped", "Rejects", "Expired", "Late", "Clock ahead", "Unmapped"}}
	for _, name := range r.Sources {
		b := r.tally.sources[name].counts
		row := []string{name}
		for _, n := range []uint64{b.Fetched, b.Extra, b.Events, b.Duplicates, b.Skipped, b.Rejects, b.Expired, b.Late, b.ClockAhead, b.Unmapped} {
			row = append(row, Number(n))
		}
		t.Rows = append(t.Rows, row)
		if b.Redriven > 0 {
			t.Note += "; of those fetched for " + name + ", " + Plural(b.Redriven, "had been stored as a reject and was tried again after a fix", "had been stored as rejects and were tried again after a fix")
		}
	}
	return t
}

func (r *Report) toldTable() Table {
	t := Table{Title: "Totals that sources told", Count: 2, None: "No source in this report tells a total of its own.",
		Head: []string{"Source", "Asked at", "For events since", "It said", "Read"}}
	for _, name := range r.Sources {
		s := r.tally.sources[name]
		if s.told != nil {
			t.Rows = append(t.Rows, []string{name, Instant(s.toldAt), Instant(s.told.Since), Number(s.told.Total), Number(s.told.Read)})
		}
	}
	return t
}

func (r *Report) changeTable() Table {
	t := Table{Title: "Configuration changes in the period", None: "None: no source of this report was added, changed or removed in the period.",
		Head: []string{"When", "Record", "What"}}
	for _, c := range r.Changes {
		t.Rows = append(t.Rows, []string{Instant(c.At), fmt.Sprint(c.Seq), c.What})
	}
	return t
}

func (r *Report) gapTable() Table {
	t := Table{Title: "Gaps", None: "None: every source was collected through the whole period, as far as it is settled.",
		Head: []string{"Source", "State", "From", "To", "Length", "Notes"}}
	for _, g := range r.Coverage.Gaps {
		state := g.State
		if !g.Until.IsZero() {
			state += " until " + Instant(g.Until)
		}
		var notes []string
		for _, n := range g.Notes {
			notes = append(notes, n.By+": "+n.Note)
		}
		t.Rows = append(t.Rows, []string{g.Source, state, Instant(g.From), Instant(g.To), Length(g.Length()), strings.Join(notes, "; ")})
	}
	for _, g := range r.Coverage.Expired {
		t.Rows = append(t.Rows, []string{g.Source, "gone by record " + fmt.Sprint(g.By), g.Day, g.Day, Plural(g.Count, "event", "events") + " of " + string(g.Section), g.Why})
	}
	return t
}

func (r *Report) abilityTable() Table {
	t := Table{Title: "What each source can show, and did", Note: "on the UTC days that the period touches", Head: []string{"Source"}}
	for _, s := range event.Sections() {
		t.Head = append(t.Head, string(s))
	}
	for _, row := range r.Coverage.Matrix {
		cells := []string{row.Source}
		for _, c := range row.Cells {
			cells = append(cells, c.String())
		}
		t.Rows = append(t.Rows, cells)
	}
	return t
}

func (r *Report) unmappedTable() Table {
	t := Table{Title: "Types of events that no rule knows", Count: 1, None: "None in the period.",
		Note: "kept and filed under other until a rule knows them; the source's page has an example of each", Head: []string{"Source", "Type", "Events"}}
	for _, u := range r.Unmapped {
		t.Rows = append(t.Rows, []string{u.Source, u.Action, Number(u.Count)})
	}
	return t
}

func witnessTable(list []pack.Witness) Table {
	t := Table{Title: "Witnesses", None: "None: nobody outside holds a checkpoint of this log.",
		Head: []string{"Witness", "Kind", "Last checkpoint", "Records", "Note"}}
	for _, w := range list {
		t.Rows = append(t.Rows, []string{w.Name, w.Kind, Instant(w.Last), Number(w.Size), w.Note})
	}
	return t
}

func (r *Report) dayTable() Table {
	t := Table{Title: "Control totals per UTC day", Count: 3, Head: []string{"Source", "Day", "State", "Collected", "Events", "Rejects"}}
	for _, s := range r.Coverage.Sources {
		for _, d := range s.Days {
			t.Rows = append(t.Rows, []string{s.Source.Name, d.Day.Format(time.DateOnly), string(d.State), Share(d.Share), Number(d.Events), Number(d.Rejects)})
		}
	}
	return t
}
