package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindLibSearchesUpwards(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const name = "@chdb/lib-of-test"
	put := func(dir string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(root, dir, libName)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	modules := "node_modules/" + name
	besideExe := put("a/"+modules, 0o755)
	aboveWork := put("w/"+modules, 0o755)
	system := put("usr/lib", 0o755)
	put("loose/"+modules, 0o757)

	for _, test := range []struct{ name, exe, work, want string }{
		{"beside the binary, before the working directory", "a/exhibit", "w", besideExe},
		{"above the binary", "a/bin/deep/exhibit", "w", besideExe},
		{"in the working directory", "b/exhibit", "w", aboveWork},
		{"above the working directory", "b/exhibit", "w/x/y", aboveWork},
		{"system", "b/exhibit", "b", system},
		{"writable by everybody is passed over", "loose/exhibit", "b", system},
	} {
		got, err := findLib(name, filepath.Join(root, test.exe), filepath.Join(root, test.work), []string{filepath.Dir(system)})
		if err != nil || got != test.want {
			t.Errorf("%s: got %q, %v; want %q", test.name, got, err, test.want)
		}
	}
	for _, test := range []struct{ name, exe, want string }{
		{"nowhere", "b/exhibit", "run `npm ci` in the source tree, or set EXHIBIT_LIBCHDB"},
		{"only a loose one", "loose/exhibit", "can be changed by another user"},
	} {
		_, err := findLib(name, filepath.Join(root, test.exe), filepath.Join(root, "b"), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want it to say %q", test.name, err, test.want)
		}
	}
}

func TestFindLibByEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.so")
	t.Setenv(libEnv, path)
	if _, err := FindLib(); err == nil || !strings.Contains(err.Error(), libEnv) {
		t.Errorf("missing file: got %v, want an error that names %s", err, libEnv)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := FindLib(); err != nil || got != path {
		t.Errorf("got %q, %v; want %q", got, err, path)
	}
}

func TestLastMessage(t *testing.T) {
	for _, test := range []struct{ name, log, want string }{
		{"nothing", "", "it said nothing"},
		{"last of several, first line", "x\nexhibit engine: one\nexhibit engine: two\n0. ? @ 0x1\n", "two"},
		{"no prefix", "loading\n\nfatal error\n\n", "fatal error"},
		{"long log", strings.Repeat("noise\n", 100_000) + "exhibit engine: end\n", "end"},
		{"long line", strings.Repeat("x", 10_000), strings.Repeat("x", maxMessage)},
	} {
		path := filepath.Join(t.TempDir(), "server.log")
		if err := os.WriteFile(path, []byte(test.log), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastMessage(path); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}
