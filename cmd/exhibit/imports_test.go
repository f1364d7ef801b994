package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrows is which of our packages a package may import. Adding an arrow means
// changing this table in the same commit.
func arrows() map[string][]string {
	evidence := []string{"internal/event", "internal/coverage", "internal/ledger"}
	with := func(more ...string) []string { return append(slices.Clone(evidence), more...) }
	return map[string][]string{
		"internal/word":              {},
		"internal/event":             {"internal/word"},
		"internal/coverage":          {},
		"migrations":                 {},
		"internal/bucket":            {},
		"internal/disk":              {},
		"internal/bucket/buckettest": {"internal/bucket"},
		"static":                     {},
		"reports/framework":          {},
		"reports/words":              {},
		"internal/ledger":            {"internal/event", "internal/coverage"},
		"internal/pack":              with("internal/word"),
		"internal/engine":            {},
		"internal/engine/enginetest": {"internal/engine"},
		"internal/store":             with(),
		"internal/demo":              {},
		"internal/demo/idp":          {},
		"ingest/source":              {"internal/event", "internal/coverage"},
		"ingest/source/vendortest":   {},
		"ingest/token":               {"ingest/source", "internal/event", "internal/store"},
		"ingest/objects":             with("ingest", "ingest/source", "internal/bucket", "internal/store"),
		"ingest/spool":               {"ingest/source", "internal/disk"},
		"ingest/push":                {"ingest/source", "ingest/spool", "ingest/token"},
		"ingest":                     with("ingest/source", "internal/bucket", "internal/disk", "ingest/spool", "ingest/token", "internal/store"),
		"reports":                    with("reports/words", "internal/disk", "internal/pack", "internal/store", "reports/framework"),
		"reports/schedule":           with("internal/bucket", "internal/pack", "internal/store", "reports", "reports/framework"),
		"reports/schedule/mailtest":  {},
		"reports/reporttest":         with("internal/pack", "internal/store", "internal/engine/enginetest", "migrations", "reports", "reports/framework"),
		"views":                      {"internal/coverage", "internal/event", "reports/words"},
		"web":                        with("views", "static"),
		"web/webtest":                {"web", "views", "internal/event"},
		"web/site":                   with("ingest", "ingest/push", "ingest/source", "ingest/spool", "ingest/token", "internal/pack", "internal/store", "reports", "reports/framework", "reports/schedule", "views", "web"),
		"internal/pack/verifier":     {"internal/pack"},
		"cmd/exhibit-verify":         {"internal/pack/verifier"},
	}
}

// free may import everything of ours: they only put the others together.
func free(pkg string) bool {
	return pkg == "cmd/exhibit" || pkg == "internal/bench"
}

// forbidden names packages of others that must not be linked.
func forbidden() map[string][]string {
	const clickhouse, echo, templ = "github.com/ClickHouse/", "github.com/labstack/echo", "github.com/a-h/templ"
	return map[string][]string{
		"cmd/exhibit-verify": {clickhouse, echo, templ, "net/http", "github.com/coreos/go-oidc"},
		"internal/pack":      {clickhouse, echo, templ},
		"internal/ledger":    {clickhouse, echo, templ},
		"reports":            {echo},
		"ingest":             {echo, templ},
		"ingest/push":        {echo, templ},
		"views":              {clickhouse, echo},
	}
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func TestImportsPointOneWay(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", "exhibit/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	table, seen := arrows(), 0
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "exhibit/")
		if free(name) {
			continue
		}
		seen++
		allowed, known := table[name]
		if !known {
			t.Errorf("package %s is not in the table of arrows", name)
		}
		for _, imported := range p.Imports {
			ours, ok := strings.CutPrefix(imported, "exhibit/")
			if ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: the table has no such arrow", name, ours)
			}
		}
		for _, bad := range forbidden()[name] {
			if i := slices.IndexFunc(p.Deps, func(dep string) bool { return strings.HasPrefix(dep, bad) }); i >= 0 {
				t.Errorf("%s links %s", name, p.Deps[i])
			}
		}
	}
	if seen < len(table)/2 {
		t.Errorf("go list found %d packages only", seen)
	}
}
