package framework

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
)

// whole is a small framework file that loads; the tests below break it.
const whole = `id: demo
prefix: 'demo:1'
title: Demo
edition: first
version: '1'
last_changed: '2026-01-02'
changed_by: us
notes: [A note.]
sections:
  logins: {shows: Sign-ins., cannot: Anything else.}
  log-review: {shows: Reviews., cannot: Other reviews., bring: the records}
retention:
  - id: demo.logs
    title: Logs
    kind: hard
    applies_to: events
    months: 12
    days: 366
    immediate_months: 3
    immediate_days: 92
    source: Demo 1
    text: A year.
    controls: ['1.10']
checks:
  - id: sign-ins
    question: Who?
    section: logins
    match: {actions: ['*login*'], outcomes: [success]}
    found: listed
    controls: ['1.10']
controls:
  - id: '1.10'
    title: Sign-ins logged
    asks: Sign-ins.
    sections: [logins]
    strength: [A, B]
    covers: {A: events, B: papers}
    bring: papers
  - id: '1.2'
    title: Reviews
    asks: Reviews.
    sections: [log-review]
    strength: [C]
    level: required
    only_for: service providers
    superseded_by: '1.10'
`

func TestParseWhole(t *testing.T) {
	f, err := parse("demo.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if f.Controls[0].Key != "demo:1:1.10" || f.File != "demo.yaml" || len(f.Hash) != 64 {
		t.Errorf("got key %s, file %s, hash %s", f.Controls[0].Key, f.File, f.Hash)
	}
}

func TestParseBroken(t *testing.T) {
	tests := []struct {
		name, old, new string
		want           string // in the error, besides the name of the file
	}{
		{"unknown field", "title: Demo", "titel: Demo", `unknown field "titel"`},
		{"unknown field of a control", "asks: Reviews.", "ask: Reviews.", `unknown field "ask"`},
		{"field twice", "title: Demo", "title: Demo\ntitle: Demo", "already defined"},
		{"not YAML", "controls:", "controls: [", "must be specified"},
		{"empty file", whole, "", "empty file"},
		{"two documents", whole, whole + "---\n" + whole, "more than one YAML document"},
		{"tag on the wrong value", "sections: [log-review]", "sections: !x 1", "malformed YAML"},
		{"unquoted id", "id: '1.2'", "id: 1.20", "line 39: put quotes around 1.20"},
		{"unquoted id in a list", "text: A year.\n    controls: ['1.10']", "text: A year.\n    controls: [1.10]", "put quotes around 1.10"},
		{"wrong type", "months: 12", "months: twelve", "months"},
		{"id", "id: demo\n", "id: Demo 1\n", `id "Demo 1" does not have the form`},
		{"prefix", "'demo:1'", "demo", `prefix "demo" does not have the form`},
		{"no title", "title: Demo", "title: ''", "title is empty"},
		{"no version", "version: '1'", "version: ''", "version is empty"},
		{"date", "'2026-01-02'", "'2026-02-30'", `last_changed "2026-02-30" is not a date`},
		{"no controls", whole[strings.Index(whole, "controls:\n  - id: '1.10'"):], "", "no controls"},
		{"section without wording", "  logins: {shows: Sign-ins., cannot: Anything else.}\n", "",
			`section "logins": controls name it, the framework has no wording for it`},
		{"wording of an unknown section", "  logins: {", "  signins: {", `unknown section "signins"`},
		{"later section without bring", ", bring: the records", "", `section "log-review": bring is for sections`},
		{"bring on an evidenced section", "cannot: Anything else.", "cannot: Anything else., bring: it", `section "logins": bring is for`},
		{"duplicate control", "id: '1.2'", "id: '1.10'", `control "1.10": duplicate control`},
		{"control id", "id: '1.2'", "id: 'a:b'", `control "a:b": id "a:b" does not have the form`},
		{"no control id", "id: '1.2'", "id: ''", "control number 2: id"},
		{"control title", "title: Reviews", "title: ''", `control "1.2": title is empty`},
		{"no asks", "asks: Reviews.", "asks: ''", `control "1.2": asks is empty`},
		{"long text", "asks: Reviews.", "asks: " + strings.Repeat("x", 161), `control "1.2": asks is 161 characters long`},
		{"judging", "title: Reviews", "title: Compliant reviews", `control "1.2": title says "compliant"`},
		{"two lines", "asks: Reviews.", `asks: "a\nb"`, `control "1.2": asks has space around it or a control character`},
		{"no sections", "sections: [log-review]", "sections: []", `control "1.2": no sections`},
		{"unknown section", "sections: [log-review]", "sections: [log-review, sign-ins]", `control "1.2": unknown section "sign-ins"`},
		{"section twice", "sections: [log-review]", "sections: [log-review, log-review]", `control "1.2": sections names log-review twice`},
		{"no strength", "strength: [C]", "strength: []", `control "1.2": no strength`},
		{"unknown strength", "strength: [C]", "strength: [D]", `control "1.2": unknown strength "D"`},
		{"strength twice", "strength: [C]", "strength: [C, C]", `control "1.2": strength names C twice`},
		{"order of strength", "strength: [A, B]", "strength: [B, A]", `control "1.10": strength [B A] is not in the order`},
		{"covers missing", "covers: {A: events, B: papers}", "covers: {A: events}", `control "1.10": covers has a line for each strength`},
		{"covers of another strength", "B: papers}", "C: papers}", `control "1.10": unknown strength in covers "C"`},
		{"B without bring", "    bring: papers\n", "", `control "1.10": bring is empty`},
		{"level", "level: required", "level: optional", `control "1.2": unknown level "optional"`},
		{"audience", "only_for: service providers", "only_for: banks", `control "1.2": unknown only_for "banks"`},
		{"superseded by nothing", "superseded_by: '1.10'", "superseded_by: '9'", `control "1.2": superseded_by "9" is not another control`},
		{"superseded by itself", "superseded_by: '1.10'", "superseded_by: '1.2'", `control "1.2": superseded_by "1.2" is not another control`},
		{"retention id", "demo.logs", "other.logs", `retention "other.logs": id does not start with "demo."`},
		{"retention kind", "kind: hard", "kind: soft", `retention "demo.logs": unknown kind "soft"`},
		{"retention of", "applies_to: events", "applies_to: logs", `retention "demo.logs": unknown applies_to "logs"`},
		{"lenient days", "days: 366", "days: 365", `retention "demo.logs": days is 365, 12 months are 366 days on the strict side`},
		{"no months", "months: 12\n    days: 366", "months: 0\n    days: 0", `retention "demo.logs": months is 0`},
		{"endless months", "months: 12\n", "months: 999999999\n", `retention "demo.logs": days: 999999999 months are outside`},
		{"immediate beyond all", "immediate_months: 3", "immediate_months: 13", `immediate_months is 13, outside 0..months`},
		{"immediate days", "immediate_days: 92", "immediate_days: 90", `immediate_days is 90, 3 months are 92 days`},
		{"no source", "source: Demo 1", "source: ''", `retention "demo.logs": source is empty`},
		{"retention of unknown control", "text: A year.\n    controls: ['1.10']", "text: A year.\n    controls: ['9']", `retention "demo.logs": unknown control "9"`},
		{"check id", "id: sign-ins", "id: Sign ins", `check "Sign ins": id`},
		{"check section", "section: logins", "section: log-review", `check "sign-ins": section "log-review" is not one that events are filed under`},
		{"check pattern", "'*login*'", "'*'", `check "sign-ins": action "*" fits everything`},
		{"check pattern sign", "'*login*'", "'log[io]n'", "only * is special"},
		{"check pattern stars", "'*login*'", "'a**b'", "two stars"},
		{"check outcome", "outcomes: [success]", "outcomes: [ok]", `check "sign-ins": unknown outcome "ok"`},
		{"check found", "found: listed", "found: yes", `check "sign-ins": unknown found "yes"`},
		{"check control without the section", "found: listed\n    controls: ['1.10']", "found: listed\n    controls: ['1.2']",
			`check "sign-ins": control "1.2" does not have the section "logins"`},
		{"check without controls", "found: listed\n    controls: ['1.10']", "found: listed", `check "sign-ins": no controls`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			broken := strings.Replace(whole, tt.old, tt.new, 1)
			if broken == whole {
				t.Fatalf("the replacement of %q changes nothing", tt.old)
			}
			_, err := parse("demo.yaml", []byte(broken))
			if err == nil {
				t.Fatalf("got no error, want %q", tt.want)
			}
			if !strings.Contains(err.Error(), "framework file demo.yaml: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %q", err, tt.want)
			}
		})
	}
}

