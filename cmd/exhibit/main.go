// Command exhibit collects audit events, keeps them under a signed ledger, and
// makes evidence packs of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // dates mean the same everywhere

	"exhibit/internal/engine"

	"github.com/alecthomas/kong"
)

// cli is the command line. Every command takes --config, or --data for the
// embedded engine with defaults.
type cli struct {
	Config string `short:"c" type:"path" env:"EXHIBIT_CONFIG" placeholder:"FILE" help:"Configuration file."`
	Data   string `type:"path" placeholder:"DIR" help:"Data directory, for the embedded engine with defaults."`
	Debug  bool   `help:"Log more."`

	Serve     serveCmd     `cmd:"" help:"Run everything: collect, keep, serve pages."`
	Demo      demoCmd      `cmd:"" help:"Try it: generated history, an identity provider, the whole product."`
	Import    importCmd    `cmd:"" help:"Bring in files: JSON arrays, lines or saved API pages, plain, gzip or zstd."`
	Pack      packCmd      `cmd:"" help:"Make an evidence pack."`
	Note      noteCmd      `cmd:"" help:"Keep a note about a gap in the ledger: it explains the gap and is in every pack."`
	Verify    verifyCmd    `cmd:"" help:"Check an evidence pack, as exhibit-verify does."`
	Audit     auditCmd     `cmd:"" help:"Recompute what is stored and compare it with the ledger."`
	Key       keyCmd       `cmd:"" help:"Print the public key that verifies packs and checkpoints."`
	Check     checkCmd     `cmd:"" help:"Check the configuration and try every connection."`
	Schedules schedulesCmd `cmd:"" help:"List scheduled reports, or run one now."`
	Sources   sourcesCmd   `cmd:"" help:"List the kinds of sources, their settings, and what they can prove."`
	Try       tryCmd       `cmd:"" help:"Print what becomes of records, without storing them."`
	Rejects   rejectsCmd   `cmd:"" help:"List what could not become events, or write the bytes of one."`
	Redrive   redriveCmd   `cmd:"" help:"Take rejects through the pipeline again, after a fix."`
	Accept    acceptCmd    `cmd:"" help:"Let the writer start although the clock jumped or the store lost records."`
	Adopt     adoptCmd     `cmd:"" help:"Take over the ledger of a store whose data directory was lost."`
	Token     tokenCmd     `cmd:"" help:"Make, list and revoke the tokens that other systems send events with."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

func main() {
	engine.RunChildIfAsked()
	os.Exit(run(os.Args[1:]))
}

// run runs one command and returns the exit code: 0 done, 1 something is wrong, 2
// the command could not be understood.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("exhibit"), kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Description("Audit logs into evidence: completeness you can prove."))
	if err != nil {
		fmt.Fprintln(os.Stderr, "exhibit:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "exhibit:", err)
		return 2
	}
	level := slog.LevelInfo
	if c.Debug {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(&c, log)
	switch {
	case errors.Is(err, errFound):
		return 1
	case errors.Is(err, errUsage):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "exhibit:", err)
		return 1
	}
	return 0
}

// errFound ends a command that did its work and found something wrong, which it
// has printed.
var errFound = errors.New("something is wrong")

// errUsage ends a command that said itself that it was not understood.
var errUsage = errors.New("not understood")

// config returns the configuration that a command runs with.
func (c *cli) config() (Config, error) {
	switch {
	case c.Config != "" && c.Data != "":
		return Config{}, errors.New("give --config or --data, not both")
	case c.Config != "":
		return LoadConfig(c.Config)
	}
	config := Config{Data: c.Data}
	config.complete()
	return config, nil
}
