package coverage_test

import (
	"reflect"
	"testing"
	"time"

	. "exhibit/internal/coverage"

	"pgregory.net/rapid"
)

func hour(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }

func iv(from, to int) Interval { return Interval{hour(from), hour(to)} }

func TestSets(t *testing.T) {
	tests := []struct {
		name      string
		got, want Set
	}{
		{"union joins what touches", Of(iv(3, 5), iv(1, 3)), Set{iv(1, 5)}},
		{"union keeps holes", Of(iv(1, 2), iv(3, 4)), Set{iv(1, 2), iv(3, 4)}},
		{"union swallows", Of(iv(1, 9), iv(2, 3)), Set{iv(1, 9)}},
		{"union drops empty", Of(iv(2, 2), iv(3, 1)), nil},
		{"subtract the middle", Of(iv(1, 9)).Subtract(iv(3, 4), iv(6, 7)), Set{iv(1, 3), iv(4, 6), iv(7, 9)}},
		{"subtract the ends", Of(iv(1, 9)).Subtract(iv(0, 2), iv(8, 10)), Set{iv(2, 8)}},
		{"subtract all", Of(iv(1, 9)).Subtract(iv(0, 10)), nil},
		{"gaps", Gaps(iv(0, 10), Of(iv(2, 3), iv(5, 20))), Set{iv(0, 2), iv(3, 5)}},
		{"intersect", Of(iv(1, 3), iv(5, 9)).Intersect(iv(2, 6)), Set{iv(2, 3), iv(5, 6)}},
		{"whole days", Of(Whole(iv(1, 73))), Set{iv(24, 72)}},
		{"no whole day", Of(Whole(iv(1, 40))), nil},
		{"touched days", Of(Touched(iv(25, 49))), Set{iv(24, 72)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.got) == 0 && len(tt.want) == 0 {
				return
			}
			if !reflect.DeepEqual(tt.got, tt.want) {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		})
	}
}

// Sets behave as sets of hours do.
func TestSetsAgainstHours(t *testing.T) {
	draw := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Interval {
		return iv(rapid.IntRange(0, 30).Draw(t, "from"), rapid.IntRange(0, 30).Draw(t, "to"))
	}))
	in := func(list []Interval, h int) bool {
		for _, i := range list {
			if i.Contains(hour(h)) {
				return true
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		window := iv(rapid.IntRange(0, 30).Draw(t, "wf"), rapid.IntRange(0, 30).Draw(t, "wt"))
		sub, uni, both := Of(a...).Subtract(b...), Of(a...).Union(b...), Of(a...).Intersect(window)
		hours := 0
		for h := range 31 {
			if got, want := sub.Contains(hour(h)), in(a, h) && !in(b, h); got != want {
				t.Fatalf("subtract at %d: got %v, want %v", h, got, want)
			}
			if got, want := uni.Contains(hour(h)), in(a, h) || in(b, h); got != want {
				t.Fatalf("union at %d: got %v, want %v", h, got, want)
			}
			if got, want := both.Contains(hour(h)), in(a, h) && window.Contains(hour(h)); got != want {
				t.Fatalf("intersect at %d: got %v, want %v", h, got, want)
			}
			if in(a, h) {
				hours++
			}
		}
		if got := Of(a...).Length(); got != time.Duration(hours)*time.Hour {
			t.Fatalf("length %v, want %d h", got, hours)
		}
	})
}
