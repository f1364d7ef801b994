package verifier

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.zip")
	if err := os.WriteFile(text, []byte("no zip"), 0o600); err != nil {
		t.Fatal(err)
	}
	const key = "log.example/prod+789ca026+AVwUteytcD2v3yNs0gqgzhLy0j8hvdDT5Ju06bFimhuA"
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, good, "--since"},
		{nil, unusable, "missing flags: --key"},
		{[]string{text}, unusable, "--key"},
		{[]string{text, "--key", key}, unusable, "not a zip"},
		{[]string{text, "--key", "nothing"}, unusable, "neither a key"},
		{[]string{text, "--key", key, "--since", "nothing"}, unusable, "neither a key or checkpoint"},
		{[]string{filepath.Join(dir, "none.zip"), "--key", key}, unusable, "no such file"},
		{[]string{text, "--key", key, "--force"}, unusable, "--force"},
	} {
		var out bytes.Buffer
		if code := Run(t.Context(), "exhibit-verify", tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%q: exit code %d, want %d with %q in %q", tt.args, code, tt.code, tt.says, out.String())
		}
	}
}

// The checker is small and offline: no database, no web, no network.
func TestLinksNothingMore(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "exhibit/cmd/exhibit-verify").Output()
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{"exhibit/cmd/exhibit-verify": true, "exhibit/internal/pack/verifier": true, "exhibit/internal/pack": true, "exhibit/internal/ledger": true,
		"exhibit/internal/event": true, "exhibit/internal/coverage": true, "exhibit/internal/word": true}
	for path := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(path, "exhibit/") && !allowed[path] || path == "net" || strings.Contains(path, "clickhouse") {
			t.Errorf("it links %s", path)
		}
	}
}
