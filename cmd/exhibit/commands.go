package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack/verifier"
)

type keyCmd struct {
	Rotate bool `help:"Hand over to a new key. Whoever has the old one can follow to the new one."`
}

// Run prints the public key.
func (cmd keyCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if cmd.Rotate {
		if err := rotate(ctx, config, log); err != nil {
			return err
		}
	}
	key, err := ingest.Dir(config.Data).ExistingKey()
	if err != nil {
		return fmt.Errorf("%w. A key is made when something is first written with a data directory: is %s the right one?", err, config.Data)
	}
	fmt.Println(key.Public)
	return nil
}

func rotate(ctx context.Context, config Config, log *slog.Logger) error {
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	if err != nil {
		return err
	}
	err = w.rotate(ctx)
	return errors.Join(err, w.Close())
}

func (w *writer) rotate(ctx context.Context) error {
	if err := w.declare(ctx, true); err != nil {
		return err
	}
	next, err := w.dir.NextKey(w.ledger.Key.Name())
	if err != nil {
		return err
	}
	if err := w.ledger.Rotate(ctx, next); err != nil {
		return err
	}
	if err := w.dir.FinishRotation(ctx, w.db); err != nil {
		return err
	}
	return w.diary.Write(ctx, source.Act{Action: "key.rotate", Outcome: event.Success, Actor: operator(), Target: source.Party{Type: "key", Name: next.Public}})
}

// operator is who runs a command, as an actor of an act.
func operator() source.Party {
	u, err := user.Current()
	if err != nil {
		return source.Party{Type: event.User, ID: "unknown"}
	}
	return source.Party{Type: event.User, ID: u.Username, Name: u.Name}
}

type verifyCmd struct {
	Args []string `arg:"" optional:"" passthrough:"" help:"As of exhibit-verify: PACK --key KEY [--since CHECKPOINT]."`
}

