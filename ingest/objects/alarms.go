package objects

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An alarm is something that a person should look at: what, and of which time.
type alarm struct {
	at    time.Time
	words string
}

// alarmFor is how long an alarm is shown. The gap that it explains stays.
const alarmFor = 35 * 24 * time.Hour

func (t *turn) alarm(at time.Time, format string, args ...any) {
	t.alarms = append(t.alarms, alarm{at, fmt.Sprintf(format, args...)})
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04Z") }

// say makes alarms of what concerns the whole source.
func (t *turn) say() {
	for _, off := range t.offs {
		if !off.From.Before(t.feed.Since) {
			t.alarm(off.From, "the source says that its log was switched off at %s: from then on no time counts until it is shown to be on again", minute(off.From))
		}
	}
	if t.skipped > 0 {
		t.alarm(day0(t.at), "%d objects were not read, as those before them could not be read either; their time does not count: %s", t.skipped, t.reason)
	}
}

// sound takes over what this turn found wrong: of a part of the bucket, in place of
// what was found there before.
func (t *turn) sound() {
	var kept []alarm
	for _, a := range t.Worker.alarms {
		if !t.full && a.at.Before(t.from) {
			kept = append(kept, a)
		}
	}
	for _, a := range t.alarms {
		if a.at.Before(t.at.Add(-alarmFor)) && !a.at.IsZero() {
			continue
		}
		if !slices.Contains(t.Worker.alarms, a) {
			t.slog.Error("the bucket is not what it should be", "what", a.words)
		}
		if !slices.Contains(kept, a) {
			kept = append(kept, a)
		}
	}
	slices.SortStableFunc(kept, func(a, b alarm) int { return b.at.Compare(a.at) })
	t.Worker.alarms = kept
}

// words says what a person should know: alarms, and objects that changed.
func (w *Worker) words() string {
	const most = 3
	var list []string
	for i, a := range w.alarms {
		if i == most {
			list = append(list, fmt.Sprintf("and %d more", len(w.alarms)-most))
			break
		}
		list = append(list, a.words)
	}
	changed, damaged := uint64(0), uint64(0)
	head := w.log.Head()
	for _, b := range head.State.Batches {
		if b.Source == w.feed.Name && b.Objects != nil {
			changed += b.Objects.Changed
			damaged += b.Objects.Damaged
		}
	}
	if changed > 0 {
		list = append(list, fmt.Sprintf("%d objects changed after they were read: what they said first is kept, what differs is a reject", changed))
	}
	if damaged > 0 {
		list = append(list, fmt.Sprintf("%d objects are damaged: what could be read of them is kept", damaged))
	}
	return strings.Join(list, "; ")
}
