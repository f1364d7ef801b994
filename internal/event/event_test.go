package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"exhibit/internal/event"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write testdata/vectors.jsonl anew (only before the first release)")

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// vectors are the events behind testdata/vectors.jsonl, line by line.
func vectors() []event.Event {
	full := event.Event{
		Salt: [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, Source: "hcp-prod", ID: "ae66e491-db59-457c-8445-9c908ee726ae",
		Time: at("2026-01-02T03:04:05.000000006Z"), Received: at("2026-01-02T03:05:00Z"), Section: event.Credentials,
		OCSF: "1.8.0", Class: 3004, Activity: 1, Action: "authentication_token.create", Outcome: event.Success,
		Actor:  event.Actor{ID: "user-1", Name: "Ada \"A\" \\ Löwe", Email: "ada@example.com", Type: event.User, Impersonator: "user-2"},
		Target: event.Target{Type: "authentication_token", ID: "at-1", Name: "ci\ttoken"},
		IP:     "2001:db8::1", UserAgent: "tfc/1.0", RequestID: "req-1", SessionID: "s-1", Organisation: "org-1",
		Scope:   event.Scope{Workspace: "ws-1", Project: "prj-1", Account: "acc-1"},
		Changes: `{"before":null,"after":1}`, Mapping: 1, Masked: "hmac", Raw: `{"id":"ae66e491"}`,
	}
	bare := event.Event{Source: "s", ID: "1", Time: at("1970-01-01T00:00:00Z"), Received: at("2199-12-31T23:59:59.999999999Z"),
		Section: event.Other, Outcome: event.Unknown}
	hostile := bare
	hostile.ID, hostile.Raw = "nul \x00 del \x7f line\u2028sep \U0010FFFF end", "\x00\x01\b\f\n\r\t\x1f\"\\/<>&\u2028\\ud800"
	binary := bare
	binary.TimeBasis, binary.Claimed, binary.Raw = event.BasisReceived, "0001-01-01T00:00:00Z", "\xff\xfe not utf-8 \xed\xa0\x80"
	return []event.Event{full, bare, hostile, binary}
}

func TestVectors(t *testing.T) {
	var got bytes.Buffer
	for _, e := range vectors() {
		line := e.AppendLine(nil)
		leaf := event.Leaf(line)
		if own, _ := e.Leaf([]byte("used before")); own != leaf {
			t.Errorf("event %s has leaf %v, its line %v", e.ID, own, leaf)
		}
		got.Write(append(line, '\n'))
		got.WriteString("# leaf " + leaf.String() + "\n")
	}
	if *update {
		if err := os.WriteFile("testdata/vectors.jsonl", got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/vectors.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the canonical line changed; it is pinned for ever\ngot  %s\nwant %s", got.Bytes(), want)
	}
}

// Every line is JSON that a standard reader understands, and reads back to the same event.
func TestLineRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		checkRoundTrip(t, e)
	})
}

type fataler interface{ Fatalf(string, ...any) }

func checkRoundTrip(t fataler, e event.Event) {
	line := e.AppendLine(nil)
	if !utf8.Valid(line) || bytes.ContainsAny(line, "\n\r") {
		t.Fatalf("line is not one line of UTF-8: %q", line)
	}
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatalf("line is not JSON: %v\n%s", err, line)
	}
	if raw, ok := m["raw"].(string); ok && raw != e.Raw {
		t.Fatalf("raw as JSON reads %q, want %q", raw, e.Raw)
	}
	var back event.Event
	if err := back.Parse(string(line)); err != nil {
		t.Fatalf("parse: %v\n%s", err, line)
	}
	if back != e {
		t.Fatalf("parsed event differs\ngot  %+v\nwant %+v", back, e)
	}
	if again := back.AppendLine(nil); !bytes.Equal(again, line) {
		t.Fatalf("second line differs\ngot  %s\nwant %s", again, line)
	}
}

