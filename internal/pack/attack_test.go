package pack_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The attacks here are those of somebody who holds the signing key and knows the
// format: what they change, they also sign and list.

// resign makes the checkpoint and the manifest fit to the ledger files.
func resign(t testing.TB, files map[string][]byte, signer note.Signer) {
	t.Helper()
	var root ledger.Root
	for line := range bytes.Lines(files["ledger/earlier-leaves"]) {
		var leaf tlog.Hash
		if _, err := base64.StdEncoding.Decode(leaf[:], line[:len(line)-1]); err != nil {
			t.Fatal(err)
		}
		root.Add(leaf)
	}
	var last struct{ At time.Time }
	for line := range bytes.Lines(files["ledger/records.jsonl"]) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		root.Add(tlog.RecordHash(line))
		if err := json.Unmarshal(line, &last); err != nil {
			last.At = time.Time{}
		}
	}
	c := ledger.Checkpoint{Origin: origin, Size: root.Count(), Root: root.Hash(), At: last.At}
	signed, err := c.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ledger.ParseCheckpoint(strings.Split(string(files["ledger/checkpoint"]), "\n\n")[0] + "\n")
	if err != nil {
		t.Fatal(err)
	}
	files["ledger/checkpoint"] = []byte(signed)
	files["manifest.json"] = bytes.Replace(files["manifest.json"], []byte(old.Root.String()), []byte(c.Root.String()), 1)
	relist(t, files, signer)
}

// Records that two readers could understand differently, or that say more than
// their kind, are refused, however well they are signed.
func TestForgedRecords(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	signer := l.keys[2].signer()
	lines := bytes.SplitAfter(files["ledger/records.jsonl"], []byte("\n"))
	of := func(kind string) int {
		return slices.IndexFunc(lines, func(b []byte) bool { return bytes.Contains(b, []byte(`"kind":"`+kind+`"`)) })
	}
	replace := func(old, with string) func([]byte) []byte {
		return func(line []byte) []byte {
			if !bytes.Contains(line, []byte(old)) {
				t.Fatalf("%q is not in %s", old, line)
			}
			return bytes.Replace(line, []byte(old), []byte(with), 1)
		}
	}
	segment := `{"day":"2026-03-28","section":"logins","count":1,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`
	tests := []struct {
		name, kind string
		change     func([]byte) []byte
		words      string
	}{
		{"a space", "batch", replace(`,"kind"`, `, "kind"`), "canonical form"},
		{"a space inside", "batch", replace(`,"fetched"`, `, "fetched"`), "canonical form"},
		{"escapes", "batch", replace(`"hcp-prod"`, `"hcp\u002dprod"`), "canonical form"},
		{"a number in another form", "batch", replace(`"skipped":1`, `"skipped":1e0`), ""},
		{"a zero", "batch", replace(`"skipped":1`, `"skipped":1,"late":0`), "canonical form"},
		{"a name twice", "batch", replace(`"skipped":1`, `"skipped":1,"skipped":1`), "duplicate"},
		{"a name in capitals", "batch", replace(`"skipped":1`, `"Skipped":1`), ""},
		{"another zone", "batch", replace(`.000000000Z","kind"`, `.000000000+00:00","kind"`), "canonical form"},
		{"another zone in coverage", "batch", replace(`.000000000Z","method"`, `.000000000+00:00","method"`), "canonical form"},
		{"rows in a void", "void", replace(`"kind":"void"`, `"kind":"void","batch":[{"source":"okta.system","fetched":1,"events":1,"segments":[`+segment+`]}]`), ""},
		{"rows in a gap", "gap", replace(`,"gap":`, `,"batch":[{"source":"okta.system","fetched":1,"events":1,"segments":[`+segment+`]}],"gap":`), "has a member batch"},
		{"an expiry in a hold", "hold", replace(`,"hold":`, `,"expire":{"rule":"","segments":[]},"hold":`), "has a member expire"},
		{"nothing", "hold", replace(`"hold","standing"`, `"gap","standing"`), "says nothing"},
		{"a kind that is nearly one", "batch", replace(`"kind":"batch"`, `"kind":"Batch"`), "canonical form"},
		{"a source twice", "batch", func(b []byte) []byte {
			i := bytes.Index(b, []byte(`"batch":[`)) + len(`"batch":[`)
			return slices.Insert(b, i, []byte(`{"source":"hcp-prod","fetched":1,"skipped":1},`)...)
		}, "twice"},
		{"a segment twice", "batch", func(b []byte) []byte {
			i := bytes.Index(b, []byte(`"segments":[`)) + len(`"segments":[`)
			end := i + bytes.IndexByte(b[i:], '}') + 1
			return slices.Concat(b[:i], b[i:end], []byte(","), b[i:])
		}, ""},
		{"a section that is nearly one", "batch", replace(`"section":"`, `"section":"X`), ""},
		{"a segment moved to a later day", "batch", replace(`"day":"2026-03-25"`, `"day":"2026-03-27"`), "a segment of"},
		{"coverage by another method", "batch", replace(`"method":"read"`, `"method":"hope"`), "hope"},
		{"fewer standing", "hold", replace(`"standing":`, `"standing":1`), "stand come before it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := maps.Clone(files)
			list := slices.Clone(lines)
			i := of(tt.kind)
			list[i] = tt.change(slices.Clone(list[i]))
			changed["ledger/records.jsonl"] = bytes.Join(list, nil)
			resign(t, changed, signer)
			mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "ledger/records.jsonl", tt.words)
		})
	}
	t.Run("nothing changed", func(t *testing.T) {
		same := maps.Clone(files)
		resign(t, same, signer)
		mustBeGood(t, verify(t, rezip(t, same), l.keys[0].public))
	})
}

