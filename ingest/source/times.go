package source

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"exhibit/internal/event"
)

// setTime gives the event the time that its record states, else that of the
// transport, else it marks it to be filed at its receipt. It returns the record's
// words when they are there.
func setTime(e *event.Event, claimed string, transport time.Time) string {
	return setTimeBy(e, claimed, transport, parseTime)
}

// setTimeBy is setTime for a source whose times are read in another way.
func setTimeBy(e *event.Event, claimed string, transport time.Time, parse func(string) (time.Time, error)) string {
	switch {
	case claimed != "":
		// What cannot be read stays the zero time, which is out of range: File then
		// keeps the words and counts a wrong clock.
		var err error
		if e.Time, err = parse(claimed); err != nil {
			claimed = strings.ToValidUTF8(claimed, "\uFFFD")
		}
	case !transport.IsZero():
		e.Time, e.TimeBasis = transport.UTC(), event.BasisTransport
	default:
		e.TimeBasis = event.BasisReceived
	}
	return claimed
}

// carriedAt returns the time that a carrier's part of a record states, else that of
// the transport.
func carriedAt(stated string, transport time.Time) time.Time {
	if stated == "" {
		return transport
	}
	if t, err := parseTime(stated); err == nil {
		return t
	}
	return transport
}

// parseTime reads an instant in one of the forms that sources write. Fraction digits
// beyond nanoseconds are cut off; a time without a zone is in UTC.
func parseTime(s string) (time.Time, error) {
	return parseTimeIn(s, time.UTC)
}

// parseTimeIn is parseTime for a source whose times without a zone are in another one.
func parseTimeIn(s string, zone *time.Location) (time.Time, error) {
	// The cheapest way first: a form that does not fit costs more than one that does.
	if strings.IndexByte(s, ':') < 0 {
		if inside, ok := strings.CutPrefix(s, "/Date("); ok { // Windows PowerShell
			s = strings.TrimSuffix(inside, ")/")
		}
		if t, ok := epoch(s); ok {
			return t, nil
		}
		if t, err := time.ParseInLocation("20060102T150405Z0700", s, zone); err == nil {
			return t.UTC(), nil
		}
		return time.Time{}, fmt.Errorf("%q is not a time", s)
	}
	if strings.HasSuffix(s, "Z") || strings.LastIndexAny(s, "+-") > len("2006-01-") {
		if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
			return t.UTC(), nil
		}
	}
	s, _, _ = strings.Cut(s, " m=") // Go adds the reading of a clock that no one else has
	for _, layout := range layouts() {
		in := zone
		if strings.Contains(layout, "UTC") || strings.Contains(layout, "GMT") {
			in = time.UTC // for package time these are letters like any
		}
		if t, err := time.ParseInLocation(layout, s, in); err == nil {
			return t.UTC(), nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s)); err == nil { // t and z may be small letters
		return t.UTC(), nil
	}
	return time.Time{}, fmt.Errorf("%q is not a time", s)
}

// layouts are the forms of times beside RFC 3339. None has the name of a zone
// without its offset: such names mean several zones.
func layouts() [18]string {
	return [...]string{
		"2006-01-02T15:04:05",
		"2006-01-02 15:04:05",
		"2006-01-02 15:04:05Z07:00",
		"2006-01-02 15:04:05 Z07:00",
		"2006-01-02 15:04:05 -0700 MST",
		"2006-01-02 15:04:05 -0700",
		"2006-01-02 15:04:05 UTC",
		"2006-01-02T15:04:05Z0700",
		"1/2/2006 3:04:05 PM",
		"1/2/2006, 3:04:05 PM",
		"1/2/2006 3:04:05 PM -07:00",
		"2006-01-02T15:04Z07:00",
		time.ANSIC,
		"Mon Jan _2 15:04:05 UTC 2006",
		time.RubyDate,
		"Mon, 02 Jan 2006 15:04:05 GMT",
		time.RFC1123Z,
		"02/Jan/2006:15:04:05 -0700",
	}
}

// epoch reads the time since 1970 in seconds, milliseconds, microseconds or
// nanoseconds: what it is, its size tells, for every time from 1973 to 5138.
func epoch(s string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if strings.ContainsAny(s, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 0 || f > 1e19 {
			return time.Time{}, false
		}
		whole, fraction, _ = strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
	}
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || strings.Trim(fraction, "0123456789") != "" || n > 0 && n < 1e8 {
		return time.Time{}, false // a year, or anything: splunk-bunyan-logger writes the time 2026.000
	}
	unit := time.Second
	for limit := uint64(1e11); n >= limit && unit > 1; limit *= 1000 {
		unit /= 1000
	}
	per := uint64(time.Second / unit)
	part := int64(n%per) * int64(unit)
	for _, digit := range fraction {
		if unit /= 10; unit == 0 {
			break
		}
		part += int64(digit-'0') * int64(unit)
	}
	return time.Unix(int64(n/per), part).UTC(), true
}
