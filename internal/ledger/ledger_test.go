package ledger_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	. "exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// Root agrees with package tlog at every size.
func TestRootAgainstTlog(t *testing.T) {
	var root Root
	var tree Tree
	for n := range 200 {
		want, err := tree.Hash(uint64(n))
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 && root.Hash() != want {
			t.Fatalf("root of %d leaves: got %v, want %v", n, root.Hash(), want)
		}
		leaf := tlog.RecordHash([]byte{byte(n)})
		root.Add(leaf)
		if err := tree.Append(leaf); err != nil {
			t.Fatal(err)
		}
		if got, err := tree.Leaf(uint64(n)); err != nil || got != leaf {
			t.Fatalf("leaf %d: got %v, %v", n, got, err)
		}
	}
	root.Reset()
	if got, want := root.Hash().String(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; got != want {
		t.Errorf("root of nothing: got %s, want %s", got, want)
	}
	if _, err := tree.Leaf(200); err == nil {
		t.Error("leaf 200 of 200 exists")
	}
}

func batch() Record {
	return Record{Seq: 1, At: at("2026-01-02T03:04:05.6Z"), Kind: KindBatch, Batch: []Batch{{
		Source: "hcp-prod", Fetched: 5, Extra: 1, Events: 2, Duplicates: 2, Skipped: 1, Rejects: 1,
		Segments: []Segment{{Day: "2026-01-02", Section: event.Logins, Count: 2}, {Day: "2026-01-02", Section: event.Rejects, Count: 1}},
		Covers:   []Cover{{From: at("2026-01-01T00:00:00Z"), To: at("2026-01-02T00:00:00Z"), Method: Read}},
	}}}
}

func TestRecordRoundTrip(t *testing.T) {
	r := batch()
	line, err := r.Line()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"seq":1,"at":"2026-01-02T03:04:05.600000000Z","kind":"batch","batch":[{"source":"hcp-prod","fetched":5,"extra":1,"events":2,` +
		`"duplicates":2,"skipped":1,"rejects":1,"segments":[{"day":"2026-01-02","section":"logins","count":2,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},` +
		`{"day":"2026-01-02","section":"rejects","count":1,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}],` +
		`"covers":[{"from":"2026-01-01T00:00:00.000000000Z","to":"2026-01-02T00:00:00.000000000Z","method":"read"}]}]}`
	if string(line) != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	back, err := ParseRecord(line)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, r) {
		t.Errorf("got  %+v\nwant %+v", back, r)
	}
}

func TestParseRecord(t *testing.T) {
	if _, err := ParseRecord([]byte(`{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"void","new":1}`)); err == nil {
		t.Error("a member that this version does not know was let pass in a known kind")
	}
	r, err := ParseRecord([]byte(`{"seq":7,"at":"2026-01-02T03:04:05.000000000Z","kind":"later","new":1}`))
	if !errors.Is(err, ErrUnknownKind) || r.Seq != 7 || r.Kind != "later" {
		t.Errorf("unknown kind: got %+v, %v", r, err)
	}
	for _, bad := range []string{"", "null", "{}", `{"seq":-1}`, `{"seq":1,"seq":2,"kind":"void"}`,
		`{"at":"2026-01-02T03:04:05.000000000Z","seq":1,"kind":"void"}`, `{"seq":01,"at":"2026-01-02T03:04:05.000000000Z","kind":"void"}`,
		`{"seq":1,"at":"2026-01-02T03:04:05.000000000+00:00","kind":"void"}`, `{"seq":1,"at":"2026-01-02T04:04:05.000000000+01:00","kind":"void"}`,
		`{"seq":1,"at":"2026-01-02T03:04:05Z","kind":"void"}`, `{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"v\u006fid"}`,
		`{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"void"} `, `{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"void","standing":0}`,
		`{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"void","gap":null}`,
		`{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"gap","gap":{"source":"a","from":"2026-01-02T04:04:05.000000000+01:00","to":"2026-01-02T05:04:05.000000000Z","note":"","by":""}}`,
		`{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"later","a":1,"a":2}`, `{"seq":1,"at":"2026-01-02T03:04:05.000000000Z","kind":"later","a"}`,
	} {
		if _, err := ParseRecord([]byte(bad)); err == nil {
			t.Errorf("ParseRecord(%q) succeeded", bad)
		}
	}
}

func TestStateRules(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Record)
		want   string
	}{
		{"as it should be", func(*Record) {}, ""},
		{"seq jumps", func(r *Record) { r.Seq = 2 }, "where 1 was due"},
		{"time goes back", func(r *Record) { r.At = at("2025-12-31T00:00:00Z") }, "before the one in front"},
		{"event lost", func(r *Record) { r.Batch[0].Fetched++ }, "7 records in, 6 accounted for"},
		{"more tried again than came", func(r *Record) { r.Batch[0].Redriven = 6 }, "6 of 5 records are said to come from rejects"},
		{"all tried again", func(r *Record) { r.Batch[0].Redriven = 5 }, ""},
		{"segment of tomorrow", func(r *Record) { r.Batch[0].Segments[0].Day = "2026-01-03" }, "a segment of 2026-01-03"},
		{"empty segment", func(r *Record) { r.Batch[0].Segments[0].Count = 0 }, "empty segment"},
		{"segments and counts differ", func(r *Record) { r.Batch[0].Segments[0].Count = 1 }, "segments hold 1 events"},
		{"coverage of the future", func(r *Record) { r.Batch[0].Covers[0].To = r.At.Add(1) }, "coverage 2026-01-01"},
		{"a source without a name", func(r *Record) { r.Kind, r.Batch, r.Source = KindSource, nil, &Source{Kind: "hcp-terraform"} }, "names no source"},
		{"says nothing", func(r *Record) { r.Kind, r.Batch = KindErase, nil }, "says nothing"},
		{"no batch", func(r *Record) { r.Batch = nil }, "says nothing"},
		{"says two things", func(r *Record) { r.Expire = &Expire{} }, "has a member expire"},
		{"void with rows", func(r *Record) { r.Kind = KindVoid }, "has a member batch"},
		{"of a kind not known, with rows", func(r *Record) { r.Kind = "later" }, "has a member batch"},
		{"reject without a segment", func(r *Record) { r.Batch[0].Rejects, r.Batch[0].Fetched = 2, 6 }, "the counts say 2 and 2"},
		{"a source twice", func(r *Record) { r.Batch = append(r.Batch, r.Batch[0]) }, "twice"},
		{"no source", func(r *Record) { r.Batch[0].Source = "" }, "or none"},
		{"a segment twice", func(r *Record) { r.Batch[0].Segments[1] = r.Batch[0].Segments[0] }, "is there twice"},
		{"unknown section", func(r *Record) { r.Batch[0].Segments[0].Section = "Logins" }, `"Logins"`},
		{"no day", func(r *Record) { r.Batch[0].Segments[0].Day = "2026-1-2" }, "a segment of 2026-1-2"},
		{"unknown method", func(r *Record) { r.Batch[0].Covers[0].Method = "believed" }, "believed"},
		{"standing left out", func(r *Record) { r.Standing = 1 }, "1 records that stand come before it, 0 are there"},
		{"expires itself", func(r *Record) {
			r.Kind, r.Batch, r.Expire = KindExpire, nil, &Expire{Segments: []SegmentRef{{Seq: 1}}}
		}, "not before it"},
		{"erases the future", func(r *Record) { r.Kind, r.Batch, r.Erase = KindErase, nil, &Erase{Events: []EventRef{{Seq: 2}}} }, "not before it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := State{Size: 1, At: at("2026-01-01T00:00:00Z")}
			r := batch()
			tt.change(&r)
			err := s.Add(r)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (!errors.Is(err, ErrRule) || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && s.Size != 1 {
				t.Errorf("a refused record moved the state on to %d", s.Size)
			}
		})
	}
}

// A snapshot stays what it was when segments are lost and coverage is withdrawn.
func TestStateSnapshots(t *testing.T) {
	s := State{Size: 1}
	if err := s.Add(batch()); err != nil {
		t.Fatal(err)
	}
	before := s
	ref := s.Segments[0].Ref()
	rollback := Record{Seq: 2, At: s.At, Kind: KindRollback, Rollback: &Rollback{By: "admin", Segments: []SegmentRef{ref},
		Covers: []WithdrawnSpan{{Source: "hcp-prod", From: at("2026-01-01T06:00:00Z"), To: at("2026-01-01T07:00:00Z")}}}}
	if err := s.Add(rollback); err != nil {
		t.Fatal(err)
	}
	if len(before.Segments) != 2 || len(s.Segments) != 1 {
		t.Errorf("segments: snapshot has %d, state %d; want 2 and 1", len(before.Segments), len(s.Segments))
	}
	if got, want := s.Coverage("hcp-prod").Length(), 23*time.Hour; got != want {
		t.Errorf("coverage %v, want %v", got, want)
	}
	if got, want := before.Coverage("hcp-prod", Read).Length(), 24*time.Hour; got != want {
		t.Errorf("coverage of the snapshot %v, want %v", got, want)
	}
	if got := before.Coverage("hcp-prod", Stated); len(got) != 0 {
		t.Errorf("stated coverage %v, want none", got)
	}
}

func TestCheckpoint(t *testing.T) {
	private, public, err := NewKey(rand.Reader, "exhibit.example/test")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	want := Checkpoint{Origin: "exhibit.example/test", Size: 7, Root: tlog.RecordHash(nil), At: at("2026-01-02T03:04:05.6Z")}
	if got, want := want.Text(), "exhibit.example/test\n7\n"+want.Root.String()+"\nat 2026-01-02T03:04:05.600000000Z\n"; got != want {
		t.Errorf("text: got %q, want %q", got, want)
	}
	signed, err := want.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	got, names, err := OpenCheckpoint(signed, note.VerifierList(verifier))
	if err != nil || got != want || len(names) != 1 {
		t.Errorf("got %+v, %v, %v", got, names, err)
	}
	if _, _, err := OpenCheckpoint(signed, note.VerifierList()); !errors.Is(err, ErrSignature) {
		t.Errorf("without a trusted key: got %v", err)
	}
	for i := range signed {
		changed := signed[:i] + string(signed[i]^1) + signed[i+1:]
		if c, _, err := OpenCheckpoint(changed, note.VerifierList(verifier)); err == nil && c != want {
			t.Fatalf("byte %d changed and taken for %+v", i, c)
		}
	}
	for _, bad := range []string{"", "a\n", "a\n01\n" + want.Root.String() + "\n", "a\n1\nAAAA\n", "\n1\n" + want.Root.String() + "\n",
		"a\n1\n" + want.Root.String() + "\nat noon\n"} {
		if _, err := ParseCheckpoint(bad); err == nil {
			t.Errorf("ParseCheckpoint(%q) succeeded", bad)
		}
	}
	if _, _, err := NewKey(rand.Reader, "a b"); err == nil {
		t.Error("an origin with a space was taken")
	}
}

func TestFileCutsTornTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.jsonl")
	open := func() ([]Entry, *File) {
		var got []Entry
		f, err := OpenFile(path, func(seq uint64, e Entry) error { got = append(got, e); return nil })
		if err != nil {
			t.Fatal(err)
		}
		return got, f
	}
	_, f := open()
	want := []Entry{{"one", "cp1"}, {"two", "cp2"}}
	if err := f.Append(want...); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, `{"record":"thr`...), 0o600); err != nil {
		t.Fatal(err)
	}
	got, f := open()
	if !reflect.DeepEqual(got, want) || f.Len() != 2 {
		t.Errorf("got %v (%d), want %v", got, f.Len(), want)
	}
	if err := f.Append(Entry{"three", "cp3"}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, f = open()
	if len(got) != 3 || got[2].Record != "three" {
		t.Errorf("after the torn tail: got %v", got)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseRecord(f *testing.F) {
	line, err := batch().Line()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(line)
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRecord(line)
		if err != nil {
			return
		}
		again, err := r.Line()
		if err != nil || string(again) != string(line) {
			t.Fatalf("another line than was read: %v\n%s\n%s", err, line, again)
		}
		head, err := ParseHead(line)
		if err != nil || head.Seq != r.Seq || !head.At.Equal(r.At) || head.Kind != r.Kind || head.Standing != r.Standing {
			t.Fatalf("the head is another: %+v, %v\n%s", head, err, line)
		}
	})
}

// What rejects became holds until a restored store lost the batch that says so.
func TestResolved(t *testing.T) {
	leaf := tlog.RecordHash([]byte("line"))
	day := at("2026-01-02T00:00:00Z")
	record := func(b Batch) Record { return Record{Seq: 0, At: day, Kind: KindBatch, Batch: []Batch{b}} }
	good := Batch{Source: "hcp-prod", Fetched: 1, Redriven: 1, Events: 1, Segments: []Segment{{Day: "2026-01-01", Section: event.Logins, Count: 1, Root: leaf}},
		Resolved: []Resolved{{Outcome: ResolvedEvent, Leaves: []tlog.Hash{leaf}}}}
	wrong := good
	wrong.Redriven = 0
	none := good
	none.Resolved = []Resolved{{Outcome: ResolvedEvent}}
	twice := good
	twice.Resolved = append(slices.Clone(good.Resolved), good.Resolved...)
	unsaid := good
	unsaid.Resolved = []Resolved{{Leaves: []tlog.Hash{leaf}}}
	unordered := good
	unordered.Resolved = []Resolved{{Outcome: ResolvedEvent, Leaves: []tlog.Hash{{2}, {1}}}}
	uncounted := good
	uncounted.Resolved = []Resolved{{Outcome: ResolvedSkipped, Leaves: []tlog.Hash{leaf}}}
	for name, b := range map[string]Batch{"none tried": wrong, "no leaves": none, "an outcome twice": twice, "no outcome": unsaid, "leaves not in order": unordered, "none of the outcome": uncounted} {
		if err := new(State).Add(record(b)); !errors.Is(err, ErrRule) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var s State
	if err := s.Add(record(good)); err != nil {
		t.Fatal(err)
	}
	before := s
	if len(s.Resolved) != 1 || s.Resolved[0].Seq != 0 || s.Batches[0].Resolved != nil {
		t.Errorf("resolved %+v, the batch keeps %v", s.Resolved, s.Batches[0].Resolved)
	}
	lost := Record{Seq: 1, At: day, Kind: KindRollback, Rollback: &Rollback{By: "admin", Segments: []SegmentRef{s.Segments[0].Ref()}}}
	if err := s.Add(lost); err != nil {
		t.Fatal(err)
	}
	if len(s.Resolved) != 0 || len(before.Resolved) != 1 {
		t.Errorf("after the loss: %+v; the snapshot has %+v", s.Resolved, before.Resolved)
	}
}

// What was resolved since a source lost rows is open again, also where it only repeated
// what is lost now. What is said twice counts once, as it was said first.
func TestFates(t *testing.T) {
	day := at("2026-01-02T00:00:00Z")
	var s State
	add := func(r Record) {
		t.Helper()
		if err := s.Add(s.Next(day, r)); err != nil {
			t.Fatal(err)
		}
	}
	resolve := func(source, outcome string, leaves ...tlog.Hash) {
		t.Helper()
		n := uint64(len(leaves))
		b := Batch{Source: source, Fetched: n, Redriven: n, Duplicates: n, Resolved: []Resolved{{Outcome: outcome, Leaves: leaves}}}
		if outcome == ResolvedSkipped {
			b.Duplicates, b.Skipped = 0, n
		}
		add(Record{Kind: KindBatch, Batch: []Batch{b}})
	}
	resolve("a", ResolvedSkipped, tlog.Hash{1})
	add(Record{Kind: KindBatch, Batch: []Batch{{Source: "a", Fetched: 1, Events: 1, Segments: []Segment{{Day: "2026-01-01", Section: event.Logins, Count: 1}}}}})
	lost := s.Segments[0].Ref()
	resolve("a", ResolvedDuplicate, tlog.Hash{1}, tlog.Hash{2})
	resolve("b", ResolvedDuplicate, tlog.Hash{3})
	want := map[tlog.Hash]Fate{{1}: {"a", ResolvedSkipped, 0}, {2}: {"a", ResolvedDuplicate, 2}, {3}: {"b", ResolvedDuplicate, 3}}
	if got := s.Fates(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	add(Record{Kind: KindRollback, Rollback: &Rollback{By: "admin", Segments: []SegmentRef{lost}}})
	delete(want, tlog.Hash{2})
	if got := s.Fates(); !reflect.DeepEqual(got, want) {
		t.Errorf("after the loss: got %v, want %v", got, want)
	}
}
