package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
)

// libEnv names the library by hand.
const libEnv = "EXHIBIT_LIBCHDB"

// libName is the library's file name on every platform, macOS included.
const libName = "libchdb.so"

// packages are the npm packages that carry the library.
var packages = map[string]string{
	"linux/amd64":  "@chdb/lib-linux-x64-gnu",
	"linux/arm64":  "@chdb/lib-linux-arm64-gnu",
	"darwin/arm64": "@chdb/lib-darwin-arm64",
	"darwin/amd64": "@chdb/lib-darwin-x64",
}

// FindLib returns the path of libchdb: EXHIBIT_LIBCHDB when set, else from
// node_modules beside the running binary or beside the working directory, each
// with all its parents, else from the system's library directories. Files that
// another user could have put there are passed over. The error says what to do.
func FindLib() (string, error) {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if path := os.Getenv(libEnv); path != "" {
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			return "", fmt.Errorf("engine: %s=%s is not a file: point it at %s of chDB for %s", libEnv, path, libName, platform)
		}
		return filepath.Abs(path)
	}
	name, ok := packages[platform]
	if !ok {
		return "", fmt.Errorf("engine: there is no embedded ClickHouse for %s: set clickhouse.addrs in the config to use a ClickHouse server", platform)
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("engine: find running binary: %w", err)
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	work, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("engine: find working directory: %w", err)
	}
	return findLib(name, exe, work, systemLibDirs)
}

// systemLibDirs are where a package manager or chDB's installer puts it.
var systemLibDirs = []string{
	"/usr/local/lib", "/usr/lib", "/usr/lib64",
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/opt/homebrew/lib",
}

func findLib(name, exe, work string, system []string) (string, error) {
	var places []string
	for _, start := range []string{filepath.Dir(exe), work} {
		for dir := start; ; dir = filepath.Dir(dir) {
			places = append(places, filepath.Join(dir, "node_modules", filepath.FromSlash(name)))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	owners := []uint32{0, uint32(os.Geteuid())}
	if uid, ok := owner(exe); ok { // who owns the program may as well own its library
		owners = append(owners, uid)
	}
	passedOver := ""
	for _, dir := range append(places, system...) {
		path := filepath.Join(dir, libName)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if ours(path, owners) && ours(dir, owners) {
			return path, nil
		}
		passedOver = path
	}
	if passedOver != "" {
		return "", fmt.Errorf("engine: %s can be changed by another user: give it and its directory to root or to yourself and take write access from others, or set %s", passedOver, libEnv)
	}
	return "", fmt.Errorf("engine: %s (npm package %s) not found beside %s, above %s or in %v: run `npm ci` in the source tree, or set %s to its path, or set clickhouse.addrs in the config to use a ClickHouse server",
		libName, name, exe, work, system, libEnv)
}

// ours says that path belongs to one of owners and nobody else can write it.
func ours(path string, owners []uint32) bool {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o002 != 0 {
		return false
	}
	uid, ok := owner(path)
	return ok && slices.Contains(owners, uid)
}

func owner(path string) (uid uint32, ok bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}
