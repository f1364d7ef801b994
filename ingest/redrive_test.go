package ingest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sync/errgroup"
)

// brokenKind is toyKind that does not know what begins with "new:".
func brokenKind() source.Kind {
	k := toyKind()
	k.Normalize = func(r source.Record) ([]source.Result, error) {
		if strings.HasPrefix(string(r.Raw), "new:") {
			return nil, &source.RejectError{Reason: source.ReasonNotJSON}
		}
		return toyKind().Normalize(r)
	}
	return k
}

// fixedKind is brokenKind after a fix, which also takes content in any letters.
func fixedKind() source.Kind {
	k := toyKind()
	before := k.Normalize
	k.Normalize = func(r source.Record) ([]source.Result, error) {
		text, _ := strings.CutPrefix(string(r.Raw), "new:")
		out, err := before(source.Record{Raw: []byte(text), Received: r.Received})
		for i := range out {
			out[i].Event.Action = strings.ToLower(out[i].Event.Action)
			out[i].Event.Raw = string(r.Raw)
		}
		return out, err
	}
	return k
}

func (w *writer) redrive(kind source.Kind, dry bool) ingest.RedriveResult {
	w.t.Helper()
	r, err := w.committer.Redrive(w.t.Context(), ingest.Redrive{DryRun: dry, By: "ada", Secret: w.secret, Random: rand.Reader, Chunk: 3,
		KindOf: func(name string) (source.Kind, bool) { return kind, name != "stranger" }})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// toys hands records of a source in.
func (w *writer) toys(name string, kind source.Kind, received time.Time, records ...string) {
	w.t.Helper()
	p := ingest.NewPreparer(name, kind, w.secret, rand.Reader)
	for _, raw := range records {
		if err := p.Add(source.Record{Raw: []byte(raw), Received: received}); err != nil {
			w.t.Fatal(err)
		}
	}
	parcel := p.Take()
	parcel.Urgent = true
	if _, err := w.committer.Commit(w.t.Context(), parcel); err != nil {
		w.t.Fatal(err)
	}
}

// rejects lists the rejects of a state as "source reason" and how many there are.
func (w *writer) rejects(state store.RejectState) map[string]uint64 {
	w.t.Helper()
	head := w.log.Head()
	groups, err := w.db.RejectGroups(w.t.Context(), head.Snapshot(), store.RejectFilter{State: state})
	if err != nil {
		w.t.Fatal(err)
	}
	out := map[string]uint64{}
	for _, g := range groups {
		n := g.Open
		if state == store.RejectsResolved {
			n = g.Resolved
		}
		out[g.Source+" "+g.Reason] = n
	}
	return out
}

// After a fix each reject becomes what it is, once; the ledger says that the records
// came from rejects; what cannot be mended stays as it was.
func TestRedrive(t *testing.T) {
	t.Parallel()
	var present atomic.Value // the kind by the present rules
	present.Store(brokenKind())
	w := newSite(t).open(func(o *ingest.LogOptions) {
		o.Renormalize = ingest.Renormalizer(func(string) (source.Kind, bool) { return present.Load().(source.Kind), true })
	})
	received := time.Now().Add(-48 * time.Hour).UTC().Truncate(time.Second)
	w.toys("a", brokenKind(), received,
		"id1/x/1", "id2/X/1", "id3/y/1", // stored
		"id2/x/1",         // contradicts, until the fix takes any letters
		"id3/z/1",         // contradicts, also after it
		"new:id4/x/1",     // an event after the fix
		"new:id5/x/3",     // three of them
		"new:skip",        // known then to hold none
		"new:id1/x/1",     // stored already
		"new:id3/w/1",     // contradicts then
		"new:id33/q/1",    // an event
		"never", "never2") // stay
	w.toys("stranger", toyKind(), received, "never")
	want := map[string]uint64{"a not JSON": 8, "a " + ingest.ReasonConflict: 2, "stranger not JSON": 1}
	if got := w.rejects(store.RejectsOpen); !maps.Equal(got, want) {
		t.Fatalf("before: got %v, want %v", got, want)
	}
	size := w.log.Head().State.Size

	if got := w.redrive(brokenKind(), false); got != (ingest.RedriveResult{Tried: 11, Rejects: 10, Unknown: 1}) {
		t.Errorf("without a fix: got %+v", got)
	}
	present.Store(fixedKind())
	wantResult := ingest.RedriveResult{Tried: 11, Events: 3, Duplicates: 2, Skipped: 1, Conflicts: 1, Rejects: 3, Unknown: 1}
	if got := w.redrive(fixedKind(), true); got != wantResult {
		t.Errorf("a dry run: got %+v, want %+v", got, wantResult)
	}
	if now := w.log.Head().State.Size; now != size {
		t.Fatalf("a dry run, and one without a fix, wrote %d records", now-size)
	}
	if got := w.redrive(fixedKind(), false); got != wantResult {
		t.Errorf("got %+v, want %+v", got, wantResult)
	}

	var fetched, redriven, events, rejects uint64
	head := w.log.Head()
	for _, b := range head.State.Batches {
		if b.Seq < size {
			continue
		}
		fetched, redriven, events, rejects = fetched+b.Fetched, redriven+b.Redriven, events+b.Events, rejects+b.Rejects
		if b.Late != 0 || len(b.Covers) != 0 {
			t.Errorf("batch %d: late %d, covers %v", b.Seq, b.Late, b.Covers)
		}
	}
	if fetched != 7 || redriven != 7 || events != 5 || rejects != 1 {
		t.Errorf("the ledger says %d fetched, %d redriven, %d events, %d rejects", fetched, redriven, events, rejects)
	}
	want = map[string]uint64{"a not JSON": 2, "a " + ingest.ReasonConflict: 2, "stranger not JSON": 1}
	if got := w.rejects(store.RejectsOpen); !maps.Equal(got, want) {
		t.Errorf("after: got %v, want %v", got, want)
	}
	want = map[string]uint64{"a not JSON": 6, "a " + ingest.ReasonConflict: 1}
	if got := w.rejects(store.RejectsResolved); !maps.Equal(got, want) {
		t.Errorf("resolved: got %v, want %v", got, want)
	}
	w.checkRedriven(received)

	size = w.log.Head().State.Size
	if got := w.redrive(fixedKind(), false); got != (ingest.RedriveResult{Tried: 5, Rejects: 4, Unknown: 1}) {
		t.Errorf("a second run: got %+v", got)
	}
	if now := w.log.Head().State.Size; now != size {
		t.Errorf("a second run wrote %d records", now-size)
	}
	// The record comes again from the source: it is known.
	w.toys("a", fixedKind(), time.Now(), "new:id4/x/1", "new:id5/x/3")
	last := w.log.Head().State.Batches
	if b := last[len(last)-1]; b.Duplicates != 4 || b.Events+b.Rejects+b.Redriven != 0 {
		t.Errorf("again from the source: got %+v", b.Batch)
	}
	w.audit()
}

// checkRedriven looks at what is stored: the receipt is that of the reject, each
// resolved reject names its event, and the rejects are all still there.
func (w *writer) checkRedriven(received time.Time) {
	w.t.Helper()
	head := w.log.Head()
	snap := head.Snapshot()
	for _, id := range []string{"id4", "id5", "id5#2", "id33"} {
		e, _, found, err := w.db.Event(w.t.Context(), snap, "a", id)
		if err != nil || !found || !e.Received.Equal(received) || !strings.HasPrefix(e.Raw, "new:") {
			w.t.Errorf("%s: found %t, received %s, raw %q, %v", id, found, e.Received, e.Raw, err)
		}
	}
	list, err := w.db.Rejects(w.t.Context(), snap, store.RejectFilter{State: store.RejectsResolved}, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, r := range list {
		if r.Batch >= r.Resolved.Batch {
			w.t.Errorf("batch %d, resolved in %d", r.Batch, r.Resolved.Batch)
		}
		got = append(got, r.Resolved.Outcome+" "+r.Resolved.ID)
	}
	w.checkResolved(list)
	slices.Sort(got)
	want := []string{"conflict id3", "duplicate id1", "duplicate id2", "event id33", "event id4", "event id5", "skipped "}
	if !slices.Equal(got, want) {
		w.t.Errorf("got %q, want %q", got, want)
	}
	all := w.rejects(store.RejectsAll)
	if len(all) != 3 {
		w.t.Errorf("got %v", all)
	}
}

// checkResolved looks whether the ledger names the rejects that are resolved, each
// under its outcome in the record that the store has for it, and no others.
func (w *writer) checkResolved(list []store.StoredReject) {
	w.t.Helper()
	type said struct {
		seq     uint64
		outcome string
	}
	named := map[tlog.Hash]said{}
	for _, r := range w.log.Head().State.Resolved {
		for _, leaf := range r.Leaves {
			named[leaf] = said{r.Seq, r.Outcome}
		}
	}
	if len(named) != len(list) {
		w.t.Errorf("the ledger names %d resolved rejects of %d", len(named), len(list))
	}
	for i := range list {
		r := &list[i]
		if got, want := named[event.Leaf(r.AppendLine(nil))], (said{r.Resolved.Batch, r.Resolved.Outcome}); got != want {
			w.t.Errorf("reject %x %s: the ledger says %+v, the store %+v", r.SHA256[:4], r.Reason, got, want)
		}
	}
}

// The pages of a list hold each reject once, newest first, and its bytes are the ones
// that came.
func TestRejectsList(t *testing.T) {
	t.Parallel()
	w := newSite(t).open()
	for i := range 7 {
		var records []string
		for j := range 3 {
			records = append(records, fmt.Sprintf("bad %d %d \xff", i, j))
		}
		w.toys("a", toyKind(), start().Add(time.Duration(i)*time.Hour), records...)
	}
	head := w.log.Head()
	var filter store.RejectFilter
	filter.Source = "a"
	var before time.Time
	seen := map[store.RejectKey]bool{}
	for {
		page, err := w.db.Rejects(t.Context(), head.Snapshot(), filter, 4)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			r, found, err := w.db.Reject(t.Context(), head.Snapshot(), store.Key(&page[i].Reject), 6)
			if err != nil || !found || !strings.HasPrefix(r.Raw, "bad ") || len(r.Raw) != 6 || r.Size != 9 {
				t.Fatalf("found %t, %q of %d bytes, %v", found, r.Raw, r.Size, err)
			}
			if !before.IsZero() && page[i].Received.After(before) {
				t.Error("not newest first")
			}
			before = page[i].Received
			seen[store.Key(&page[i].Reject)] = true
			filter.Before.Received, filter.Before.Key = before, store.Key(&page[i].Reject)
		}
		if len(page) < 4 {
			break
		}
	}
	if len(seen) != 21 {
		t.Errorf("got %d rejects, want 21", len(seen))
	}
	if _, found, err := w.db.Reject(t.Context(), head.Snapshot(), store.RejectKey{Source: "a", Reason: "x"}, 6); found || err != nil {
		t.Errorf("found %t, %v", found, err)
	}
}

// Counts of unmapped types are those of the events, on whole days and at the ends of a
// period, also for batches from before they were kept.
func TestUnmappedCounts(t *testing.T) {
	t.Parallel()
	w := newSite(t).open()
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var records []string
	for i := range 60 {
		records = append(records, fmt.Sprintf(`{"id":"e%d","timestamp":%q,"resource":{"type":"new%d","action":"x"}}`, i, day.Add(time.Duration(i)*time.Hour).Format(time.RFC3339), i%2))
	}
	if _, err := w.importText(strings.Join(records, "\n"), nil); err != nil {
		t.Fatal(err)
	}
	count := func(from, to time.Duration) string {
		head := w.log.Head()
		list, err := w.db.Unmapped(t.Context(), head.Snapshot(), []string{"hcp-prod"}, interval(day.Add(from), day.Add(to)))
		if err != nil {
			t.Fatal(err)
		}
		out := ""
		for _, c := range list {
			out += fmt.Sprintf("%s %d %s %s; ", c.Action, c.Events, c.First.Sub(day), c.Last.Sub(day))
			if c.Example == "" {
				t.Error("no example")
			}
		}
		return out
	}
	check := func() {
		t.Helper()
		for _, c := range []struct {
			from, to time.Duration
			want     string
		}{
			{0, 72 * time.Hour, "new0.x 30 0s 58h0m0s; new1.x 30 1h0m0s 59h0m0s; "},
			{-10000 * time.Hour, 1000000 * time.Hour, "new0.x 30 0s 58h0m0s; new1.x 30 1h0m0s 59h0m0s; "},
			{22 * time.Hour, 50 * time.Hour, "new0.x 14 22h0m0s 48h0m0s; new1.x 14 23h0m0s 49h0m0s; "},
			{3 * time.Hour, 5 * time.Hour, "new0.x 1 4h0m0s 4h0m0s; new1.x 1 3h0m0s 3h0m0s; "},
			{3 * time.Hour, 24 * time.Hour, "new1.x 11 3h0m0s 23h0m0s; new0.x 10 4h0m0s 22h0m0s; "},
			{100 * time.Hour, 200 * time.Hour, ""},
		} {
			if got := count(c.from, c.to); got != c.want {
				t.Errorf("%s to %s: got %q, want %q", c.from, c.to, got, c.want)
			}
		}
	}
	check()
	w.exec("TRUNCATE TABLE " + w.at.Database + ".unmapped")
	if got := count(time.Hour, 72*time.Hour); !strings.HasPrefix(got, "new1.x 12 ") { // the beginning of the period, from events
		t.Errorf("without counts: got %q", got)
	}
	for range 2 {
		if err := w.log.FillUnmapped(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	check()
}

// mendedKind is HCP Terraform's after a fix that takes what the mapping of the kind
// json takes.
func mendedKind() (source.Kind, error) {
	hcp, err := source.Lookup(source.Kinds(), "hcp-terraform")
	if err != nil {
		return hcp, err
	}
	other, err := source.Lookup(source.Kinds(), "json")
	before := hcp.Normalize
	hcp.Normalize = func(r source.Record) ([]source.Result, error) {
		out, err := before(r)
		if err != nil && !errors.Is(err, source.ErrSkip) {
			return other.Normalize(r)
		}
		return out, err
	}
	return hcp, err
}

func (m mission) redrive(ctx context.Context, l *ingest.Log, c *ingest.Committer, secret []byte, r *result) error {
	kind, err := mendedKind()
	if err != nil {
		return err
	}
	_, err = c.Redrive(ctx, ingest.Redrive{Source: m.Source, Secret: secret, Random: rand.Reader, Chunk: m.Chunk,
		KindOf: func(string) (source.Kind, bool) { return kind, true }})
	head := l.Head()
	for _, b := range head.State.Batches {
		if b.Source == m.Source {
			r.Batch.Fetched += b.Redriven
			r.Batch.Events += b.Events
		}
	}
	left, err2 := l.DB.OpenRejects(ctx, head.Snapshot(), store.RejectFilter{Source: m.Source}, store.RejectKey{}, 10)
	if len(left) > 0 && err == nil {
		r.Problems = append(r.Problems, fmt.Sprintf("%d rejects are open", len(left)))
	}
	return errors.Join(err, err2)
}

// Whatever is killed while rejects are tried again, and when: after trying again each
// record is an event once, and no reject is open.
func TestKillDuringRedrive(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	const n = 40
	for i := range n {
		fmt.Fprintf(&text, "{\"id\":\"e%d\",\"time\":\"2026-03-01T%02d:00:00Z\",\"action\":\"login\"}\n", i, i%24)
	}
	file := filepath.Join(t.TempDir(), "rejects.jsonl")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	base := mission{Dir: t.TempDir(), Lib: enginetest.Lib(t), File: file, Chunk: 10}
	steps := []string{"dedupe", "insert", "resolve", "count", "swap", "file", "done"}
	random := mathrand.New(mathrand.NewPCG(3, 4))
	for round := range soak(t, len(steps)) {
		bad := base
		bad.Source = fmt.Sprintf("hcp-%d", round)
		if r, _ := bad.start(t); r.Batch.Rejects != n {
			t.Fatalf("got %d rejects, want %d", r.Batch.Rejects, n)
		}
		m := bad
		m.Redrive, m.Kill = true, []string{"worker", "both"}[round%2]
		m.Name, m.Step = steps[round%len(steps)], 1+random.IntN(3)
		_, killed := m.start(t)
		if !killed {
			t.Errorf("%+v: it was not killed", m)
		}
		again := bad
		again.Redrive, again.Check = true, true
		if r, _ := again.start(t); len(r.Problems) > 0 {
			t.Fatalf("%+v: %s", m, strings.Join(r.Problems, "\n"))
		}
	}
}

// What a redrive says twice it does not store twice: rejects of the same bytes for two
// reasons are one record.
func TestRedriveOfTwoReasons(t *testing.T) {
	t.Parallel()
	w := newSite(t).open()
	other := source.Kind{Name: "toy", Normalize: func(source.Record) ([]source.Result, error) {
		return nil, &source.RejectError{Reason: source.ReasonNoType}
	}}
	w.toys("a", brokenKind(), start(), "new:id1/x/1")
	w.toys("a", other, start().Add(time.Hour), "new:id1/x/1")
	nameless := fixedKind()
	nameless.Normalize = func(r source.Record) ([]source.Result, error) {
		out, err := fixedKind().Normalize(r)
		for i := range out {
			out[i].Event.ID = ""
		}
		return out, err
	}
	if got := w.redrive(nameless, false); got != (ingest.RedriveResult{Tried: 1, Events: 1}) {
		t.Errorf("got %+v", got)
	}
	if got := w.rejects(store.RejectsOpen); len(got) != 0 {
		t.Errorf("open: %v", got)
	}
	n := 0
	head := w.log.Head()
	if err := w.db.EachEvent(t.Context(), head.Snapshot(), []string{"a"}, everything(), func(uint64, *event.Event) error { n++; return nil }); err != nil || n != 1 {
		t.Errorf("%d events, %v", n, err)
	}
	w.audit()
}

// A record of which an event still cannot be stored stays open, and the others do not
// wait for it.
func TestRedriveUnstorable(t *testing.T) {
	t.Parallel()
	w := newSite(t).open()
	w.toys("a", brokenKind(), start(), "new:id1/x/2", "new:id22/x/1")
	half := fixedKind()
	half.Normalize = func(r source.Record) ([]source.Result, error) {
		out, err := fixedKind().Normalize(r)
		if len(out) == 2 {
			out[1].Event.Section = "nowhere"
		}
		return out, err
	}
	if got := w.redrive(half, false); got != (ingest.RedriveResult{Tried: 2, Events: 1, Rejects: 1}) {
		t.Errorf("got %+v", got)
	}
	if got := w.rejects(store.RejectsOpen); !maps.Equal(got, map[string]uint64{"a not JSON": 1}) {
		t.Errorf("open: %v", got)
	}
	if got := w.redrive(fixedKind(), false); got != (ingest.RedriveResult{Tried: 1, Events: 1}) {
		t.Errorf("after the fix: got %+v", got)
	}
	w.audit()
}

func interval(from, to time.Time) coverage.Interval { return coverage.Interval{From: from, To: to} }

// A record that has no time of its own keeps the one of its carrier, such as that of its
// object, when it is tried again.
func TestRedriveAtTheCarriersTime(t *testing.T) {
	t.Parallel()
	w := newSite(t).open()
	written := start().Add(-48*time.Hour + time.Nanosecond)
	p := ingest.NewPreparer("a", brokenKind(), w.secret, rand.Reader)
	for id, carried := range map[string]time.Time{"id1": written, "id2": {}, "id3": time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if err := p.Add(source.Record{Raw: []byte("new:" + id + "/x/1"), Received: start(), Transport: carried}); err != nil {
			t.Fatal(err)
		}
	}
	parcel := p.Take()
	parcel.Urgent = true
	if _, err := w.committer.Commit(t.Context(), parcel); err != nil {
		t.Fatal(err)
	}
	timeless := fixedKind()
	timeless.Normalize = func(r source.Record) ([]source.Result, error) {
		out, err := fixedKind().Normalize(r)
		if err != nil {
			return nil, err
		}
		if e := &out[0].Event; r.Transport.IsZero() {
			e.TimeBasis = event.BasisReceived
		} else {
			e.Time, e.TimeBasis = r.Transport, event.BasisTransport
		}
		return out, nil
	}
	if got := w.redrive(timeless, false); got != (ingest.RedriveResult{Tried: 3, Events: 3}) {
		t.Errorf("got %+v", got)
	}
	head := w.log.Head()
	for id, want := range map[string]time.Time{"id1": written, "id2": start(), "id3": start()} {
		e, _, found, err := w.db.Event(t.Context(), head.Snapshot(), "a", id)
		if err != nil || !found || !e.Time.Equal(want) {
			t.Errorf("%s: found %t, %v; its time is %s, want %s", id, found, err, e.Time, want)
		}
	}
	w.audit()
}

// A reject that only repeated an event which the store lost later is open again, in the
// ledger and in the store, and becomes the event.
func TestRedriveAfterLoss(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.open()
	w.toys("a", brokenKind(), start(), "id1/x/1")
	w.toys("a", brokenKind(), start(), "new:id1/x/1")
	if got := w.redrive(fixedKind(), false); got != (ingest.RedriveResult{Tried: 1, Duplicates: 1}) {
		t.Fatalf("got %+v", got)
	}
	w.stop()
	s.exec("ALTER TABLE events DELETE WHERE source = 'a'")
	w, err := s.tryOpen(accept)
	if err != nil {
		t.Fatal(err)
	}
	head := w.log.Head()
	if fates, open := head.State.Fates(), w.rejects(store.RejectsOpen); len(fates) != 0 || open["a not JSON"] != 1 {
		t.Errorf("the ledger says of %d rejects that they are resolved, open in the store are %v", len(fates), open)
	}
	if got := w.redrive(fixedKind(), false); got != (ingest.RedriveResult{Tried: 1, Events: 1}) {
		t.Errorf("after the loss: got %+v", got)
	}
	if open := w.rejects(store.RejectsOpen); len(open) != 0 {
		t.Errorf("open: %v", open)
	}
	w.audit()
}

// Redrives at the same time say once what became of each reject, also when the one before
// was given up while its last records were being committed.
func TestRedrivesAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newSite(t).open()
	var records []string
	for i := range 12 {
		records = append(records, fmt.Sprintf("new:id%d/x/1", i))
	}
	w.toys("a", brokenKind(), start(), records...)
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	var tried atomic.Uint64
	var group errgroup.Group
	for i := range 4 {
		group.Go(func() error {
			r := ingest.Redrive{Secret: w.secret, Random: rand.Reader, Chunk: 3}
			r.KindOf = func(string) (source.Kind, bool) {
				if i == 0 {
					giveUp()
				}
				return fixedKind(), true
			}
			of := t.Context()
			if i == 0 {
				of = ctx
			}
			result, err := w.committer.Redrive(of, r)
			tried.Add(result.Tried)
			if i == 0 && errors.Is(err, context.Canceled) {
				err = nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := tried.Load(); n < 12 {
		t.Errorf("%d were tried", n)
	}
	said := 0
	head := w.log.Head()
	for _, r := range head.State.Resolved {
		said += len(r.Leaves)
		if r.Outcome != ledger.ResolvedEvent {
			t.Errorf("the ledger says of %d rejects that each became: %s", len(r.Leaves), r.Outcome)
		}
	}
	if said != 12 {
		t.Errorf("the ledger says of %d rejects what they became", said)
	}
	w.audit()
}

// A redrive that is handed to the running writer is the same, and is in the diary.
func TestRedriveByTheRunningWriter(t *testing.T) {
	t.Parallel()
	w, running, _ := handoff(t)
	if err := w.log.Declare(t.Context(), []ingest.Declaration{{Name: "hcp-prod", Kind: w.kind("hcp-terraform")}}, true); err != nil {
		t.Fatal(err)
	}
	nothing := source.Kind{Name: "hcp-terraform", Normalize: func(source.Record) ([]source.Result, error) {
		return nil, &source.RejectError{Reason: source.ReasonNoType}
	}}
	w.toys("hcp-prod", nothing, start(), hcp(1, start(), "create"), "bad")
	want := ingest.RedriveResult{Tried: 2, Events: 1, Rejects: 1}
	for _, dry := range []bool{true, false} {
		got, err := running.Redrive(t.Context(), ingest.Redrive{Source: "hcp-prod", Reason: source.ReasonNoType, By: "ada", DryRun: dry})
		if err != nil || got != want {
			t.Errorf("dry %t: got %+v, %v", dry, got, err)
		}
	}
	if got, err := running.Redrive(t.Context(), ingest.Redrive{Source: "hcp-prod", Reason: "other", By: "ada"}); err != nil || got.Tried != 0 {
		t.Errorf("another reason: got %+v, %v", got, err)
	}
	var acts []string
	head := w.log.Head()
	if err := w.db.EachEvent(t.Context(), head.Snapshot(), []string{source.Own}, everything(), func(_ uint64, e *event.Event) error {
		acts = append(acts, e.Action+" "+string(e.Section)+" "+e.Actor.Name)
		return nil
	}); err != nil || !slices.Equal(acts, []string{"redrive admin-changes ada", "redrive admin-changes ada"}) {
		t.Errorf("the diary has %q, %v", acts, err)
	}
}
