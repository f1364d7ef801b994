package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"exhibit/ingest"
	"exhibit/internal/coverage"
	"exhibit/internal/demo"
	"exhibit/internal/ledger"
)

// importHistory brings in the days before those that are polled, as a person would:
// a file a day, each stated to be complete, two of them missing.
func (d *demoSite) importHistory(ctx context.Context, config Config) (err error) {
	w, err := openWriter(ctx, config, d.log, ingest.Accept{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.declare(ctx, false); err != nil {
		return err
	}
	if err := d.openDoor(ctx, w); err != nil {
		return err
	}
	head := w.ledger.Head()
	if len(head.State.Coverage(demoSource)) > 0 {
		return nil // an earlier start of the demo did it
	}
	kind, err := ingest.ChooseKind(w.ledger, w.kinds, demoSource, "")
	if err != nil {
		return err
	}
	bar := newBar(os.Stderr, "importing a history of 106 days", demoImported, time.Now)
	defer bar.Done()
	for n := range demoImported {
		if demoLost(n) {
			continue
		}
		file, name, err := d.writeDay(n)
		if err != nil {
			return err
		}
		im := ingest.Import{Source: demoSource, Kind: kind, Secret: w.secret, Name: name, By: "admin@demo.example", Now: time.Now,
			Covers: &coverage.Interval{From: d.day(n), To: d.day(n + 1)}}
		if _, err := ingest.ImportInto(ctx, w.ledger, w.committer, w.diary, bytes.NewReader(file), im); err != nil {
			return err
		}
		bar.Set(int64(n + 1))
	}
	return w.ledger.Note(ctx, ledger.Gap{Source: demoSource, From: d.day(41), To: d.day(42), By: "admin@demo.example",
		Note: "The export of this day was lost when the laptop that held it was replaced (ticket OPS-118)."})
}

// writeDay writes the export of one day into the data directory, where people can
// look at it, and returns it.
func (d *demoSite) writeDay(n int) (file []byte, name string, err error) {
	dir := filepath.Join(d.data, "exports")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(demo.WriteLines(z, d.history.Records(d.day(n), d.day(n+1))), z.Close()); err != nil {
		return nil, "", err
	}
	name = "audit-trail-" + d.day(n).Format(time.DateOnly) + ".jsonl.gz"
	return b.Bytes(), name, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600)
}
