package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"

	"github.com/go-json-experiment/json/jsontext"
)

type tryCmd struct {
	Kind  string `required:"" help:"Kind of source that the records are of."`
	Map   string `type:"existingfile" placeholder:"FILE" help:"Mapping of the kind json. Default: common names of fields."`
	Rules string `type:"existingfile" placeholder:"FILE" help:"The site's own classification rules."`
	JSON  bool   `name:"json" help:"Print one JSON object per record, events as their canonical lines."`
	File  string `arg:"" optional:"" default:"-" help:"File: the vendor's page or file, lines, or bare records; - is standard input."`
}

// Help says how what try shows differs from what import stores.
func (tryCmd) Help() string {
	return "Nothing is stored, and no configuration is read. Events are as import would store them, but that their salt is zero, " +
		"their source has the name of the kind, they are received now, and ids that the vendor does not give are made with an empty secret."
}

// Run prints the fate of each record.
func (cmd *tryCmd) Run(ctx context.Context) error {
	kind, err := cmd.kind()
	if err != nil {
		return err
	}
	file, _, err := openInput(cmd.File)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	a := &attempt{kind: kind, received: time.Now(), print: fatePrinter(out, cmd.JSON),
		preparer: ingest.NewPreparer(kind.Name, kind, make([]byte, 32), zeros{})}
	err = errors.Join(a.run(ctx, file), file.Close(), out.Flush())
	if !cmd.JSON {
		fmt.Fprintf(os.Stderr, "%d records: %d events (%d of them unmapped), %d skipped, %d rejects\n", a.records, a.events, a.unmapped, a.skipped, a.rejects)
	}
	return err
}

func (cmd *tryCmd) kind() (source.Kind, error) {
	config := Config{Rules: cmd.Rules, Sources: []Source{{Name: cmd.Kind, Kind: cmd.Kind, Map: cmd.Map}}}
	catalog, err := config.catalog()
	if err != nil {
		return source.Kind{}, fmt.Errorf("try: %w", err)
	}
	return catalog.Of(cmd.Kind, cmd.Kind)
}

// zeros is the salt of events that are not stored: the same records print the same.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// An attempt takes records on the way that an import takes, and prints what comes of
// them.
type attempt struct {
	kind     source.Kind
	preparer *ingest.Preparer
	received time.Time
	print    func(fate, reason string, e *event.Event) error

	records, events, unmapped, skipped, rejects int
}

func (a *attempt) run(ctx context.Context, file io.Reader) error {
	for piece, err := range source.Records(file, source.RecordsOptions{Wraps: a.kind.Wraps}) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err == nil {
			err = a.record(piece)
		}
		if err != nil {
			return fmt.Errorf("try: %w", err)
		}
	}
	return nil
}

func (a *attempt) record(piece source.Piece) error {
	a.records++
	if piece.Bad != "" {
		a.rejects++
		return a.print("reject", piece.Bad, nil)
	}
	record := source.Record{Raw: piece.Raw, Received: a.received}
	if err := a.preparer.Add(record); err != nil {
		return err
	}
	parcel := a.preparer.Take()
	// A parcel says that a record was passed over, and not why.
	_, why := a.kind.Normalize(record)
	switch {
	case parcel.Skipped > 0:
		a.skipped++
		return a.print("skipped", strings.TrimPrefix(why.Error(), source.ErrSkip.Error()+": "), nil)
	case len(parcel.Rejects) > 0:
		a.rejects++
		reason := parcel.Rejects[0].Reason
		if why != nil {
			reason = why.Error()
		}
		return a.print("reject", reason, nil)
	}
	for _, item := range parcel.Items {
		fate := "event"
		a.events++
		if item.Unmapped {
			fate = "unmapped"
			a.unmapped++
		}
		if err := a.print(fate, "", item.Event); err != nil {
			return err
		}
	}
	return nil
}

// fatePrinter returns what prints one fate, as an object or as a line to read.
func fatePrinter(w io.Writer, object bool) func(fate, reason string, e *event.Event) error {
	var line []byte
	return func(fate, reason string, e *event.Event) error {
		switch {
		case object && e != nil:
			line = append(line[:0], `{"fate":"`+fate+`","event":`...)
			line = append(e.AppendLine(line), '}')
		case object:
			line = append(line[:0], `{"fate":"`+fate+`","reason":`...)
			quoted, err := jsontext.AppendQuote(line, strings.ToValidUTF8(reason, "\uFFFD"))
			if err != nil {
				return fmt.Errorf("print a reason: %w", err)
			}
			line = append(quoted, '}')
		case e != nil:
			line = fmt.Appendf(line[:0], "%-8s %s  %-17s %-7s %s", fate, e.Time.Format(time.RFC3339), e.Section, e.Outcome, e.Action)
			for _, said := range [][2]string{{"by", e.Actor.ID}, {"name", cmp.Or(e.Actor.Name, e.Actor.Email)}, {"on", e.Target.ID}, {"from", e.IP}} {
				if said[1] != "" {
					line = fmt.Appendf(line, "  %s %q", said[0], said[1])
				}
			}
		default:
			line = fmt.Appendf(line[:0], "%-8s %s", fate, reason)
		}
		_, err := w.Write(append(line, '\n'))
		return err
	}
}
