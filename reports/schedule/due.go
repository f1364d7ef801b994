package schedule

import (
	"slices"
	"time"

	"exhibit/reports"
)

// An Occurrence is a moment at which a schedule asks for a period.
type Occurrence struct {
	Schedule Schedule // the version that was in force
	At       time.Time
	Span     Span
}

// Key names the period, of which a schedule has one run.
func (o Occurrence) Key() string { return o.Span.key() }

// Due lists what was due up to now, oldest first, each period once. History has all
// versions of one schedule, in order. What was due while it was paused is not. A version
// holds until the next that was made, by whatever clock: one of a clock that was ahead
// neither hides those made after it nor outlives them.
func Due(history []Schedule, now time.Time) []Occurrence {
	var out []Occurrence
	seen := map[string]bool{}
	add := func(list ...Occurrence) {
		for _, o := range list {
			if !seen[o.Key()] {
				seen[o.Key()] = true
				out = append(out, o)
			}
		}
	}
	var last *Schedule // the newest earlier version that was active and in force
	for i, v := range history {
		until := now.Add(1) // now included
		for _, later := range history[i+1:] {
			if later.At.Before(until) {
				until = later.At
			}
		}
		if v.State != Active || !v.At.Before(until) {
			continue
		}
		if last != nil {
			add(moved(*last, v)...)
		}
		add(v.between(v.At, until)...)
		last = &v
	}
	if len(out) > 0 && history[0].ID == Checkpoint {
		// A checkpoint stands for all before it: after a long stop one is enough.
		return out[len(out)-1:]
	}
	return out
}

// moved returns the occurrence that a change of a schedule would skip: the new version
// had it before the change, the old one, which was active last, would have had it after.
// It is due at the change.
func moved(old, v Schedule) []Occurrence {
	if old.Period != v.Period {
		return nil
	}
	is, ok := v.last(v.At)
	if !ok {
		return nil
	}
	if was, ok := old.last(v.At); ok && (!was.At.Before(is.At) || was.Key() == is.Key()) {
		return nil
	}
	is.At = v.At
	return []Occurrence{is}
}

// lookBack is how far back the last occurrence of any recurrence is found: leap days
// come every eight years at the least.
const lookBack = 8*366 + 1

// last returns the newest occurrence before t.
func (s *Schedule) last(t time.Time) (Occurrence, bool) {
	e, err := s.calendar()
	if err != nil {
		return Occurrence{}, false
	}
	for date, n := e.date(t).AddDate(0, 0, 1), 0; n < lookBack; date, n = date.AddDate(0, 0, -1), n+1 {
		if !e.cron.on(date) {
			continue
		}
		for _, minute := range slices.Backward(e.cron.times) {
			if o := e.at(date, minute); o.At.Before(t) {
				return o, true
			}
		}
	}
	return Occurrence{}, false
}

// Next returns when the schedule sends from t on, at the most n: of occurrences that
// ask for the same period only the first.
func (s *Schedule) Next(t time.Time, n int) []Occurrence {
	e, err := s.calendar()
	if err != nil {
		return nil
	}
	var out []Occurrence
	known := "" // periods go forward, so a period that was there was there last
	if was, ok := s.last(t); ok && !was.At.Before(s.At) {
		known = was.Key()
	}
	for date, i := e.date(t).AddDate(0, 0, -1), 0; i < lookBack && len(out) < n; date, i = date.AddDate(0, 0, 1), i+1 {
		if o, ok := e.first(date, t); ok && o.Key() != known {
			known = o.Key()
			out = append(out, o)
		}
	}
	return out
}

// between lists the occurrences from from up to but without to, of each date the
// first: all of a date ask for the same period.
func (s *Schedule) between(from, to time.Time) []Occurrence {
	e, err := s.calendar()
	if err != nil {
		return nil // a version that Check refused was never stored
	}
	var out []Occurrence
	// A day more at both ends: dates of a zone are not dates of UTC.
	for date := e.date(from).AddDate(0, 0, -1); !date.After(e.date(to).AddDate(0, 0, 1)); date = date.AddDate(0, 0, 1) {
		if o, ok := e.first(date, from); ok && o.At.Before(to) {
			out = append(out, o)
		}
	}
	return out
}

// A calendar is a schedule made ready to be asked for many dates.
type calendar struct {
	schedule Schedule
	zone     *time.Location
	cron     *cron
	span     func(date time.Time) (from, to time.Time)
}

func (s *Schedule) calendar() (*calendar, error) {
	zone, err := reports.LoadZone(s.Zone)
	if err != nil {
		return nil, err
	}
	span, err := parseWords(s.Period)
	if err != nil {
		return nil, err
	}
	cron, err := s.Every.cron()
	return &calendar{*s, zone, cron, span}, err
}

// date returns the date in the zone.
func (e *calendar) date(t time.Time) time.Time {
	y, m, d := t.In(e.zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// first returns the first occurrence of a date that is not before from.
func (e *calendar) first(date, from time.Time) (Occurrence, bool) {
	if !e.cron.on(date) {
		return Occurrence{}, false
	}
	for _, minute := range e.cron.times {
		if o := e.at(date, minute); !o.At.Before(from) {
			return o, true
		}
	}
	return Occurrence{}, false
}

// at returns the occurrence at a minute of a date. The period follows from the date in
// the calendar, not from the instant of the run: a late run has the same one.
func (e *calendar) at(date time.Time, minute int) Occurrence {
	o := Occurrence{Schedule: e.schedule, At: reports.LocalInstant(date.Add(time.Duration(minute)*time.Minute), e.zone)}
	o.Span.From, o.Span.To = e.span(date)
	o.Span.Zone = e.schedule.Zone
	return o
}
