package demo

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"time"
)

// History is the audit trail of an invented organisation: a dozen people, four
// services, six teams, 25 workspaces in four projects, 200 to 400 events on a
// weekday and few at night and on weekends. What happens in an hour depends on
// the seed and the hour alone, so that two histories of one seed agree wherever
// they overlap.
type History struct {
	Seed uint64
	Zone *time.Location // where the people work; UTC when nil

	// Nothing at all happens from QuietFrom to QuietTo. See QuietWeekend.
	QuietFrom, QuietTo time.Time
}

// Generate returns the history with one quiet weekend in the middle of the
// period.
func Generate(seed uint64, from, to time.Time, zone *time.Location) iter.Seq[Record] {
	h := History{Seed: seed, Zone: zone}
	h.QuietFrom, h.QuietTo = QuietWeekend(from, to, zone)
	return h.Records(from, to)
}

// QuietWeekend returns the first whole weekend of zone in the second half of the
// period, or two zero times if there is none.
func QuietWeekend(from, to time.Time, zone *time.Location) (start, end time.Time) {
	if zone == nil {
		zone = time.UTC
	}
	t := from.Add(to.Sub(from) / 2).In(zone)
	day := time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone)
	for day.Weekday() != time.Saturday {
		day = day.AddDate(0, 0, 1)
	}
	if end = day.AddDate(0, 0, 2); end.After(to) {
		return time.Time{}, time.Time{}
	}
	return day.UTC(), end.UTC()
}

// Records yields what happened from <= time < to, oldest first. Each record has
// bytes of its own.
func (h History) Records(from, to time.Time) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		t := newTelling(h.Seed)
		for hour := from.Truncate(time.Hour); hour.Before(to); hour = hour.Add(time.Hour) {
			t.stretch(h.Seed, hour, 3600, h.count(hour), h.office(hour))
			for _, e := range t.told {
				at := hour.Add(time.Duration(e.second) * time.Second).UTC()
				if at.Before(from) || !at.Before(to) || h.quiet(at) {
					continue
				}
				raw := append([]byte(nil), t.buf[e.from:e.to]...)
				if !yield(Record{ID: string(raw[7:43]), Time: at, Raw: raw}) {
					return
				}
			}
		}
	}
}

// WriteEvents writes exactly n events of the period as JSON lines, oldest first,
// in memory that does not grow with n.
func WriteEvents(w io.Writer, seed uint64, n int, from, to time.Time) error {
	h := History{Seed: seed}
	h.QuietFrom, h.QuietTo = QuietWeekend(from, to, nil)
	length := time.Hour
	total := h.weight(from, to, length)
	if total == 0 && n > 0 {
		return fmt.Errorf("demo: write events: no second between %s and %s has events", from, to)
	}
	// A stretch is held in memory: cut it shorter when an hour has many events,
	// but never so short that no story fits in.
	busiest := slices.Max(weekdayRate[:]) * 3600 / total
	for length > time.Second && float64(n)*busiest*length.Hours() > mostInStretch {
		length /= 2
	}
	total = h.weight(from, to, length)

	out := bufio.NewWriterSize(w, 1<<18)
	t := newTelling(seed)
	var passed float64
	written := 0
	for start, seconds := range stretches(from, to, length) {
		passed += h.rate(start) * float64(seconds)
		count := int(float64(n)*(passed/total)) - written
		t.stretch(seed, start, seconds, count, h.office(start))
		for _, e := range t.told {
			out.Write(t.buf[e.from:e.to]) // an error stays in out until Flush
			out.WriteByte('\n')
		}
		written += count
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("demo: write events: %w", err)
	}
	return nil
}

// mostInStretch is about how many events WriteEvents holds at once.
const mostInStretch = 4096

// weight adds up the rate of all seconds, stretch by stretch.
func (h History) weight(from, to time.Time, length time.Duration) (sum float64) {
	for start, seconds := range stretches(from, to, length) {
		sum += h.rate(start) * float64(seconds)
	}
	return sum
}

// stretches cuts a period of whole seconds into pieces.
func stretches(from, to time.Time, length time.Duration) iter.Seq2[time.Time, int] {
	length = max(length.Truncate(time.Second), time.Second)
	return func(yield func(time.Time, int) bool) {
		for start := from.Add(time.Second - 1).Truncate(time.Second); start.Before(to); start = start.Add(length) {
			if !yield(start, int(min(length, to.Sub(start))/time.Second)) {
				return
			}
		}
	}
}

// weekdayRate is how many events an hour of a weekday has, by the local clock.
var weekdayRate = [24]float64{
	1, 1, 2, 4, 1, 1, 3, 9, 22, 33, 37, 34, 20, 29, 35, 35, 27, 15, 7, 4, 3, 2, 1, 1,
}

const weekendRate = 0.8

// rate is how many events the hour of t has on average.
func (h History) rate(t time.Time) float64 {
	if h.quiet(t) {
		return 0
	}
	local := t.In(h.zone())
	if weekend(local) {
		return weekendRate
	}
	return weekdayRate[local.Hour()]
}

// count is how many events the hour has: its rate, more on some days than on
// others.
func (h History) count(hour time.Time) int {
	local := hour.In(h.zone())
	day := rand.New(rand.NewPCG(h.Seed, uint64(local.Year()*1000+local.YearDay())))
	mood := 0.75 + 0.45*day.Float64()
	rng := rand.New(rand.NewPCG(h.Seed+1, uint64(hour.Unix())))
	return int(h.rate(hour)*mood + rng.Float64())
}

// office tells whether people are at work.
func (h History) office(t time.Time) bool {
	local := t.In(h.zone())
	return !weekend(local) && local.Hour() >= 7 && local.Hour() < 20
}

func (h History) quiet(t time.Time) bool { return !t.Before(h.QuietFrom) && t.Before(h.QuietTo) }

func (h History) zone() *time.Location {
	if h.Zone == nil {
		return time.UTC
	}
	return h.Zone
}

func weekend(t time.Time) bool {
	return t.Weekday() == time.Saturday || t.Weekday() == time.Sunday
}

// WriteLines writes records as JSON lines.
func WriteLines(w io.Writer, records iter.Seq[Record]) error {
	out := bufio.NewWriter(w)
	for r := range records {
		out.Write(r.Raw) // an error stays in out until Flush
		out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("demo: write lines: %w", err)
	}
	return nil
}
