package objects

import (
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
	ends  []coverage.Interval // when the log was switched off, the earliest first
	offs  []coverage.Interval // the log was off, or may have been: for the first of ends
}

// An hour is a digest that was seen.
type hour struct {
	from, to time.Time
	key      string
	plain    [sha256.Size]byte
	begins   bool          // the chain begins with it
	anew     bool          // and there was one before
	proven   bool          // digest and log files are what they should be
	object   *event.Object // to be stored when it is proven; nil: it is stored
	sign     string        // its signature, of one that was read in this turn
}

// chainBegins is the note of a stored digest that no digest comes before.
const chainBegins = "the chain begins"

// silentAfter is how long after the last one a digest may come: they come every hour.
const silentAfter = 4 * time.Hour

// onAfter is how long after the log was switched off a digest that does not begin the
// chain anew shows that it was on again. Of a trail that was switched off CloudTrail
// delivers a final digest, with the log files up to StopLogging, and breaks the chain
// "after one hour": switched on again later than that, it begins anew. Who is on again
// within the hour may have a chain without a break. The second hour is for the log file
// that StopLogging is in: digests go by when files were delivered.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
const onAfter = 2 * time.Hour

// digest takes in the next digest of a chain; d is what one says that was read in
// this turn.
func (t *turn) digest(name string, h *hour, d *source.Digest) {
	c := t.chains[name]
	if c == nil {
		c = &chain{first: h, ends: offTimes(t.offs, name)}
		t.chains[name] = c
		if before, ok := t.past.chains[name]; ok && h.begins && before.From.Before(h.from) {
			t.anew(name, h, "before")
		}
	}
	if c.last != nil {
		t.link(name, c.last, h, d)
		t.settle(c)
	}
	c.last = h
}

// anew notes that a chain which there was before begins with an hour: nobody knows at
// which moment of it logging began.
func (t *turn) anew(name string, h *hour, when string) {
	h.anew = true
	t.alarm(h.from, "%s: the chain of digests begins anew at %s: logging or validation was switched off %s", name, minute(h.from), when)
}

