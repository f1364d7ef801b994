package pack_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/internal/pack"

	"golang.org/x/mod/sumdb/note"
)

// unzip returns the files of a zip.
func unzip(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range zr.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// rezip makes a proper zip of files, as another program would: uncompressed.
func rezip(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := zw.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// relist puts right what the manifest and SHA256SUMS say of the files, as
// somebody who changes a pack would; with a signer the manifest is signed too.
func relist(t testing.TB, files map[string][]byte, signer note.Signer) {
	t.Helper()
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(files["manifest.json"]))
	d.UseNumber()
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	var list []any
	content := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name == "manifest.json" || name == "manifest.sig" || name == "SHA256SUMS" {
			continue
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(files[name]))
		list = append(list, map[string]any{"name": name, "size": len(files[name]), "sha256": sum})
		if name != "README.html" {
			fmt.Fprintf(content, "%s  %s\n", sum, name)
		}
	}
	m["files"], m["content"] = list, "sha256:"+hex.EncodeToString(content.Sum(nil))
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	files["manifest.json"] = b
	if signer != nil {
		sum := sha256.Sum256(b)
		sig, err := note.Sign(&note.Note{Text: "exhibit pack manifest\n" + origin + "\nsha256:" + hex.EncodeToString(sum[:]) + "\n"}, signer)
		if err != nil {
			t.Fatal(err)
		}
		files["manifest.sig"] = sig
	}
	resum(files)
}

// resum puts SHA256SUMS right.
func resum(files map[string][]byte) {
	var sums []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if name != "SHA256SUMS" {
			sums = fmt.Appendf(sums, "%x  %s\n", sha256.Sum256(files[name]), name)
		}
	}
	files["SHA256SUMS"] = sums
}

// mustFind checks that the pack is refused and that a finding is about the file
// and says the words.
func mustFind(t testing.TB, res *pack.Result, file, words string) {
	t.Helper()
	if res.OK || len(res.Proven) > 0 || len(res.Conditional) > 0 {
		t.Fatalf("a pack with wrong %s is said to be good, or to prove something", file)
	}
	for _, f := range res.Findings {
		if f.File == file && strings.Contains(f.What, words) && f.Do != "" {
			return
		}
	}
	t.Errorf("no finding about %q with %q in %+v", file, words, res.Findings)
}

func TestChangedByte(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	mustBeGood(t, verify(t, rezip(t, files), l.keys[0].public)) // zipped by another program
	for _, name := range slices.Sorted(maps.Keys(files)) {
		content := files[name]
		for _, at := range []int{0, len(content) / 3, len(content) / 2, len(content) - 2, len(content) - 1} {
			t.Run(fmt.Sprintf("%s@%d", name, at), func(t *testing.T) {
				t.Parallel()
				changed := maps.Clone(files)
				changed[name] = slices.Clone(content)
				changed[name][at] ^= 1
				res := verify(t, rezip(t, changed), l.keys[0].public)
				if name == "SHA256SUMS" { // which of two is wrong cannot be told when a sum changes
					if res.OK {
						t.Error("a changed SHA256SUMS is said to be good")
					}
					return
				}
				mustFind(t, res, name, "")
			})
		}
		t.Run(name+" missing", func(t *testing.T) {
			changed := maps.Clone(files)
			delete(changed, name)
			mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), name, "does not have it")
		})
		t.Run(name+" emptied, lists put right", func(t *testing.T) {
			if name == "SHA256SUMS" || strings.HasPrefix(name, "manifest.") {
				t.Skip("the lists themselves")
			}
			changed := maps.Clone(files)
			changed[name] = nil
			relist(t, changed, nil)
			mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "manifest.json", "not the manifest that manifest.sig signs")
		})
	}
}

