package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// write puts files into a directory of their own.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Rules and mappings are meant from where the configuration is, and hold for their
// sources only.
func TestCatalogOfConfiguration(t *testing.T) {
	dir := write(t, map[string]string{
		"exhibit.yaml": "rules: own.yaml\nsources:\n- {name: pay, kind: json, push: true, map: pay.yaml}\n- {name: other, kind: json, push: true}\n",
		"own.yaml":     "json: [{pattern: 'pay*', section: data-access}]",
		"pay.yaml":     "fields: {action: did}",
	})
	c, err := LoadConfig(filepath.Join(dir, "exhibit.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := c.catalog()
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{"pay": `{"did":"pay.out"}`, "other": `{"action":"pay.out"}`} {
		k, err := catalog.Of(name, "json")
		if err != nil {
			t.Fatal(err)
		}
		out, err := k.Normalize(source.Record{Raw: []byte(raw)})
		if err != nil || out[0].Event.Section != event.DataAccess {
			t.Errorf("%s: got %+v, %v", name, out, err)
		}
	}
}

// What is wrong with rules and mappings is said when the configuration is read, with
// the file and what is wrong.
func TestWrongRulesAndMappings(t *testing.T) {
	for text, want := range map[string]string{
		"rules: own.yaml":  "own.yaml: line 2: okta: a: there is no section",
		"rules: nope.yaml": "nope.yaml",
		"sources: [{name: a, kind: okta, push: true, map: good.yaml}]": `source "a": map is for the kind json`,
		"sources: [{name: a, kind: json, push: true, map: bad.yaml}]":  "bad.yaml: source: mapping: fields: action is missing",
		"sources: [{name: a, kind: json, push: true, map: nope.yaml}]": `source "a": map: open`,
	} {
		dir := write(t, map[string]string{"exhibit.yaml": text, "own.yaml": "okta:\n- {pattern: a, section: b}\n", "good.yaml": "fields: {action: a}", "bad.yaml": "fields: {id: a}"})
		if _, err := LoadConfig(filepath.Join(dir, "exhibit.yaml")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

// Records are tried with the site's rules.
func TestTryRules(t *testing.T) {
	dir := write(t, map[string]string{"own.yaml": "okta: [{pattern: 'vendor.*', section: credentials}]"})
	cmd := tryCmd{Kind: "okta", Rules: filepath.Join(dir, "own.yaml")}
	k, err := cmd.kind()
	if err != nil {
		t.Fatal(err)
	}
	out, err := k.Normalize(source.Record{Raw: []byte(`{"uuid":"1","eventType":"vendor.new"}`)})
	if err != nil || out[0].Event.Section != event.Credentials || out[0].Unmapped {
		t.Errorf("got %+v, %v", out, err)
	}
}
