package source_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"exhibit/ingest/source"
	"exhibit/internal/demo"
	"exhibit/internal/event"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the expectations in testdata anew")

// Every file in testdata/KIND holds records, each followed by what becomes of it:
// "name.json" and "name.event" or "name.error". A new kind adds no test code.
func TestFixtures(t *testing.T) {
	for _, k := range source.Kinds() {
		files, err := filepath.Glob(filepath.Join("testdata", k.Name, "*.txtar"))
		if err != nil || len(files) == 0 {
			t.Errorf("kind %s has no fixtures in testdata/%s (error %v): write records, -update writes what becomes of them", k.Name, k.Name, err)
		}
		for _, file := range files {
			t.Run(k.Name+"/"+filepath.Base(file), func(t *testing.T) { fixture(t, k, file) })
		}
	}
}

func fixture(t *testing.T, k source.Kind, path string) {
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := &txtar.Archive{Comment: a.Comment}
	want := map[string]string{}
	for _, f := range a.Files {
		want[f.Name] = string(f.Data)
	}
	for _, f := range a.Files {
		name, ok := strings.CutSuffix(f.Name, ".json")
		if !ok {
			continue
		}
		got := txtar.File{Name: name + ".event"}
		results, err := k.Normalize(source.Record{Raw: bytes.TrimRight(f.Data, "\n"), Received: received})
		if err != nil {
			got = txtar.File{Name: name + ".error", Data: []byte(err.Error() + "\n")}
		}
		for _, r := range results {
			got.Data = append(got.Data, describe(t, r)...)
		}
		out.Files = append(out.Files, f, got)
		if want := want[got.Name]; !*update && want != string(got.Data) {
			t.Errorf("%s (go test ./ingest/source -run TestFixtures -update writes it; read it then):\ngot\n%swant\n%s", got.Name, got.Data, want)
		}
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(out), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if len(out.Files) != len(a.Files) {
		t.Errorf("%d files in %s belong to no record", len(a.Files)-len(out.Files), path)
	}
}

// describe shows a result as the canonical line of its event, one member a line,
// without what is the same everywhere.
func describe(t *testing.T, r source.Result) []byte {
	t.Helper()
	e := r.Event
	clock := e.File(r.Claimed)
	raw := e.Raw
	e.Raw = ""
	var members map[string]jsontext.Value
	line := e.AppendLine(nil)
	if err := json.Unmarshal(line, &members); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	v := jsontext.Value(line)
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for l := range strings.Lines(string(v)) {
		name := strings.TrimSpace(l)
		if strings.HasPrefix(name, `"v":`) || strings.HasPrefix(name, `"salt":`) || strings.HasPrefix(name, `"received":`) {
			continue
		}
		b.WriteString(l)
	}
	b.WriteByte('\n')
	if clock {
		b.WriteString("wrong clock\n")
	}
	if r.Unmapped {
		b.WriteString("unmapped\n")
	}
	if raw == "" {
		t.Error("the raw record is lost")
	}
	return b.Bytes()
}

// reference returns the path of a file beside the repository.
func reference(t *testing.T, name string) []byte {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "reference", name)
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		missing(t, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every documented event of HCP Terraform is filed where the reference says, with
// its outcome and class.
func TestHCPDocumentedEvents(t *testing.T) {
	text := string(reference(t, "classification/hcp-terraform-events-classified.tsv"))
	k := kind(t, "hcp-terraform")
	n := 0
	for line := range strings.Lines(text) {
		col := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if n++; n == 1 {
			continue // the names of the columns
		}
		noun, verb, class, section, outcome := col[1], col[2], col[3], col[6], col[7]
		meta := "null"
		if noun == "task_result" {
			meta = `{"task_result_status":"passed"}`
		}
		r := normalize(t, k, fmt.Sprintf(`{"id":"1","timestamp":"2026-01-02T03:04:05.000Z","resource":{"id":"x","type":%q,"action":%q,"meta":%s}}`, noun, verb, meta))
		e := r.Event
		got := fmt.Sprintf("%s class %d %s %s unmapped %v", e.Action, e.Class, e.Section, e.Outcome, r.Unmapped)
		want := fmt.Sprintf("%s.%s class %s %s %s unmapped false", noun, verb, class, section, outcome)
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if n < 100 {
		t.Errorf("got %d lines, want all events", n)
	}
}

// The activity says what was done, as far as OCSF has a word for it.
func TestHCPActivities(t *testing.T) {
	k := kind(t, "hcp-terraform")
	for action, want := range map[string][2]uint32{
		"authentication_token.create": {3004, 1}, "authentication_token.show": {3004, 2}, "authentication_token.destroy": {3004, 4},
		"oauth_client.update": {3004, 3}, "saml_configuration.enable": {3004, 8}, "saml_configuration.disable": {3004, 9},
		"organization_user.create": {3001, 1}, "organization_user.destroy": {3001, 6}, "organization_user.update": {3001, 99},
		"team.add_member": {3006, 3}, "team.remove_member": {3006, 4}, "workspace.add_team": {3006, 1}, "project.remove_team": {3006, 2},
		"team.create": {3006, 6}, "team.destroy": {3006, 5}, "team.update": {3006, 99},
		"workspace.create": {6003, 1}, "workspace.lock": {6003, 3}, "var.index": {6003, 2}, "var.destroy": {6003, 4},
		"state_version.permanently_delete_backing_data": {6003, 4}, "state_version.restore_backing_data": {6003, 3},
		"stack_plan.download_plan_description": {6003, 2}, "registry_module.destroy_version": {6003, 4}, "moon.landing": {6003, 99},
	} {
		noun, verb, _ := strings.Cut(action, ".")
		e := normalize(t, k, fmt.Sprintf(`{"resource":{"type":%q,"action":%q}}`, noun, verb)).Event
		if got := [2]uint32{e.Class, e.Activity}; got != want {
			t.Errorf("%s: got class and activity %v, want %v", action, got, want)
		}
	}
}

func TestHCPSamples(t *testing.T) {
	k := kind(t, "hcp-terraform")
	n := 0
	samples(t, "hcp-terraform", func(path string, data []byte) {
		for p, err := range source.Records(bytes.NewReader(data), source.RecordsOptions{Wraps: k.Wraps}) {
			if err != nil || p.Bad != "" {
				t.Errorf("%s: %s %v", path, p.Bad, err)
				continue
			}
			n++
			r := normalize(t, k, string(p.Raw))
			e := r.Event
			wrong := e.File(r.Claimed)
			e.Source = "test"
			if err := e.Check(); err != nil || wrong || r.Unmapped || e.Section != event.Credentials || e.Actor.Type != event.User || e.Raw != string(p.Raw) {
				t.Errorf("%s: %v, got %+v", path, err, r)
			}
		}
	})
	if n < 4 {
		t.Errorf("got %d events, want at least 4", n)
	}
}

// The made-up history of the demo holds nothing that the rules do not know, but
// the oddities that it is there to show.
func TestHCPDemoHistory(t *testing.T) {
	k := kind(t, "hcp-terraform")
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	sections, unmapped := map[event.Section]int{}, 0
	for r := range demo.Generate(1, from, from.AddDate(0, 0, 14), nil) {
		out := normalize(t, k, string(r.Raw))
		if out.Event.ID != r.ID || !out.Event.Time.Equal(r.Time) {
			t.Fatalf("got id %s at %v, want %s at %v", out.Event.ID, out.Event.Time, r.ID, r.Time)
		}
		sections[out.Event.Section]++
		if out.Unmapped {
			unmapped++
		}
	}
	for _, s := range event.Sections() {
		proves := k.Abilities[s].Grade == source.Logged && s != event.Other
		if (sections[s] > 0) != proves && s != event.Other {
			t.Errorf("%d events of %s, whose ability is %q", sections[s], s, k.Abilities[s])
		}
	}
	t.Logf("sections %v, %d unmapped", sections, unmapped)
}

// What cannot be an event's time is filed at its receipt, with the source's words.
func TestTimes(t *testing.T) {
	transport := received.Add(-time.Minute)
	tests := []struct {
		name, timestamp string
		transport       time.Time
		time            time.Time
		basis, claimed  string
		wrong           bool
	}{
		{"milliseconds", `"2026-01-02T03:04:04.678Z"`, time.Time{}, received.Add(-322 * time.Millisecond), "", "", false},
		{"nine digits", `"2026-01-02T03:04:04.678000001Z"`, transport, received.Add(-321999999), "", "", false},
		{"beyond nanoseconds", `"2026-01-02T03:04:04.67800000199Z"`, time.Time{}, received.Add(-321999999), "", "", false},
		{"another zone", `"2026-01-02T05:04:05+02:00"`, time.Time{}, received, "", "", false},
		{"missing", `null`, time.Time{}, received, event.BasisReceived, "", false},
		{"of the transport", `null`, transport, transport, event.BasisTransport, "", false},
		{"a text", `"yesterday"`, transport, received, event.BasisReceived, "yesterday", true},
		{"seconds since 1970", `1767323045`, time.Time{}, received, "", "", false},
		{"half a number", `"1767e"`, time.Time{}, received, event.BasisReceived, "1767e", true},
		{"year 1", `"0001-01-01T00:00:00Z"`, time.Time{}, received, event.BasisReceived, "0001-01-01T00:00:00Z", true},
		{"year 9999", `"9999-12-31T23:59:59.999Z"`, time.Time{}, received, event.BasisReceived, "9999-12-31T23:59:59.999Z", true},
		{"two hours ahead", `"2026-01-02T05:04:05Z"`, time.Time{}, received, event.BasisReceived, "2026-01-02T05:04:05Z", true},
	}
	k := kind(t, "hcp-terraform")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := strings.Replace(event1, `"2026-01-02T03:04:05.678Z"`, tt.timestamp, 1)
			out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received, Transport: tt.transport})
			if err != nil {
				t.Fatal(err)
			}
			e := out[0].Event
			wrong := e.File(out[0].Claimed)
			if !e.Time.Equal(tt.time) || e.TimeBasis != tt.basis || e.Claimed != tt.claimed || wrong != tt.wrong {
				t.Errorf("got %v basis %q claimed %q wrong %v, want %+v", e.Time, e.TimeBasis, e.Claimed, wrong, tt)
			}
		})
	}
}