// Even the holder of the signing key cannot change what follows from the log.
func TestChangedAndSigned(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	signer := l.keys[len(l.keys)-1].signer()
	edit := func(name string, change func(lines [][]byte) [][]byte) func(map[string][]byte) {
		return func(f map[string][]byte) {
			f[name] = bytes.Join(change(bytes.SplitAfter(f[name], []byte("\n"))), nil)
		}
	}
	replace := func(name, old, with string) func(map[string][]byte) {
		return func(f map[string][]byte) {
			if !bytes.Contains(f[name], []byte(old)) {
				t.Fatalf("%s has no %q", name, old)
			}
			f[name] = bytes.Replace(f[name], []byte(old), []byte(with), 1)
		}
	}
	const logins, records = "events/logins.jsonl", "ledger/records.jsonl"
	tests := []struct {
		name   string
		change func(map[string][]byte)
		file   string
		words  string
	}{
		{"line removed", edit(logins, func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) }), logins, ""},
		{"first line removed", edit(logins, func(l [][]byte) [][]byte { return l[1:] }), logins, ""},
		{"last line removed", edit(logins, func(l [][]byte) [][]byte { return slices.Delete(l, len(l)-2, len(l)-1) }), logins, "the file has"},
		{"line added", edit(logins, func(l [][]byte) [][]byte { return slices.Insert(l, 5, l[5]) }), logins, ""},
		{"line added at the end", edit(logins, func(l [][]byte) [][]byte { return slices.Insert(l, len(l)-1, l[len(l)-2]) }), logins, ""},
		{"lines swapped", edit(logins, func(l [][]byte) [][]byte { l[5], l[6] = l[6], l[5]; return l }), logins, ""},
		{"first and last swapped", edit(logins, func(l [][]byte) [][]byte { n := len(l) - 2; l[0], l[n] = l[n], l[0]; return l }), logins, ""},
		{"line of another section", edit(logins, func(l [][]byte) [][]byte {
			return slices.Insert(l, 5, bytes.SplitAfter(files["events/mfa.jsonl"], []byte("\n"))[0])
		}), logins, "does not belong"},
		{"blank line", edit(logins, func(l [][]byte) [][]byte { return slices.Insert(l, 5, []byte("\n")) }), logins, "canonical form"},
		{"spaces", replace(logins, `","source"`, `", "source"`), logins, "canonical form"},
		{"no end", func(f map[string][]byte) { f[logins] = f[logins][:len(f[logins])-1] }, logins, "does not end"},
		{"field changed", replace(logins, "ann@example.com", "bob@example.com"), logins, "not the"},
		{"erasure invented", edit(logins, func(l [][]byte) [][]byte {
			sum := sha256.Sum256(append([]byte{0}, bytes.TrimSuffix(l[3], []byte("\n"))...))
			var e struct{ Source, ID, Time, Section string }
			if err := json.Unmarshal(l[3], &e); err != nil {
				t.Fatal(err)
			}
			l[3] = fmt.Appendf(nil, `{"v":1,"erased":%q,"source":%q,"id":%q,"time":%q,"section":%q,"by":92}`+"\n", base64.StdEncoding.EncodeToString(sum[:]), e.Source, e.ID, e.Time, e.Section)
			return l
		}), logins, "does not name it"},
		{"own event removed", edit("events/exhibit.jsonl", func(l [][]byte) [][]byte { return l[1:] }), "events/exhibit.jsonl", ""},
		{"reject removed", edit("events/rejects.jsonl", func(l [][]byte) [][]byte { return l[1:] }), "events/rejects.jsonl", ""},
		{"reject swapped", edit("events/rejects.jsonl", func(l [][]byte) [][]byte { l[0], l[1] = l[1], l[0]; return l }), "events/rejects.jsonl", ""},
		{"section row removed", edit("sections/logins.csv", func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) }), "sections/logins.csv", "differs from line 6"},
		{"section row added", func(f map[string][]byte) { f["sections/mfa.csv"] = append(f["sections/mfa.csv"], "x\n"...) }, "sections/mfa.csv", "goes on"},
		{"section changed", replace("sections/other.csv", "ann@", "bob@"), "sections/other.csv", "differs"},
		{"apostrophe taken away", replace("sections/other.csv", ",'=cmd", ",=cmd"), "sections/other.csv", "differs"},
		{"gap closed", edit("coverage/gaps.csv", func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }), "coverage/gaps.csv", "differs from line 2"},
		{"coverage stretched", replace("coverage/intervals.csv", "2026-03-27", "2026-03-26"), "coverage/intervals.csv", "differs"},
		{"day total", replace("coverage/days.csv", "86400,3", "86400,4"), "coverage/days.csv", "differs"},
		{"reject count", replace("rejects.csv", ",13\n", ",12\n"), "rejects.csv", "differs"},
		{"control count", replace("controls.csv", "failed-auth ", "failed-auth 9"), "controls.csv", "differs"},
		{"manifest count", replace("manifest.json", `"cells": 1`, `"cells": 2`), "manifest.json", `"cells"`},
		{"record removed", edit(records, func(l [][]byte) [][]byte { return slices.Delete(l, 5, 6) }), records, "where"},
		{"last record removed", edit(records, func(l [][]byte) [][]byte { return slices.Delete(l, len(l)-2, len(l)-1) }), records, "the checkpoint signs"},
		{"record changed", replace(records, `"fetched":2`, `"fetched":3`), records, ""},
		{"record repeated", edit(records, func(l [][]byte) [][]byte { return slices.Insert(l, 5, l[5]) }), records, "where"},
		{"head cut", func(f map[string][]byte) {
			f[records] = f[records][bytes.IndexByte(f[records], '\n')+1:]
		}, records, ""},
		{"starts too late", func(f map[string][]byte) { // the first records become leaves
			for range 10 {
				first, rest, _ := bytes.Cut(f[records], []byte("\n"))
				sum := sha256.Sum256(append([]byte{0}, first...))
				f["ledger/earlier-leaves"] = append(f["ledger/earlier-leaves"], base64.StdEncoding.EncodeToString(sum[:])+"\n"...)
				f[records] = rest
			}
		}, records, "too late to prove"},
		{"leaf changed", func(f map[string][]byte) {
			f["ledger/earlier-leaves"] = slices.Clone(f["ledger/earlier-leaves"])
			f["ledger/earlier-leaves"][2] ^= 1
		}, records, "root"},
		{"earlier record changed", replace("ledger/earlier.jsonl", "hcp-terraform", "hcp-terrafork"), "ledger/earlier.jsonl", "leaf hash"},
		{"other query", replace("manifest.json", `"SELECT 1"`, `"SELECT 2"`), "manifest.json", "query"},
		{"file added", func(f map[string][]byte) { f["events/more.jsonl"] = []byte("x") }, "events/more.jsonl", "no pack has"},
		{"program added", func(f map[string][]byte) { f["setup.exe"] = []byte("MZ") }, "setup.exe", "no pack has"},
		{"truncated", replace("manifest.json", `"truncated": false`, `"truncated": true`), "manifest.json", "truncated"},
		{"another format", replace("manifest.json", pack.Format, "exhibit-pack/2"), "manifest.json", "exhibit-pack/2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := maps.Clone(files)
			t.Parallel()
			tt.change(changed)
			relist(t, changed, signer)
			mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), tt.file, tt.words)
		})
	}
	t.Run("nothing", func(t *testing.T) { // relist itself does no harm
		same := maps.Clone(files)
		relist(t, same, signer)
		mustBeGood(t, verify(t, rezip(t, same), l.keys[0].public))
	})
}

