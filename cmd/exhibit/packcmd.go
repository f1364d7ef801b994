package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/framework"
)

type packCmd struct {
	Framework string   `required:"" help:"soc2, hipaa or pci."`
	From      string   `required:"" placeholder:"DATE" help:"First day, included; or an instant (RFC 3339)."`
	To        string   `required:"" placeholder:"DATE" help:"Last day, included; or an instant, not included."`
	Source    []string `placeholder:"NAME" help:"Sources in scope. Default: all but Exhibit's own."`
	Zone      string   `help:"Time zone of the dates. Default: the configuration's, else UTC."`
	Out       string   `required:"" type:"path" placeholder:"FILE" help:"The pack; or a directory, in which it gets its own name."`
}

// Run makes a pack. With another process writing, that one keeps the act; else this
// one does.
func (cmd *packCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	if cmd.Zone == "" {
		cmd.Zone = config.Zone
	}
	request, err := cmd.request()
	if err != nil {
		return err
	}
	s, diary, err := openDiary(ctx, config, log)
	if err != nil {
		return err
	}
	err = cmd.make(ctx, s, diary, request)
	return errors.Join(err, s.Close())
}

func (cmd *packCmd) request() (reports.Request, error) {
	zone, err := reports.LoadZone(cmd.Zone)
	if err != nil {
		return reports.Request{}, err
	}
	period, err := reports.ParsePeriod(cmd.From, cmd.To, zone, time.Now())
	if err != nil {
		return reports.Request{}, err
	}
	if note := period.CutNote(); note != "" {
		fmt.Fprintln(os.Stderr, note)
	}
	me := operator()
	by := pack.Person{ID: me.ID, Name: me.Name, Role: "operator"}
	return reports.Request{Framework: cmd.Framework, Period: period, Sources: cmd.Source, By: by}, nil
}

// A diary keeps acts, here or in the process that writes.
type diary interface {
	Write(ctx context.Context, act source.Act) error
}

// openDiary opens an installation to read, and something that keeps what is done there.
func openDiary(ctx context.Context, config Config, log *slog.Logger) (*installation, diary, error) {
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	if err == nil {
		if err := w.declare(ctx, true); err != nil {
			return nil, nil, errors.Join(err, w.Close())
		}
		return w.installation, w.diary, nil
	}
	if !errors.Is(err, ingest.ErrLocked) {
		return nil, nil, err
	}
	running, err := ingest.Dir(config.Data).Writer()
	if err != nil {
		return nil, nil, err
	}
	s, err := open(ctx, config, log)
	return s, running, err
}

func (cmd *packCmd) make(ctx context.Context, s *installation, d diary, request reports.Request) error {
	maker, err := s.maker()
	if err != nil {
		return err
	}
	maker.Temp = filepath.Dir(cmd.Out)
	if info, err := os.Stat(cmd.Out); err == nil && info.IsDir() {
		maker.Temp = cmd.Out
	}
	bar := newBar(os.Stderr, "pack", 0, time.Now)
	info, err := maker.Make(ctx, request, cmd.Out, func(written, total uint64) {
		bar.size = int64(total)
		bar.Set(int64(written))
	})
	bar.Done()
	if err != nil {
		return err
	}
	path := cmd.Out
	if maker.Temp == cmd.Out {
		path = filepath.Join(cmd.Out, info.File)
	}
	act := source.Act{Action: "pack.create", Outcome: event.Success, Actor: source.Party{Type: event.User, ID: request.By.ID, Name: request.By.Name},
		Target: source.Party{Type: "pack", ID: info.SHA256, Name: info.File}, Reason: fmt.Sprintf("%s, %s", cmd.Framework, info.Period.Text)}
	if err := d.Write(ctx, act); err != nil {
		return errors.Join(fmt.Errorf("the pack was made but could not be recorded, so it is removed: %w", err), os.Remove(path))
	}
	fmt.Printf("%s\n  %d events of %s, %d bytes\n  sha256  %s\n  content %s\n", path, info.Counts.Events, info.Period.Text,
		info.Size, info.SHA256, info.Content)
	fmt.Printf("Check it:\n  exhibit-verify %s --key '%s'\n", path, maker.Key.Public)
	return nil
}

// maker returns what makes packs and reports of the installation.
func (s *installation) maker() (*reports.Maker, error) {
	reader, key, err := s.reader()
	if err != nil {
		return nil, err
	}
	frameworks, err := framework.Load()
	if err != nil {
		return nil, err
	}
	held := &heldCheckpoints{installation: s, reader: reader, key: key}
	return &reports.Maker{DB: s.db, Reader: reader, Key: key, Frameworks: frameworks, Now: time.Now, Scope: s.config.scope(), MinFree: uint64(s.config.MinFree),
		Software: pack.Software{Version: version, Commit: commit, TZData: "of " + runtime.Version()},
		Outside:  func(ctx context.Context) (reports.Outside, error) { return s.outside(ctx, held) }}, nil
}

// scope returns the systems that must be evidenced, with the sources that do it.
func (c *Config) scope() map[string][]pack.System {
	out := make(map[string][]pack.System)
	for framework, systems := range c.Scope {
		for _, name := range systems {
			system := pack.System{Name: name}
			for _, s := range c.Sources {
				if s.System == name {
					system.Sources = append(system.Sources, s.Name)
				}
			}
			out[framework] = append(out[framework], system)
		}
	}
	return out
}

// outside returns what a report says of things beside the ledger.
func (s *installation) outside(ctx context.Context, held *heldCheckpoints) (reports.Outside, error) {
	var out reports.Outside
	mailed, there, err := s.mailWitness(ctx)
	if err != nil {
		return out, err
	}
	if there {
		out.Witnesses = append(out.Witnesses, mailed)
	}
	deposits, err := held.held(ctx)
	if err != nil {
		return out, err
	}
	out.Witnesses = append(out.Witnesses, deposits...)
	audit, found, err := s.dir.LastAudit()
	if err != nil { // the next audit writes it anew; until then there is none to speak of
		s.log.Error("last audit cannot be read", "error", err)
	}
	if err != nil || !found {
		return out, nil
	}
	out.Audit = &pack.Audit{At: audit.At, Segments: uint64(audit.Segments), Events: audit.Events, Altered: uint64(len(audit.Findings)), Text: audit.String()}
	for _, f := range audit.Findings {
		if f.Segment != (ledger.SegmentRef{}) {
			out.Altered = append(out.Altered, f.Segment)
		}
	}
	return out, nil
}
