package source_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"exhibit/ingest/source"
	"exhibit/internal/event"

	"golang.org/x/tools/txtar"
)

// records returns the records in one file of a kind's fixtures.
func records(t *testing.T, kind, file string) (names []string, raw [][]byte) {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", kind, file))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range a.Files {
		if name, ok := strings.CutSuffix(f.Name, ".json"); ok {
			names, raw = append(names, name), append(raw, bytes.TrimSpace(f.Data))
		}
	}
	return names, raw
}

// Whatever way an event of Scalr came, it is one event.
func TestScalrDeliveries(t *testing.T) {
	k := kind(t, "scalr")
	names, raw := records(t, "scalr", "deliveries.txtar")
	var first event.Event
	for i, name := range names {
		e := normalize(t, k, string(raw[i])).Event
		if i == 0 {
			first = e
		}
		if e.ID == "" || !event.SameContent(&first, &e) {
			t.Errorf("%s: got %+v, want what %s is", name, e, names[0])
		}
	}
	if len(names) < 8 {
		t.Errorf("got %d deliveries", len(names))
	}
}

// What becomes of records does not depend on the file that they are in: lines, an
// array, or a page under any of the kind's keys.
func TestFilesOfKinds(t *testing.T) {
	for name, file := range map[string]string{"scalr": "outcomes.txtar", "aws-cloudtrail": "signins.txtar", "terracotta": "events.txtar"} {
		k := kind(t, name)
		_, raw := records(t, name, file)
		list := "[" + string(bytes.Join(raw, []byte(",\n "))) + "]"
		files := map[string]string{"lines": string(bytes.Join(raw, []byte("\n"))), "array": list}
		for _, key := range k.Wraps {
			if strings.HasPrefix(key, "!") {
				continue // what no page has
			}
			files["page of "+key] = `{"before":{"x":[1]},"` + key + `":` + list + `,"after":1}`
		}
		for what, text := range files {
			i := 0
			for p, err := range source.Records(strings.NewReader(text), source.RecordsOptions{Wraps: k.Wraps}) {
				if err != nil || p.Bad != "" || i == len(raw) || !bytes.Equal(p.Raw, raw[i]) {
					t.Fatalf("%s: %s: record %d: %v %s", name, what, i, err, p.Bad)
				}
				i++
			}
			if i != len(raw) {
				t.Errorf("%s: %s: got %d records, want %d", name, what, i, len(raw))
			}
		}
	}
}

// Every call in the samples of CloudTrail is filed where the reference says.
func TestCloudTrailSections(t *testing.T) {
	type rule struct{ pattern, class, success, failure string }
	var rules []rule
	for line := range strings.Lines(string(reference(t, "classification/classification.tsv"))) {
		if col := strings.Split(line, "\t"); col[0] == "aws-cloudtrail" {
			rules = append(rules, rule{col[1], col[2], col[5], col[6]})
		}
	}
	k := kind(t, "aws-cloudtrail")
	seen := map[string]bool{}
	eachSample(t, "aws-cloudtrail", func(s sample) {
		out, err := k.Normalize(source.Record{Raw: s.raw, Received: received})
		if err != nil {
			return
		}
		e := out[0].Event
		if key := e.Action + e.Outcome; seen[key] {
			return
		} else {
			seen[key] = true
		}
		for _, r := range rules {
			if ok, err := filepath.Match(r.pattern, e.Action); err != nil {
				t.Fatal(err)
			} else if !ok {
				continue
			}
			want := r.success
			if e.Outcome == event.Failure {
				want = r.failure
			}
			// The last rule holds for what CloudTrail does not say to be a read.
			readOnly := bytes.Contains(s.raw, []byte(`"readOnly":true`)) || bytes.Contains(s.raw, []byte(`"readOnly": true`))
			if r.pattern == "*" && readOnly {
				want = string(event.Other)
			}
			if string(e.Section) != want {
				t.Errorf("%s %d: %s %s is filed under %s, want %s", s.file, s.index, e.Action, e.Outcome, e.Section, want)
			}
			break
		}
	})
	if len(seen) < 100 {
		t.Errorf("got %d calls and outcomes", len(seen))
	}
}
