package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

var received = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func kind(t testing.TB, name string) source.Kind {
	t.Helper()
	k, err := source.Lookup(source.Kinds(), name)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// normalize returns the one event of a record.
func normalize(t testing.TB, k source.Kind, raw string) source.Result {
	t.Helper()
	out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received})
	if err != nil {
		t.Fatalf("normalize %s: %v", raw, err)
	}
	if len(out) != 1 {
		t.Fatalf("normalize %s: got %d events, want 1", raw, len(out))
	}
	return out[0]
}

func TestKinds(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range source.Kinds() {
		if seen[k.Name] {
			t.Errorf("kind %s is there twice", k.Name)
		}
		seen[k.Name] = true
		if k.Title == "" || k.Mapping == 0 || len(k.Rules) != 64 || k.Normalize == nil {
			t.Errorf("kind %s: row is not complete: %+v", k.Name, k)
		}
		if (k.NewPuller == nil) != (k.Shape == source.Pushed) || k.Keeps == 0 && k.Shape != source.Pushed {
			t.Errorf("kind %s: shape %s, keeps %v and puller do not fit", k.Name, k.Shape, k.Keeps)
		}
		for _, s := range event.Sections() {
			a, ok := k.Abilities[s]
			if !ok || a.Grade != source.Logged && a.Words == "" {
				t.Errorf("kind %s: ability for %s is %q", k.Name, s, a)
			}
		}
		if len(k.Abilities) != len(event.Sections()) {
			t.Errorf("kind %s: %d abilities, want one for each of %d sections", k.Name, len(k.Abilities), len(event.Sections()))
		}
		for _, s := range k.Settings {
			if s.Doc == "" || s.Required && s.Default != "" || s.Secret && s.Default != "" {
				t.Errorf("kind %s: setting %+v is not complete or contradicts itself", k.Name, s)
			}
			if one := (source.Kind{Settings: []source.Setting{s}}); s.Default != "" && one.CheckSettings(map[string]string{s.Name: s.Default}) != nil {
				t.Errorf("kind %s: setting %s: the default %q may not be given", k.Name, s.Name, s.Default)
			}
		}
	}
	if _, err := source.Lookup(source.Kinds(), "nope"); err == nil || !strings.Contains(err.Error(), "hcp-terraform") {
		t.Errorf("lookup of an unknown kind: got %v, want the names of the known ones", err)
	}
}

func TestCheckSettings(t *testing.T) {
	k := kind(t, "hcp-terraform")
	if err := k.CheckSettings(map[string]string{"token": "x", "url": "https://example.com"}); err != nil {
		t.Errorf("good settings: %v", err)
	}
	k = kind(t, "okta")
	for wrong, want := range map[string]string{"url=okta.com": "an address such as", "scheme=Basic": "one of SSWS, Bearer", "requests_per_hour=many": "a number", "requests_per_hour=0": "a number"} {
		name, value, _ := strings.Cut(wrong, "=")
		settings := map[string]string{"url": "https://x.okta.com", "token": "t", name: value}
		if err := k.CheckSettings(settings); err == nil || !strings.Contains(err.Error(), name+": want "+want) || strings.Contains(err.Error(), value) {
			t.Errorf("%s: got %v, want %q and not the value", wrong, err, want)
		}
	}
	k = kind(t, "scalr")
	if err := k.CheckSettings(map[string]string{"closed_after": "2 days"}); err == nil || !strings.Contains(err.Error(), "a duration") {
		t.Errorf("a length of time in words: %v", err)
	}
	k = kind(t, "hcp-terraform")
	err := k.CheckSettings(map[string]string{"tokne": "secret-value"})
	if err == nil || !strings.Contains(err.Error(), `"tokne"`) || !strings.Contains(err.Error(), `"token" is missing`) {
		t.Errorf("got %v, want both mistakes", err)
	}
	if err != nil && strings.Contains(err.Error(), "secret-value") {
		t.Errorf("the error shows a value: %v", err)
	}
}

const event1 = `{"id":"e-1","timestamp":"2026-01-02T03:04:05.678Z","auth":{"accessor_id":"user-1","description":"ada","type":"Client","impersonator_id":null,"organization_id":"org-1"},"request":{"id":"r-1"},"resource":{"id":"ws-1","type":"workspace","action":"create","meta":null}}`

func TestRejects(t *testing.T) {
	tests := []struct {
		name, raw, reason string
	}{
		{"empty", "", source.ReasonNotJSON},
		{"text", "hello", source.ReasonNotJSON},
		{"cut short", event1[:50], source.ReasonNotJSON},
		{"more follows", event1 + "{}", source.ReasonNotJSON},
		{"array", "[1]", source.ReasonNotObject},
		{"null", "null", source.ReasonNotObject},
		{"broken array", "[1", source.ReasonNotJSON},
		{"duplicate key", `{"id":"a","id":"b"}`, source.ReasonDuplicate},
		{"duplicate key inside", strings.Replace(event1, `"meta":null`, `"meta":{"a":1,"a":2}`, 1), source.ReasonDuplicate},
		{"duplicate key beside a bad byte", `{"x":"` + "\xff" + `","id":"a","id":"b"}`, source.ReasonDuplicate},
		{"no type", `{"id":"a"}`, source.ReasonNoType},
		{"no type in resource", `{"id":"a","resource":{"type":null,"action":[]}}`, source.ReasonNoType},
		{"resource of another shape", `{"id":"a","resource":"x"}`, source.ReasonNoType},
		{"too large", `{"id":"` + strings.Repeat("x", source.MaxRecord) + `"}`, source.ReasonTooLarge},
	}
	k := kind(t, "hcp-terraform")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := k.Normalize(source.Record{Raw: []byte(tt.raw), Received: received})
			if err == nil || source.Reason(err) != tt.reason || len(out) != 0 || errors.Is(err, source.ErrSkip) {
				t.Errorf("got %d events, error %v; want reject %q", len(out), err, tt.reason)
			}
		})
	}
}

// samples calls f for every file under the samples of a source, read in place.
func samples(t testing.TB, dir string, f func(path string, data []byte)) {
	t.Helper()
	root := samplesOf(dir)
	if _, err := os.Stat(root); err != nil {
		missing(t, root)
	}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			f(path, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// samplesOf is where the samples of a source are.
func samplesOf(dir string) string {
	return filepath.Join("..", "..", "..", "shared", "samples", dir)
}

// missing ends a test that needs files from beside the repository.
func missing(t testing.TB, path string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not there", path)
	}
	t.Skipf("%s is not there", path)
}
