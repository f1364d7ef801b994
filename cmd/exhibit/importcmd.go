package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"exhibit/ingest"
	"exhibit/internal/coverage"
	"exhibit/reports"
)

type importCmd struct {
	Source string   `required:"" help:"Source that the events belong to."`
	Kind   string   `help:"Kind of the source, when it is new."`
	Covers string   `placeholder:"FROM/TO" help:"Period that the files, together, are stated to hold completely: dates, both included, or instants."`
	By     string   `help:"Who states the period. Default: the user of this computer."`
	Zone   string   `help:"Time zone of the dates. Default: the configuration's, else UTC."`
	Files  []string `arg:"" name:"file" help:"Files; - is standard input."`
}

// Run imports the files one after the other. With another writer at work it has
// that one import them.
func (cmd *importCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	covers, err := cmd.covers(config)
	if err != nil {
		return err
	}
	cmd.By = statedBy(cmd.By)
	into, done, err := cmd.target(ctx, config, log)
	if err != nil {
		return err
	}
	err = cmd.files(ctx, covers, into)
	return errors.Join(err, done())
}

// statedBy says who states something, and who typed that they do.
func statedBy(who string) string {
	me := operator().ID
	if who == "" || who == me {
		return me
	}
	return who + " (entered by " + me + ")"
}

// covers reads the stated period. It is noted with the last file: only when all of
// them are in is it true.
func (cmd *importCmd) covers(config Config) (*coverage.Interval, error) {
	if cmd.Covers == "" {
		return nil, nil
	}
	from, to, ok := strings.Cut(cmd.Covers, "/")
	if !ok {
		return nil, fmt.Errorf("--covers %q: write it as FROM/TO, like 2026-01-01/2026-01-31", cmd.Covers)
	}
	zone := cmd.Zone
	if zone == "" {
		zone = config.Zone
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return nil, fmt.Errorf("--zone: %w", err)
	}
	period, err := reports.ParsePeriod(from, to, location, time.Now())
	if err != nil {
		return nil, fmt.Errorf("--covers: %w", err)
	}
	return &period.Interval, nil
}

type importer func(ctx context.Context, file io.Reader, im ingest.Import) (ingest.ImportResult, error)

// target returns how to import: here, or in the process that writes.
func (cmd *importCmd) target(ctx context.Context, config Config, log *slog.Logger) (importer, func() error, error) {
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	if errors.Is(err, ingest.ErrLocked) {
		running, err := ingest.Dir(config.Data).Writer()
		if err != nil {
			return nil, nil, err
		}
		fmt.Fprintln(os.Stderr, "Another process writes with this data directory; it imports the files.")
		return func(ctx context.Context, file io.Reader, im ingest.Import) (ingest.ImportResult, error) {
			return running.Import(ctx, file, im, cmd.Kind)
		}, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if err := w.declare(ctx, true); err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	debug.SetMemoryLimit(ingest.ImportMemory)
	kind, err := ingest.ChooseKind(w.ledger, w.kinds, cmd.Source, cmd.Kind)
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return func(ctx context.Context, file io.Reader, im ingest.Import) (ingest.ImportResult, error) {
		im.Kind, im.Secret = kind, w.secret
		return ingest.ImportInto(ctx, w.ledger, w.committer, w.diary, file, im)
	}, w.Close, nil
}

func (cmd *importCmd) files(ctx context.Context, covers *coverage.Interval, into importer) error {
	for i, name := range cmd.Files {
		im := ingest.Import{Source: cmd.Source, Name: filepath.Base(name), By: cmd.By, Now: time.Now}
		if i == len(cmd.Files)-1 {
			im.Covers = covers
		}
		if err := importFile(ctx, name, im, into); err != nil {
			return err
		}
	}
	return nil
}

func importFile(ctx context.Context, name string, im ingest.Import, into importer) error {
	file, size, err := openInput(name)
	if err != nil {
		return err
	}
	defer file.Close()
	bar := newBar(os.Stderr, im.Name, size, time.Now)
	im.Progress = bar.Set
	result, err := into(ctx, file, im)
	bar.Done()
	printImport(os.Stdout, im.Name, result)
	return err
}

func openInput(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(os.Stdin), 0, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, 0, fmt.Errorf("import: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func printImport(w io.Writer, name string, r ingest.ImportResult) {
	switch {
	case r.Fetched == 0:
		fmt.Fprintf(w, "%s: no records\n", name)
	case r.Events == 0 && r.Rejects == 0:
		fmt.Fprintf(w, "%s: %d records, nothing new: everything is stored already\n", name, r.Fetched)
	default:
		fmt.Fprintf(w, "%s: %d records: %d events, %d duplicates, %d skipped, %d rejects", name, r.Fetched, r.Events, r.Duplicates, r.Skipped, r.Rejects)
		if !r.First.IsZero() {
			fmt.Fprintf(w, "; from %s to %s", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
		}
		fmt.Fprintln(w)
	}
	if r.ClockAhead > 0 {
		fmt.Fprintf(w, "  %d events claim a time that cannot be; they are filed at the time of receipt and keep the claim\n", r.ClockAhead)
	}
	if r.Unmapped > 0 {
		fmt.Fprintf(w, "  %d events are of types that no rule knows; they are filed under other\n", r.Unmapped)
	}
	for _, c := range r.Covers {
		fmt.Fprintf(w, "  stated by %s to be complete from %s to %s\n", c.By, c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
	}
}
