package pack_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"

	"crypto/sha256"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const origin = "log.example/prod"

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// A key pair of a log.
type pair struct{ private, public string }

func (p pair) signer() note.Signer {
	s, err := note.NewSigner(p.private)
	if err != nil {
		panic(err)
	}
	return s
}

func newPair(seed byte) pair {
	private, public, err := ledger.NewKey(rand.NewChaCha8([32]byte{seed}), origin)
	if err != nil {
		panic(err)
	}
	return pair{private, public}
}

type row struct {
	seq    uint64
	e      event.Event
	erased *event.Erased
}

type rejectRow struct {
	seq uint64
	r   event.Reject
}

// A log is a store in memory: a ledger with the rows that it names.
type log struct {
	t       testing.TB
	rng     *rand.Rand
	keys    []pair // all so far; the last one signs
	state   ledger.State
	tree    ledger.Tree
	lines   [][]byte
	signed  []string // checkpoint after each record
	handed  []string
	rows    []row
	rejects []rejectRow
	gone    map[ledger.SegmentRef]bool
	ids     int
	sorted  bool
}

func newLog(t testing.TB, seed byte) *log {
	l := &log{t: t, rng: rand.New(rand.NewPCG(uint64(seed), 7)), keys: []pair{newPair(seed)}, gone: map[ledger.SegmentRef]bool{}}
	return l
}

func (l *log) add(r ledger.Record) uint64 {
	l.t.Helper()
	r = l.state.Next(r.At, r)
	line, err := r.Line()
	if err != nil {
		l.t.Fatal(err)
	}
	return l.addLine(r, line)
}

func (l *log) addLine(r ledger.Record, line []byte) uint64 {
	l.t.Helper()
	if err := l.state.Add(r); err != nil {
		l.t.Fatal(err)
	}
	if err := l.tree.Append(tlog.RecordHash(line)); err != nil {
		l.t.Fatal(err)
	}
	l.lines = append(l.lines, line)
	signers := []note.Signer{l.keys[len(l.keys)-1].signer()}
	if r.Kind == ledger.KindKey && len(l.keys) > 1 {
		signers = []note.Signer{l.keys[len(l.keys)-2].signer(), l.keys[len(l.keys)-1].signer()}
	}
	root, err := l.tree.Hash(l.tree.Size())
	if err != nil {
		l.t.Fatal(err)
	}
	signed, err := ledger.Checkpoint{Origin: origin, Size: l.tree.Size(), Root: root, At: r.At}.Sign(signers...)
	if err != nil {
		l.t.Fatal(err)
	}
	l.signed = append(l.signed, signed)
	if r.Kind == ledger.KindKey {
		l.handed = append(l.handed, signed)
	}
	return r.Seq
}

// rotate hands over to a new key.
func (l *log) rotate(when time.Time, seed byte) {
	l.keys = append(l.keys, newPair(seed))
	l.add(ledger.Record{At: when, Kind: ledger.KindKey, Key: &ledger.Key{Key: l.keys[len(l.keys)-1].public}})
}

func (l *log) source(when time.Time, name string) {
	l.add(ledger.Record{At: when, Kind: ledger.KindSource, Source: &ledger.Source{Name: name, Kind: "hcp-terraform", Change: "added",
		Keeps: 14 * 86400, Settle: 600, Since: at("2026-03-01T00:00:00Z")}})
}

var actors = []string{"ann", "=cmd|' /C calc'!A0", "bob, \"the\" builder", "Zoë\nSmith", ""}

