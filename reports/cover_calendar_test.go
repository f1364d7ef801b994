package reports

import "testing"

// Each state of a day has its name and its meaning.
func TestStatesAreExplained(t *testing.T) {
	for _, s := range DayStates() {
		if StateText(s) == "" || explain(s) == "" {
			t.Errorf("%s: %q, %q", s, StateText(s), explain(s))
		}
	}
}
