package pack_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
)

// little makes a log in which a bit of everything happens in a few records: its pack
// is checked in a moment.
func little(t testing.TB) (*log, pack.Params) {
	l := newLog(t, 4)
	start, day := at("2026-03-20T00:00:00Z"), at("2026-03-28T00:00:00Z")
	l.add(ledger.Record{At: start, Kind: ledger.KindKey, Key: &ledger.Key{Key: l.keys[0].public}})
	l.source(start, "exhibit")
	l.source(start, "hcp-prod")
	l.rotate(start, 104)
	l.add(ledger.Record{At: start, Kind: ledger.KindVoid})
	l.batch(day, []event.Event{
		l.event("hcp-prod", event.Logins, day.Add(-time.Hour)), l.event("hcp-prod", event.Logins, day.Add(-2*time.Hour)),
		l.event("hcp-prod", event.MFA, day.Add(-time.Hour)), l.event("exhibit", event.Logins, day.Add(-time.Minute)), l.event("other", event.Logins, day.Add(-time.Hour)),
	}, []event.Reject{l.reject("hcp-prod", day)}, map[string]coverage.Interval{"hcp-prod": {From: start, To: day.Add(-time.Hour)}})
	l.add(ledger.Record{At: day, Kind: ledger.KindGap, Gap: &ledger.Gap{Source: "hcp-prod", From: day, To: day.Add(time.Hour), Note: "=x", By: "ann"}})
	i := l.find(func(r row) bool { return r.e.Section == event.Logins && r.e.Source == "hcp-prod" })
	l.drop(i, l.add(ledger.Record{At: day, Kind: ledger.KindErase, Erase: &ledger.Erase{Reason: "law", By: "ann", Events: []ledger.EventRef{l.ref(i)}}}))
	l.add(ledger.Record{At: day, Kind: ledger.KindExpire, Expire: &ledger.Expire{Rule: "r", Segments: l.segments("hcp-prod", "2026-03-27", event.MFA)}})
	p := l.params()
	p.Sources = []string{"exhibit", "hcp-prod"}
	return l, p
}

// Verify takes a pack with any change to one of its files without a panic, and does
// not call it good: not even when the lists are put right and the manifest is signed
// again. With the log signed again too, it may be good, for it is another log.
func FuzzVerify(f *testing.F) {
	l, p := little(f)
	whole, _ := l.write(p)
	mustBeGood(f, verify(f, whole, l.keys[0].public))
	files := unzip(f, whole)
	names := slices.Sorted(maps.Keys(files))
	for i, name := range names {
		n := uint32(len(files[name]))
		f.Add(uint8(i), n/2, uint16(1), []byte("0"), false)
		f.Add(uint8(i), n-1, uint16(1), []byte(""), true)
		f.Add(uint8(i), uint32(0), uint16(0), files[name][:min(n, 200)], true)
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint32, remove uint16, put []byte, again bool) {
		name := names[int(which)%len(names)]
		old := files[name]
		from := int(at) % (len(old) + 1)
		content := slices.Concat(old[:from], put, old[min(from+int(remove), len(old)):])
		if bytes.Equal(old, content) {
			return
		}
		changed := maps.Clone(files)
		changed[name] = content
		switch {
		case name == "SHA256SUMS":
		case name == "manifest.json" || name == "manifest.sig":
			resum(changed)
		case again && strings.HasPrefix(name, "ledger/records"):
			resign(t, changed, l.keys[1].signer())
		default:
			relist(t, changed, l.keys[1].signer())
		}
		res := verify(t, rezip(t, changed), l.keys[0].public)
		switch {
		case name == "README.html" || name == "VERIFY.md" || name == "ledger/verify.py": // texts: whoever signs may write them
		case name == "ledger/checkpoint" || name == "manifest.sig" || strings.HasPrefix(name, "ledger/key-checkpoints/"):
			// A signature of somebody else may be there besides.
		case again && strings.HasPrefix(name, "ledger/records"):
		case res.OK:
			t.Errorf("%s with %q at %d in place of %d bytes is said to be good", name, put, from, remove)
		}
	})
}

func FuzzZip(f *testing.F) {
	l, p := little(f)
	whole, _ := l.write(p)
	f.Add(whole)
	f.Add(zipOf(f, "", nil))
	f.Add(rezip(f, unzip(f, whole)))
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := pack.Verify(t.Context(), bytes.NewReader(b), int64(len(b)), pack.Options{Key: l.keys[0].public})
		if err == nil && res.OK && !bytes.Equal(b, whole) {
			again := unzip(t, b)
			if !maps.EqualFunc(again, unzip(t, whole), bytes.Equal) {
				t.Error("other content is said to be good")
			}
		}
	})
}
