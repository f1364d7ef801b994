package static

import (
	"strings"
	"testing"
)

func TestEveryFileIsServedUnderItsHash(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		p := a.Path(name)
		f, ok := a.Open(strings.TrimPrefix(p, "/static/"))
		if !ok || len(f.Body) == 0 || f.Type == "" {
			t.Errorf("%s: Open(%q) = %d bytes, %v", name, p, len(f.Body), ok)
		}
		if _, ok := a.Open(name); ok {
			t.Errorf("%s is served without a hash in its name", name)
		}
	}
}

func TestNothingIsLoadedFromElsewhere(t *testing.T) {
	a, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range a.served {
		for _, word := range []string{"@import", "//cdn", "https://", "eval("} {
			if strings.Contains(string(f.Body), word) {
				t.Errorf("%s contains %q", name, word)
			}
		}
	}
}
