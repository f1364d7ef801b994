package pack

import (
	"fmt"
	"slices"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
)

// A zone turns instants into local time. The manifest carries its offsets, so
// that a reader with other zone data gets the same columns.
type zone struct {
	Name    string   `json:"name"`
	Offsets []offset `json:"offsets"` // by time; the first is in force from the start
}

type offset struct {
	From    time.Time `json:"from"`
	Seconds int       `json:"seconds"`
}

// maxOffsets is more than the changes of any zone from 1970 to 2199: each instant
// goes through the list.
const maxOffsets = 1000

// holds reports whether the offsets are those that this machine knows for the zone's
// name; known is false when it knows no such zone.
func (z zone) holds(in coverage.Interval) (holds, known bool) {
	loc, err := time.LoadLocation(z.Name)
	if err != nil {
		return false, false
	}
	want := newZone(loc, in)
	return slices.EqualFunc(z.Offsets, want.Offsets, func(a, b offset) bool { return a.From.Equal(b.From) && a.Seconds == b.Seconds }), true
}

// newZone notes the offsets of loc that are in force in the interval.
func newZone(loc *time.Location, in coverage.Interval) zone {
	z := zone{Name: loc.String()}
	for t := in.From; t.Before(in.To); {
		_, seconds := t.In(loc).Zone()
		z.Offsets = append(z.Offsets, offset{t.UTC(), seconds})
		_, end := t.In(loc).ZoneBounds()
		if end.IsZero() {
			break
		}
		t = end
	}
	return z
}

func (z zone) check() error {
	if z.Name == "" || z.Name == time.Local.String() {
		return fmt.Errorf("the zone %q means another one on every machine", z.Name)
	}
	if len(z.Offsets) == 0 || len(z.Offsets) > maxOffsets {
		return fmt.Errorf("the zone %q has %d offsets", z.Name, len(z.Offsets))
	}
	if !slices.IsSortedFunc(z.Offsets, func(a, b offset) int { return a.From.Compare(b.From) }) {
		return fmt.Errorf("the offsets of zone %q are not in order", z.Name)
	}
	for _, o := range z.Offsets {
		if o.Seconds <= -24*3600 || o.Seconds >= 24*3600 {
			return fmt.Errorf("zone %q has an offset of %d seconds", z.Name, o.Seconds)
		}
	}
	return nil
}

// append appends t in the zone's time, as event.AppendTime does for UTC.
func (z zone) append(b []byte, t time.Time) []byte {
	seconds := z.Offsets[0].Seconds
	for _, o := range z.Offsets[1:] {
		if t.Before(o.From) {
			break
		}
		seconds = o.Seconds
	}
	b = event.AppendTime(b, t.Add(time.Duration(seconds)*time.Second))
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	b[len(b)-1] = sign // in place of Z
	h, m, s := seconds/3600, seconds/60%60, seconds%60
	b = append(b, byte('0'+h/10), byte('0'+h%10), ':', byte('0'+m/10), byte('0'+m%10))
	if s != 0 { // zones before about 1930
		b = append(b, ':', byte('0'+s/10), byte('0'+s%10))
	}
	return b
}

// instant appends the two time cells that every table begins with or has.
func (t *table) instant(z zone, at time.Time) {
	t.comma()
	if at.IsZero() {
		t.b = append(t.b, ',')
		return
	}
	t.b = event.AppendTime(t.b, at)
	t.b = append(t.b, ',')
	t.b = z.append(t.b, at)
}
