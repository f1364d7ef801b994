package pack

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// listed is what the lists of a pack say about one file.
type listed struct {
	sum, manifest string // SHA-256 in hex; empty when the list has no such file
	size          uint64
}

// lists compares the files with SHA256SUMS and the manifest, both ways, and the
// manifest's content digest with the one that the files have.
func (v *verifier) lists() {
	entries := map[string]listed{}
	sumsThere := v.readSums(entries)
	if v.m != nil {
		for _, f := range v.m.Files {
			e := entries[f.Name]
			e.manifest, e.size = f.SHA256, f.Size
			entries[f.Name] = e
		}
	}
	for _, name := range v.required() {
		if _, ok := entries[name]; !ok {
			entries[name] = listed{}
		}
	}
	for name := range v.c.files {
		if _, ok := entries[name]; !ok && name != "SHA256SUMS" {
			entries[name] = listed{}
		}
	}
	before := len(v.res.Findings)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		v.compareFile(name, entries[name], sumsThere)
	}
	var files []File
	for _, f := range v.hashed {
		files = append(files, f)
	}
	v.res.Content = contentDigest(files)
	if v.m != nil && len(v.res.Findings) == before && v.res.Content != v.m.Content {
		v.find("manifest.json", "its content digest "+v.m.Content+" is not that of the files, "+v.res.Content, doAskAgain)
	}
}

func (v *verifier) readSums(entries map[string]listed) bool {
	b, err := v.c.read("SHA256SUMS", maxSums)
	if errors.Is(err, errMissing) {
		v.find("SHA256SUMS", "the pack does not have it", doAskAgain)
		return false
	}
	if err != nil {
		v.unreadable("SHA256SUMS", err)
		return false
	}
	list, err := parseSums(b)
	if err != nil {
		v.find("SHA256SUMS", err.Error(), doAskAgain)
		return false
	}
	for name, sum := range list {
		entries[name] = listed{sum: sum}
	}
	return true
}

func (v *verifier) compareFile(name string, e listed, sumsThere bool) {
	inManifest := name != "manifest.json" && name != "manifest.sig" && v.m != nil
	f, there := v.hashed[name]
	_, packed := v.c.files[name]
	switch {
	case !packed && !optional(name) || !packed && (e.sum != "" || e.manifest != ""):
		if name != "manifest.json" { // found out before everything else
			v.find(name, "the pack does not have it", doAskAgain)
		}
		return
	case !packed || !there:
		return // unreadable ones have been reported
	case inManifest && e.manifest == "":
		v.find(name, "manifest.json does not list it: it was added later, or the manifest was changed", doNotRely)
	case !inManifest && e.manifest != "":
		v.find("manifest.json", "it lists "+name+", which it cannot", doAskAgain)
	}
	var against []string
	if inManifest && e.manifest != "" && (e.manifest != f.SHA256 || e.size != f.Size) {
		against = append(against, "manifest.json")
	}
	if sumsThere && e.sum != "" && e.sum != f.SHA256 {
		against = append(against, "SHA256SUMS")
	}
	if len(against) > 0 {
		v.find(name, "its content is not what "+strings.Join(against, " and ")+" list: it was changed, or they were", doNotRely)
	}
	if sumsThere && e.sum == "" {
		v.find("SHA256SUMS", "it does not list "+name, doAskAgain)
	}
}

// required lists the files that the pack must have.
func (v *verifier) required() []string {
	list := []string{"README.html", "VERIFY.md", "controls.csv", "rejects.csv", "coverage/intervals.csv", "coverage/gaps.csv",
		"coverage/days.csv", "ledger/records.jsonl", "ledger/earlier-leaves", "ledger/earlier.jsonl", "ledger/checkpoint",
		"ledger/verify.py", "events/rejects.jsonl", "manifest.json", "manifest.sig"}
	if v.r == nil {
		return list
	}
	for _, i := range v.r.eventFiles() {
		list = append(list, "events/"+fileName(i)+".jsonl", "sections/"+fileName(i)+".csv")
	}
	for _, k := range v.r.state.Keys {
		list = append(list, keyCheckpointName(k.Seq))
	}
	return list
}
