package source_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"

	"golang.org/x/tools/txtar"
)

// What another system sent to Datadog becomes the events that it becomes when the
// system is read itself, whichever way Datadog has it.
func TestDatadogUnwraps(t *testing.T) {
	text := func(raw []byte) string {
		quoted, err := json.Marshal(string(raw))
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	}
	ways := map[string]func(sender string, raw []byte) string{
		"v1": func(sender string, raw []byte) string {
			return fmt.Sprintf(`{"id":"dd","content":{"timestamp":"2026-01-02T03:04:05Z","tags":["env:x","source:%s"],"host":"h","service":"s","attributes":%s}}`, sender, raw)
		},
		"v2": func(sender string, raw []byte) string {
			return fmt.Sprintf(`{"id":"dd","type":"log","attributes":{"attributes": %s,"timestamp":"2026-01-02T03:04:05Z","service":"s","message":"x","tags":["source:%s"]}}`, raw, sender)
		},
		"archive": func(sender string, raw []byte) string {
			return fmt.Sprintf(`{"_id":"dd","date":"2026-01-02T03:04:05Z","source":%q,"service":"s","attributes":%s}`, sender, raw)
		},
		"intake": func(sender string, raw []byte) string {
			return fmt.Sprintf(`{"ddsource":%q,"ddtags":"env:x","service":"s","message":%s}`, sender, text(raw))
		},
		"message": func(sender string, raw []byte) string {
			return fmt.Sprintf(`{"id":"dd","type":"log","attributes":{"timestamp":"2026-01-02T03:04:05Z","service":%q,"message":%s,"attributes":{}}}`, sender, text(raw))
		},
	}
	d := kind(t, "datadog")
	n := 0
	for name, sender := range map[string]string{"okta": "okta", "hcp-platform": "hcp", "entra-id": "azure.activedirectory",
		"aws-cloudtrail": "cloudtrail", "hcp-terraform": "hcp-terraform", "scalr": "scalr"} {
		k := kind(t, name)
		for file, raw := range fixtures(t, name) {
			want, err := k.Normalize(source.Record{Raw: raw, Received: received})
			if err != nil || !json.Valid(raw) {
				continue
			}
			for way, wrap := range ways {
				got, err := d.Normalize(source.Record{Raw: []byte(wrap(sender, raw)), Received: received})
				n++
				if err != nil || len(got) != len(want) {
					t.Errorf("%s by %s: got %d events, error %v; want %d", file, way, len(got), err, len(want))
					continue
				}
				for i := range got {
					if a, b := carriedContent(got[i], way), carriedContent(want[i], way); a != b {
						t.Errorf("%s by %s:\ngot  %+v\nwant %+v", file, way, a, b)
					}
				}
			}
		}
	}
	if n < 300 {
		t.Errorf("only %d records were wrapped", n)
	}
}

// carriedContent is a result without what Datadog gives it: its id, and its time
// when it has none of its own.
func carriedContent(r source.Result, way string) source.Result {
	e := &r.Event
	e.Raw, e.Mapping = "", 0
	if way != "intake" || strings.HasPrefix(e.ID, "sha256:") {
		e.ID = ""
	}
	if e.TimeBasis != "" {
		e.Time, e.TimeBasis = time.Time{}, event.BasisReceived
	}
	return r
}

// fixtures returns the records in the fixtures of a kind by their names.
func fixtures(t *testing.T, name string) map[string][]byte {
	files, err := filepath.Glob(filepath.Join("testdata", name, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("kind %s has no fixtures (error %v)", name, err)
	}
	out := map[string][]byte{}
	for _, path := range files {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".json") {
				out[path+" "+f.Name] = bytes.TrimSpace(f.Data)
			}
		}
	}
	return out
}

// The kind's version and rules follow those of the kinds that it carries.
func TestDatadogVersion(t *testing.T) {
	d := kind(t, "datadog")
	seen := map[string]bool{d.Rules: true}
	for _, k := range source.Kinds() {
		if k.Name != "datadog" && seen[k.Rules] {
			t.Errorf("kind %s has the rules of another", k.Name)
		}
		seen[k.Rules] = true
	}
	if d.Mapping == 0 {
		t.Error("the kind has no version")
	}
}

// What only calls itself audit, and does not say what was done, has no outcome.
func TestDatadogNoAudit(t *testing.T) {
	k := kind(t, "datadog")
	e := normalize(t, k, `{"id":"1","type":"log","attributes":{"timestamp":"2026-01-02T03:04:05Z","tags":["source:audit"],"attributes":{"foo":"x"}}}`).Event
	if e.Outcome != event.Unknown {
		t.Errorf("outcome %s", e.Outcome)
	}
}
