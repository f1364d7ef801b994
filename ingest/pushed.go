package ingest

import (
	"fmt"
	"strings"
	"time"

	"exhibit/ingest/spool"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// A Hearing is what is known of a pushed source.
type Hearing struct {
	Last        time.Time    // arrival; zero: nothing ever came
	Off         bool         // the source said that its log is switched off
	Uncommitted coverage.Set // heard, not yet committed
}

// A PushedFeed is a source that is only pushed to, for the pages.
type PushedFeed struct {
	source PushedSource
	drain  *Drain
}

// Feeds returns the sources whose collection depends on their senders.
func (d *Drain) Feeds() []*PushedFeed {
	var list []*PushedFeed
	for _, s := range d.o.Sources {
		if s.Heartbeat > 0 {
			list = append(list, &PushedFeed{s, d})
		}
	}
	return list
}

// Status returns how the source is doing. It has no name while nothing ever came from
// it: people may only import its files.
func (f *PushedFeed) Status() Status {
	d := f.drain.Status()
	h := d.Sources[f.source.Name]
	if h.Last.IsZero() {
		return Status{}
	}
	s := Status{Name: f.source.Name, State: Idle, Read: h.Last, Uncommitted: h.Uncommitted, Method: ledger.Heard, Heartbeat: f.source.Heartbeat}
	s.State, s.Problem = pushProblem(d, f.drain.o.Spool.Status(), h, f.source.Heartbeat, f.drain.o.Now())
	return s
}

// pushProblem says in words for people what is in the way of a pushed source.
func pushProblem(d DrainStatus, s spool.Status, h Hearing, heartbeat time.Duration, now time.Time) (state, words string) {
	switch silent := now.Sub(h.Last); {
	case !s.Full.IsZero():
		what := fmt.Sprintf("it has reached its size of %d MiB", s.Max>>20)
		if s.Disk {
			what = "the disk has too little room left"
		}
		return Alarm, fmt.Sprintf("the spool is full since %s: %s. Senders are told to wait and to send again. %s", moment(s.Full), what, backlog(d, s))
	case !d.Failing.IsZero():
		return Backoff, backlog(d, s)
	case h.Off:
		return Alarm, "the source said that its log was switched off: nothing is covered until it sends newer events"
	case !d.Damaged.IsZero():
		return Alarm, fmt.Sprintf("the spool was found damaged at %s: %s. What could not be read is among the rejects; look after the disk", moment(d.Damaged), d.Damage)
	case silent < -disorder:
		return Unheard, fmt.Sprintf("the last arrival is of %s, which is still to come: the clock of this machine was ahead. Coverage goes on with the next arrival", moment(h.Last))
	case silent > heartbeat:
		return Unheard, fmt.Sprintf("nothing came since %s, which is longer than the heartbeat of %s: nobody knows whether the path is still there", moment(h.Last), short(heartbeat))
	}
	return Idle, ""
}

// backlog says what waits in the spool, and for how long it can.
func backlog(d DrainStatus, s spool.Status) string {
	text := fmt.Sprintf("About %d records wait in it (%d of %d MiB)", s.Waiting, s.Used>>20, s.Max>>20)
	if d.Failing.IsZero() {
		if s.Empties > 0 {
			return fmt.Sprintf("%s; they are stored in about %s", text, short(s.Empties))
		}
		return text
	}
	text = fmt.Sprintf("nothing can be stored since %s: %s. %s", moment(d.Failing), d.Problem, strings.Replace(text, " in it", " in the spool", 1))
	if s.Left > 0 && s.Full.IsZero() {
		text += fmt.Sprintf("; as it fills now, it is full in about %s", short(s.Left))
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// short is a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(int(d.Seconds()), 1))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