func TestKeys(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	stranger := newPair(200)
	t.Run("another key", func(t *testing.T) {
		res := verify(t, whole, stranger.public)
		mustFind(t, res, "manifest.sig", "not signed by")
		mustFind(t, res, "ledger/checkpoint", "not signed by")
	})
	t.Run("signed with another key", func(t *testing.T) {
		changed := maps.Clone(files)
		relist(t, changed, stranger.signer())
		mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "manifest.sig", "not signed by")
	})
	t.Run("signed with a retired key", func(t *testing.T) {
		changed := maps.Clone(files)
		relist(t, changed, l.keys[0].signer())
		mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "manifest.sig", "not signed by")
	})
	t.Run("hand-over broken", func(t *testing.T) {
		changed := maps.Clone(files)
		name := "ledger/key-checkpoints/15"
		c, err := note.Open(files[name], verifiers(t, l.keys[1].public))
		if err != nil {
			t.Fatal(err)
		}
		if changed[name], err = note.Sign(&note.Note{Text: c.Text}, l.keys[1].signer()); err != nil {
			t.Fatal(err)
		}
		relist(t, changed, l.keys[2].signer())
		mustFind(t, verify(t, rezip(t, changed), l.keys[0].public), "manifest.sig", "lead to")
	})
	for _, key := range []string{"", "x", stranger.private} {
		if _, err := pack.Verify(t.Context(), bytes.NewReader(whole), int64(len(whole)), pack.Options{Key: key}); err == nil {
			t.Errorf("key %q was taken", key)
		}
	}
}

func verifiers(t testing.TB, key string) note.Verifiers {
	t.Helper()
	v, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	return note.VerifierList(v)
}

