package source

import (
	"time"

	"exhibit/internal/event"
)

// setTime gives the event the time that its record states, else that of the
// transport, else it marks it to be filed at its receipt. It returns the record's
// words when they are there.
func setTime(e *event.Event, claimed string, transport time.Time) string {
	switch {
	case claimed != "":
		// What cannot be read stays the zero time, which is out of range: File then
		// keeps the words and counts a wrong clock.
		e.Time, _ = parseTime(claimed)
	case !transport.IsZero():
		e.Time, e.TimeBasis = transport.UTC(), event.BasisTransport
	default:
		e.TimeBasis = event.BasisReceived
	}
	return claimed
}

// parseTime reads an instant in RFC 3339 with any number of fraction digits;
// those beyond nanoseconds are cut off.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UTC(), err
}
