package ingest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestHearing(t *testing.T) {
	at := func(minute int) time.Time {
		if minute == 0 {
			return time.Time{}
		}
		return time.Date(2026, 3, 1, 10, minute, 0, 0, time.UTC)
	}
	type step struct {
		at, newest, off int
		broken          bool
	}
	tests := []struct {
		name   string
		settle int
		steps  []step
		want   string
	}{
		{"one arrival proves nothing", 0, []step{{at: 1}}, ""},
		{"two are a stretch", 0, []step{{at: 1}, {at: 20}}, "1-20"},
		{"it goes on", 0, []step{{at: 1}, {at: 20}, {at: 30}}, "1-20 20-30"},
		{"too far apart", 0, []step{{at: 1}, {at: 32}, {at: 40}}, "32-40"},
		{"just in time", 0, []step{{at: 1}, {at: 31}}, "1-31"},
		{"late events need time to arrive", 5, []step{{at: 1}, {at: 4}, {at: 10}, {at: 20}}, "1-5 5-15"},
		{"the settle time of a stretch that ended is not heard", 5, []step{{at: 1}, {at: 10}, {at: 45}, {at: 55}}, "1-5 45-50"},
		{"something was turned away", 0, []step{{at: 1}, {at: 10}, {at: 20, broken: true}, {at: 30}}, "1-10 20-30"},
		{"requests out of order", 0, []step{{at: 10}, {at: 20}, {at: 19}, {at: 30}}, "10-20 20-30"},
		{"a clock that was set back", 0, []step{{at: 10}, {at: 20}, {at: 5}, {at: 30}}, "10-20 5-30"},
		{"a clock that was far ahead", 0, []step{{at: 1}, {at: 10}, {at: 59}, {at: 15}, {at: 20}, {at: 25}}, "1-10 15-20 20-25"},
		{"set back with late events", 5, []step{{at: 40}, {at: 59}, {at: 15}, {at: 25}}, "40-54 15-20"},
		{"switched off", 0, []step{{at: 1}, {at: 20, newest: 15, off: 15}, {at: 25}, {at: 30, newest: 14}, {at: 40, newest: 39}, {at: 50}}, "1-15 40-50"},
		{"switched off, told late", 0, []step{{at: 1}, {at: 10, newest: 9}, {at: 20, newest: 5, off: 5}, {at: 30}}, "1-10 20-30"},
		{"off and on in one request", 0, []step{{at: 1}, {at: 20, newest: 18, off: 15}, {at: 30}}, "1-15 20-30"},
		{"told first that it is off", 0, []step{{at: 10, newest: 9, off: 9}, {at: 20}, {at: 30, newest: 30}, {at: 35}}, "30-35"},
		{"told again that it was off", 0, []step{{at: 1}, {at: 10, newest: 9}, {at: 20, newest: 5, off: 5}, {at: 25, newest: 5, off: 5}, {at: 30}}, "1-10 25-30"},
		{"off and turned away", 0, []step{{at: 1}, {at: 20, newest: 15, off: 15, broken: true}, {at: 25}, {at: 30, newest: 29}, {at: 40}}, "30-40"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h hearing
			var got []string
			for _, s := range tt.steps {
				i := h.arrive(arrival{at: at(s.at), newest: at(s.newest), off: at(s.off), broken: s.broken}, time.Duration(tt.settle)*time.Minute, 30*time.Minute)
				if !i.Empty() {
					got = append(got, fmt.Sprintf("%d-%d", i.From.Minute(), i.To.Minute()))
				}
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
