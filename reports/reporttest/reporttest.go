// Package reporttest fills a real store for tests: what is committed with it is
// in the tables and in the ledger alike, signed, as a worker would have left it.
package reporttest

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Origin is the name of the log.
const Origin = "exhibit.example/test"

// A Log is a store that a test writes to.
type Log struct {
	T      testing.TB
	DB     *store.DB
	Key    ledger.SigningKey
	Reader *store.Reader
	head   store.Head
}

// New opens an empty store in the embedded engine.
func New(t testing.TB) *Log {
	t.Helper()
	address := enginetest.Start(t).Address()
	db, err := store.Open(t.Context(), store.Options{Addrs: []string{address.Addr}, Database: enginetest.Database(t),
		User: address.User, Password: address.Password})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatal(err)
	}
	key, err := ledger.MakeKey(filepath.Join(t.TempDir(), "key"), rand.Reader, Origin)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := key.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	return &Log{T: t, DB: db, Key: key, Reader: db.NewReader(note.VerifierList(verifier))}
}

// Head returns the ledger's head as readers see it.
func (l *Log) Head() store.Head {
	l.T.Helper()
	head, err := l.Reader.Head(l.T.Context())
	if err != nil {
		l.T.Fatal(err)
	}
	return head
}

// Add commits a record of any kind. Seq is set.
func (l *Log) Add(at time.Time, r ledger.Record) uint64 {
	l.T.Helper()
	r = l.head.State.Next(at.UTC(), r)
	line, err := r.Line()
	if err != nil {
		l.T.Fatal(err)
	}
	row := store.LedgerRow{Seq: r.Seq, Record: string(line), Leaf: tlog.RecordHash(line)}
	if err := l.head.Take(row); err != nil {
		l.T.Fatal(err)
	}
	root, err := l.head.Tree.Hash(l.head.State.Size)
	if err != nil {
		l.T.Fatal(err)
	}
	row.Checkpoint, err = ledger.Checkpoint{Origin: Origin, Size: l.head.State.Size, Root: root, At: r.At}.Sign(l.Key)
	if err != nil {
		l.T.Fatal(err)
	}
	l.head.Checkpoint = row.Checkpoint
	if err := l.DB.InsertLedgerRow(l.T.Context(), fmt.Sprint(r.Seq), row); err != nil {
		l.T.Fatal(err)
	}
	return r.Seq
}

// Source commits the configuration of a source.
func (l *Log) Source(at time.Time, s ledger.Source) {
	l.T.Helper()
	if s.Change == "" {
		s.Change = "added"
	}
	l.Add(at, ledger.Record{Kind: ledger.KindSource, Source: &s})
}

// Void commits a void record.
func (l *Log) Void(at time.Time) uint64 {
	l.T.Helper()
	return l.Add(at, ledger.Record{Kind: ledger.KindVoid, Void: &ledger.Void{Reason: "test"}})
}

// Batch commits events, rejects and coverage of one source.
func (l *Log) Batch(at time.Time, source string, events []*event.Event, rejects []*event.Reject, covers ...ledger.Cover) uint64 {
	l.T.Helper()
	n, m := uint64(len(events)), uint64(len(rejects))
	return l.Commit(at, ledger.Batch{Source: source, Fetched: n + m, Events: n, Rejects: m, Covers: covers}, events, rejects)
}

// Commit is Batch with counts of the caller's; segments are worked out.
func (l *Log) Commit(at time.Time, b ledger.Batch, events []*event.Event, rejects []*event.Reject) uint64 {
	l.T.Helper()
	seq := l.head.State.Size
	if err := l.DB.InsertEvents(l.T.Context(), seq, events); err != nil {
		l.T.Fatal(err)
	}
	if err := l.DB.InsertRejects(l.T.Context(), seq, rejects); err != nil {
		l.T.Fatal(err)
	}
	if b.Unmapped > 0 {
		if err := l.DB.FillUnmapped(l.T.Context(), []uint64{seq}); err != nil {
			l.T.Fatal(err)
		}
	}
	b.Segments = append(segments(events), rejectSegments(rejects)...)
	return l.Add(at, ledger.Record{Kind: ledger.KindBatch, Batch: []ledger.Batch{b}})
}

type group struct {
	day     string
	section event.Section
}

func segments(events []*event.Event) []ledger.Segment {
	sorted := slices.SortedFunc(slices.Values(events), func(a, b *event.Event) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	roots := map[group]*ledger.Root{}
	for _, e := range sorted {
		add(roots, group{e.Time.Format(ledger.DayFormat), e.Section}, e.AppendLine(nil))
	}
	return list(roots)
}

func rejectSegments(rejects []*event.Reject) []ledger.Segment {
	sorted := slices.SortedFunc(slices.Values(rejects), func(a, b *event.Reject) int {
		return cmp.Or(a.Received.Compare(b.Received), cmp.Compare(string(a.SHA256[:]), string(b.SHA256[:])))
	})
	roots := map[group]*ledger.Root{}
	for _, r := range sorted {
		add(roots, group{r.Received.Format(ledger.DayFormat), event.Rejects}, r.AppendLine(nil))
	}
	return list(roots)
}

func add(roots map[group]*ledger.Root, g group, line []byte) {
	if roots[g] == nil {
		roots[g] = new(ledger.Root)
	}
	roots[g].Add(event.Leaf(line))
}

func list(roots map[group]*ledger.Root) []ledger.Segment {
	var out []ledger.Segment
	for g, root := range roots {
		out = append(out, ledger.Segment{Day: g.day, Section: g.section, Count: root.Count(), Root: root.Hash()})
	}
	slices.SortFunc(out, func(a, b ledger.Segment) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Section, b.Section))
	})
	return out
}

// Event makes an event; its salt follows from source and id, so that the same
// input gives the same log.
func Event(source, id string, at time.Time, section event.Section, action string) *event.Event {
	e := &event.Event{Source: source, ID: id, Time: at.UTC(), Received: at.UTC().Add(time.Minute), Section: section,
		OCSF: event.OCSFVersion, Class: 6003, Activity: 1, Action: action, Outcome: event.Success, Mapping: 1,
		Actor:  event.Actor{ID: "user-1", Name: "Ada Example", Email: "ada@example.com", Type: event.User},
		Target: event.Target{Type: "workspace", ID: "ws-1", Name: "billing"}, Raw: `{"id":"` + id + `","type":"` + action + `"}`}
	sum := sha256.Sum256([]byte(source + "\x00" + id))
	copy(e.Salt[:], sum[:])
	return e
}

// Reject makes a reject.
func Reject(source, raw, reason string, at time.Time) *event.Reject {
	r := &event.Reject{Source: source, Received: at.UTC(), Reason: reason, Size: uint64(len(raw)), SHA256: sha256.Sum256([]byte(raw)), Raw: raw}
	copy(r.Salt[:], r.SHA256[16:])
	return r
}
