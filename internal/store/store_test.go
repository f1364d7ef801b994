package store_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"exhibit/internal/coverage"
	"exhibit/internal/engine/enginetest"
	"exhibit/internal/event"
	"exhibit/internal/store"
	"exhibit/migrations"

	"golang.org/x/mod/sumdb/tlog"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func open(t testing.TB) *store.DB {
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
	return db
}

func day(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }

func all() coverage.Interval {
	return coverage.Interval{From: time.Unix(0, 0), To: day(1).AddDate(200, 0, 0)}
}

// hostile makes texts that a driver, a database or a quoting rule may not survive.
func hostile(r *rand.Rand) string {
	pieces := []string{"", "'", `"`, `\`, "\\'", "\x00", "\n", "\r\n", "\t", "$1", "?", "{a:String}", "%s", "\u2028", "\U0010FFFF", "\uFFFD",
		"ä", "e\u0301", "😀", "--", "/*", ";", "NULL", "\\N", `\ud800`, "\x7f", "𝕬", "\u202e", strings.Repeat("x", r.IntN(2000))}
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
		// Every plane of Unicode.
		b.WriteRune(rune(r.IntN(17))<<16 | rune(0x100+r.IntN(0xD000)))
	}
	return b.String()
}

func randomEvent(r *rand.Rand, n int) *event.Event {
	e := &event.Event{Source: "src" + string(rune(r.IntN(17))<<16|0x1F0) + "'\"\\", ID: fmt.Sprintf("%d%s", n, hostile(r)), Received: time.Unix(r.Int64N(7258118400), r.Int64N(1e9)).UTC(),
		Time: time.Unix(r.Int64N(8)*907264800+r.Int64N(1e6), r.Int64N(1e9)).UTC(), Section: event.Sections()[r.IntN(10)],
		Class: r.Uint32(), Activity: r.Uint32(), Mapping: r.Uint32(), Outcome: event.Success}
	for _, text := range []*string{&e.TimeBasis, &e.Claimed, &e.OCSF, &e.Action, &e.Actor.ID, &e.Actor.Name, &e.Actor.Email, &e.Actor.Type,
		&e.Actor.Impersonator, &e.Target.Type, &e.Target.ID, &e.Target.Name, &e.IP, &e.UserAgent, &e.RequestID, &e.SessionID,
		&e.Organisation, &e.Scope.Workspace, &e.Scope.Project, &e.Scope.Account, &e.Changes, &e.Masked} {
		*text = hostile(r)
	}
	raw := make([]byte, r.IntN(300))
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	e.Raw = string(raw) + hostile(r)
	if n == 7 {
		e.Raw = strings.Repeat("\xff1 MiB", 1<<20/6)
	}
	for i := range e.Salt {
		e.Salt[i] = byte(r.Uint32())
	}
	return e
}

// Whatever is in an event, its line is the same before it went into the store and
// after it came out: the hashes in the ledger rest on that.
func TestLinesSurviveTheStore(t *testing.T) {
	db := open(t)
	r := rand.New(rand.NewPCG(1, 2))
	want := make(map[string]bool)
	var events []*event.Event
	sources := make(map[string]bool)
	for n := range 3000 {
		e := randomEvent(r, n)
		events = append(events, e)
		want[string(e.AppendLine(nil))] = true
		sources[e.Source] = true
	}
	if err := db.InsertEvents(t.Context(), 4, events); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range sources {
		names = append(names, name)
	}
	got := 0
	err := db.EachEvent(t.Context(), store.Snapshot{Size: 5}, names, all(), func(batch uint64, e *event.Event) error {
		got++
		if line := string(e.AppendLine(nil)); !want[line] {
			return fmt.Errorf("line came out changed: %.500q", line)
		}
		return nil
	})
	if err != nil || got != len(want) {
		t.Fatalf("got %d of %d lines, %v", got, len(want), err)
	}
	// Look-ups take the same texts as arguments.
	for _, e := range events[:300] {
		found, batch, ok, err := db.Event(t.Context(), store.Snapshot{Size: 5}, e.Source, e.ID)
		if err != nil || !ok || batch != 4 || string(found.AppendLine(nil)) != string(e.AppendLine(nil)) {
			t.Fatalf("event %q of %q: found %v in batch %d, %v", e.ID, e.Source, ok, batch, err)
		}
		stored, err := db.Stored(t.Context(), store.Snapshot{Size: 5}, e.Source, []string{e.ID}, e.Time, e.Time)
		if one, ok := stored[e.ID]; err != nil || !ok || !event.SameContent(&one, e) {
			t.Fatalf("look-up of %q of %q: %v, %v", e.ID, e.Source, ok, err)
		}
	}
}

func TestSnapshots(t *testing.T) {
	db := open(t)
	for batch := range uint64(4) {
		e := &event.Event{Source: "s", ID: fmt.Sprint(batch), Time: day(1), Received: day(1), Section: event.Logins, Outcome: event.Success}
		if err := db.InsertEvents(t.Context(), batch, []*event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	snap := store.Snapshot{Size: 3, Voids: []uint64{1}}
	var ids []string
	if err := db.EachEvent(t.Context(), snap, []string{"s"}, all(), func(_ uint64, e *event.Event) error {
		ids = append(ids, e.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ids, " "); got != "0 2" {
		t.Errorf("snapshot of 3 without 1: got %s, want 0 2", got)
	}
	counts, err := db.Counts(t.Context(), snap, []string{"s"}, coverage.Interval{From: day(1), To: day(2)})
	if err != nil || len(counts) != 1 || counts[0].Events != 2 {
		t.Errorf("counts %v, %v", counts, err)
	}
	if err := db.DeleteBatch(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for batch, want := range []uint64{1, 0, 1, 1} {
		if events, _, err := db.CountBatch(t.Context(), uint64(batch)); err != nil || events != want {
			t.Errorf("batch %d: %d rows, %v; want %d", batch, events, err, want)
		}
	}
}

func TestStoredFindsFiledEventsAtAnyTime(t *testing.T) {
	db := open(t)
	e := &event.Event{Source: "s", ID: "a", Time: day(1), Received: day(1), TimeBasis: event.BasisReceived, Section: event.Logins, Outcome: event.Success}
	if err := db.InsertEvents(t.Context(), 0, []*event.Event{e}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []uint64{0, 1} {
		found, err := db.Stored(t.Context(), store.Snapshot{Size: size}, "s", []string{"a", "b"}, day(5), day(6))
		if err != nil || len(found) != int(size) {
			t.Errorf("snapshot of %d: found %d, %v; want %d", size, len(found), err, size)
		}
	}
}

func TestRejects(t *testing.T) {
	db := open(t)
	raw := "\x00\xff'not json"
	r := &event.Reject{Salt: [16]byte{0xff}, Source: "s", Received: day(3), Reason: "not JSON", Size: 9, SHA256: sha256.Sum256([]byte(raw)), Raw: raw}
	if err := db.InsertRejects(t.Context(), 2, []*event.Reject{r}); err != nil {
		t.Fatal(err)
	}
	snap := store.Snapshot{Size: 3}
	var got []event.Reject
	if err := db.EachReject(t.Context(), snap, []string{"s"}, all(), func(batch uint64, r *event.Reject) error {
		got = append(got, *r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != *r {
		t.Errorf("got %+v, want %+v", got, r)
	}
	key := store.RejectKey{Source: "s", Reason: "not JSON", SHA256: r.SHA256}
	other := store.RejectKey{Source: "s", Reason: "conflict", SHA256: r.SHA256}
	found, err := db.StoredRejects(t.Context(), snap, []store.RejectKey{key, other})
	if err != nil || !found[key] || found[other] {
		t.Errorf("found %v, %v", found, err)
	}
	reasons, err := db.Reasons(t.Context(), snap, "s")
	if err != nil || len(reasons) != 1 || reasons[0].Rejects != 1 || !reasons[0].Last.Equal(day(3)) {
		t.Errorf("reasons %v, %v", reasons, err)
	}
}

// The first row of a token stays; others are dropped without a word.
func TestLedgerRowIsSwappedOnce(t *testing.T) {
	db := open(t)
	row := store.LedgerRow{Seq: 0, Record: "mine", Leaf: tlog.RecordHash([]byte("mine")), Checkpoint: "cp"}
	other := store.LedgerRow{Seq: 0, Record: "theirs", Leaf: tlog.RecordHash([]byte("theirs")), Checkpoint: "cp2"}
	for _, offered := range []store.LedgerRow{row, other, row} {
		if err := db.InsertLedgerRow(t.Context(), "0", offered); err != nil {
			t.Fatal(err)
		}
	}
	var got []store.LedgerRow
	if err := db.LedgerRows(t.Context(), 0, 10, func(r store.LedgerRow) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0] != row {
		t.Errorf("got %+v, want the first row only", got)
	}
}

func TestSettingsArePinned(t *testing.T) {
	db := open(t)
	got, err := db.Settings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"async_insert": "0", "insert_deduplicate": "1", "mutations_sync": "2", "max_partitions_per_insert_block": "0",
		"distributed_foreground_insert": "1", "skip_unavailable_shards": "0", "fallback_to_stale_replicas_for_distributed_queries": "0"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestMigrate(t *testing.T) {
	db := open(t)
	if err := db.Migrate(t.Context(), migrations.FS); err != nil {
		t.Fatalf("a second time: %v", err)
	}
	if err := db.Migrate(t.Context(), fstest.MapFS{}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("by an older program: got %v, want ErrNewer", err)
	}
	changed := fstest.MapFS{}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		changed[name] = &fstest.MapFile{Data: []byte("SELECT 1")}
	}
	if err := db.Migrate(t.Context(), changed); err == nil || !strings.Contains(err.Error(), "was changed after it was applied") {
		t.Errorf("with changed files: got %v", err)
	}
	if err := db.Migrate(t.Context(), fstest.MapFS{"0002_x.sql": &fstest.MapFile{}}); err == nil {
		t.Error("a numbering with a hole was taken")
	}
}

func TestListIsPaged(t *testing.T) {
	db := open(t)
	var events []*event.Event
	for n := range 25 {
		// Three events share each instant.
		events = append(events, &event.Event{Source: "s", ID: fmt.Sprintf("%02d", n), Time: day(1 + n/3), Received: day(1), Section: event.Logins,
			Outcome: event.Success, Actor: event.Actor{Email: "a@example.com"}})
	}
	if err := db.InsertEvents(t.Context(), 0, events); err != nil {
		t.Fatal(err)
	}
	var seen []string
	f := store.Filter{Actor: "A@Example"}
	for {
		page, err := db.List(t.Context(), store.Snapshot{Size: 1}, f, 4)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			seen = append(seen, e.ID)
		}
		last := page[len(page)-1]
		f.Before.Time, f.Before.Source, f.Before.ID = last.Time, last.Source, last.ID
	}
	if len(seen) != 25 || seen[0] != "24" || seen[24] != "00" {
		t.Errorf("pages gave %v", seen)
	}
	if list, err := db.List(t.Context(), store.Snapshot{Size: 1}, store.Filter{Section: event.MFA}, 4); err != nil || len(list) != 0 {
		t.Errorf("other section: %v, %v", list, err)
	}
	if !utf8.ValidString(strings.Join(seen, "")) {
		t.Error("ids are not text")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := store.Open(ctx, store.Options{Addrs: []string{"127.0.0.1:1"}, Database: "x"}); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no server: got %v", err)
	}
	if _, err := store.Open(ctx, store.Options{Database: "a; DROP"}); err == nil {
		t.Error("a database name with a statement in it was taken")
	}
}
