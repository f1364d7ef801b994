// Command bench measures what Exhibit costs, beside what ClickHouse costs for the
// same work in the same run: `make bench`. docs/performance.md says how to read it.
//
// Each step runs in a process of its own, so that its memory is its own. The steps
// that are compared take turns, and the median of the rounds is shown: on a machine
// that others use too, a ratio of neighbours says more than a number of seconds.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"exhibit/internal/engine"
)

// settings are the flags. They are handed on to the processes of the steps.
type settings struct {
	events  int
	rounds  int
	more    int
	dir     string
	step    string
	round   int
	profile string
	now     time.Time
}

func main() {
	engine.RunChildIfAsked()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s := settings{now: time.Now().UTC().Truncate(time.Hour)}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&s.events, "events", 1_000_000, "how many events are imported")
	flags.IntVar(&s.rounds, "rounds", 3, "how often the steps that are compared take turns")
	flags.IntVar(&s.more, "more", 0, "also measure the pages with this many times the events (10)")
	flags.StringVar(&s.dir, "dir", "", "where to work, about 6 GB for a million events (default: a temporary directory)")
	flags.StringVar(&s.profile, "profile", "", "write CPU and memory profiles of the steps into this directory")
	quick := flags.Bool("quick", false, "100,000 events, one round")
	flags.StringVar(&s.step, "step", "", "run one step (used by the program itself)")
	flags.IntVar(&s.round, "round", 0, "of the step")
	flags.TextVar(&s.now, "now", s.now, "when the history of the events ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *quick {
		s.events, s.rounds = 100_000, 1
	}
	if s.step != "" {
		return s.runStep(ctx)
	}
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "exhibit-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) // what stays is in a temporary directory
		s.dir = dir
	}
	e, err := engine.Start(ctx, engine.Options{Dir: filepath.Join(s.dir, "engine"), AllowFile: true,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	defer e.Close()
	return s.measure(ctx, e)
}

// measure runs the steps in order and prints what they took.
func (s settings) measure(ctx context.Context, e *engine.Engine) error {
	b := &bench{settings: s, engine: e, steps: map[string][]measured{}}
	do := func(round int, names ...string) error {
		for _, name := range names {
			if err := b.step(ctx, name, round); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
	if err := do(0, stepGenerate); err != nil {
		return err
	}
	for round := range s.rounds {
		if err := do(round, stepImport, stepLoad, stepPush); err != nil {
			return err
		}
	}
	if err := do(0, stepDisk); err != nil {
		return err
	}
	for round := range s.rounds {
		if err := do(round, stepPack, stepExport, stepExportPlain, stepVerify); err != nil {
			return err
		}
	}
	if err := do(0, stepAgain, stepObjects, stepPages); err != nil {
		return err
	}
	if s.more > 1 {
		b.events *= s.more
		if err := do(moreRound, stepGenerate, stepImport, stepPages); err != nil {
			return err
		}
	}
	b.print(os.Stdout)
	return nil
}

// moreRound is the round that imports more events.
const moreRound = 99