// settle adds the last hour of a chain to what is proven, and stores its digest.
func (t *turn) settle(c *chain) {
	h := c.last
	switch {
	case h == nil || !h.proven:
		c.endRun(t.feed.Settle)
		return
	case h.anew:
		c.endRun(t.feed.Settle)
		c.run = coverage.Interval{From: h.to, To: h.to}
	case h.begins || !c.run.To.Equal(h.from):
		c.endRun(t.feed.Settle)
		c.run = coverage.Interval{From: h.from, To: h.to}
	default:
		c.run.To = h.to
	}
	for len(c.offs) < len(c.ends) {
		off := c.ends[len(c.offs)]
		if on := h.begins && !h.from.Before(off.To) || !h.from.Before(off.To.Add(onAfter)); !on {
			break
		}
		c.offs = append(c.offs, coverage.Interval{From: off.From, To: h.from})
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
		t.anew(name, h, "after "+minute(before.to))
		return
	case before.to.Before(h.from):
		t.alarm(h.from, "%s: digests are missing from %s to %s", name, minute(before.to), minute(h.from))
		return
	case before.to.After(h.from):
		t.alarm(h.from, "%s: two digests are for %s", name, minute(h.from))
		return
	case d == nil || before.plain == [sha256.Size]byte{}: // the one before could not be read
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

// hours returns the time that the digests prove: what each account and region proves,
// from the first digest of all on, where at least one chain has digests.
func (t *turn) hours() []ledger.Cover {
	if t.recallChains(); len(t.chains) == 0 {
		if t.full && t.files > 0 {
			t.alarm(time.Time{}, "there are no digest files: turn on log file validation in CloudTrail; without them nothing shows that no log file is missing")
		}
		return nil
	}
	all := coverage.Interval{From: t.at, To: t.at}
	places := make(map[string][]string)
	var runs coverage.Set
	for _, name := range slices.Sorted(maps.Keys(t.chains)) {
		c := t.chains[name]
		t.settle(c)
		c.endRun(t.feed.Settle)
		for _, off := range c.ends[len(c.offs):] {
			c.offs = append(c.offs, coverage.Interval{From: off.From, To: all.To})
		}
		c.runs = coverage.Of(c.runs...).Subtract(c.offs...).Subtract(t.doubts[name]...)
		runs = runs.Union(c.runs...)
		if c.first != nil && c.first.from.Before(all.From) {
			all.From = c.first.from
		}
		places[placeOf(name)] = append(places[placeOf(name)], name)
	}
	if !t.digestsEverywhere(places) {
		return nil
	}
	proven := coverage.Of(all).Subtract(coverage.Gaps(all, runs)...)
	for _, place := range slices.Sorted(maps.Keys(places)) {
		proven = proven.Subtract(coverage.Gaps(all, t.provenIn(place, places[place], all))...)
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

// digestsEverywhere reports whether there is a chain of digests for every account and
// region that has log files: nothing shows that those of another one are complete.
func (t *turn) digestsEverywhere(places map[string][]string) bool {
	everywhere := true
	for _, place := range slices.Sorted(maps.Keys(t.past.files)) {
		if places[place] != nil || t.past.files[place].To.Before(t.feed.Since) {
			continue
		}
		everywhere = false
		if first := t.past.files[place].From; t.at.Sub(first) > silentAfter { // a new one has its first soon
			t.alarm(day0(t.at), "%s: there are log files since %s and no digest files, so no time of the source counts: turn on log file validation for its trail", place, minute(first))
		}
	}
	return everywhere
}

// recallChains adds the chains that were there before and of which this listing
// shows nothing: they prove nothing of it.
func (t *turn) recallChains() {
	for name, c := range t.chains {
		t.past.chains[name] = span(t.past.chains[name], coverage.Interval{From: c.first.from, To: c.last.to})
	}
	for name, known := range t.past.chains {
		if t.chains[name] == nil {
			t.chains[name] = &chain{last: &hour{to: known.To}, ends: offTimes(t.offs, name)}
		}
	}
}

// provenIn returns what the chains of an account and region prove of the interval:
// each of them must, and where none has digests there must have been nothing to log,
// before the first chain began or after the last has ended.
func (t *turn) provenIn(place string, names []string, all coverage.Interval) coverage.Set {
	var some coverage.Set // there is a digest, or nothing to log
	var known coverage.Interval
	proven, ended := coverage.Of(all), true
	for _, name := range names {
		c := t.chains[name]
		proven = proven.Subtract(coverage.Gaps(all, t.provenBy(name, c, all))...)
		some = some.Union(c.runs...)
		known = span(known, t.past.chains[name])
		ended = ended && slices.Contains(t.feed.Ended, name)
	}
	files, logged := t.past.files[place]
	before := coverage.Interval{From: all.From, To: known.From}
	if before.From.Before(t.feed.Since) {
		before.From = t.feed.Since
	}
	switch {
	case before.Empty():
	case logged && files.From.Before(known.From.Truncate(time.Minute)):
		t.alarm(known.From, "%s: there are log files since %s and digests since %s only: the time before does not count", place, minute(files.From), minute(known.From))
	default:
		some = some.Union(before)
	}
	after := coverage.Interval{From: known.To.Add(-t.feed.Settle), To: all.To}
	if logged && files.To.After(known.To) { // those of the last hour have no digest any more
		after.From = files.To
	}
	switch {
	case !ended:
	case logged && files.To.After(known.To.Add(silentAfter)):
		t.alarm(day0(t.at), "%s: its chains of digests are in ended_chains, and there are log files until %s: the time after %s does not count", place, minute(files.To), minute(known.To))
	default:
		some = some.Union(after)
	}
	return proven.Subtract(coverage.Gaps(all, some)...)
}

// provenBy returns what a chain proves of the interval. That there was nothing before
// its first digest is shown by that one alone, and not by another with which it begins
// anew.
func (t *turn) provenBy(name string, c *chain, all coverage.Interval) coverage.Set {
	proven := coverage.Of(c.runs...)
	known := t.past.chains[name]
	if c.first != nil && c.first.begins && c.first.proven && c.first.from.Equal(known.From) {
		proven = proven.Union(coverage.Interval{From: all.From, To: c.first.from})
	}
	switch {
	case slices.Contains(t.feed.Ended, name):
		proven = proven.Union(coverage.Interval{From: known.To.Add(-t.feed.Settle), To: all.To})
	case t.at.Sub(known.To) > silentAfter:
		t.alarm(known.To, "%s: no digest since %s: is the trail still logging? A chain that has ended for good belongs into ended_chains", name, minute(known.To))
	}
	return proven
}
