package objects

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
)

// A chain is what a turn saw of the digests of one trail in one region of one
// account. They come in the order of their hours, after all log files.
type chain struct {
	first *hour
	last  *hour // not settled yet: the next one may contradict it
	run   coverage.Interval
	runs  []coverage.Interval // unbroken hours
}

// An hour is a digest that was seen.
type hour struct {
	from, to time.Time
	key      string
	plain    [sha256.Size]byte
	begins   bool          // the chain begins with it
	proven   bool          // digest and log files are what they should be
	object   *event.Object // to be stored when it is proven; nil: it is stored
	sign     string        // its signature, of one that was read in this turn
}

// chainBegins is the note of a stored digest that no digest comes before.
const chainBegins = "the chain begins"

// silentAfter is how long after the last one a digest may come: they come every hour.
const silentAfter = 4 * time.Hour

// digest takes in the next digest of a chain; d is what one says that was read in
// this turn.
func (t *turn) digest(name string, h *hour, d *source.Digest) {
	c := t.chains[name]
	if c == nil {
		c = &chain{first: h}
		t.chains[name] = c
	}
	if c.last != nil {
		t.link(name, c.last, h, d)
		t.settle(c)
	}
	c.last = h
}

// settle adds the last hour of a chain to what is proven, and stores its digest.
func (t *turn) settle(c *chain) {
	h := c.last
	switch {
	case h == nil || !h.proven:
		c.endRun(t.feed.Settle)
		return
	case !c.run.To.Equal(h.from):
		c.endRun(t.feed.Settle)
		c.run = coverage.Interval{From: h.from, To: h.to}
	default:
		c.run.To = h.to
	}
	if h.object != nil {
		t.parcel.Objects = append(t.parcel.Objects, *h.object)
	}
}

// endRun ends a run of hours. An event is in a log file of its own hour or, when it
// is late, of the next one: a run proves its time up to the settle time before its end.
func (c *chain) endRun(settle time.Duration) {
	c.run.To = c.run.To.Add(-settle)
	if !c.run.Empty() {
		c.runs = append(c.runs, c.run)
	}
	c.run = coverage.Interval{}
}

// link compares a digest with the one before it. When they contradict each other,
// they are not stored: the next turn says so again.
func (t *turn) link(name string, before, h *hour, d *source.Digest) {
	switch {
	case h.begins:
		t.alarm(h.from, "%s: the chain of digests begins anew at %s: logging or validation was switched off after %s", name, minute(h.from), minute(before.to))
		return
	case before.to.Before(h.from):
		t.alarm(h.from, "%s: digests are missing from %s to %s", name, minute(before.to), minute(h.from))
		return
	case before.to.After(h.from):
		t.alarm(h.from, "%s: two digests are for %s", name, minute(h.from))
		return
	case d == nil:
		return
	}
	key, _ := d.Local(h.key, d.PreviousKey)
	switch {
	case key != before.key:
		t.alarm(h.from, "%s: the digest of %s names another one before it than the one that is there", name, minute(h.from))
		h.proven, h.object = false, nil
	case !source.SameHash(d.PreviousHash, before.plain), before.sign != "" && !strings.EqualFold(d.PreviousSignature, before.sign):
		t.alarm(before.from, "%s: the digest of %s is not the one that was written then: it was replaced", name, minute(before.from))
		before.proven, h.object = false, nil
	}
}

// hours returns the time that the digests prove: what each chain proves, from the
// first of them on. A chain that begins later proves that there was nothing before.
func (t *turn) hours() []ledger.Cover {
	t.recallChains()
	if len(t.chains) == 0 {
		if t.full && t.files > 0 {
			t.alarm(time.Time{}, "there are no digest files: turn on log file validation in CloudTrail; without them nothing shows that no log file is missing")
		}
		return nil
	}
	all := coverage.Interval{From: t.at, To: t.at}
	for _, c := range t.chains {
		t.settle(c)
		c.endRun(t.feed.Settle)
		if c.first != nil && c.first.from.Before(all.From) {
			all.From = c.first.from
		}
	}
	proven := coverage.Of(all)
	for _, name := range slices.Sorted(maps.Keys(t.chains)) {
		proven = proven.Subtract(coverage.Gaps(all, t.provenBy(name, t.chains[name], all))...)
	}
	basis := "digests of CloudTrail, signatures checked"
	if len(t.feed.Keys) == 0 {
		basis = "digests of CloudTrail, signatures not checked"
	}
	var covers []ledger.Cover
	for _, i := range proven {
		covers = append(covers, ledger.Cover{From: i.From, To: i.To, Method: ledger.Read, Basis: basis})
	}
	return covers
}

// loadChains finds out at the first turn which chains there were before.
func (w *Worker) loadChains(ctx context.Context) error {
	if w.ends != nil {
		return nil
	}
	head := w.log.Head()
	last, err := w.db.LastDigests(ctx, head.Snapshot(), w.feed.Name)
	if err != nil {
		return err
	}
	w.ends = make(map[string]time.Time)
	for key, end := range last {
		if name, _, ok := source.IsDigest(key); ok {
			w.ends[name] = end
		}
	}
	return nil
}

// recallChains adds the chains that were there before and of which this listing
// shows nothing: they prove nothing of it.
func (t *turn) recallChains() {
	for name, end := range t.ends {
		if t.chains[name] == nil {
			t.chains[name] = &chain{last: &hour{to: end}}
		}
	}
	for name, c := range t.chains {
		t.ends[name] = c.last.to
	}
}

// provenBy returns what a chain proves of the interval.
func (t *turn) provenBy(name string, c *chain, all coverage.Interval) coverage.Set {
	proven := c.runs
	if c.first != nil && c.first.begins {
		proven = append(proven, coverage.Interval{From: all.From, To: c.first.from})
	}
	switch end := c.last.to; {
	case slices.Contains(t.feed.Ended, name):
		proven = append(proven, coverage.Interval{From: end.Add(-t.feed.Settle), To: all.To})
	case t.at.Sub(end) > silentAfter:
		t.alarm(end, "%s: no digest since %s: is the trail still logging? A chain that has ended for good belongs into ended_chains", name, minute(end))
	}
	return coverage.Of(proven...)
}