func TestSince(t *testing.T) {
	l := history(t, 1)
	whole, _ := l.write(l.params())
	key := l.keys[0].public
	mustBeGood(t, verify(t, whole, key, l.signed[0], l.signed[20], l.signed[70]))
	mustBeGood(t, verify(t, whole, l.keys[2].public, l.signed[0], l.signed[20])) // signed by keys that came before
	body, _, _ := strings.Cut(l.signed[20], "\n\n")
	mustBeGood(t, verify(t, whole, key, body+"\n"))

	// The same keys, the same shape, other events: rebuilt from the start.
	rebuilt := newLog(t, 1)
	rebuilt.rng = rand.New(rand.NewPCG(2, 7))
	rebuilt.tell(1)
	zip, _ := rebuilt.write(rebuilt.params())
	mustBeGood(t, verify(t, zip, key))
	mustFind(t, verify(t, zip, key, l.signed[20]), "", "the log was rewritten")

	// A record too many.
	longer := history(t, 1)
	longer.source(longer.state.At, "one.more")
	p := longer.params()
	zip, _ = longer.write(p)
	mustBeGood(t, verify(t, zip, key, l.signed[len(l.signed)-1]))
	l.source(l.state.At, "another")
	mustFind(t, verify(t, zip, key, l.signed[len(l.signed)-1]), "", "the log was rewritten")
	l = history(t, 1)

	// A store that was restored to an older state makes a pack without the end.
	p = l.params()
	p.Checkpoint, p.Key, p.Signer = l.signed[80], l.keys[2].public, l.keys[2].signer()
	older := *l
	older.rows = slices.DeleteFunc(slices.Clone(l.rows), func(r row) bool { return r.seq > 80 })
	older.gone = nil
	for i := range older.rows {
		older.rows[i].erased = nil
	}
	zip, _ = older.write(p)
	mustBeGood(t, verify(t, zip, key))
	mustFind(t, verify(t, zip, key, l.signed[90]), "", "lost records")

	if _, err := pack.Verify(t.Context(), bytes.NewReader(whole), int64(len(whole)), pack.Options{Key: key, Since: []string{"x"}}); err == nil {
		t.Error("a checkpoint that is none was taken")
	}
	mustFind(t, verify(t, whole, key, strings.Replace(l.signed[20], "\n21\n", "\n22\n", 1)), "", "not signed by a key of this log")
}

func TestReproducible(t *testing.T) {
	l := history(t, 1)
	_, a := l.write(l.params())
	p := l.params()
	p.By, p.Made = pack.Person{ID: "u2", Name: "Bob"}, p.Made.Add(time.Hour)
	zip, b := l.write(p)
	if a.Content != b.Content {
		t.Errorf("made by another person at another time: got %s, want %s", b.Content, a.Content)
	}
	again, _ := l.write(p)
	if !bytes.Equal(zip, again) {
		t.Error("the same parameters gave another zip")
	}
	p.Period.To = p.Period.To.Add(-24 * time.Hour)
	if _, c := l.write(p); c.Content == a.Content {
		t.Error("another period gave the same digest")
	}
}

func TestVerifyPy(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("python3 is not installed")
	}
	l := history(t, 1)
	whole, _ := l.write(l.params())
	files := unzip(t, whole)
	run := func(t *testing.T, change func(map[string][]byte)) (string, error) {
		t.Helper()
		changed := maps.Clone(files)
		change(changed)
		dir := t.TempDir()
		for name, content := range changed {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.CommandContext(t.Context(), python, filepath.Join(dir, "ledger/verify.py")).CombinedOutput()
		return string(out), err
	}
	if out, err := run(t, func(map[string][]byte) {}); err != nil || !strings.Contains(out, "all sums are right") {
		t.Fatalf("%v\n%s", err, out)
	}
	for name, words := range map[string]string{"events/mfa.jsonl": "events/mfa.jsonl: source", "events/exhibit.jsonl": "events/exhibit.jsonl: source",
		"events/rejects.jsonl": "events/rejects.jsonl: source", "ledger/earlier-leaves": "not the 100 records", "README.html": "README.html: not the content"} {
		out, err := run(t, func(f map[string][]byte) {
			f[name] = slices.Clone(f[name])
			f[name][3] ^= 1
			if name != "README.html" {
				relist(t, f, nil)
			}
		})
		if err == nil || !strings.Contains(out, words) {
			t.Errorf("%s changed: %v, no %q in\n%s", name, err, words, out)
		}
	}
}
