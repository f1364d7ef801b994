package objects

import (
	"context"
	"slices"
	"strings"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
)

// An entry is an object of the listing.
type entry struct {
	bucket.Object
	day   time.Time // that its key names; zero: it names none
	chain string    // of a digest
}

// chunk is how many objects are looked up in the store at a time. The memory that a
// listing takes is for these, whatever the size of the bucket.
const chunk = 2048

// list lists the bucket and reads what is new, chunk by chunk.
func (t *turn) list(ctx context.Context) error {
	if !t.full {
		back := t.feed.Kind.Layout.LookBack
		if t.feed.Closed > 0 { // the day that is closed next has to be seen as a whole
			back = max(back, t.feed.Closed+24*time.Hour)
		}
		t.from = day0(t.at.Add(-back))
	} else if !t.feed.Since.IsZero() {
		// A log file may name the day before.
		t.from = day0(t.feed.Since).AddDate(0, 0, -1)
	}
	pending := make([]entry, 0, chunk)
	take := func(e entry) error {
		if e.day.After(t.newest) && !e.day.After(t.at) {
			t.newest = e.day
		}
		if t.old(e) {
			t.dayOf(e).unseen = true
			return nil
		}
		if pending = append(pending, e); len(pending) < chunk {
			return nil
		}
		err := t.look(ctx, pending)
		pending = pending[:0]
		return err
	}
	pass := func(list func(context.Context, func(entry) error) error) error {
		if err := list(ctx, take); err != nil {
			return err
		}
		if err := t.look(ctx, pending); err != nil {
			return err
		}
		pending = pending[:0]
		return t.commit(ctx)
	}
	way := t.folders
	if t.feed.Kind.Layout.Days == "" {
		way = t.flat
	}
	if err := pass(way); err != nil {
		return err
	}
	if err := t.tryAgain(ctx); err != nil {
		return err
	}
	t.offs = t.past.sorted()
	if err := t.commit(ctx); err != nil || !t.feed.Kind.Layout.Digests {
		return err
	}
	// Digests are looked at when the log files that they name are in the store.
	t.digesting = true
	return pass(way)
}

// tryAgain looks for the objects that the last turn could not read, which may lie
// where this one does not look.
func (t *turn) tryAgain(ctx context.Context) error {
	for _, key := range t.Worker.again {
		if t.full || slices.Contains(t.again, key) {
			continue // it was looked at
		}
		for o, err := range bucket.Objects(ctx, t.feed.Bucket, key, "") {
			if err != nil {
				return err
			}
			if o.Key == key {
				if err := t.look(ctx, []entry{{Object: o}}); err != nil {
					return err
				}
			}
			break // the first is the one, or it is gone
		}
	}
	return nil
}

// old reports whether an object need not be looked at in this turn: where keys do
// not say the day, the time at which it was written tells.
func (t *turn) old(e entry) bool {
	return !t.full && t.feed.Kind.Layout.Days == "" && e.Modified.Before(t.looked.Add(-max(t.feed.Kind.Layout.LookBack, time.Hour)))
}

// flat lists everything: nothing is known of the keys.
func (t *turn) flat(ctx context.Context, take func(entry) error) error {
	for o, err := range bucket.Objects(ctx, t.feed.Bucket, "", "") {
		if err != nil {
			return err
		}
		e := entry{Object: o}
		e.day, _ = source.DayIn(o.Key)
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

// folders lists days in folders.
func (t *turn) folders(ctx context.Context, take func(entry) error) error {
	return t.folder(ctx, "", take)
}

// folder goes through folders until it finds those that hold days. Objects that lie
// elsewhere are objects too.
func (t *turn) folder(ctx context.Context, name string, take func(entry) error) error {
	first, _, _ := strings.Cut(t.feed.Kind.Layout.Days, "/")
	days := false
	for o, err := range bucket.Folder(ctx, t.feed.Bucket, name) {
		if err != nil {
			return err
		}
		inner, isFolder := strings.CutSuffix(strings.TrimPrefix(o.Key, name), "/")
		switch {
		case !isFolder && t.digesting: // was seen with the log files
		case !isFolder:
			if err := take(entry{Object: o}); err != nil {
				return err
			}
		case parses(first, inner):
			if !days { // all of them are listed at once
				days = true
				if err := t.dated(ctx, name, take); err != nil {
					return err
				}
			}
		case t.feed.Kind.Layout.Skip != nil && t.feed.Kind.Layout.Skip(o.Key):
		default:
			if err := t.folder(ctx, o.Key, take); err != nil {
				return err
			}
		}
	}
	return nil
}

// dated lists the days in a folder, from the first one that is of interest on.
func (t *turn) dated(ctx context.Context, folder string, take func(entry) error) error {
	layout := t.feed.Kind.Layout.Days
	if t.feed.Kind.Layout.Digests && t.digesting != strings.Contains("/"+folder, "/CloudTrail-Digest/") {
		return nil
	}
	first, _, _ := strings.Cut(layout, "/")
	after := ""
	if !t.from.IsZero() {
		after = folder + t.from.Format(layout)
	}
	for o, err := range bucket.Objects(ctx, t.feed.Bucket, folder, after) {
		if err != nil {
			return err
		}
		rest := strings.TrimPrefix(o.Key, folder)
		if top, _, inside := strings.Cut(rest, "/"); !inside || !parses(first, top) {
			continue // beside the days: folder goes there
		}
		e := entry{Object: o}
		if len(rest) >= len(layout) && parses(layout, rest[:len(layout)]) {
			e.day, _ = time.Parse(layout, rest[:len(layout)])
		}
		if t.feed.Kind.Layout.Digests {
			e.chain, _, _ = source.IsDigest(o.Key)
			t.past.file(o.Key)
		}
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

// look reads what of the objects is not stored, and notes what is.
func (t *turn) look(ctx context.Context, entries []entry) error {
	keys := make([]string, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	head := t.log.Head()
	stored, err := ingest.StoredObjects(ctx, t.db, &head.State, head.Snapshot(), t.feed.Name, keys)
	if err != nil {
		return err
	}
	var unread []reading
	var digests []entry
	for _, e := range entries {
		switch o := version(stored[e.Key], e.ETag); {
		case e.chain != "":
			digests = append(digests, e)
		case o != nil:
			t.seen(e, o)
		default:
			unread = append(unread, reading{entry: e, before: stored[e.Key]})
		}
	}
	if err := t.read(ctx, unread); err != nil {
		return err
	}
	return t.lookDigests(ctx, digests, stored)
}

func parses(layout, text string) bool {
	_, err := time.Parse(layout, text)
	return err == nil
}

func day0(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