// Bytes and escapes that are no Unicode do not hide an event.
func TestBadUnicode(t *testing.T) {
	k := kind(t, "hcp-terraform")
	for _, bad := range []string{"\xff", "\xed\xa0\x80", `\ud800`, `\udc00x`, "\xc3"} {
		raw := strings.Replace(event1, "ada", "A"+bad+"Z", 1)
		e := normalize(t, k, raw).Event
		if e.Raw != raw || e.ID != "e-1" || e.Action != "workspace.create" {
			t.Errorf("%q: got %+v", bad, e)
		}
		if n := e.Actor.Name; !utf8.ValidString(n) || !strings.HasPrefix(n, "A\uFFFD") || !strings.HasSuffix(n, "Z") {
			t.Errorf("%q: got name %q", bad, n)
		}
	}
}

func TestAct(t *testing.T) {
	k := kind(t, source.Own)
	act := source.Act{ID: "1", Time: received.Add(-time.Second), Action: "session.sign-in", Outcome: event.Success,
		Actor: source.Party{Type: event.User, ID: "sub-1", Name: "Ada", Email: "ada@example.com"}, IP: "::ffff:192.0.2.1", SessionID: "s"}
	raw, err := act.Raw()
	if err != nil {
		t.Fatal(err)
	}
	e := normalize(t, k, string(raw)).Event
	want := event.Event{ID: "1", Time: act.Time, Received: received, Section: event.Logins, OCSF: event.OCSFVersion, Class: 3002, Activity: 1,
		Action: "session.sign-in", Outcome: event.Success, Actor: event.Actor{ID: "sub-1", Name: "Ada", Email: "ada@example.com", Type: event.User},
		IP: "192.0.2.1", SessionID: "s", Mapping: 1, Raw: string(raw)}
	if e != want {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
	for action, section := range map[string]event.Section{
		"access.refuse": event.FailedAuth, "session.sign-out": event.Logins, "pack.create": event.DataAccess, "pack.download": event.DataAccess,
		"import": event.AdminChanges, "import.finish": event.AdminChanges, "accept.clock": event.AdminChanges, "witness.add": event.AdminChanges,
		"key.use": event.Credentials, "event.view": event.DataAccess, "moon.landing": event.Other,
	} {
		raw, err := source.Act{Action: action}.Raw()
		if err != nil {
			t.Fatal(err)
		}
		r := normalize(t, k, string(raw))
		if r.Event.Section != section || r.Event.Outcome != event.Unknown || r.Unmapped != (section == event.Other) {
			t.Errorf("%s: got %s, outcome %s, unmapped %v; want %s", action, r.Event.Section, r.Event.Outcome, r.Unmapped, section)
		}
	}
	act.Outcome = event.Failure
	if raw, err = act.Raw(); err != nil {
		t.Fatal(err)
	}
	if e := normalize(t, k, string(raw)).Event; e.Section != event.FailedAuth {
		t.Errorf("a sign-in that failed is filed under %s", e.Section)
	}
}

// Whatever comes, it is either an event that can be stored, or rejected for one of
// the reasons; the same each time.
func FuzzNormalize(f *testing.F) {
	for _, s := range []string{event1, "", "{}", "[", `{"id":1,"timestamp":false,"resource":{"type":"a","action":{"b":1},"meta":[]}}`,
		`{"action":"a.b","time":"","ip":"::1","actor":{"id":null}}`, `{"resource":{"type":"\ud800","meta":{"workspace":{"id":{}},"payload":{"payload":{}}}}}`,
		`{"auth":"x","request":3,"resource":{"action":" x"}}`} {
		f.Add([]byte(s))
	}
	for _, raw := range allFixtures(f) {
		f.Add(raw)
	}
	reasons := []string{source.ReasonNotJSON, source.ReasonNotObject, source.ReasonDuplicate, source.ReasonNoType, source.ReasonTooLarge, source.ReasonTooMany, source.Reason(source.ErrSkip)}
	kinds := source.Kinds()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, k := range kinds {
			before := bytes.Clone(raw)
			out, err := k.Normalize(source.Record{Raw: raw, Received: received})
			again, err2 := k.Normalize(source.Record{Raw: raw, Received: received})
			if !bytes.Equal(raw, before) || len(out) != len(again) || (err == nil) != (err2 == nil) {
				t.Fatalf("%s: not a pure function of %q", k.Name, before)
			}
			if err != nil {
				if !slices.Contains(reasons, source.Reason(err)) {
					t.Fatalf("%s: %q is rejected for %v", k.Name, raw, err)
				}
				continue
			}
			for i, r := range out {
				e := r.Event
				if e != again[i].Event || e.Raw != string(raw) {
					t.Fatalf("%s: not a pure function of %q", k.Name, before)
				}
				e.File(r.Claimed)
				e.Source = "fuzz"
				if e.ID == "" {
					e.ID = "derived"
				}
				clean := e
				clean.Clean()
				if err := e.Check(); err != nil || clean != e {
					t.Fatalf("%s: %q becomes an event that cannot be stored: %v\n%+v", k.Name, raw, err, e)
				}
			}
		}
	})
}

// allFixtures returns the records in the fixtures of all kinds.
func allFixtures(t testing.TB) (out [][]byte) {
	files, err := filepath.Glob(filepath.Join("testdata", "*", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no fixtures (error %v)", err)
	}
	for _, path := range files {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if strings.HasSuffix(f.Name, ".json") {
				out = append(out, bytes.TrimRight(f.Data, "\n"))
			}
		}
	}
	return out
}

func BenchmarkNormalize(b *testing.B) {
	k := kind(b, "hcp-terraform")
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
	var records []source.Record
	size := 0
	for r := range demo.Generate(1, from, from.AddDate(0, 0, 7), nil) {
		records = append(records, source.Record{Raw: r.Raw, Received: from})
		size += len(r.Raw)
	}
	b.ReportAllocs()
	b.SetBytes(int64(size / len(records)))
	i := 0
	for b.Loop() {
		out, err := k.Normalize(records[i%len(records)])
		if err != nil || len(out) != 1 {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