// None of the earlier records that are carried in full can be left out, or be there
// that should not.
func TestEarlierRecords(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	const name = "ledger/earlier.jsonl"
	lines := bytes.SplitAfter(files[name], []byte("\n"))
	lines = lines[:len(lines)-1]
	try := func(t *testing.T, list [][]byte, words string) {
		t.Helper()
		changed := maps.Clone(files)
		changed[name] = bytes.Join(list, nil)
		relist(t, changed, l.keys[2].signer())
		mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), name, words)
	}
	if len(lines) < 6 {
		t.Fatalf("%d earlier records", len(lines))
	}
	for i := range lines {
		try(t, slices.Delete(slices.Clone(lines), i, i+1), "stand come before it")
	}
	try(t, nil, "stand come before it")
	try(t, slices.Insert(slices.Clone(lines), 2, lines[2]), "comes after")
	batch := append(slices.Clone(l.lines[7]), '\n')
	try(t, append(slices.Clone(lines[:5]), batch), "among the earlier ones")
}

// Time turned back by the holder of the key hides an event that was collected in the
// period among the records that a pack has only as hashes. A checkpoint that somebody
// took after it was collected shows it.
func TestTimeTurnedBack(t *testing.T) {
	tell := func(l *log, hide bool) (held string) {
		start, day := at("2026-03-20T00:00:00Z"), at("2026-03-28T00:00:00Z")
		l.add(ledger.Record{At: start, Kind: ledger.KindKey, Key: &ledger.Key{Key: l.keys[0].public}})
		l.source(start, "hcp-prod")
		evil := l.event("hcp-prod", event.Logins, day.Add(time.Hour))
		if hide {
			l.add(ledger.Record{At: start, Kind: ledger.KindVoid})
		} else {
			l.batch(day.Add(2*time.Hour), []event.Event{evil}, nil, nil)
		}
		return l.signed[len(l.signed)-1]
	}
	honest, forged := newLog(t, 3), newLog(t, 3)
	held := tell(honest, false)
	tell(forged, true)
	forged.add(ledger.Record{At: at("2026-03-25T20:00:00Z"), Kind: ledger.KindVoid}) // the proof starts here
	day := at("2026-03-29T00:00:00Z")
	forged.batch(day, []event.Event{forged.event("hcp-prod", event.Logins, day.Add(-time.Hour))}, nil,
		map[string]coverage.Interval{"hcp-prod": {From: at("2026-03-20T00:00:00Z"), To: day}})
	p := forged.params()
	p.Sources = []string{"hcp-prod"}
	whole, _ := forged.write(p)
	files := unzip(t, whole)
	leaves := bytes.SplitAfter(files["ledger/earlier-leaves"], []byte("\n"))
	if len(leaves) != 4 { // three and what is behind the last newline
		t.Fatalf("%d earlier leaves", len(leaves))
	}
	sum := tlog.RecordHash(honest.lines[2])
	leaves[2] = []byte(sum.String() + "\n")
	files["ledger/earlier-leaves"] = bytes.Join(leaves, nil)
	resign(t, files, forged.keys[0].signer())
	forgedZip := rezip(t, files)

	key := forged.keys[0].public
	res := verify(t, forgedZip, key)
	if !res.OK || !slices.ContainsFunc(res.NotProvable, func(s string) bool { return strings.Contains(s, "break its rules") }) {
		t.Errorf("without a checkpoint this is what the list of the unprovable is for: %+v", res)
	}
	mustFind(t, verify(t, forgedZip, key, held), "", "time was turned back")
	// Who copied only the text of a checkpoint by hand, without its time, is told.
	bare := strings.Join(strings.SplitAfter(held, "\n")[:3], "")
	res = verify(t, forgedZip, key, bare)
	if len(res.Conditional) != 1 || !slices.ContainsFunc(res.Notes, func(s string) bool { return strings.Contains(s, "does not say when it was made") }) {
		t.Errorf("a checkpoint without a time proves as much as one with it: %+v", res)
	}
	// A checkpoint with another time than its record has is none of this log.
	l := history(t, 1)
	whole, _ = l.write(l.params())
	c, err := ledger.ParseCheckpoint(strings.Split(l.signed[90], "\n\n")[0] + "\n")
	if err != nil {
		t.Fatal(err)
	}
	c.At = c.At.Add(time.Second)
	mustFind(t, verify(t, whole, l.keys[0].public, c.Text()), "", "in the pack that record is of")
}