// event makes one of source at about when.
func (l *log) event(source string, section event.Section, when time.Time) event.Event {
	l.ids++
	e := event.Event{Source: source, ID: fmt.Sprintf("ev-%07d", l.ids), Time: when, Received: when.Add(time.Minute), Section: section,
		OCSF: event.OCSFVersion, Class: 3001, Activity: 1, Action: "workspace.update", Outcome: event.Success,
		Actor:  event.Actor{ID: "user-1", Name: actors[l.ids%len(actors)], Email: "ann@example.com", Type: event.User},
		Target: event.Target{Type: "workspace", ID: "ws-42", Name: "prod"}, IP: "192.0.2.7", RequestID: fmt.Sprintf("%016x%016x", l.rng.Uint64(), l.rng.Uint64()),
		Organisation: "acme", Mapping: 1}
	binary.LittleEndian.PutUint64(e.Salt[:], l.rng.Uint64())
	binary.LittleEndian.PutUint64(e.Salt[8:], l.rng.Uint64())
	e.Raw = fmt.Sprintf(`{"id":"ae66e491-db59-457c-8445-%012d","version":"0","type":"Resource","timestamp":%q,"auth":{"accessor_id":"user-1","description":%q,"type":"Client","impersonator_id":null,"organization_id":"org-AGLwRmx1snv34Yts"},"request":{"id":"%s"},"resource":{"id":"ws-42","type":"workspace","action":"update","meta":{"terraform_version":"1.9.%d"}}}`,
		l.ids, when.Format(time.RFC3339), e.Actor.Name, e.RequestID, l.ids%7)
	if l.ids%97 == 0 {
		e.Raw += "\xff"
	}
	return e
}

func (l *log) reject(source string, when time.Time) event.Reject {
	raw := fmt.Sprintf("not json %d", l.rng.Uint64())
	r := event.Reject{Source: source, Received: when, Reason: []string{"not JSON", "=too large"}[l.rng.IntN(2)], Size: uint64(len(raw)), SHA256: sha256.Sum256([]byte(raw))}
	binary.LittleEndian.PutUint64(r.Salt[:], l.rng.Uint64())
	return r
}

// batch commits events and rejects in one record, with coverage up to covered.
func (l *log) batch(when time.Time, events []event.Event, rejects []event.Reject, covers map[string]coverage.Interval) uint64 {
	l.t.Helper()
	seq := l.state.Size
	batches := map[string]*ledger.Batch{}
	of := func(source string) *ledger.Batch {
		if batches[source] == nil {
			batches[source] = &ledger.Batch{Source: source, Fetched: 2, Duplicates: 1, Skipped: 1}
		}
		return batches[source]
	}
	type key struct {
		source, day string
		section     event.Section
	}
	leaves := map[key][]tlog.Hash{}
	slices.SortFunc(events, func(a, b event.Event) int { return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID)) })
	for _, e := range events {
		k := key{e.Source, e.Time.Format(time.DateOnly), e.Section}
		leaves[k] = append(leaves[k], event.Leaf(e.AppendLine(nil)))
		of(e.Source).Events++
		of(e.Source).Fetched++
		l.rows = append(l.rows, row{seq: seq, e: e})
	}
	slices.SortFunc(rejects, func(a, b event.Reject) int {
		return cmp.Or(a.Received.Compare(b.Received), bytes.Compare(a.SHA256[:], b.SHA256[:]))
	})
	for _, r := range rejects {
		k := key{r.Source, r.Received.Format(time.DateOnly), event.Rejects}
		leaves[k] = append(leaves[k], event.Leaf(r.AppendLine(nil)))
		of(r.Source).Rejects++
		of(r.Source).Fetched++
		l.rejects = append(l.rejects, rejectRow{seq, r})
	}
	for k, list := range leaves {
		var root ledger.Root
		for _, leaf := range list {
			root.Add(leaf)
		}
		b := of(k.source)
		b.Segments = append(b.Segments, ledger.Segment{Day: k.day, Section: k.section, Count: root.Count(), Root: root.Hash()})
	}
	for source, i := range covers {
		of(source).Covers = []ledger.Cover{{From: i.From, To: i.To, Method: ledger.Read}}
	}
	r := ledger.Record{At: when, Kind: ledger.KindBatch}
	for _, b := range batches {
		slices.SortFunc(b.Segments, func(a, b ledger.Segment) int {
			return cmp.Or(strings.Compare(a.Day, b.Day), strings.Compare(string(a.Section), string(b.Section)))
		})
		r.Batch = append(r.Batch, *b)
	}
	slices.SortFunc(r.Batch, func(a, b ledger.Batch) int { return strings.Compare(a.Source, b.Source) })
	l.sorted = false
	return l.add(r)
}

