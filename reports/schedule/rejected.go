package schedule

import (
	"slices"

	"exhibit/reports"
)

// unread says which records could not be read: in a few words, nothing when all could
// be, and per source in Needs and in its line.
func (l *Letter) unread(r *reports.Report) string {
	var sum uint64
	for i := range l.Sources {
		n := r.Unread[l.Sources[i].Name]
		if n == 0 {
			continue
		}
		sum += n
		l.Sources[i].note(reports.Plural(n, "record", "records") + " could not be read")
		l.Needs = append(l.Needs, reports.Plural(n, "record", "records")+" of "+l.Sources[i].Name+" could not be read: see Rejects")
	}
	if sum == 0 {
		return ""
	}
	return reports.Plural(sum, "record", "records") + " could not be read"
}

// hiding says what could hide an event of a section that has none; nothing when its
// zero is known.
func hiding(r *reports.Report, s reports.Section) string {
	var unread, types, gone uint64
	for _, source := range s.Able {
		unread += r.Unread[source]
	}
	for _, u := range r.Unmapped {
		if slices.Contains(s.Able, u.Source) {
			types += u.Count
		}
	}
	for _, g := range r.Coverage.Expired {
		if string(g.Section) == s.Name {
			gone += g.Count
		}
	}
	switch {
	case s.Events > 0:
		return ""
	case unread > 0:
		return "unknown: " + reports.Plural(unread, "record", "records") + " could not be read"
	case gone > 0:
		return "unknown: " + reports.Plural(gone, "event is", "events are") + " no longer there"
	case types > 0:
		return "unknown: " + reports.Plural(types, "event", "events") + " of types that no rule knows"
	case !s.Until.IsZero():
		return "none up to " + reports.Instant(s.Until) + "; later is not settled yet"
	}
	return ""
}
