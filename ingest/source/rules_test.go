package source

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/internal/event"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a.bc", false}, {"a.b", "", false}, {"", "", true}, {"", "x", false},
		{"*", "", true}, {"*", "x.y", true}, {"a.*", "a.", true}, {"a.*", "ab", false},
		{"*.show", "x.show", true}, {"*.show", "x.show.y", false}, {"*.show", "show", false},
		{"a*c*e", "abcde", true}, {"a*c*e", "ace", true}, {"a*c*e", "abde", false}, {"a*a", "a", false},
		{"*down*", "x.download", true}, {"*down*load", "download", true}, {"**", "x", true},
		{"*ab", "aab", true}, {"x*ab", "xabab", true},
	}
	for _, tt := range tests {
		if got := match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("match(%q, %q): got %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

// A mistake in a rules file is found when it is read.
func TestRuleMistakes(t *testing.T) {
	r := mustRules("hcp-terraform")
	good := []string{"a.*", "6003", "Update", "other", "other", "success"}
	if _, err := r.parse(good); err != nil {
		t.Fatal(err)
	}
	for column, bad := range map[int]string{1: "6999", 2: "Dance", 3: "oter", 4: "rejects", 5: "passed:succes"} {
		line := append([]string{}, good...)
		line[column] = bad
		if _, err := r.parse(line); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(bad, "passed:")) {
			t.Errorf("%v: got error %v, want one that names %q", line, err, bad)
		}
	}
	if _, err := table("x", "a\tb\n", 3); err == nil {
		t.Error("a line with too few columns was read")
	}
	if _, err := readRules("nope"); err == nil {
		t.Error("rules that are not there were read")
	}
}

// Every rule can be reached: none stands behind one that takes all it could take.
func TestRulesAreReached(t *testing.T) {
	for _, name := range ruleNames(t) {
		r := mustRules(name)
		for i, rule := range r.list {
			example := strings.ReplaceAll(rule.pattern, "*", "x")
			for _, before := range r.list[:i] {
				if match(before.pattern, example) {
					t.Errorf("%s: %q is never reached, because of %q", name, rule.pattern, before.pattern)
				}
			}
		}
	}
}

// ruleNames lists the kinds that have rules.
func ruleNames(t *testing.T) []string {
	files, err := rulesFS.ReadDir("rules")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		name, isRules := strings.CutSuffix(f.Name(), ".tsv")
		if isRules && name != "ocsf" && name != "verbs" && name != "words" {
			names = append(names, name)
		}
	}
	if len(names) < 2 {
		t.Fatalf("there are rules only for %v", names)
	}
	return names
}

// What rules remember is bounded, and may be asked from everywhere at once.
func TestRulesRemember(t *testing.T) {
	r := mustRules("hcp-terraform")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 500 {
				c := r.classify(action{"run", fmt.Sprintf("v%d", i)})
				if want := fmt.Sprintf("run.v%d", i); c.action != want || c.section(event.Success) != event.ChangeManagement {
					t.Errorf("got %s in %s, want %s", c.action, c.section(event.Success), want)
				}
			}
		})
	}
	wg.Wait()
	if n := len(*r.known.Load()); n != 500 {
		t.Errorf("got %d actions remembered, want 500", n)
	}
	full := map[action]*class{}
	for i := range maxKnown {
		full[action{"n", fmt.Sprint(i)}] = &class{}
	}
	r.known.Store(&full)
	r.classify(action{"run", "apply"})
	r.classify(action{"run", strings.Repeat("x", 1000)})
	if n := len(*r.known.Load()); n != maxKnown {
		t.Errorf("got %d actions remembered, want no more than %d", n, maxKnown)
	}
}

func TestTold(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	c := newCaller(Config{Now: func() time.Time { return now }, Random: func() float64 { return 0.5 }}, 1)
	tests := []struct {
		name   string
		header map[string]string
		want   time.Duration // before the bounds; negative: it did not say
	}{
		{"nothing", nil, -1},
		{"seconds", map[string]string{"Retry-After": "7"}, 7 * time.Second},
		{"seconds before reset", map[string]string{"Retry-After": "7", "X-Ratelimit-Reset": "3"}, 7 * time.Second},
		{"reset", map[string]string{"X-Ratelimit-Reset": "0.25"}, 250 * time.Millisecond},
		{"date", map[string]string{"Retry-After": "Fri, 02 Jan 2026 03:04:15 GMT"}, 10 * time.Second},
		{"date by their clock", map[string]string{"Retry-After": "Fri, 02 Jan 2026 08:00:02 GMT", "Date": "Fri, 02 Jan 2026 08:00:00 GMT"}, 2 * time.Second},
		{"nonsense", map[string]string{"Retry-After": "soon"}, -1},
		{"not a number", map[string]string{"X-Ratelimit-Reset": "NaN"}, -1},
		{"negative", map[string]string{"Retry-After": "-5"}, -1},
		{"an epoch", map[string]string{"X-Ratelimit-Reset": "1767323045"}, -1},
	}
	for _, tt := range tests {
		h := map[string][]string{}
		for k, v := range tt.header {
			h[k] = []string{v}
		}
		d, ok := c.told(h)
		if ok != (tt.want >= 0) || ok && d != tt.want {
			t.Errorf("%s: got %v %v, want %v", tt.name, d, ok, tt.want)
		}
	}
	var waits []time.Duration
	for attempt := range 9 {
		waits = append(waits, c.wait(time.Second, time.Minute, attempt, nil))
	}
	if got, want := fmt.Sprint(waits), "[1s 2s 4s 8s 16s 32s 1m0s 1m0s 1m0s]"; got != want {
		t.Errorf("got waits %s, want %s", got, want)
	}
}
