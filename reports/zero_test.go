package reports

import (
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports/framework"

	"golang.org/x/mod/sumdb/tlog"
)

// A book builds the state of a ledger without a store.
type book struct {
	t      *testing.T
	state  ledger.State
	unread map[string]uint64 // open rejects that may be of the period
}

func (b *book) add(at time.Time, r ledger.Record) {
	b.t.Helper()
	if err := b.state.Add(b.state.Next(at, r)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *book) source(at time.Time, s ledger.Source) {
	b.t.Helper()
	if s.Change == "" {
		s.Change = "added"
	}
	b.add(at, ledger.Record{Kind: ledger.KindSource, Source: &s})
}

func (b *book) covers(at time.Time, source string, covers ...ledger.Cover) {
	b.t.Helper()
	b.add(at, ledger.Record{Kind: ledger.KindBatch, Batch: []ledger.Batch{{Source: source, Covers: covers}}})
}

func (b *book) events(at time.Time, source, day string, section event.Section, n uint64) {
	b.t.Helper()
	b.add(at, ledger.Record{Kind: ledger.KindBatch, Batch: []ledger.Batch{{Source: source, Fetched: n, Events: n,
		Segments: []ledger.Segment{{Day: day, Section: section, Count: n, Root: tlog.Hash{1}}}}}})
}

// report assembles the report of a period of whole UTC days.
func (b *book) report(f framework.Framework, from, to, now time.Time, outcomes ...store.OutcomeCount) *Report {
	b.t.Helper()
	p, err := Days(from, to, time.UTC, now)
	if err != nil {
		b.t.Fatal(err)
	}
	sources, err := inScope(&b.state, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r := &Report{Framework: f, Period: p, Now: now, Head: store.Head{State: b.state}, Sources: sources, Unread: b.unread, outcomes: outcomes}
	r.tally = newTally(&b.state, sources, p.Interval)
	r.tally.addDays(coverage.Whole(p.Interval))
	r.Events = r.tally.exact.events("", "")
	r.assemble(Input{Framework: f, Period: p})
	return r
}

func on(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func source(name, ability string) ledger.Source {
	s := ledger.Source{Name: name, Kind: "k", Settle: 600, Keeps: 14 * 86400, Since: on(1).AddDate(0, -1, 0), Abilities: map[event.Section]string{}}
	for _, section := range event.Sections() {
		s.Abilities[section] = ability
	}
	return s
}

func span(from, to int, method string) ledger.Cover {
	c := ledger.Cover{From: on(from), To: on(to), Method: method}
	if method == ledger.Stated {
		c.By = "Ada"
	}
	return c
}

// What no events mean follows from how every source that logs the section was
// collected: it is worth what the weakest of them is.
func TestMeaningsOfZero(t *testing.T) {
	none := "not logged by this vendor: ask another"
	tests := []struct {
		name    string
		sources map[string]string // ability
		covers  map[string][]ledger.Cover
		want    Meaning
		text    string // part of the answer
	}{
		{"read to the end", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, NoneProven, "none found, collection proven"},
		{"in two reads", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 12, ledger.Read), span(12, 15, ledger.Read)}}, NoneProven, "none found"},
		{"heard", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Heard)}}, NoneHeard, "none received, stream up"},
		{"partly heard", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 12, ledger.Read), span(12, 15, ledger.Heard)}}, NoneHeard, "none received"},
		{"stated", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Stated)}}, NoneStated, "none in the files that Ada states to be complete"},
		{"stated, then read", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 14, ledger.Stated), span(14, 15, ledger.Read)}}, NoneStated, "in the 20.0 % of the time that was read"},
		{"stated and read over it", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Stated), span(10, 15, ledger.Read)}}, NoneProven, "proven"},
		{"a hole", map[string]string{"a": "logged"}, map[string][]ledger.Cover{"a": {span(10, 12, ledger.Read), span(13, 15, ledger.Read)}}, NotCollected, "unknown: not collected (a 2026-01-12 00:00 UTC to 2026-01-13 00:00 UTC)"},
		{"nothing", map[string]string{"a": "logged"}, nil, NotCollected, "unknown"},
		{"one of two", map[string]string{"a": "logged", "b": "logged"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, NotCollected, "(b 2026-01-10"},
		{"the weakest of two", map[string]string{"a": "logged", "b": "logged"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}, "b": {span(10, 15, ledger.Heard)}}, NoneHeard, "none received"},
		{"one that cannot does not count", map[string]string{"a": "logged", "b": none}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, NoneProven, "proven"},
		{"no source logs it", map[string]string{"a": none}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, NotEvidenced, "not evidenced: no source logs this; connect an identity provider"},
		{"needs a plan", map[string]string{"a": "needs plan: Standard"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, NotEvidenced, "not evidenced"},
		{"an ability that nobody declared", map[string]string{"a": ""}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, NotEvidenced, "not evidenced"},
		{"partly", map[string]string{"a": "partly: refused sign-ins only"}, map[string][]ledger.Cover{"a": {span(10, 15, ledger.Read)}}, Part, "none found of what a logs of it"},
		{"partly, with a hole", map[string]string{"a": "partly: some"}, map[string][]ledger.Cover{"a": {span(11, 15, ledger.Read)}}, NotCollected, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{t: t}
			for _, name := range []string{"a", "b"} {
				if ability, ok := tt.sources[name]; ok {
					b.source(on(1), source(name, ability))
				}
			}
			for _, name := range []string{"a", "b"} {
				b.covers(on(20), name, tt.covers[name]...)
			}
			r := b.report(framework.Framework{}, on(10), on(14), on(20))
			s, _ := r.SectionNamed("logins")
			if s.Meaning != tt.want || !strings.Contains(s.Text, tt.text) {
				t.Errorf("got %s, %q; want %s with %q", s.Meaning, s.Text, tt.want, tt.text)
			}
			if s.Meaning == NoneProven && !s.Until.IsZero() {
				t.Errorf("known only until %s", s.Until)
			}
		})
	}
}

