package pack

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/note"
)

// A trusted is the keys that signatures count from: those that the verifier
// brought along, and those that a chain of hand-overs leads to.
type trusted []note.Verifier

func (t trusted) has(k note.Verifier) bool {
	for _, v := range t {
		if v.Name() == k.Name() && v.KeyHash() == k.KeyHash() {
			return true
		}
	}
	return false
}

func keyName(v note.Verifier) string { return fmt.Sprintf("%s+%08x", v.Name(), v.KeyHash()) }

func (t trusted) names() string {
	var names []string
	for _, v := range t {
		names = append(names, keyName(v))
	}
	return strings.Join(names, ", ")
}

func parseKeys(text string) (trusted, error) {
	var keys trusted
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, fmt.Errorf("pack: %q is not a verifier key (NAME+HASH+BASE64, as `exhibit key` prints it): %w", line, err)
		}
		keys = append(keys, v)
	}
	if len(keys) == 0 {
		return nil, errors.New("pack: no key was given; a key from inside the pack proves nothing")
	}
	return keys, nil
}

// A held is a checkpoint that the verifier has from elsewhere.
type held struct {
	ledger.Checkpoint
	text   string
	signed bool
}

func parseHeld(texts []string) ([]held, error) {
	var list []held
	for i, text := range texts {
		text = strings.ReplaceAll(text, "\r\n", "\n") // mail
		body, _, signed := strings.Cut(text, "\n\n— ")
		c, err := ledger.ParseCheckpoint(strings.TrimRight(body, "\n") + "\n")
		if err != nil {
			return nil, fmt.Errorf("pack: checkpoint %d that you gave: %w", i+1, err)
		}
		list = append(list, held{c, text, signed})
	}
	return list, nil
}

// signatures follows the keys and checks what they signed.
func (v *verifier) signatures() {
	current := v.follow()
	v.res.Key = current.names()
	v.checkpoint(current)
	v.manifestSignature(current)
	for _, h := range v.held {
		v.since(h)
	}
}

// follow goes from the given keys to those that key records name, where the
// checkpoint right after a record is signed by a key trusted so far. It returns
// the keys that may have signed the pack: the last one.
func (v *verifier) follow() trusted {
	current := v.keys
	for _, k := range v.r.state.Keys {
		next, err := note.NewVerifier(k.Key.Key)
		if err != nil {
			v.find("ledger/records.jsonl", fmt.Sprintf("the key of record %d is none: %s", k.Seq, err), doAskHistory)
			continue
		}
		if v.handOver(k.Seq, next) && !v.keys.has(next) {
			v.keys = append(v.keys[:len(v.keys):len(v.keys)], next)
		}
		current = trusted{next}
	}
	v.strayHandOvers()
	for _, k := range current {
		if !v.keys.has(k) {
			return nil
		}
	}
	return current
}

