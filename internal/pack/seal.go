package pack

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/note"
)

// tables writes what is made from records and counts.
func (w *writer) tables(context.Context) error {
	w.r.summarise(&w.sum)
	cells, err := smallTables(&w.sum, w.z, func(name string, t table) error { return w.add(name, t.b) })
	w.sum.Counts.Cells += cells
	return err
}

// summarise adds what the state says about the period.
func (r *reading) summarise(s *Summary) {
	s.At, s.State, s.Removed = r.state.At, &r.state, r.removed
	s.Spans = map[string][]ledger.Span{}
	for _, source := range r.sources {
		s.Spans[source] = r.state.Spans(source, r.period, s.At)
	}
}

// smallTables makes the tables that need no controls, and counts changed cells.
func smallTables(s *Summary, z zone, each func(name string, t table) error) (cells uint64, err error) {
	for _, made := range []struct {
		name string
		t    table
	}{
		{"coverage/intervals.csv", intervals(s, z)},
		{"coverage/gaps.csv", gaps(s, z)},
		{"coverage/days.csv", days(s)},
		{"rejects.csv", rejects(s.Counts.Groups, z)},
	} {
		cells += made.t.cells
		if err := each(made.name, made.t); err != nil {
			return 0, err
		}
	}
	return cells, nil
}

// texts writes the controls and the files for people.
func (w *writer) texts(context.Context) error {
	if w.p.Answer != nil {
		list, err := w.p.Answer(&w.sum)
		if err != nil {
			return fmt.Errorf("pack: answer the controls: %w", err)
		}
		w.p.Sheet.Controls = list
	}
	t := controls(w.p.Sheet.Controls, &w.sum.Counts)
	w.sum.Counts.Cells += t.cells
	if err := w.add("controls.csv", t.b); err != nil {
		return err
	}
	if err := w.add("ledger/verify.py", verifyPy); err != nil {
		return err
	}
	if err := w.add("VERIFY.md", verifyText(w.sum.Checkpoint.Origin)); err != nil {
		return err
	}
	w.sum.Content = contentDigest(w.sum.Files)
	return nil
}

// seal writes the cover, the manifest, its signature and SHA256SUMS.
func (w *writer) seal() error {
	cover, err := w.p.Cover(&w.sum)
	if err != nil {
		return fmt.Errorf("pack: make the cover: %w", err)
	}
	if err := w.add("README.html", cover); err != nil {
		return err
	}
	slices.SortFunc(w.sum.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	head := w.sum.Checkpoint
	query := sha256.Sum256([]byte(w.p.Query))
	m := Manifest{Format: Format, Origin: head.Origin, Key: w.p.Key, Sheet: w.p.Sheet, Period: span{w.p.Period.From.UTC(), w.p.Period.To.UTC()},
		Zone: w.z, QuerySHA256: hex.EncodeToString(query[:]), Root: head.Root.String(), At: w.sum.At.UTC(),
		Counts: w.sum.Counts, Content: w.sum.Content, Files: slices.Clone(w.sum.Files)}
	m.Made = m.Made.UTC().Truncate(time.Second)
	if err := m.check(); err != nil {
		return fmt.Errorf("pack: the manifest cannot be: %w", err)
	}
	manifest, err := m.encode()
	if err != nil {
		return err
	}
	if len(manifest) > maxManifest {
		return fmt.Errorf("pack: the manifest has %d bytes; no verifier reads more than %d", len(manifest), maxManifest)
	}
	sig, err := note.Sign(&note.Note{Text: signedText(head.Origin, manifest)}, w.p.Signer)
	if err != nil {
		return fmt.Errorf("pack: sign the manifest: %w", err)
	}
	if err := w.add("manifest.json", manifest); err != nil {
		return err
	}
	if err := w.add("manifest.sig", sig); err != nil {
		return err
	}
	return w.add("SHA256SUMS", sums(w.sum.Files))
}

// first are the files that a person should see first in a listing.
var first = []string{"README.html", "VERIFY.md", "manifest.json", "manifest.sig", "SHA256SUMS"}

func (w *writer) zip(ctx context.Context, out io.Writer) error {
	zw := zip.NewWriter(out)
	rank := func(f *file) int { return (slices.Index(first, f.name) + len(first) + 1) % (len(first) + 1) }
	slices.SortFunc(w.files, func(a, b *file) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	for _, f := range w.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := f.copyTo(zw); err != nil {
			return err
		}
	}
	if err := zw.Close(); err != nil {
		return fmt.Errorf("pack: finish the zip: %w", err)
	}
	return nil
}
