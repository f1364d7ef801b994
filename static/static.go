// Package static holds the files that browsers load beside the pages: one style
// sheet, one small script, the icon. Each is served under a name that carries a
// hash of its content, so that it can be kept by browsers for ever.
package static

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
)

//go:embed app.css app.js icon.svg
var files embed.FS

// A File is one file as it is served.
type File struct {
	Name string // the name that carries the hash: "app.0f3a….css"
	Type string // the media type
	Body []byte
}

// An Assets is the set of files, by the names they are served under.
type Assets struct {
	served map[string]File
	names  map[string]string
}

// Load reads the embedded files.
func Load() (*Assets, error) {
	types := map[string]string{
		"app.css":  "text/css; charset=utf-8",
		"app.js":   "text/javascript; charset=utf-8",
		"icon.svg": "image/svg+xml",
	}
	a := &Assets{served: map[string]File{}, names: map[string]string{}}
	for name, media := range types {
		body, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("static: read %s: %w", name, err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(name)
		hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
		a.served[hashed] = File{hashed, media, body}
		a.names[name] = hashed
	}
	return a, nil
}

// Path returns the address path of the file with the given plain name.
func (a *Assets) Path(name string) string { return "/static/" + a.names[name] }

// Open returns the file that is served under a name with a hash in it.
func (a *Assets) Open(hashed string) (File, bool) {
	f, ok := a.served[hashed]
	return f, ok
}
