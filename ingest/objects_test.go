package ingest_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// object is an object that a test says to have read.
func object(name, content string) event.Object {
	sum := sha256.Sum256([]byte(content))
	return event.Object{Source: "logs", Key: name, ETag: "tag of " + content, Size: uint64(len(content)), SHA256: sum, Plain: sum, Records: 1,
		First: time.Date(2026, 3, 1, 1, 2, 3, 4, time.UTC), Last: time.Date(2026, 3, 1, 4, 5, 6, 7, time.UTC)}
}

func TestObjectsInLedger(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.open()
	commit := func(list ...event.Object) {
		t.Helper()
		if _, err := w.committer.Commit(t.Context(), ingest.Parcel{Source: "logs", Objects: list, Urgent: true}); err != nil {
			t.Fatal(err)
		}
	}
	var many []event.Object
	for i := range 100 {
		many = append(many, object(fmt.Sprintf("a/%03d", 99-i), fmt.Sprint("text ", i)))
	}
	many[3].Note, many[4].First, many[4].Last, many[5].Key = "cut short", time.Time{}, time.Time{}, "ä \" \\ \u2028"
	commit(many...)
	commit(many[:10]...) // handed in again
	changed := object("a/099", "another text")
	changed.Replaces = many[0].SHA256
	commit(changed)
	w.audit()
	head := w.log.Head()
	var counts []uint64
	for _, b := range head.State.Batches {
		if b.Objects != nil {
			counts = append(counts, b.Objects.Count, b.Objects.Changed)
		}
	}
	if fmt.Sprint(counts) != "[100 0 1 1]" {
		t.Errorf("the ledger counts %v", counts)
	}
	stored, err := ingest.StoredObjects(t.Context(), s.db, &head.State, head.Snapshot(), "logs", []string{"a/099", "a/098", "nothing"})
	if err != nil || len(stored) != 2 || len(stored["a/099"]) != 2 || stored["a/099"][1] != changed || stored["a/098"][0] != many[1] {
		t.Errorf("stored are %+v, %v", stored, err)
	}
	if other, err := ingest.StoredObjects(t.Context(), s.db, &head.State, head.Snapshot(), "other", []string{"a/099"}); err != nil || len(other) != 0 {
		t.Errorf("another source has %v, %v", other, err)
	}
}

// The audit finds whatever is done to the rows of objects.
func TestAuditObjects(t *testing.T) {
	t.Parallel()
	for what, statement := range map[string]string{
		"of 3 rows are missing":                     "ALTER TABLE objects DELETE WHERE key = 'b'",
		"a row was changed":                         "ALTER TABLE objects UPDATE note = '' WHERE key = 'b'",
		"rows were added":                           "INSERT INTO objects SELECT * REPLACE ('d' AS key) FROM objects WHERE etag = 'tag of 2'",
		"of a source that the record does not have": "INSERT INTO objects SELECT * REPLACE ('another' AS source) FROM objects WHERE key = 'b'",
		"whose record lists none":                   "INSERT INTO objects SELECT * REPLACE (0 AS batch) FROM objects WHERE key = 'b'",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			w := s.open()
			damaged := object("b", "2")
			damaged.Note = "cut short"
			if _, err := w.importText(hcp(1, time.Now().Add(-time.Hour), "create")+"\n", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := w.committer.Commit(t.Context(), ingest.Parcel{Source: "logs", Objects: []event.Object{object("a", "1"), damaged, object("c", "3")}, Urgent: true}); err != nil {
				t.Fatal(err)
			}
			w.audit()
			if what == "whose record lists none" {
				statement = strings.Replace(statement, "0 AS batch", "1 AS batch", 1)
			}
			s.exec(statement)
			if f := w.findings().Findings; len(f) != 1 || !strings.Contains(f[0].What, what) {
				t.Errorf("findings are %+v", f)
			}
		})
	}
}

// Objects whose rows, or whose events, a restored store lost are not taken for read.
func TestLostObjects(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.open()
	at := time.Now().Add(-time.Hour)
	read := func(name string, n int) {
		t.Helper()
		p := ingest.NewPreparer("logs", w.kind("hcp-terraform"), w.secret, rand.Reader)
		if err := p.Add(source.Record{Raw: []byte(hcp(n, at, "create")), Received: time.Now()}); err != nil {
			t.Fatal(err)
		}
		parcel := p.Take()
		parcel.Objects, parcel.Urgent = []event.Object{object(name, name)}, true
		if _, err := w.committer.Commit(t.Context(), parcel); err != nil {
			t.Fatal(err)
		}
	}
	read("kept", 1)
	read("row lost", 2)
	w.stop()
	s.exec("ALTER TABLE objects DELETE WHERE key = 'row lost'")
	w = s.open(func(o *ingest.LogOptions) { o.Accept.Rollback = "ada" })
	known := func() string {
		t.Helper()
		head := w.log.Head()
		stored, err := ingest.StoredObjects(t.Context(), s.db, &head.State, head.Snapshot(), "logs", []string{"kept", "row lost", "events lost"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(slices.Sorted(maps.Keys(stored)), ", ")
	}
	w.audit()
	if got := known(); got != "kept" {
		t.Errorf("known are %q", got)
	}
	read("row lost", 2)
	read("events lost", 3)
	if got := known(); got != "events lost, kept, row lost" {
		t.Errorf("known are %q", got)
	}
	w.audit()
	head := w.log.Head()
	w.stop()
	s.exec(fmt.Sprintf("ALTER TABLE events DELETE WHERE batch = %d", head.State.Size-1))
	w = s.open(func(o *ingest.LogOptions) { o.Accept.Rollback = "ada" })
	w.audit()
	if got := known(); got != "kept, row lost" {
		t.Errorf("known are %q", got)
	}
	read("events lost", 3)
	w.audit()
	if got := known(); got != "events lost, kept, row lost" {
		t.Errorf("known are %q", got)
	}
}
