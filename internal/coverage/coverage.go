// Package coverage does arithmetic on the times that a source was collected.
// Everything here is a pure function of its arguments.
package coverage

import (
	"slices"
	"time"
)

// An Interval is the half-open stretch of time [From, To).
type Interval struct {
	From, To time.Time
}

// Empty reports whether the interval holds no instant.
func (i Interval) Empty() bool { return !i.From.Before(i.To) }

// Length returns how long the interval is; an empty one is 0 long.
func (i Interval) Length() time.Duration {
	if i.Empty() {
		return 0
	}
	return i.To.Sub(i.From)
}

// Contains reports whether t lies in the interval.
func (i Interval) Contains(t time.Time) bool { return !t.Before(i.From) && t.Before(i.To) }

// Intersect returns what both intervals hold; it may be empty.
func (i Interval) Intersect(j Interval) Interval {
	if j.From.After(i.From) {
		i.From = j.From
	}
	if j.To.Before(i.To) {
		i.To = j.To
	}
	return i
}

// A Set is a union of intervals: sorted, none empty, none touching another.
// The zero value is the empty set. Functions return new sets and leave their
// arguments as they are.
type Set []Interval

// Of returns the union of intervals in any order.
func Of(intervals ...Interval) Set {
	sorted := slices.DeleteFunc(slices.Clone(intervals), Interval.Empty)
	slices.SortFunc(sorted, func(a, b Interval) int { return a.From.Compare(b.From) })
	var set Set
	for _, i := range sorted {
		if n := len(set); n > 0 && !i.From.After(set[n-1].To) {
			if i.To.After(set[n-1].To) {
				set[n-1].To = i.To
			}
			continue
		}
		set = append(set, i)
	}
	return set
}

// Union returns what is in s or in one of the intervals.
func (s Set) Union(intervals ...Interval) Set {
	return Of(append(slices.Clone(s), intervals...)...)
}

// Subtract returns what is in s and in none of the intervals.
func (s Set) Subtract(intervals ...Interval) Set {
	var left Set
	holes := Of(intervals...)
	for _, i := range s {
		// Skip to the first hole that ends after i begins: both are sorted.
		n, _ := slices.BinarySearchFunc(holes, i.From, func(h Interval, t time.Time) int {
			if h.To.After(t) {
				return 1
			}
			return -1
		})
		for ; n < len(holes) && holes[n].From.Before(i.To); n++ {
			if before := (Interval{i.From, holes[n].From}); !before.Empty() {
				left = append(left, before)
			}
			i.From = holes[n].To
		}
		if !i.Empty() {
			left = append(left, i)
		}
	}
	return left
}

// Intersect returns what is in s and in the interval.
func (s Set) Intersect(i Interval) Set {
	var both Set
	for _, j := range s {
		if x := i.Intersect(j); !x.Empty() {
			both = append(both, x)
		}
	}
	return both
}

// Contains reports whether t is in s.
func (s Set) Contains(t time.Time) bool {
	for _, i := range s {
		if i.Contains(t) {
			return true
		}
	}
	return false
}

// Length returns how long the intervals of s are together.
func (s Set) Length() time.Duration {
	var d time.Duration
	for _, i := range s {
		d += i.Length()
	}
	return d
}

// Gaps returns the parts of window that s does not hold.
func Gaps(window Interval, s Set) Set { return Of(window).Subtract(s...) }

// Whole returns the UTC days that lie wholly in i, as one interval; it is empty
// when there is none.
func Whole(i Interval) Interval {
	const day = 24 * time.Hour
	from, to := i.From.UTC().Truncate(day), i.To.UTC().Truncate(day)
	if from.Before(i.From) {
		from = from.Add(day)
	}
	if to.Before(from) {
		to = from
	}
	return Interval{from, to}
}

// Touched returns the UTC days that i touches, as one interval.
func Touched(i Interval) Interval {
	const day = 24 * time.Hour
	from, to := i.From.UTC().Truncate(day), i.To.UTC().Truncate(day)
	if to.Before(i.To) {
		to = to.Add(day)
	}
	return Interval{from, to}
}
