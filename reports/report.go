// Package reports turns what the store and the ledger hold into evidence: the
// answer of each section, checks, retention, coverage, the IPE sheet, and packs.
//
// A report is pinned to a head of the ledger. Everything in it follows from the
// records up to that head and the rows that they name, so the same head, period
// and sources give the same report for ever. A report shows evidence and does not
// judge: it says what was found, what was not found although it would have been,
// what is not known, and what cannot be known from these sources.
package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports/framework"
)

// ErrEmpty is returned for a ledger that has no records yet.
var ErrEmpty = errors.New("reports: the ledger is empty: connect a source or import a file first")

// An UnknownSourceError names a source that the ledger does not know.
type UnknownSourceError struct {
	Name  string
	Known []string
}

func (e *UnknownSourceError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no source %q: no source is connected yet", e.Name)
	}
	return fmt.Sprintf("there is no source %q: use one of %s", e.Name, strings.Join(e.Known, ", "))
}

// Input is what a report is made from.
type Input struct {
	Framework framework.Framework
	Period    Period
	// Sources are in scope. None means all that the ledger knows but pack.Own.
	Sources []string
	// Scope lists the systems that the configuration says must be evidenced for
	// this framework.
	Scope []pack.System
	// Head is what the report is pinned to.
	Head store.Head
	// Now decides what is overdue. A pack leaves it zero: the time of the head's
	// last record.
	Now time.Time
	// Deletes is after how long the retention rules delete events; 0: never.
	Deletes time.Duration
	// Altered names segments that the last audit found to differ from the ledger.
	Altered []ledger.SegmentRef

	known *known // answers of the store to earlier reports; nil: ask for all
}

// A Report is a framework's evidence over a period.
type Report struct {
	Framework framework.Framework
	Period    Period
	Now       time.Time
	Head      store.Head
	Sources   []string // in scope, sorted
	Missing   []string // sentences: systems of the scope without a source, sources removed
	Scope     []pack.System
	Coverage  Coverage
	Sections  []Section // in report order
	Checks    []Check
	Retention []Retention
	Controls  []Control
	Changes   []pack.Change   // of sources in scope, in the period
	Unmapped  []pack.Unmapped // types of events that no rule knows, in the period
	Events    uint64          // in the period exactly
	Query     string          // the statement behind it, for people
	// Unread counts, per source, the rejects that nothing has dealt with and that may be
	// of the period. A reject has no time of its own, only that of its receipt: whatever
	// came since the period began may be of it, as what is delivered late or imported
	// comes after its end.
	Unread map[string]uint64

	tally    *tally
	outcomes []store.OutcomeCount
	zero     map[string]zero // what no events would mean, per filed section
}

// Build makes a report.
func Build(ctx context.Context, db *store.DB, in Input) (*Report, error) {
	if in.Head.State.Size == 0 {
		return nil, ErrEmpty
	}
	if in.Now.IsZero() {
		in.Now = in.Head.State.At
	}
	period, err := in.Period.At(in.Now)
	if err != nil {
		return nil, err
	}
	sources, err := inScope(&in.Head.State, in.Sources)
	if err != nil {
		return nil, err
	}
	in.Head.State = compact(&in.Head.State, sources)
	r := &Report{Framework: in.Framework, Period: period, Now: in.Now.UTC(), Head: in.Head, Sources: sources, Scope: in.Scope}
	r.Query = db.QueryText(in.Head.Snapshot(), sources, period.Interval)
	if r.tally, err = count(ctx, db, in.Head, sources, period.Interval); err != nil {
		return nil, err
	}
	r.Events = r.tally.exact.events("", "") + r.tally.exact.events(pack.Own, "")
	if err := r.ask(ctx, db, in.known); err != nil {
		return nil, err
	}
	if r.tally.rejected() {
		if r.Unread, err = db.OpenSince(ctx, in.Head.Snapshot(), sources, r.tally.days.From); err != nil {
			return nil, err
		}
	}
	r.assemble(in)
	return r, nil
}

// assemble fills in all that follows from the numbers.
func (r *Report) assemble(in Input) {
	state := &r.Head.State
	r.Missing = missing(state, r.Scope, r.Sources)
	r.Coverage = cover(state, r.tally, r.Sources, r.Period.Window(), r.Now, in.Altered)
	r.sections()
	r.Checks = r.checks()
	r.Retention = retention(state, r.Framework, r.Sources, r.Now, in.Deletes)
	r.Controls = r.controls()
	r.Changes = changes(state, r.Sources, r.Period)
}