// A zero whose period has not settled yet is known up to where it has.
func TestZeroUpToNow(t *testing.T) {
	b := &book{t: t}
	b.source(on(1), source("a", "logged"))
	now := on(14).Add(10 * time.Hour)
	b.covers(now, "a", ledger.Cover{From: on(1), To: now.Add(-10 * time.Minute), Method: ledger.Read})
	r := b.report(framework.Framework{}, on(10), on(20), now)
	s, _ := r.SectionNamed("mfa")
	if s.Meaning != NoneProven || s.Text != "none found, collection proven up to 2026-01-14 09:50:00 UTC" {
		t.Errorf("got %s, %q", s.Meaning, s.Text)
	}
}

// Abilities are judged by what was in force in the period.
func TestAbilityChanges(t *testing.T) {
	b := &book{t: t}
	b.source(on(1), source("a", "needs plan: Standard"))
	better := source("a", "logged")
	better.Change = "changed"
	b.source(on(12), better)
	b.covers(on(20), "a", span(1, 20, ledger.Read))
	during := b.report(framework.Framework{}, on(10), on(14), on(20))
	after := b.report(framework.Framework{}, on(13), on(14), on(20))
	first, _ := during.SectionNamed("logins")
	second, _ := after.SectionNamed("logins")
	if first.Meaning != NotEvidenced || second.Meaning != NoneProven {
		t.Errorf("got %s while the plan changed and %s after; want %s and %s", first.Meaning, second.Meaning, NotEvidenced, NoneProven)
	}
	if len(during.Changes) != 1 || !strings.Contains(during.Changes[0].What, "ability logins needs plan: Standard → logged") {
		t.Errorf("changes %+v", during.Changes)
	}
}

