package source_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// agreeing returns the kinds that are compared with what others made of the same
// records, and their folders of samples, which have the names of the kinds.
func agreeing(t *testing.T) map[string]string {
	t.Helper()
	root := samplesOf("")
	if _, err := os.Stat(root); err != nil {
		missing(t, root)
	}
	out := map[string]string{"datadog": "scalr"} // as Datadog has it
	for _, k := range documented() {
		if _, err := os.Stat(samplesOf(k.Name)); err == nil {
			out[k.Name] = k.Name
		}
	}
	return out
}

// leastAgreement is the share of comparisons that must agree, over all kinds.
const leastAgreement = 0.98

// Every sample becomes an event, a skip or a reject; and time, actor, address,
// outcome and section are what others made of it. Where they are wrong,
// testdata/disputed.tsv says so and why.
func TestAgreement(t *testing.T) {
	var all tally
	disputed, disputes := readDisputed(t)
	agreeing := agreeing(t)
	names := slices.Sorted(maps.Keys(agreeing))
	tallies := map[string]*tally{}
	for _, name := range names {
		k, n := kind(t, name), &tally{}
		eachSample(t, agreeing[name], func(s sample) { n.add(t, k, s, disputed[name]) })
		t.Logf("%-16s %s", name, n)
		all.sum(n)
		tallies[name] = n
	}
	for at, d := range disputed {
		for key, used := range d {
			if !used && agreeing[at] != "" {
				t.Errorf("disputed.tsv: %s %s agrees or is not there", at, key)
			}
		}
	}
	t.Logf("%-16s %s", "all", &all)
	if share := all.share(); share < leastAgreement {
		t.Errorf("%.1f %% of the comparisons agree, want %.0f %%", 100*share, 100*leastAgreement)
	}
	doc := document{"docs/sources.md"}
	if !*update && !strings.Contains(doc.read(t), fmt.Sprintf("\n| all | %d |", all.samples)) {
		t.Logf("docs/sources.md is of other samples than these %d", all.samples)
		return
	}
	doc.check(t, "agreement", agreementPart(names, tallies, &all, disputes))
}

// A sample is a record and what somebody else made of it.
type sample struct {
	file  string // in the folder of the kind
	index int
	raw   []byte
	want  expectation
}

// An expectation is what somebody else says of a record; empty is no word.
type expectation struct {
	time     time.Time
	actors   []string // names, ids and addresses of the one who acted
	ip       string
	outcome  string
	sections []event.Section // one of them
}

// A tally counts fates and comparisons.
type tally struct {
	samples, events, skipped, rejects int
	compared, agreed, disputed        [len(compared)]int
}

// compared names what is compared.
var compared = [...]string{"time", "actor", "address", "outcome", "section"}

func (n *tally) add(t *testing.T, k source.Kind, s sample, disputed map[string]bool) {
	n.samples++
	// Some samples are of the future.
	out, err := k.Normalize(source.Record{Raw: s.raw, Received: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)})
	switch {
	case errors.Is(err, source.ErrSkip):
		n.skipped++
		return
	case err != nil:
		n.rejects++
		t.Logf("%s %s %d: reject: %v", k.Name, s.file, s.index, err)
		return
	case len(out) == 0:
		t.Errorf("%s %s %d: neither an event nor an error", k.Name, s.file, s.index)
		return
	}
	n.events += len(out)
	e := out[0].Event
	e.File(out[0].Claimed)
	for i, agrees := range s.want.compare(&e) {
		if agrees == nil {
			continue
		}
		key := fmt.Sprintf("%s %d %s", s.file, s.index, compared[i])
		if _, ok := disputed[key]; ok && *agrees != "" {
			disputed[key] = true
			n.disputed[i]++
			continue
		}
		n.compared[i]++
		if *agrees == "" {
			n.agreed[i]++
			continue
		}
		t.Logf("%s %s: %s", k.Name, key, *agrees)
	}
}

// compare says for each thing that is compared what differs; empty when nothing
// does, nil when there is nothing to compare.
func (w *expectation) compare(e *event.Event) (out [len(compared)]*string) {
	check := func(i int, has, same bool, got, want any) {
		if !has {
			return
		}
		text := ""
		if !same {
			text = fmt.Sprintf("got %v, others have %v", got, want)
		}
		out[i] = &text
	}
	check(0, !w.time.IsZero(), e.Time.Sub(w.time).Abs() < time.Millisecond, e.Time, w.time)
	check(1, len(w.actors) > 0, slices.ContainsFunc(w.actors, func(a string) bool { return names(e, a) }), e.Actor, w.actors)
	check(2, w.ip != "", e.IP == w.ip, e.IP, w.ip)
	check(3, w.outcome != "", e.Outcome == w.outcome, e.Outcome, w.outcome)
	check(4, len(w.sections) > 0, slices.Contains(w.sections, e.Section), e.Section, w.sections)
	return out
}

// names reports whether the actor of the event is called that, in whole or in a
// part of an ARN or path.
func names(e *event.Event, want string) bool {
	for _, s := range []string{e.Actor.ID, e.Actor.Name, e.Actor.Email, e.Actor.Impersonator} {
		if strings.EqualFold(s, want) {
			return true
		}
		for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '/' || r == ':' }) {
			if strings.EqualFold(part, want) {
				return true
			}
		}
	}
	return false
}

func (n *tally) sum(m *tally) {
	n.samples, n.events, n.skipped, n.rejects = n.samples+m.samples, n.events+m.events, n.skipped+m.skipped, n.rejects+m.rejects
	for i := range compared {
		n.compared[i] += m.compared[i]
		n.agreed[i] += m.agreed[i]
		n.disputed[i] += m.disputed[i]
	}
}

// share is the part of the comparisons that agree; what is disputed does not count.
func (n *tally) share() float64 {
	compared, agreed := 0, 0
	for i := range n.compared {
		compared, agreed = compared+n.compared[i], agreed+n.agreed[i]
	}
	if compared == 0 {
		return 1
	}
	return float64(agreed) / float64(compared)
}

func (n *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5d samples: %5d events, %3d skipped, %3d rejects;", n.samples, n.events, n.skipped, n.rejects)
	for i, what := range compared {
		fmt.Fprintf(&b, " %s %d/%d", what, n.agreed[i], n.compared[i])
		if n.disputed[i] > 0 {
			fmt.Fprintf(&b, " (%d disputed)", n.disputed[i])
		}
	}
	fmt.Fprintf(&b, "; %.1f %%", 100*n.share())
	return b.String()
}

// readDisputed returns per kind the comparisons that others are wrong about, as
// "file index what", and whether they were met; and the rows as they are written.
func readDisputed(t *testing.T) (met map[string]map[string]bool, rows [][]string) {
	text, err := os.ReadFile(filepath.Join("testdata", "disputed.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]bool{}
	for line := range bytes.Lines(text) {
		line := strings.TrimSpace(string(line))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		col := strings.Split(line, "\t")
		if len(col) != 5 || col[4] == "" || !slices.Contains(compared[:], col[3]) {
			t.Fatalf("disputed.tsv: %q: want kind, file, index, what and reason", line)
		}
		if out[col[0]] == nil {
			out[col[0]] = map[string]bool{}
		}
		out[col[0]][strings.Join(col[1:4], " ")] = false
		rows = append(rows, col)
	}
	return out, rows
}