// What is true but could be taken for more than it is, is said.
func TestSaid(t *testing.T) {
	l := history(t, 1)
	start := l.state.At
	l.add(ledger.Record{At: start, Kind: ledger.KindSource, Source: &ledger.Source{Name: "down.system", Kind: "okta", Change: "added"}})
	said := func(list []string, words string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, words) })
	}
	t.Run("a zone that is none", func(t *testing.T) {
		p := l.params()
		// Whole days of a zone of our own making leave hours of the real ones out.
		p.Zone = time.FixedZone("Europe/Zurich", 10*3600)
		p.Period = coverage.Interval{From: time.Date(2026, 3, 27, 0, 0, 0, 0, p.Zone), To: time.Date(2026, 4, 3, 0, 0, 0, 0, p.Zone)}
		whole, _ := l.write(p)
		res := verify(t, whole, l.keys[0].public)
		if res.Period != "2026-03-26T14:00:00Z up to 2026-04-02T14:00:00Z" || !said(res.Notes, "other offsets") {
			t.Errorf("the period is called %q; %q", res.Period, res.Notes)
		}
		p.Zone = time.FixedZone("Zurich", 10*3600)
		whole, _ = l.write(p)
		if res := verify(t, whole, l.keys[0].public); strings.Contains(res.Period, "both included") || !said(res.Notes, "does not know the time zone") {
			t.Errorf("the period is called %q; %q", res.Period, res.Notes)
		}
	})
	t.Run("the zone of the machine", func(t *testing.T) {
		p := l.params()
		p.Zone = time.Local
		if _, err := pack.Write(t.Context(), new(bytes.Buffer), l, p); err == nil {
			t.Error("a pack in the zone of the machine was made")
		}
	})
	t.Run("a source left out that had no events", func(t *testing.T) {
		early := newLog(t, 5)
		early.add(ledger.Record{At: at("2026-03-20T00:00:00Z"), Kind: ledger.KindKey, Key: &ledger.Key{Key: early.keys[0].public}})
		early.source(at("2026-03-20T00:00:00Z"), "down.system")
		early.source(at("2026-03-20T00:00:00Z"), "hcp-prod")
		early.batch(at("2026-03-28T00:00:00Z"), []event.Event{early.event("hcp-prod", event.Logins, at("2026-03-27T20:00:00Z"))}, nil, nil)
		p := early.params()
		p.Sources = []string{"hcp-prod"}
		whole, _ := early.write(p)
		res := verify(t, whole, early.keys[0].public)
		mustBeGood(t, res)
		if len(res.Counts.Absent) != 1 || res.Counts.Absent[0].Source != "down.system" || !said(res.NotProvable, "not in this pack") {
			t.Errorf("absent: %+v", res.Counts.Absent)
		}
		if res.NotDue == 0 {
			t.Error("the time after the log's end is not counted as not due")
		}
		if !said(res.Notes, "ends at 2026-03-28T00:00:00Z, before the end of the period") {
			t.Errorf("a log that ends before the period: %q", res.Notes)
		}
	})
	t.Run("hashes only", func(t *testing.T) {
		whole, _ := l.write(l.params())
		res := verify(t, whole, l.keys[0].public)
		mustBeGood(t, res)
		if !said(res.NotProvable, "only hashes said") {
			t.Errorf("%q", res.NotProvable)
		}
	})
}

