package reports

import (
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
	"exhibit/reports/framework"
)

// A RetentionState says how what is kept compares with what is asked for.
type RetentionState string

// The states of a retention row. There is no state for a young source that would
// let it pass: it is Immature until it has the history.
const (
	Held      RetentionState = "held"      // continuous over the whole length
	Immature  RetentionState = "immature"  // continuous, but the source is younger than the length
	Broken    RetentionState = "gap"       // there is a hole in the length
	AtRisk    RetentionState = "at risk"   // a rule deletes before the length is reached
	NotShown  RetentionState = "not shown" // cannot be shown from events
	noHistory                = "nothing was collected"
)

// A Retention is one statement of a framework, compared with one source.
type Retention struct {
	framework.Retention
	Source     string // empty where the row is not about events
	State      RetentionState
	Continuous time.Duration // collected without a break up to now, less the settle time
	From       time.Time     // since when without a break; zero: not at all
	Since      time.Time     // since when the source is required
	Gaps       coverage.Set  // holes within the length
	Text       string        // what is kept, as it is printed
	Weight     string        // what a shortfall means: exception, exception to the policy, warning
}

// Short reports whether less is shown to be kept than is asked for.
func (r Retention) Short() bool { return r.State != Held && r.State != NotShown }

// retention compares what a framework asks to keep with what is there, at now.
// What is there is counted by continuity: one stray old row proves nothing.
func retention(state *ledger.State, f framework.Framework, sources []string, now time.Time, deletes time.Duration) []Retention {
	var out []Retention
	for _, row := range f.Retention {
		if row.AppliesTo != framework.Events {
			out = append(out, Retention{Retention: row, State: NotShown, Weight: weight(row.Kind),
				Text: "cannot be shown from events: Exhibit deletes no pack and no record of the ledger; keep the packs that you hand out"})
			continue
		}
		for _, name := range sources {
			out = append(out, retentionOf(state, row, name, now, deletes))
		}
	}
	return out
}

func weight(k framework.RetentionKind) string {
	switch k {
	case framework.Hard:
		return "exception"
	case framework.Policy:
		return "exception to the policy"
	}
	return "warning"
}

func retentionOf(state *ledger.State, row framework.Retention, source string, now time.Time, deletes time.Duration) Retention {
	r := Retention{Retention: row, Source: source, Weight: weight(row.Kind)}
	length := time.Duration(row.Days) * day
	window := coverage.Interval{From: now.Add(-length), To: now}
	settled := now
	for _, s := range state.Latest() {
		if s.Name == source {
			settled = now.Add(-time.Duration(s.Settle)*time.Second - slack)
		}
	}
	set := state.Coverage(source).Intersect(window)
	since, known := state.Since(source)
	r.Since = since
	if n := len(set); n > 0 && !set[n-1].To.Before(settled) {
		r.From = set[n-1].From
		r.Continuous = set[n-1].Length()
	}
	required := coverage.Interval{From: window.From, To: settled}
	young := since.After(window.From)
	if young {
		required.From = since
	}
	r.Gaps = coverage.Gaps(required, set)
	switch {
	case !known || len(set) == 0:
		r.State, r.Text = Broken, noHistory
	case len(r.Gaps) > 0:
		r.State = Broken
		r.Text = fmt.Sprintf("%s in the last %s, %s without collection in all; %s", Plural(len(r.Gaps), "gap", "gaps"),
			days(row.Days), Length(r.Gaps.Length()), r.unbroken())
		if young {
			r.Text += "; collecting since " + since.Format(time.DateOnly) + " only"
		}
	case young:
		r.State = Immature
		r.Text = fmt.Sprintf("collecting since %s: %s of %s", since.Format(time.DateOnly), days(int(r.Continuous/day)), days(row.Days))
	default:
		r.State, r.Text = Held, days(row.Days)+" without a break"
	}
	if deletes > 0 && deletes < length {
		r.Text += "; a retention rule deletes after " + days(int(deletes/day))
		if r.State == Held || r.State == Immature {
			r.State = AtRisk
		}
	}
	r.immediate(now)
	return r
}

// immediate adds what is at hand at once where a framework asks for it: all that
// is kept is online.
func (r *Retention) immediate(now time.Time) {
	if r.ImmediateDays == 0 {
		return
	}
	latest := coverage.Interval{From: now.Add(-time.Duration(r.ImmediateDays) * day), To: now}
	switch {
	case r.Since.After(latest.From):
		r.Text += "; the latest " + days(r.ImmediateDays) + ", at hand at once, are not reached yet"
	case slices.ContainsFunc(r.Gaps, func(i coverage.Interval) bool { return !i.Intersect(latest).Empty() }):
		r.Text += "; a gap is in the latest " + days(r.ImmediateDays) + " that must be at hand at once"
	default:
		r.Text += "; the latest " + days(r.ImmediateDays) + " are at hand at once"
	}
}

func (r *Retention) unbroken() string {
	if r.From.IsZero() {
		return "not collected up to now"
	}
	return "without a break since " + minute(r.From)
}

func days(n int) string { return Plural(max(0, n), "day", "days") }