func drawEvent(t *rapid.T) event.Event {
	text := func(name string) string { return rapid.String().Draw(t, name) }
	e := event.Event{
		Source: rapid.StringN(1, 20, -1).Draw(t, "source"), ID: rapid.StringN(1, 50, -1).Draw(t, "id"),
		Time:     time.Unix(rapid.Int64Range(0, 7258118399).Draw(t, "sec"), rapid.Int64Range(0, 999999999).Draw(t, "nsec")).UTC(),
		Received: time.Unix(rapid.Int64Range(0, 7258118399).Draw(t, "rsec"), 0).UTC(),
		Section:  rapid.SampledFrom(event.Sections()).Draw(t, "section"), Class: rapid.Uint32().Draw(t, "class"), Activity: rapid.Uint32().Draw(t, "activity"),
		Action: text("action"), Outcome: event.Success, Actor: event.Actor{ID: text("actor"), Email: text("email")},
		Target: event.Target{Name: text("target")}, IP: text("ip"), Scope: event.Scope{Account: text("account")},
		Changes: text("changes"), Mapping: rapid.Uint32().Draw(t, "mapping"), TimeBasis: text("basis"), Claimed: text("claimed"),
		Raw: string(rapid.SliceOf(rapid.Byte()).Draw(t, "raw")),
	}
	copy(e.Salt[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
	return e
}

// No text but the one that AppendLine wrote is taken for the same event.
func TestParseRefusesEveryOtherText(t *testing.T) {
	for _, e := range vectors() {
		line := string(e.AppendLine(nil))
		for i := range line {
			for _, changed := range []string{line[:i], line[:i] + " " + line[i:], line[:i] + line[i+1:]} {
				var got event.Event
				if err := got.Parse(changed); err == nil && string(got.AppendLine(nil)) != changed {
					t.Fatalf("accepted %q", changed)
				}
				checkParseFields(t, changed)
			}
		}
	}
	for _, bad := range []string{"", "{}", "null", `{"v":2,"salt":""}`} {
		if err := new(event.Event).Parse(bad); !errors.Is(err, event.ErrNotCanonical) {
			t.Errorf("Parse(%q) = %v, want ErrNotCanonical", bad, err)
		}
	}
}

// checkParseFields checks that ParseFields is Parse without Raw.
func checkParseFields(t fataler, line string) {
	var whole, fields event.Event
	err, fieldsErr := whole.Parse(line), fields.ParseFields(line)
	whole.Raw = ""
	if (err == nil) != (fieldsErr == nil) || err == nil && whole != fields {
		t.Fatalf("%q: Parse says %v, ParseFields %v", line, err, fieldsErr)
	}
}

// Quotes and backslashes in every order.
func TestEscapes(t *testing.T) {
	const length = 8
	symbols := []string{`"`, `\`, "a", "é"}
	count := 1
	for range length {
		count *= len(symbols)
	}
	for n := 0; n < count; n++ {
		text := ""
		for i, rest := 0, n; i < length; i++ {
			text += symbols[rest%len(symbols)]
			rest /= len(symbols)
		}
		e := vectors()[1]
		e.Raw = text
		checkRoundTrip(t, e)
		line := string(e.AppendLine(nil))
		checkParseFields(t, line)
		checkParseFields(t, line[:strings.LastIndex(line, `"raw":"`)+7]+text+`"}`)
	}
}

func TestParseTime(t *testing.T) {
	for s, good := range map[string]bool{
		"2024-02-29T23:59:59.999999999Z": true, "1970-01-01T00:00:00.000000000Z": true,
		"2023-02-29T00:00:00.000000000Z": false, "2024-13-01T00:00:00.000000000Z": false, "2024-00-01T00:00:00.000000000Z": false,
		"2024-01-00T00:00:00.000000000Z": false, "2024-01-01T24:00:00.000000000Z": false, "2024-01-01T00:60:00.000000000Z": false,
		"2024-01-01T00:00:60.000000000Z": false, "2200-01-01T00:00:00.000000000Z": false, "1969-12-31T23:59:59.999999999Z": false,
		"2024-01-01 00:00:00.000000000Z": false, "2024-01-01T00:00:00.00000000Z": false, "": false,
	} {
		got, err := event.ParseTime(s)
		if (err == nil) != good || good && got.Format(event.TimeFormat) != s {
			t.Errorf("ParseTime(%q) = %v, %v", s, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range vectors() {
		f.Add(string(e.AppendLine(nil)))
	}
	er := event.Erased{Source: "s", ID: "1", Time: at("2026-01-02T00:00:00Z"), Section: event.Other, By: 7}
	f.Add(string(er.AppendLine(nil)))
	rej := event.Reject{Source: "s", Received: at("2026-01-02T00:00:00Z"), Reason: "not JSON", Size: 3}
	f.Add(string(rej.AppendLine(nil)))
	f.Fuzz(func(t *testing.T, line string) {
		var e event.Event
		if err := e.Parse(line); err == nil && string(e.AppendLine(nil)) != line {
			t.Fatalf("event accepted %q, writes %q", line, e.AppendLine(nil))
		}
		checkParseFields(t, line)
		var er event.Erased
		if err := er.Parse(line); err == nil && string(er.AppendLine(nil)) != line {
			t.Fatalf("erased accepted %q, writes %q", line, er.AppendLine(nil))
		}
		var j event.Reject
		if err := j.Parse(line); err == nil && string(j.AppendLine(nil)) != line {
			t.Fatalf("reject accepted %q, writes %q", line, j.AppendLine(nil))
		}
	})
}

func TestFile(t *testing.T) {
	received := at("2026-03-01T12:00:00Z")
	tests := []struct {
		name    string
		time    time.Time
		basis   string
		want    time.Time
		claimed string
		wrong   bool
	}{
		{"own time", received.Add(-time.Hour), "", received.Add(-time.Hour), "", false},
		{"an hour ahead is still own", received.Add(time.Hour), "", received.Add(time.Hour), "", false},
		{"further ahead", received.Add(time.Hour + 1), "", received, "2026-03-01T13:00:00.000000001Z", true},
		{"year 1", time.Time{}, "", received, "0001-01-01T00:00:00Z", true},
		{"year 9999", time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "", received, "9999-01-01T00:00:00Z", true},
		{"no time", time.Time{}, event.BasisReceived, received, "", false},
		{"carrier's time", received.Add(-time.Minute), event.BasisTransport, received.Add(-time.Minute), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := event.Event{Time: tt.time, TimeBasis: tt.basis, Received: received}
			if wrong := e.File(""); wrong != tt.wrong || !e.Time.Equal(tt.want) || e.Claimed != tt.claimed {
				t.Errorf("File() = %v, time %v, claimed %q; want %v, %v, %q", wrong, e.Time, e.Claimed, tt.wrong, tt.want, tt.claimed)
			}
		})
	}
}

func TestSameContent(t *testing.T) {
	base := vectors()[0]
	change := func(f func(*event.Event)) event.Event { e := base; f(&e); return e }
	tests := []struct {
		name string
		e    event.Event
		want bool
	}{
		{"itself", base, true},
		{"salt, receipt, mapping and raw", change(func(e *event.Event) {
			e.Salt[0], e.Received, e.Mapping, e.Raw = 9, e.Received.Add(1), 2, "x"
		}), true},
		{"outcome", change(func(e *event.Event) { e.Outcome = event.Failure }), false},
		{"time", change(func(e *event.Event) { e.Time = e.Time.Add(1) }), false},
		{"time that is not its own", change(func(e *event.Event) { e.Time, e.TimeBasis = e.Time.Add(1), event.BasisReceived }), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := event.SameContent(&base, &tt.e); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestClean(t *testing.T) {
	e := event.Event{Action: "a\xffb", Raw: "\xff"}
	e.Clean()
	if e.Action != "a\uFFFDb" || e.Raw != "\xff" {
		t.Errorf("got action %q raw %q", e.Action, e.Raw)
	}
	if err := e.Check(); err == nil || !strings.Contains(err.Error(), "no source") {
		t.Errorf("Check() = %v, want it to name the missing source", err)
	}
}

// record is what HCP Terraform's records are like.
const record = `{"id":"ae66e491-db59-457c-8445-9c908ee726ae","version":"0","type":"Resource","timestamp":"2026-01-02T03:04:05.000Z",` +
	`"auth":{"accessor_id":"user-MaPuLxAXvtq2PWTH","description":"ada","type":"Client","impersonator_id":null,"organization_id":"org-AGLwRmx1snv34Yts"},` +
	`"request":{"id":"4df584d4-7e2a-01e6-6cc0-4adbefa020e6"},"resource":{"id":"at-sjt83qTw3GZatuPm","type":"authentication_token","action":"create",` +
	`"meta":{"workspace":"billing","workspace_id":"ws-bGyX68P27dRDigiC"}}}`

func BenchmarkAppendLine(b *testing.B) {
	e := vectors()[0]
	e.Raw = record
	var buf []byte
	for b.Loop() {
		buf = e.AppendLine(buf[:0])
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParse(b *testing.B) {
	e := vectors()[0]
	e.Raw = record
	line := string(e.AppendLine(nil))
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if err := e.Parse(line); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseFields(b *testing.B) {
	e := vectors()[0]
	e.Raw = record
	line := string(e.AppendLine(nil))
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if err := e.ParseFields(line); err != nil {
			b.Fatal(err)
		}
	}
}