func TestParseReportsAll(t *testing.T) {
	broken := strings.Replace(whole, "strength: [C]", "strength: [D]", 1)
	broken = strings.Replace(broken, "kind: hard", "kind: soft", 1)
	_, err := parse("demo.yaml", []byte(broken))
	if err == nil || !strings.Contains(err.Error(), `"D"`) || !strings.Contains(err.Error(), `"soft"`) {
		t.Errorf("got %v, want both problems", err)
	}
}

func TestParseTooLarge(t *testing.T) {
	_, err := parse("demo.yaml", bytes.Repeat([]byte("#"), maxFile+1))
	if err == nil || !strings.Contains(err.Error(), "at most 1048576 are read") {
		t.Errorf("got %v", err)
	}
}

func TestLoadFS(t *testing.T) {
	if _, err := loadFS(fstest.MapFS{}); err == nil || err.Error() != "no framework files" {
		t.Errorf("no files: got %v", err)
	}
	file := &fstest.MapFile{Data: []byte(whole)}
	_, err := loadFS(fstest.MapFS{"a.yaml": file, "b.yaml": file})
	for _, want := range []string{`b.yaml: id "demo" is already used in a.yaml`, `prefix "demo:1"`, `retention id "demo.logs"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("two files of one framework: got %v, want %q", err, want)
		}
	}
	all, err := loadFS(fstest.MapFS{"a.yaml": file, "README": {}})
	if err != nil || len(all) != 1 || all[0].File != "a.yaml" {
		t.Errorf("one file: got %v, %v", all, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("id: 1.10\n---\n"))
	f.Add([]byte("controls:\n  - {id: '1', strength: [A]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fw, err := parse("fuzz.yaml", data)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "framework file fuzz.yaml: ") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		for _, c := range fw.Controls {
			if c.Title == "" || len(c.Sections) == 0 || len(c.Strength) == 0 || c.Key != fw.Prefix+":"+c.ID {
				t.Errorf("a control passed that should not: %+v", c)
			}
		}
	})
}