// A manifest whose signed text goes on is not the one that is signed.
func TestManifestText(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	signer := l.keys[2].signer()
	sum := sha256.Sum256(files["manifest.json"])
	text := fmt.Sprintf("exhibit pack manifest\n%s\nsha256:%x\n", origin, sum)
	sig, err := note.Sign(&note.Note{Text: text + "\nbut not this one\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	files["manifest.sig"] = sig
	resum(files)
	mustFind(t, verify(t, rezip(t, files), l.keys[0].public), "manifest.json", "not the manifest that manifest.sig signs")

	files = unzip(t, whole)
	files["manifest.json"] = bytes.Replace(files["manifest.json"], []byte(l.keys[2].public), []byte(newPair(77).public), 1)
	relist(t, files, signer)
	mustFind(t, verify(t, rezip(t, files), l.keys[0].public), "manifest.json", "the key that it names")

	files = unzip(t, whole)
	files["manifest.json"] = bytes.Replace(files["manifest.json"], []byte(`"from": "2026-03-26T23:00:00Z"`), []byte(`"from": "2026-03-27T00:00:00+01:00"`), 1)
	relist(t, files, signer)
	mustFind(t, verify(t, rezip(t, files), l.keys[0].public), "manifest.json", "not in UTC")
}

// Programs that unpack a zip go by local headers, by descriptors or by the directory;
// a pack in which they differ is refused.
func TestLayout(t *testing.T) {
	l := many(t, 20)
	p := l.params()
	p.Sources = []string{"hcp-prod"}
	whole, _ := l.write(p)
	key := l.keys[0].public
	local := bytes.Index(whole, []byte("PK\x03\x04"))
	directory := bytes.Index(whole, []byte("PK\x01\x02"))
	set := func(at int, b ...byte) []byte { return slices.Replace(slices.Clone(whole), at, at+len(b), b...) }
	insert := func(at int, b []byte) []byte { return slices.Insert(slices.Clone(whole), at, b...) }
	unicodePath := func() []byte { // a field that gives the file another name
		name := "README.html"
		extra := []byte{0x75, 0x70, byte(5 + len("setup.html")), 0, 1}
		extra = binary.LittleEndian.AppendUint32(extra, crc32.ChecksumIEEE([]byte(name)))
		extra = append(extra, "setup.html"...)
		var list []entry
		for n, content := range unzip(t, whole) {
			e := entry{FileHeader: zip.FileHeader{Name: n}, content: content}
			if n == name {
				e.Extra = extra
			}
			list = append(list, e)
		}
		return zipOf(t, "", list)
	}
	tests := []struct {
		name string
		zip  []byte
	}{
		{"local flags", set(local+6, 0x08)},
		{"local method", set(local+8, 0)},
		{"local sum", set(local+14, 1, 2, 3, 4)},
		{"local packed size", set(local+18, 1, 0, 0, 0)},
		{"local size", set(local+22, 1, 0, 0, 0)},
		{"bytes before the directory", insert(directory, make([]byte, 16))},
		{"room of a large zip's end", insert(len(whole)-22, make([]byte, 76))},
		{"bytes at the end", append(slices.Clone(whole), make([]byte, 20)...)},
		{"another end at the end", append(slices.Clone(whole), whole[len(whole)-22:]...)},
		{"another name in a field", unicodePath()},
	}
	mustBeGood(t, verify(t, whole, key))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := pack.Verify(t.Context(), bytes.NewReader(tt.zip), int64(len(tt.zip)), pack.Options{Key: key})
			if err == nil && res.OK {
				t.Error("said to be good")
			}
		})
	}
	// Descriptors as other programs write them are fine, and only as they should be.
	var streamed []entry
	for n, content := range unzip(t, whole) {
		streamed = append(streamed, entry{FileHeader: zip.FileHeader{Name: n}, content: content})
	}
	b := zipOf(t, "", streamed)
	mustBeGood(t, verify(t, b, key))
	i := bytes.LastIndex(b, []byte("PK\x07\x08"))
	b[i+4] ^= 1
	if res, err := pack.Verify(t.Context(), bytes.NewReader(b), int64(len(b)), pack.Options{Key: key}); err == nil && res.OK {
		t.Error("a wrong descriptor is said to be good")
	}
}

// A manifest cannot make a verifier work or grow without end.
func TestManifestLimits(t *testing.T) {
	l := many(t, 20)
	p := l.params()
	p.Sources = []string{"hcp-prod"}
	whole, _ := l.write(p)
	files := unzip(t, whole)
	for words, change := range map[string]func(m map[string]any){
		"too many days": func(m map[string]any) {
			m["period"] = map[string]any{"from": "1970-01-01T00:00:00Z", "to": "2199-01-01T00:00:00Z"}
			var names []string
			for i := range 1000 {
				names = append(names, fmt.Sprintf("s%04d", i))
			}
			m["sources"] = names
		},
		"1001 offsets": func(m map[string]any) {
			var list []any
			for i := range 1001 {
				list = append(list, map[string]any{"from": fmt.Sprintf("2026-03-27T%02d:%02d:00Z", i/60, i%60), "seconds": 0})
			}
			m["zone"] = map[string]any{"name": "Europe/Zurich", "offsets": list}
		},
		"on every machine": func(m map[string]any) {
			m["zone"].(map[string]any)["name"] = "Local"
		},
	} {
		changed := maps.Clone(files)
		var m map[string]any
		if err := json.Unmarshal(files["manifest.json"], &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		changed["manifest.json"] = b
		relist(t, changed, l.keys[0].signer())
		mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "manifest.json", words)
	}
}
