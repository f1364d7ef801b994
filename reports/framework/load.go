package framework

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:embed *.yaml
var files embed.FS

// maxFile bounds a framework file; the largest so far has 60 KB.
const maxFile = 1 << 20

// Load reads and checks all embedded frameworks, ordered by file name. The error
// names the file, the control or row, and what is wrong with it; all problems are
// reported at once. The result belongs to the caller.
func Load() ([]Framework, error) { return loadFS(files) }

// ByID returns the framework with the given id; the error for an unknown id lists
// the known ones. It loads all frameworks: a caller that asks often keeps the
// result of Load and uses Find.
func ByID(id string) (Framework, error) {
	all, err := Load()
	if err != nil {
		return Framework{}, err
	}
	return Find(all, id)
}

// Find returns the framework of all with the given id; the error for an unknown id
// lists the known ones.
func Find(all []Framework, id string) (Framework, error) {
	var known []string
	for _, f := range all {
		if f.ID == id {
			return f, nil
		}
		known = append(known, f.ID)
	}
	return Framework{}, fmt.Errorf("unknown framework %q: use one of %s", id, strings.Join(known, ", "))
}

func loadFS(fsys fs.FS) ([]Framework, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list framework files: %w", err)
	}
	if len(names) == 0 {
		return nil, errors.New("no framework files")
	}
	var all []Framework
	var problems []error
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read framework %s: %w", name, err)
		}
		f, err := parse(name, data)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		all = append(all, f)
	}
	problems = append(problems, clashes(all)...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return all, nil
}

// clashes reports what two frameworks must not share.
func clashes(all []Framework) []error {
	var problems []error
	owner := map[string]string{}
	claim := func(file, what, value string) {
		key := what + " " + value
		if first, taken := owner[key]; taken {
			problems = append(problems, fmt.Errorf("framework file %s: %s %q is already used in %s", file, what, value, first))
			return
		}
		owner[key] = file
	}
	for _, f := range all {
		claim(f.File, "id", f.ID)
		claim(f.File, "prefix", f.Prefix)
		for _, r := range f.Retention {
			claim(f.File, "retention id", r.ID)
		}
	}
	return problems
}

// parse reads one framework file and checks it.
func parse(name string, data []byte) (Framework, error) {
	if len(data) > maxFile {
		return Framework{}, fmt.Errorf("framework file %s: %d bytes, at most %d are read", name, len(data), maxFile)
	}
	var f Framework
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("empty file")
		}
		return Framework{}, fmt.Errorf("framework file %s: %w", name, err)
	}
	if err := dec.Decode(&Framework{}); !errors.Is(err, io.EOF) {
		return Framework{}, fmt.Errorf("framework file %s: more than one YAML document", name)
	}
	sum := sha256.Sum256(data)
	f.File, f.Hash = name, hex.EncodeToString(sum[:])
	for i := range f.Controls {
		f.Controls[i].Key = f.KeyOf(f.Controls[i].ID)
	}
	if problems := validate(f); len(problems) > 0 {
		for i, p := range problems {
			problems[i] = fmt.Errorf("framework file %s: %w", name, p)
		}
		return Framework{}, errors.Join(problems...)
	}
	return f, nil
}
