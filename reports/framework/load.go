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
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

//go:embed *.yaml
var files embed.FS

// maxFile bounds a framework file; the largest so far has 60 KB.
const maxFile = 1 << 20

// Load reads and checks all embedded frameworks, ordered by file name. The error
// names the file, the control or row, and what is wrong with it; all problems are
// reported at once. The result belongs to the caller.
func Load() ([]Framework, error) { return loadFS(files) }

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
	f, err := decode(data)
	if err != nil {
		return Framework{}, fmt.Errorf("framework file %s: %w", name, err)
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

// decode reads the one YAML document of a file; unknown fields are errors. The
// YAML library panics on some malformed input, such as a tag on the wrong kind of
// value: that is bad input like any other.
func decode(data []byte) (f Framework, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = Framework{}, fmt.Errorf("malformed YAML: %v", p)
		}
	}()
	if err := unquoted(data); err != nil {
		return Framework{}, err
	}
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	if err := dec.Decode(&f); errors.Is(err, io.EOF) {
		return Framework{}, errors.New("empty file")
	} else if err != nil {
		return Framework{}, err
	}
	if err := dec.Decode(&Framework{}); !errors.Is(err, io.EOF) {
		return Framework{}, errors.New("more than one YAML document")
	}
	return f, nil
}

// unquoted reports a number other than a plain integer. No field holds one: it is
// a control id without quotes, and 5.10 would be read as "5.1".
func unquoted(data []byte) error {
	for _, tk := range lexer.Tokenize(string(data)) {
		switch tk.Type {
		case token.FloatType, token.OctetIntegerType, token.HexIntegerType, token.BinaryIntegerType:
			return fmt.Errorf("line %d: put quotes around %s", tk.Position.Line, tk.Value)
		}
	}
	return nil
}