// ref names the event of a row.
func (l *log) ref(i int) ledger.EventRef {
	r := l.rows[i]
	return ledger.EventRef{Seq: r.seq, Source: r.e.Source, Day: r.e.Time.Format(time.DateOnly), Section: r.e.Section, Leaf: event.Leaf(r.e.AppendLine(nil))}
}

// drop leaves of row i what an erase or refile by record by leaves.
func (l *log) drop(i int, by uint64) {
	r := &l.rows[i]
	r.erased = &event.Erased{Leaf: l.ref(i).Leaf, Source: r.e.Source, ID: r.e.ID, Time: r.e.Time, Section: r.e.Section, By: by}
}

func (l *log) find(want func(row) bool) int {
	i := slices.IndexFunc(l.rows, func(r row) bool { return r.erased == nil && want(r) })
	if i < 0 {
		l.t.Fatal("no such row")
	}
	return i
}

func (l *log) Records(ctx context.Context, from, to uint64, each func([]byte) error) error {
	for _, line := range l.lines[from:to] {
		if err := each(line); err != nil {
			return err
		}
	}
	return nil
}

func (l *log) KeyCheckpoints(ctx context.Context, before uint64, each func(string) error) error {
	for _, s := range l.handed {
		if c, err := ledger.ParseCheckpoint(strings.Split(s, "\n\n")[0] + "\n"); err != nil || c.Size > before {
			continue
		}
		if err := each(s); err != nil {
			return err
		}
	}
	return nil
}

func (l *log) Events(ctx context.Context, q pack.Query, each func(uint64, *event.Event, *event.Erased) error) error {
	if !l.sorted {
		slices.SortStableFunc(l.rows, func(a, b row) int {
			return cmp.Or(event.Day(a.e.Time).Compare(event.Day(b.e.Time)), cmp.Compare(a.seq, b.seq), strings.Compare(a.e.Source, b.e.Source),
				a.e.Time.Compare(b.e.Time), strings.Compare(a.e.ID, b.e.ID))
		})
		l.sorted = true
	}
	for i := range l.rows {
		r := &l.rows[i]
		if !l.asked(q, r.seq, r.e.Source, r.e.Section, r.e.Time) {
			continue
		}
		e := &r.e
		if r.erased != nil {
			e = nil
		}
		if err := each(r.seq, e, r.erased); err != nil {
			return err
		}
	}
	return nil
}

func (l *log) asked(q pack.Query, seq uint64, source string, section event.Section, when time.Time) bool {
	if !slices.Contains(q.Sources, source) || !q.Days.Contains(when) || seq >= q.Before || slices.Contains(q.Voids, seq) {
		return false
	}
	day := when.Format(time.DateOnly)
	for ref := range l.gone {
		if ref.Seq == seq && ref.Source == source && ref.Section == section && ref.Day == day {
			return false
		}
	}
	return true
}

func (l *log) Rejects(ctx context.Context, q pack.Query, each func(uint64, *event.Reject) error) error {
	list := slices.SortedFunc(slices.Values(l.rejects), func(a, b rejectRow) int {
		return cmp.Or(event.Day(a.r.Received).Compare(event.Day(b.r.Received)), cmp.Compare(a.seq, b.seq), strings.Compare(a.r.Source, b.r.Source),
			a.r.Received.Compare(b.r.Received), bytes.Compare(a.r.SHA256[:], b.r.SHA256[:]))
	})
	for _, r := range list {
		if !l.asked(q, r.seq, r.r.Source, event.Rejects, r.r.Received) {
			continue
		}
		if err := each(r.seq, &r.r); err != nil {
			return err
		}
	}
	return nil
}

