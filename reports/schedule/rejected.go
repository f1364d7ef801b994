package schedule

import (
	"context"
	"slices"

	"exhibit/internal/store"
	"exhibit/reports"
)

// rejected is how many records of each source may be of a period and could not be
// read. Above maxUnread only that it is more is known.
type rejected map[string]int

const maxUnread = 1000

// rejected counts the rejects that nothing has dealt with. A reject has no time of its
// own, only that of its receipt: whatever came since the period began may be of it, as
// what is imported comes after its end.
func (f *FromReports) rejected(ctx context.Context, r *reports.Report) (rejected, error) {
	if r == nil {
		return nil, nil
	}
	out := rejected{}
	for _, source := range r.Sources {
		list, err := f.Maker.DB.Rejects(ctx, r.Head.Snapshot(), store.RejectFilter{Source: source, State: store.RejectsOpen}, maxUnread+1)
		if err != nil {
			return nil, err
		}
		for _, reject := range list {
			if !reject.Received.Before(r.Coverage.Days.From) {
				out[source]++
			}
		}
	}
	return out, nil
}

func unreadWords(n int) string {
	if n > maxUnread {
		return "more than " + reports.Plural(maxUnread, "record", "records")
	}
	return reports.Plural(n, "record", "records")
}

// unread says which records could not be read: in a few words, nothing when all could
// be, and per source in Needs and in its line.
func (l *Letter) unread(rejects rejected) string {
	var sum int
	for i := range l.Sources {
		n := rejects[l.Sources[i].Name]
		if n == 0 {
			continue
		}
		sum += n
		l.Sources[i].note(unreadWords(n) + " could not be read")
		l.Needs = append(l.Needs, unreadWords(n)+" of "+l.Sources[i].Name+" could not be read: see Rejects")
	}
	if sum == 0 {
		return ""
	}
	return unreadWords(sum) + " could not be read"
}

// hiding says what could hide an event of a section that has none; nothing when its
// zero is known.
func hiding(r *reports.Report, s reports.Section, rejects rejected) string {
	var unread int
	var types, gone uint64
	for _, source := range s.Able {
		unread += rejects[source]
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
		return "unknown: " + unreadWords(unread) + " could not be read"
	case gone > 0:
		return "unknown: " + reports.Plural(gone, "event is", "events are") + " no longer there"
	case types > 0:
		return "unknown: " + reports.Plural(types, "event", "events") + " of types that no rule knows"
	case !s.Until.IsZero():
		return "none up to " + reports.Instant(s.Until) + "; later is not settled yet"
	}
	return ""
}