// others are the sources that evidence something: all but Exhibit itself.
func (r *Report) others() []string {
	return slices.DeleteFunc(slices.Clone(r.Sources), func(s string) bool { return s == pack.Own })
}

// inScope returns the sources of a report, sorted, none twice.
func inScope(state *ledger.State, asked []string) ([]string, error) {
	var known []string
	for _, s := range state.Latest() {
		if s.Name != pack.Own {
			known = append(known, s.Name)
		}
	}
	slices.Sort(known)
	if len(asked) == 0 {
		if len(known) == 0 {
			return nil, ErrEmpty
		}
		return known, nil
	}
	for _, name := range asked {
		if _, ok := state.First(name); !ok {
			return nil, &UnknownSourceError{name, known}
		}
	}
	asked = slices.Clone(asked)
	slices.Sort(asked)
	return slices.Compact(asked), nil
}

// missing says which systems of the scope no source stands for, and which sources
// of the report were removed.
func missing(state *ledger.State, scope []pack.System, sources []string) []string {
	var out []string
	for _, system := range scope {
		there := slices.ContainsFunc(system.Sources, func(name string) bool {
			_, ok := state.First(name)
			return ok && slices.Contains(sources, name)
		})
		if there {
			continue
		}
		text := system.Name + ": no source is connected"
		if len(system.Sources) > 0 {
			text = system.Name + ": its source " + strings.Join(system.Sources, ", ") + " is not in this report"
		}
		if system.Note != "" {
			text += " (" + system.Note + ")"
		}
		out = append(out, text)
	}
	for _, s := range state.Latest() {
		if s.Change == "removed" && slices.Contains(sources, s.Name) {
			out = append(out, fmt.Sprintf("%s: removed on %s by record %d; nothing is collected since", s.Name, Instant(s.At), s.Seq))
		}
	}
	return out
}

// changes lists what was changed of the sources in the period, with what was there
// before where it differs.
func changes(state *ledger.State, sources []string, period Period) []pack.Change {
	before := map[string]ledger.SourceAt{}
	var out []pack.Change
	for _, s := range state.Sources {
		previous, known := before[s.Name]
		before[s.Name] = s
		if !slices.Contains(sources, s.Name) || !period.Contains(s.At) {
			continue
		}
		what := "source " + s.Name + " " + s.Change
		if known {
			if d := difference(previous.Source, s.Source); d != "" {
				what += ": " + d
			}
		} else {
			what += ": kind " + s.Kind + hostText(s.Source)
		}
		out = append(out, pack.Change{At: s.At, Seq: s.Seq, What: what})
	}
	slices.SortStableFunc(out, func(a, b pack.Change) int { return cmp.Compare(a.Seq, b.Seq) })
	return out
}

func hostText(s ledger.Source) string {
	var parts []string
	for _, part := range []string{s.System, s.Host, s.Environment} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// difference says in words how two configurations of a source differ.
func difference(a, b ledger.Source) string {
	var parts []string
	add := func(name, was, is string) {
		if was != is {
			parts = append(parts, name+" "+cmp.Or(was, "unset")+" → "+cmp.Or(is, "unset"))
		}
	}
	add("kind", a.Kind, b.Kind)
	add("system", a.System, b.System)
	add("host", a.Host, b.Host)
	add("environment", a.Environment, b.Environment)
	add("keeps", seconds(a.Keeps), seconds(b.Keeps))
	add("settle", seconds(a.Settle), seconds(b.Settle))
	if !a.Since.Equal(b.Since) {
		add("since", Instant(a.Since), Instant(b.Since))
	}
	add("mapping", fmt.Sprint(a.Mapping), fmt.Sprint(b.Mapping))
	add("rules", shortHash(a.Rules), shortHash(b.Rules))
	history := map[bool]string{true: "read by nobody"}
	add("history", history[a.Pushed], history[b.Pushed])
	for _, section := range event.Sections() {
		add("ability "+string(section), a.Abilities[section], b.Abilities[section])
	}
	return strings.Join(parts, "; ")
}

func seconds(n int64) string {
	if n == 0 {
		return ""
	}
	return Length(time.Duration(n) * time.Second)
}

func shortHash(s string) string {
	if len(s) > 12 {
		return s[:12] + "…"
	}
	return s
}