// history makes a log of three sources over four weeks in which everything
// happens that a log can hold.
func history(t testing.TB, seed byte) *log {
	l := newLog(t, seed)
	l.tell(seed)
	return l
}

func (l *log) tell(seed byte) {
	start := at("2026-03-15T00:00:00Z")
	l.add(ledger.Record{At: start, Kind: ledger.KindKey, Key: &ledger.Key{Key: l.keys[0].public}})
	for _, s := range []string{"exhibit", "hcp-prod", "okta.system", "other.system"} {
		l.source(start, s)
	}
	for i := range 84 { // every six hours for three weeks
		when := start.Add(time.Duration(i+1) * 6 * time.Hour)
		switch i {
		case 10:
			l.rotate(when, seed+100)
		case 50:
			l.add(ledger.Record{At: when, Kind: ledger.KindVoid})
			l.rows = append(l.rows, row{seq: l.state.Size - 1, e: l.event("hcp-prod", event.Logins, when.Add(-time.Minute))})
		case 55:
			l.rotate(when, seed+101)
		case 56:
			l.add(ledger.Record{At: when, Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod", From: when.Add(-48 * time.Hour), To: when, Note: "=the token had expired", By: "ann"}})
		}
		var events []event.Event
		var rejects []event.Reject
		covers := map[string]coverage.Interval{}
		for n := range 40 {
			source := []string{"hcp-prod", "okta.system", "other.system"}[n%3]
			back := time.Duration(l.rng.Int64N(int64(6 * time.Hour)))
			if n%13 == 0 {
				back += 30 * time.Hour // late
			}
			events = append(events, l.event(source, event.Sections()[l.rng.IntN(10)], when.Add(-back)))
		}
		if i%4 == 0 {
			events = append(events, l.event("exhibit", event.Logins, when.Add(-time.Minute)), l.event("exhibit", event.DataAccess, when.Add(-2*time.Minute)),
				l.event("exhibit", event.Logins, when.Add(-3*time.Minute)))
			rejects = append(rejects, l.reject("hcp-prod", when), l.reject("hcp-prod", when), l.reject("okta.system", when))
		}
		if i < 60 || i > 63 { // an outage
			for _, s := range []string{"hcp-prod", "okta.system", "exhibit"} {
				covers[s] = coverage.Interval{From: when.Add(-7 * time.Hour), To: when.Add(-time.Hour)}
			}
		}
		l.batch(when, events, rejects, covers)
	}
	l.deletions()
}

func (l *log) deletions() {
	when := l.state.At.Add(time.Hour)
	in := func(r row) bool {
		return r.e.Source == "hcp-prod" && r.e.Time.After(at("2026-03-29T00:00:00Z")) && !l.state.Void(r.seq)
	}
	i := l.find(func(r row) bool { return in(r) && r.e.Section == event.Logins })
	j := l.find(func(r row) bool { return in(r) && r.e.Section == event.Other })
	by := l.add(ledger.Record{At: when, Kind: ledger.KindErase, Erase: &ledger.Erase{Reason: "court order", By: "ann", Events: []ledger.EventRef{l.ref(i), l.ref(j)}}})
	l.drop(i, by)
	l.drop(j, by)

	k := l.find(func(r row) bool { return in(r) && r.e.Section == event.MFA })
	again := l.rows[k].e
	again.Section, again.Mapping = event.Credentials, 2
	binary.LittleEndian.PutUint64(again.Salt[:], l.rng.Uint64())
	l.batch(when, []event.Event{again}, nil, nil)
	by = l.add(ledger.Record{At: when, Kind: ledger.KindRefile, Refile: &ledger.Refile{Mapping: 2, Reason: "wrong section", Events: []ledger.EventRef{l.ref(k)}}})
	l.drop(k, by)

	expired := l.segments("okta.system", "2026-03-28", event.DataAccess)
	l.add(ledger.Record{At: when, Kind: ledger.KindExpire, Expire: &ledger.Expire{Rule: "data-access after 10 days", Segments: expired}})
	lost := l.segments("hcp-prod", "2026-03-30", event.AdminChanges)
	l.add(ledger.Record{At: when, Kind: ledger.KindRollback, Rollback: &ledger.Rollback{By: "ann", Segments: lost,
		Covers: []ledger.WithdrawnSpan{{Source: "hcp-prod", From: at("2026-03-30T00:00:00Z"), To: at("2026-03-30T12:00:00Z")}}}})
	l.add(ledger.Record{At: when, Kind: ledger.KindHold, Hold: &ledger.Hold{Name: "case 7", Change: "placed", By: "ann"}})
	r := l.state.Next(when, ledger.Record{Kind: "later"})
	line := fmt.Appendf(nil, `{"seq":%d,"at":%q,"kind":"later","standing":%d,"new":1}`, r.Seq, when.Format(event.TimeFormat), r.Standing)
	l.addLine(r, line)
}

// segments takes the segments of a day and section out, and names them.
func (l *log) segments(source, day string, section event.Section) (refs []ledger.SegmentRef) {
	for _, s := range l.state.Segments {
		if s.Source == source && s.Day == day && s.Section == section {
			refs = append(refs, s.Ref())
			l.gone[s.Ref()] = true
		}
	}
	if len(refs) == 0 {
		l.t.Fatalf("no segment of %s, %s, %s", source, day, section)
	}
	return refs
}

func zurich(t testing.TB) *time.Location {
	zone, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// params asks for the week in which summer time begins.
func (l *log) params() pack.Params {
	zone := zurich(l.t)
	return pack.Params{
		Sheet: pack.Sheet{
			Framework: pack.Framework{ID: "soc2", Version: "2017r2022", Name: "SOC 2", Definition: strings.Repeat("ab", 32)},
			Title:     "SOC 2 evidence", PeriodText: "2026-03-27 to 2026-04-02, both included",
			Sources: []string{"okta.system", "hcp-prod", "exhibit"},
			Controls: []pack.Control{
				{Key: "tsc:2017r2022:CC6.1", ID: "CC6.1", Title: "Access is limited", Asks: "Who signed in", Sections: []string{"logins", "failed-auth", "mfa"}, Strength: "corroborates",
					Checks: []pack.Check{{ID: "c1", Question: "Any without a second factor?", Answer: "none found"}}},
				{Key: "tsc:2017r2022:CC7.2", ID: "CC7.2", Title: "=Monitoring", Asks: "Is it complete", Sections: []string{"integrity", "retention-coverage"}, Strength: "our own operation"},
			},
			By: pack.Person{ID: "u1", Name: "Ann Auditor", Role: "auditor"}, Made: at("2026-04-10T12:00:00Z"),
			Software: pack.Software{Version: "v1.0.0", Commit: "abc", TZData: "go1.26"}, Query: "SELECT 1",
		},
		Period:     coverage.Interval{From: time.Date(2026, 3, 27, 0, 0, 0, 0, zone), To: time.Date(2026, 4, 3, 0, 0, 0, 0, zone)},
		Zone:       zone,
		Checkpoint: l.signed[len(l.signed)-1], Key: l.keys[len(l.keys)-1].public, Signer: l.keys[len(l.keys)-1].signer(),
		Temp: l.t.TempDir(),
		Cover: func(s *pack.Summary) ([]byte, error) {
			return fmt.Appendf(nil, "<h1>%d events</h1>", s.Counts.Events), nil
		},
	}
}

// write makes a pack of the log.
func (l *log) write(p pack.Params) ([]byte, *pack.Summary) {
	l.t.Helper()
	var b bytes.Buffer
	s, err := pack.Write(l.t.Context(), &b, l, p)
	if err != nil {
		l.t.Fatal(err)
	}
	return b.Bytes(), s
}