// A zero says when the class was last seen and what could hide it.
func TestPositiveControl(t *testing.T) {
	b := &book{t: t}
	b.source(on(1), source("a", "logged"))
	b.events(on(3), "a", "2026-01-02", event.MFA, 4)
	b.covers(on(20), "a", span(1, 20, ledger.Read))
	r := b.report(framework.Framework{}, on(10), on(14), on(20))
	seen, _ := r.SectionNamed("mfa")
	never, _ := r.SectionNamed("logins")
	if seen.LastDay != "2026-01-02" || !strings.Contains(strings.Join(seen.Remarks, " "), "Last seen on 2026-01-02 (UTC day) from a.") {
		t.Errorf("seen: %+v", seen)
	}
	if !strings.Contains(strings.Join(never.Remarks, " "), "Never seen") {
		t.Errorf("never seen: %+v", never)
	}
}

// A zero that records hide which could not be read is no zero, wherever it is printed.
func TestUnreadRecordsHideZeros(t *testing.T) {
	f := framework.Framework{Checks: []framework.Check{{ID: "any", Question: "Any?", Section: "logins", Found: framework.Exceptions}}}
	for method, words := range map[string]string{ledger.Read: "none found, collection proven", ledger.Heard: "none received, stream up", ledger.Stated: "none in the files that Ada states to be complete"} {
		b := &book{t: t, unread: map[string]uint64{"a": 2, "b": 5}}
		b.source(on(1), source("a", "logged"))
		b.source(on(1), source("b", "not logged by this vendor: no"))
		b.covers(on(20), "a", span(10, 15, method))
		r := b.report(f, on(10), on(14), on(20))
		s, _ := r.SectionNamed("logins")
		if want := "unknown: 2 records received since the period began could not be read; " + words + " among the others"; s.Meaning != Unread || s.Text != want {
			t.Errorf("got %s, %q, want %q", s.Meaning, s.Text, want)
		}
		if got := strings.Join(s.Remarks, " "); !strings.Contains(got, "Could hide among 2 rejects received since the period began") {
			t.Errorf("remarks %q", got)
		}
		if c := r.Checks[0]; c.Answer != Unknown || c.Count != 0 || !strings.HasPrefix(c.Text, "unknown: 2 records") {
			t.Errorf("check %+v", c)
		}
		if got := (Control{Evidence: []Section{s}}).answer(); got != "unknown: records could not be read (logins)" {
			t.Errorf("control %q", got)
		}
	}
}

// Events of Exhibit itself evidence nothing of other systems.
func TestOwnSourceEvidencesNothing(t *testing.T) {
	b := &book{t: t}
	b.source(on(1), source("a", "not logged by this vendor: no"))
	b.source(on(1), source(pack.Own, "logged"))
	b.events(on(12), pack.Own, "2026-01-11", event.Logins, 7)
	b.covers(on(20), pack.Own, span(1, 20, ledger.Read))
	r := b.report(framework.Framework{}, on(10), on(14), on(20))
	if s, _ := r.SectionNamed("logins"); s.Events != 0 || s.Meaning != NotEvidenced || slices.Contains(r.Sources, pack.Own) {
		t.Errorf("sources %v, %+v", r.Sources, s)
	}
}

