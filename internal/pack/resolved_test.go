package pack_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// redriven is a log of five rejects, three of which a later record deals with.
func redriven(t *testing.T) *log {
	l := newLog(t, 3)
	day := at("2026-03-28T00:00:00Z")
	l.add(ledger.Record{At: day, Kind: ledger.KindKey, Key: &ledger.Key{Key: l.keys[0].public}})
	l.source(day, "hcp-prod")
	var rejects []event.Reject
	for n := range 5 {
		r := l.reject("hcp-prod", day.Add(time.Duration(n+1)*time.Hour))
		r.Reason = "not JSON"
		rejects = append(rejects, r)
	}
	l.batch(day.Add(6*time.Hour), nil, slices.Clone(rejects), nil)
	leaf := func(n int) tlog.Hash { return event.Leaf(rejects[n].AppendLine(nil)) }
	leaves := []tlog.Hash{leaf(0), leaf(2)}
	slices.SortFunc(leaves, func(a, b tlog.Hash) int { return bytes.Compare(a[:], b[:]) })
	l.add(ledger.Record{At: day.Add(72 * time.Hour), Kind: ledger.KindBatch, Batch: []ledger.Batch{{Source: "hcp-prod", Fetched: 3, Redriven: 3, Duplicates: 2, Skipped: 1,
		Resolved: []ledger.Resolved{{Outcome: ledger.ResolvedDuplicate, Leaves: leaves}, {Outcome: ledger.ResolvedSkipped, Leaves: []tlog.Hash{leaf(3)}}}}}})
	// It speaks of its own source only.
	l.source(day.Add(72*time.Hour), "other")
	l.add(ledger.Record{At: day.Add(73 * time.Hour), Kind: ledger.KindBatch, Batch: []ledger.Batch{{Source: "other", Fetched: 1, Redriven: 1, Skipped: 1,
		Resolved: []ledger.Resolved{{Outcome: ledger.ResolvedSkipped, Leaves: []tlog.Hash{leaf(1)}}}}}})
	return l
}

// A pack says what became of each reject, and by which record; the verifier finds the
// same from the lines and the records.
func TestResolvedRejects(t *testing.T) {
	l := redriven(t)
	p := l.params()
	p.Sources = []string{"hcp-prod"}
	p.Period.From, p.Period.To = at("2026-03-28T00:00:00Z"), at("2026-03-29T00:00:00Z")
	whole, _ := l.write(p)
	mustBeGood(t, verify(t, whole, l.keys[0].public))
	files := unzip(t, whole)
	table := string(files["rejects.csv"])
	for _, want := range []string{"\nhcp-prod,not JSON,open,,,2026-03-28T02:00:00.000000000Z,", "\nhcp-prod,not JSON,resolved,its event was stored already,3,2026-03-28T01:00:00.000000000Z,",
		"\nhcp-prod,not JSON,resolved,known now to hold no event,3,2026-03-28T04:00:00.000000000Z,"} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if rows := strings.Split(strings.TrimSpace(table), "\n"); len(rows) != 4 || !strings.HasSuffix(rows[1], ",2") || !strings.HasSuffix(rows[2], ",2") || !strings.HasSuffix(rows[3], ",1") {
		t.Errorf("rejects.csv:\n%s", table)
	}
	for _, change := range [][2]string{{"open,,,", "resolved,became an event,3,"}, {"stored already,3", "stored already,2"}} {
		changed := maps.Clone(files)
		changed["rejects.csv"] = []byte(strings.Replace(table, change[0], change[1], 1))
		relist(t, changed, l.keys[0].signer())
		mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "rejects.csv", "differs")
	}
}

// How coverage is known is in the pack: what was read in two ways stays two rows.
func TestBasis(t *testing.T) {
	l := newLog(t, 3)
	day := at("2026-03-26T00:00:00Z")
	l.source(day, "hcp-prod")
	const digests = "digests of CloudTrail, signatures checked"
	cover := func(from, to string, basis string) ledger.Cover {
		return ledger.Cover{From: at(from), To: at(to), Method: ledger.Read, Basis: basis}
	}
	for n, c := range []ledger.Cover{
		cover("2026-03-26T00:00:00Z", "2026-03-27T00:00:00Z", ""),
		cover("2026-03-27T00:00:00Z", "2026-03-27T06:00:00Z", digests),
		cover("2026-03-27T06:00:00Z", "2026-03-28T00:00:00Z", digests),
		cover("2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z", "archive of the day, closed"),
	} {
		l.add(ledger.Record{At: at("2026-04-05T00:00:00Z").Add(time.Duration(n) * time.Minute), Kind: ledger.KindBatch, Batch: []ledger.Batch{{Source: "hcp-prod", Covers: []ledger.Cover{c}}}})
	}
	p := l.params()
	p.Sources = []string{"hcp-prod"}
	whole, _ := l.write(p)
	mustBeGood(t, verify(t, whole, l.keys[0].public))
	files := unzip(t, whole)
	table := string(files["coverage/intervals.csv"])
	rows := strings.Split(strings.TrimSpace(table), "\n")
	if len(rows) != 4 {
		t.Fatalf("intervals.csv:\n%s", table)
	}
	for n, want := range []string{"hcp-prod,read,polled to the end,", `hcp-prod,read,"` + digests + `",`, `hcp-prod,read,"archive of the day, closed",`} {
		if !strings.HasPrefix(rows[n+1], want) {
			t.Errorf("row %d: %q, want %q", n+1, rows[n+1], want)
		}
	}
	changed := maps.Clone(files)
	changed["coverage/intervals.csv"] = []byte(strings.Replace(table, "polled to the end", "digests of CloudTrail, signatures checked", 1))
	relist(t, changed, l.keys[0].signer())
	mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "coverage/intervals.csv", "differs")
}