// Run is exhibit-verify.
func (cmd verifyCmd) Run(ctx context.Context) error {
	switch code := verifier.Run(ctx, "exhibit verify", cmd.Args, os.Stdout, os.Stderr); code {
	case 0:
		return nil
	case 1:
		return errFound
	default:
		return errUsage
	}
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run() error {
	fmt.Println("exhibit", version, commit)
	return nil
}

// Set by the linker: see Makefile and Dockerfile.
var (
	version = "unreleased"
	commit  = "unknown"
)

type auditCmd struct {
	Days int `help:"Only segments of the last so many days. Default: all."`
}

// Run compares what is stored with the ledger.
func (cmd auditCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	var result ingest.Audit
	err := c.look(ctx, log, func(s *installation) (err error) {
		result, err = cmd.audit(ctx, s)
		return err
	})
	if err != nil {
		return err
	}
	for _, f := range result.Findings {
		fmt.Println("DIFFERS ", f.What)
	}
	fmt.Printf("%d segments with %d events recomputed against a ledger of %d records: ", result.Segments, result.Events, result.Size)
	if len(result.Findings) > 0 {
		fmt.Printf("%d findings\n", len(result.Findings))
		fmt.Println("The rows in the database are not those that the ledger has. Packs of these days cannot be made. Restore the rows from a backup; or run 'exhibit accept --rollback', which names the loss in the ledger and fetches it again where the source still has it.")
		return errFound
	}
	fmt.Println("all rows are as the ledger has them")
	return nil
}

func (cmd auditCmd) audit(ctx context.Context, s *installation) (ingest.Audit, error) {
	reader, _, err := s.reader()
	if err != nil {
		return ingest.Audit{}, err
	}
	head, err := reader.Head(ctx)
	if err != nil {
		return ingest.Audit{}, err
	}
	now := time.Now()
	from := ""
	if cmd.Days > 0 {
		from = now.UTC().AddDate(0, 0, -cmd.Days).Format(ledger.DayFormat)
	}
	bar := newBar(os.Stderr, "audit", 0, time.Now)
	defer bar.Done()
	return ingest.AuditStore(ctx, s.db, head, now, func(seg ledger.SegmentAt) bool { return seg.Day >= from }, func(done, total int) {
		bar.size = int64(total)
		bar.Set(int64(done))
	})
}

type sourcesCmd struct{}

// Run lists the kinds of sources.
func (sourcesCmd) Run() error {
	for _, k := range source.Kinds() {
		fmt.Printf("%s  %s\n", k.Name, k.Title)
		if k.Docs != "" {
			fmt.Println("  ", k.Docs)
		}
		if k.Keeps > 0 {
			fmt.Printf("   the vendor keeps events for %.0f days; events settle within %s\n", k.Keeps.Hours()/24, k.Settle)
		}
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		for _, s := range k.Settings {
			name := s.Name
			if s.Secret {
				name += "_file or " + s.Name + "_env"
			}
			fmt.Fprintf(w, "   setting\t%s\t%s\t%s\t%s\n", name, s.Wants(), s.Default, s.Help())
		}
		for _, section := range event.Sections() {
			if a, ok := k.Abilities[section]; ok {
				fmt.Fprintf(w, "   can prove\t%s\t\t\t%s\n", section, a)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		fmt.Println()
	}
	return nil
}

type acceptCmd struct {
	Clock    bool `help:"The jump of the clock is right."`
	Rollback bool `help:"The store lost records and no newer backup exists: name the loss in the ledger and fetch it again."`
}

// Run starts and ends a writer with what the operator accepts.
func (cmd acceptCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	if !cmd.Clock && !cmd.Rollback {
		return errors.New("accept: say what: --clock or --rollback")
	}
	who := operator().ID
	accept := ingest.Accept{Clock: cmd.Clock}
	if cmd.Rollback {
		accept.Rollback = who
	}
	what := map[bool]string{true: "clock"}[cmd.Clock]
	if cmd.Rollback {
		what += " rollback"
	}
	return startOnce(ctx, c, log, accept, source.Act{Action: "accept", Outcome: event.Success,
		Actor: source.Party{Type: event.User, Name: who}, Reason: what})
}

type adoptCmd struct {
	Checkpoint string `required:"" type:"existingfile" help:"File with a checkpoint of the ledger that is held elsewhere."`
}

// Run takes over a ledger. The signing key must be in the data directory.
func (cmd adoptCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	text, err := os.ReadFile(cmd.Checkpoint)
	if err != nil {
		return fmt.Errorf("adopt: %w", err)
	}
	return startOnce(ctx, c, log, ingest.Accept{Checkpoint: string(text)}, source.Act{Action: "accept.adopt", Outcome: event.Success,
		Actor: source.Party{Type: event.User}, Reason: "ledger adopted by a checkpoint held elsewhere"})
}

func startOnce(ctx context.Context, c *cli, log *slog.Logger, accept ingest.Accept, act source.Act) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	w, err := openWriter(ctx, config, log, accept)
	if err != nil {
		return err
	}
	if accept.Clock {
		if err := w.dir.AcceptAhead(w.ledger.Ahead()); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	if err := errors.Join(w.declare(ctx, true), w.diary.Write(ctx, act), w.Close()); err != nil {
		return err
	}
	fmt.Println("Done. Start 'exhibit serve' as always.")
	return nil
}

type checkCmd struct {
	Mail string `placeholder:"ADDRESS" help:"Send a mail there."`
}

// Run tries every connection.
func (cmd checkCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	failed := false
	report := func(what string, err error) {
		if err != nil {
			failed = true
			fmt.Printf("FAILED  %s: %v\n", what, err)
			return
		}
		fmt.Printf("ok      %s\n", what)
	}
	s, err := open(ctx, config, log)
	report("store", err)
	if err == nil {
		version, err := s.db.Version(ctx)
		report("ClickHouse "+version, err)
		report("no evidence table loses rows by itself", s.db.CheckTables(ctx))
		checkSources(ctx, s, report)
		report("close", s.Close())
	}
	if config.Web.BaseURL != "" {
		report("web.base_url", config.checkServe())
		report("identity provider "+config.Web.OIDC.Issuer, checkProvider(ctx, config))
	}
	if config.Mail.enabled() || cmd.Mail != "" {
		report("mail", checkMail(ctx, config, cmd.Mail, log))
		config.Mail.checkPlaces(ctx, report)
	}
	if failed {
		return errFound
	}
	return nil
}
