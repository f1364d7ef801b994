package source_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// What README.md and docs/sources.md say of kinds in tables is made from their rows:
// go test ./ingest/source -run 'TestDocs|TestAgreement' -update
func TestDocs(t *testing.T) {
	kinds := documented()
	readme, sources := document{"README.md"}, document{"docs/sources.md"}
	readme.check(t, "kinds", kindTable(kinds, "docs/sources.md"))
	sources.check(t, "kinds", kindTable(kinds, ""))
	for _, k := range kinds {
		if *update {
			sources.chapter(t, k.Name)
		}
		sources.check(t, k.Name, kindFacts(&k))
		if !strings.Contains(sources.read(t), "\n## "+k.Name+"\n") {
			t.Errorf("docs/sources.md has no chapter %s: make docs begins it", k.Name)
		}
	}
}

// The examples of a mapping and of a site's rules are right.
func TestDocsExamples(t *testing.T) {
	text := document{"docs/sources.md"}.read(t)
	example := func(begins string) []byte {
		_, rest, ok := strings.Cut(text, "```yaml\n"+begins)
		block, _, ok2 := strings.Cut(rest, "```\n")
		if !ok || !ok2 {
			t.Fatalf("docs/sources.md has no example that begins with %q", begins)
		}
		return []byte(begins + block)
	}
	if _, err := source.ParseMapping(example("# billing.yaml")); err != nil {
		t.Error(err)
	}
	if _, err := source.ParseSiteRules("rules.yaml", example("# rules.yaml")); err != nil {
		t.Error(err)
	}
}

// documented are the kinds of sources that people connect.
func documented() []source.Kind {
	return slices.DeleteFunc(source.Kinds(), func(k source.Kind) bool { return k.Name == source.Own })
}

// A document has parts that are made, between lines that say so.
type document struct{ name string }

func (d document) path() string { return filepath.Join("..", "..", filepath.FromSlash(d.name)) }

func (d document) read(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(d.path())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// chapter begins the chapter of a kind that has none, before that of json, which is the
// last one. How the system is connected and what its log does not say is for a person
// to write below the tables.
func (d document) chapter(t *testing.T, kind string) {
	t.Helper()
	text, last := d.read(t), "\n## json\n"
	if strings.Contains(text, "\n## "+kind+"\n") {
		return
	}
	begun := fmt.Sprintf("\n## %s\n\n<!-- %s: made by go test ./ingest/source -update -->\n<!-- end of %s -->\n", kind, kind, kind)
	if err := os.WriteFile(d.path(), []byte(strings.Replace(text, last, begun+last, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// check compares a part of the document with what it should be, or writes it.
func (d document) check(t *testing.T, part, want string) {
	t.Helper()
	text := d.read(t)
	begin, end := "<!-- "+part+": made by go test ./ingest/source -update -->\n", "<!-- end of "+part+" -->\n"
	before, rest, ok := strings.Cut(text, begin)
	got, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		t.Errorf("%s has no part %s: it needs the lines %q and %q", d.name, part, begin, end)
	case got == want:
	case *update:
		if err := os.WriteFile(d.path(), []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: the part %s is not what the rows of the kinds say: run make docs", d.name, part)
	}
}

// tableOf writes a table in Markdown.
func tableOf(head []string, rows [][]string) string {
	var b bytes.Buffer
	line := func(cells []string) {
		for i := range cells {
			cells[i] = strings.ReplaceAll(cells[i], "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	line(head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat(" --- |", len(head)))
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

func kindTable(kinds []source.Kind, at string) string {
	var rows [][]string
	for _, k := range kinds {
		var lacks []string
		for _, s := range event.Sections() {
			if k.Abilities[s].Grade == source.NotLogged {
				lacks = append(lacks, string(s))
			}
		}
		rows = append(rows, []string{fmt.Sprintf("[`%s`](%s#%s)", k.Name, at, k.Name), k.Title, asked(&k), length(k.Keeps, "–"), orDash(strings.Join(lacks, ", "))})
	}
	return tableOf([]string{"Kind", "System", "Asked for", "The vendor keeps", "Not logged by the vendor"}, rows)
}

// asked says how a kind is pulled.
func asked(k *source.Kind) string {
	if k.NewPuller == nil {
		return "–"
	}
	return map[source.Shape]string{source.Since: "since a moment", source.Window: "by windows", source.Follow: "by following its cursor"}[k.Shape]
}

// length writes a duration in the largest unit that fits.
func length(d time.Duration, none string) string {
	switch {
	case d == 0:
		return none
	case d%(24*time.Hour) == 0:
		return plural(int(d/(24*time.Hour)), "day")
	case d%time.Hour == 0:
		return plural(int(d/time.Hour), "hour")
	}
	return plural(int(d/time.Minute), "minute")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func kindFacts(k *source.Kind) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Asked for: %s. The vendor keeps: %s. Events may appear late by: %s.", strings.Replace(asked(k), "–", "it cannot be; it is sent, imported or read from a bucket", 1),
		length(k.Keeps, "it cannot be asked"), length(k.Settle, "nothing is known"))
	if k.Docs != "" {
		fmt.Fprintf(&b, " Documentation: <%s>.", k.Docs)
	}
	b.WriteString("\n\n")
	if len(k.Settings) > 0 {
		var rows [][]string
		for _, s := range k.Settings {
			name := "`" + s.Name + "`"
			if s.Secret {
				name = "`" + s.Name + "_file` or `" + s.Name + "_env`"
			}
			value := s.Default
			if s.Required {
				value = "required"
			}
			rows = append(rows, []string{name, s.Wants(), orDash(value), s.Help()})
		}
		b.WriteString(tableOf([]string{"Setting", "Type", "Default", "What it is"}, rows) + "\n")
	}
	var rows [][]string
	for _, s := range event.Sections() {
		rows = append(rows, []string{string(s), k.Abilities[s].String()})
	}
	b.WriteString(tableOf([]string{"Section", "What it can prove"}, rows))
	if len(k.Lacks) > 0 {
		fmt.Fprintf(&b, "\nIts events never have: %s.\n", strings.Join(k.Lacks, ", "))
	}
	return b.String()
}

// agreementPart is what others made of the same samples.
func agreementPart(names []string, tallies map[string]*tally, all *tally, disputes [][]string) string {
	row := func(name string, n *tally) []string {
		r := []string{name, fmt.Sprint(n.samples), fmt.Sprint(n.events), fmt.Sprint(n.skipped), fmt.Sprint(n.rejects)}
		for i := range compared {
			cell := "–"
			if n.compared[i] > 0 {
				cell = fmt.Sprintf("%d/%d", n.agreed[i], n.compared[i])
			}
			if n.disputed[i] > 0 {
				cell += fmt.Sprintf(" (%d disputed)", n.disputed[i])
			}
			r = append(r, cell)
		}
		if n.compared == [len(compared)]int{} {
			return append(r, "nothing is expected")
		}
		return append(r, fmt.Sprintf("%.1f %%", 100*n.share()))
	}
	var rows [][]string
	for _, name := range names {
		rows = append(rows, row(name, tallies[name]))
	}
	rows = append(rows, row("all", all))
	text := tableOf(append(append([]string{"Kind", "Samples", "Events", "Skipped", "Rejects"}, compared[:]...), "Agreement"), rows)
	text += "\nDisputed, and not counted above:\n\n"
	var lines [][]string
	for _, d := range disputes {
		lines = append(lines, []string{d[0], d[1], d[3], d[4]})
	}
	return text + tableOf([]string{"Kind", "Sample", "What", "Why"}, lines)
}
