package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"exhibit/ingest"
	"exhibit/internal/ledger"
	"exhibit/reports"
)

type noteCmd struct {
	Source string `required:"" help:"Source that has the gap."`
	From   string `required:"" placeholder:"DATE" help:"First day, included; or an instant (RFC 3339)."`
	To     string `required:"" placeholder:"DATE" help:"Last day, included; or an instant, not included."`
	Zone   string `help:"Time zone of the dates. Default: the configuration's, else UTC."`
	Text   string `arg:"" help:"What is known of the gap."`
}

// Run keeps a note, here or in the process that writes.
func (cmd *noteCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if cmd.Zone == "" {
		cmd.Zone = config.Zone
	}
	zone, err := reports.LoadZone(cmd.Zone)
	if err != nil {
		return err
	}
	period, err := reports.ParsePeriod(cmd.From, cmd.To, zone, time.Now())
	if err != nil {
		return err
	}
	note := ledger.Gap{Source: cmd.Source, From: period.From, To: period.To, Note: cmd.Text, By: operator().ID}
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	switch {
	case errors.Is(err, ingest.ErrLocked):
		running, err := ingest.Dir(config.Data).Writer()
		if err != nil {
			return err
		}
		err = running.Note(ctx, note)
		if err != nil {
			return err
		}
	case err != nil:
		return err
	default:
		if err := errors.Join(w.declare(ctx, true), w.ledger.Note(ctx, note), w.Close()); err != nil {
			return err
		}
	}
	fmt.Printf("Kept: %s from %s to %s\n", note.Source, note.From.Format(time.RFC3339), note.To.Format(time.RFC3339))
	return nil
}