func TestChecks(t *testing.T) {
	f := framework.Framework{ID: "x", Checks: []framework.Check{
		{ID: "overrides", Question: "Overridden?", Section: "change-management", Match: framework.Match{Actions: []string{"*overrid*"}}, Found: framework.Exceptions},
		{ID: "destroyed", Question: "Destroyed?", Section: "change-management", Match: framework.Match{Actions: []string{"*destroy*"}}, Found: framework.Listed},
		{ID: "failed", Question: "Refused?", Section: "change-management", Match: framework.Match{Outcomes: []string{"failure"}}, Found: framework.Listed},
		{ID: "any", Question: "Any?", Section: "change-management", Found: framework.Exceptions},
	}}
	outcomes := []store.OutcomeCount{
		{Section: event.ChangeManagement, Action: "policy_check.OVERRIDE", Outcome: event.Success, Events: 2, Last: on(11)},
		{Section: event.ChangeManagement, Action: "run.apply", Outcome: event.Success, Events: 5, Last: on(12)},
	}
	tests := []struct {
		name    string
		ability string
		cover   []ledger.Cover
		events  uint64
		want    [4]Answer
		count   [4]uint64
	}{
		{"found, proven", "logged", []ledger.Cover{span(10, 15, ledger.Read)}, 7, [4]Answer{FoundExceptions, NoneFound, NoneFound, FoundExceptions}, [4]uint64{2, 0, 0, 7}},
		{"found, with a hole", "logged", []ledger.Cover{span(11, 15, ledger.Read)}, 7, [4]Answer{FoundExceptions, Unknown, Unknown, FoundExceptions}, [4]uint64{2, 0, 0, 7}},
		{"none, stated", "logged", []ledger.Cover{span(10, 15, ledger.Stated)}, 0, [4]Answer{NoneFound, NoneFound, NoneFound, NoneFound}, [4]uint64{}},
		{"not logged", "not logged by this vendor: no", []ledger.Cover{span(10, 15, ledger.Read)}, 0, [4]Answer{NotEvaluated, NotEvaluated, NotEvaluated, NotEvaluated}, [4]uint64{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &book{t: t}
			b.source(on(1), source("a", tt.ability))
			found := outcomes
			if tt.events > 0 {
				b.events(on(13), "a", "2026-01-11", event.ChangeManagement, tt.events)
			} else {
				found = nil
			}
			b.covers(on(20), "a", tt.cover...)
			r := b.report(f, on(10), on(14), on(20), found...)
			for i, c := range r.Checks {
				if c.Answer != tt.want[i] || c.Count != tt.count[i] {
					t.Errorf("%s: got %s (%d), %q; want %s (%d)", c.ID, c.Answer, c.Count, c.Text, tt.want[i], tt.count[i])
				}
			}
			if c := r.Checks[1]; c.Answer == NoneFound && !strings.Contains(c.Text, "looked for actions like *destroy*") {
				t.Errorf("none found does not say what was looked for: %q", c.Text)
			}
		})
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"run.apply", "run.apply", true}, {"run.apply", "run.applied", false}, {"*overrid*", "policy_check.OVERRIDE", true},
		{"run.*", "run.", true}, {"run.*", "rerun.apply", false}, {"*.delete", "a.delete", true}, {"*.delete", "a.deleted", false},
		{"*break*glass*", "use_break_the_glass", true}, {"*break*glass*", "glass_break", false}, {"a*a", "a", false}, {"a*a", "aa", true},
		{"a*b*b", "axb", false}, {"a*b*b", "abb", true}, {"[x]*", "[X]y", true}, {"?", "a", false}, {"*ä*", "xÄy", true},
	}
	for _, tt := range tests {
		if got := glob(tt.pattern, tt.text); got != tt.want {
			t.Errorf("glob(%q, %q) = %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

// Also where sources log only a part of it.
func TestUnreadRecordsHideParts(t *testing.T) {
	f := framework.Framework{Checks: []framework.Check{{ID: "any", Question: "Any?", Section: "logins", Found: framework.Exceptions}}}
	b := &book{t: t, unread: map[string]uint64{"a": 1}}
	b.source(on(1), source("a", "partly: refused ones"))
	b.covers(on(20), "a", span(10, 15, ledger.Read))
	r := b.report(f, on(10), on(14), on(20))
	s, _ := r.SectionNamed("logins")
	const want = "unknown: 1 record received since the period began could not be read; none found of what a logs of it; the rest is not evidenced: connect an identity provider"
	if s.Meaning != Unread || s.Text != want || r.Checks[0].Answer != Unknown || r.Checks[0].Text != want {
		t.Errorf("section %s, %q; check %s, %q", s.Meaning, s.Text, r.Checks[0].Answer, r.Checks[0].Text)
	}
}