// strayHandOvers reports checkpoints of key records that are not there: somebody
// left out a record, and with it the key that counts from there on.
func (v *verifier) strayHandOvers() {
	names := map[string]bool{}
	for _, k := range v.r.state.Keys {
		names[keyCheckpointName(k.Seq)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(v.c.files)) {
		if strings.HasPrefix(name, "ledger/key-checkpoints/") && !names[name] && !v.proof.damaged {
			v.find(name, "the key record that it belongs to is not in the pack: ledger/earlier.jsonl or ledger/records.jsonl lacks it", doAskHistory)
		}
	}
}

// handOver checks the checkpoint right after a key record, and reports whether a
// trusted key signed it.
func (v *verifier) handOver(seq uint64, next note.Verifier) bool {
	name := keyCheckpointName(seq)
	b, err := v.c.read(name, 64<<10)
	if err != nil {
		v.unreadable(name, err)
		return false
	}
	both := append(v.keys[:len(v.keys):len(v.keys)], next)
	c, _, err := ledger.OpenCheckpoint(string(b), note.VerifierList(unique(both)...))
	if err != nil {
		v.find(name, "neither a key that you trust nor the new key signed it: "+err.Error(), doCheckKey)
		return false
	}
	// In damaged records no root can be right: one finding about that is enough.
	root, ok := v.proof.roots[c.Size]
	if !v.proof.damaged && (c.Size != seq+1 || !ok || root != c.Root || c.Origin != v.proof.head.Origin || !c.At.Equal(v.proof.times[c.Size])) {
		v.find(name, fmt.Sprintf("it is not the checkpoint of this log right after record %d", seq), doAskHistory)
		return false
	}
	_, _, err = ledger.OpenCheckpoint(string(b), note.VerifierList(v.keys...))
	return err == nil
}

func unique(keys trusted) trusted {
	var list trusted
	for _, k := range keys {
		if !list.has(k) {
			list = append(list, k)
		}
	}
	return list
}

// checkpoint checks the signature of the pinned checkpoint.
func (v *verifier) checkpoint(current trusted) {
	b, err := v.c.read("ledger/checkpoint", 64<<10)
	if err != nil {
		return // reported when it was parsed
	}
	if _, _, err := ledger.OpenCheckpoint(string(b), note.VerifierList(current...)); err != nil {
		v.find("ledger/checkpoint", v.unsigned(current, string(b)), doCheckKey)
	}
}

// manifestSignature checks manifest.sig against the bytes of manifest.json.
func (v *verifier) manifestSignature(current trusted) {
	b, err := v.c.read("manifest.sig", 64<<10)
	if err != nil {
		v.unreadable("manifest.sig", err)
		return
	}
	text, _, _ := strings.Cut(string(b), "\n\n")
	text += "\n"
	if n, err := note.Open(b, note.VerifierList(current...)); err != nil {
		v.find("manifest.sig", v.unsigned(current, string(b)), doCheckKey)
	} else {
		text = n.Text
	}
	if text != signedText(v.m.Origin, v.manifest) {
		v.find("manifest.json", "it is not the manifest that manifest.sig signs", doNotRely)
	}
	if named, err := note.NewVerifier(v.m.Key); len(current) > 0 && (err != nil || !current.has(named)) {
		v.find("manifest.json", "the key that it names is not the one that signs the log", doCheckKey)
	}
}

// unsigned says by whom a note is signed instead.
func (v *verifier) unsigned(current trusted, text string) string {
	want := "the key that you gave (" + v.keys.names() + ")"
	if len(current) == 0 {
		want = "a key that the key records lead to from the one that you gave (" + v.keys.names() + ")"
	}
	if v.proof.damaged {
		want += ", as far as keys can be followed in damaged ledger files"
	}
	var by []string
	_, sigs, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(sigs) {
		if name, ok := strings.CutPrefix(line, "— "); ok {
			name, _, _ = strings.Cut(name, " ")
			by = append(by, name)
		}
	}
	if len(by) == 0 {
		return "it is not signed by " + want + "; it has no signature"
	}
	return "it is not signed by " + want + ", or it was changed; it names " + strings.Join(by, ", ")
}

// logKeys lists the keys that may have signed older checkpoints: the trusted ones
// and, when the records are those that a trusted key signed, all that they name.
func (v *verifier) logKeys() trusted {
	keys := v.keys[:len(v.keys):len(v.keys)]
	if v.proof.damaged {
		return keys
	}
	for _, k := range v.r.state.Keys {
		if named, err := note.NewVerifier(k.Key.Key); err == nil {
			keys = append(keys, named)
		}
	}
	return unique(keys)
}

// since compares a checkpoint that the verifier holds with the log in the pack.
func (v *verifier) since(h held) {
	name := fmt.Sprintf("the checkpoint of %d records that you hold", h.Size)
	if h.signed {
		if _, _, err := ledger.OpenCheckpoint(h.text, note.VerifierList(v.logKeys()...)); err != nil {
			v.find("", name+" is not signed by a key of this log", "If the log had another key then, give that one with --key too. Else this checkpoint is not of this log.")
			return
		}
	}
	root, known := v.proof.roots[h.Size]
	switch {
	case h.Origin != v.proof.head.Origin:
		v.find("", name+" is of the log "+h.Origin+"; the pack is of "+v.proof.head.Origin, "Check with a checkpoint of the same log.")
	case h.Size == 0:
		v.res.Notes = append(v.res.Notes, name+" is of an empty log: it says nothing.")
	case h.Size > v.proof.size:
		v.find("", fmt.Sprintf("the pack is older than %s, or the log lost records: the pack's log has %d", name, v.proof.size), doOlderPack)
	case !known || root != h.Root:
		v.find("", fmt.Sprintf("the log was rewritten: its first %d records have the root %s, %s has %s", h.Size, root, name, h.Root), doRewritten)
	case h.At.IsZero():
		v.res.Notes = append(v.res.Notes, name+" does not say when it was made. The records of the log up to it are the same, but it does not show that none of them that are only hashes here holds events of the period.")
	case v.timeTurned(h, name):
	default:
		v.res.Conditional = append(v.res.Conditional, fmt.Sprintf("The first %d records of the log are the ones that your checkpoint was made of: nothing collected before it was changed, added or removed since. "+
			"It says that it was made at %s or soon after: compare that with when it reached you.", h.Size, instant(h.At)))
	}
}

// timeTurned reports a held checkpoint whose time does not fit to the records. Where
// they are in full, it must be that of its last one. Where only hashes are left, it
// must not be later than the first that is in full: else a record among them is
// younger than that one, and may hold events of the period that nothing else shows.
func (v *verifier) timeTurned(h held, name string) bool {
	at, full := v.proof.times[h.Size]
	switch {
	case full && !at.Equal(h.At):
		v.find("", fmt.Sprintf("%s says that its last record is of %s; in the pack that record is of %s", name, instant(h.At), instant(at)), doRewritten)
	case h.Size <= v.proof.first && h.At.After(v.proof.begun):
		v.find("", fmt.Sprintf("time was turned back in the log: %s is of %s, but record %d, which comes after, is of %s: records that the pack has only as hashes may hold events of the period",
			name, instant(h.At), v.proof.first, instant(v.proof.begun)), doRewritten)
	default:
		return false
	}
	return true
}
