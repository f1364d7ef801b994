package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/internal/engine"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
	"exhibit/migrations"

	"golang.org/x/mod/sumdb/note"
)

// An installation is an open data directory with its store.
type installation struct {
	config Config
	dir    ingest.Dir
	log    *slog.Logger
	kinds  source.Catalog
	db     *store.DB
	engine *engine.Engine // nil: a server, or another process runs it
	close  []func() error // in the order of opening
}

// open opens the store of the configuration: a server, the embedded engine that
// another process runs on the data directory, or one of its own.
func open(ctx context.Context, config Config, log *slog.Logger) (*installation, error) {
	kinds, err := config.catalog()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s := &installation{config: config, dir: ingest.Dir(config.Data), log: log, kinds: kinds}
	options, err := s.address(ctx)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if s.db, err = store.Open(ctx, options); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.close = append(s.close, s.db.Close)
	if err := s.db.Migrate(ctx, migrations.FS); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *installation) address(ctx context.Context) (store.Options, error) {
	c := s.config.ClickHouse
	if len(c.Addrs) > 0 {
		password, err := secret("clickhouse.password", c.PasswordFile, c.PasswordEnv)
		if err != nil {
			return store.Options{}, err
		}
		tls, err := c.tls()
		return store.Options{Addrs: c.Addrs, Database: c.Database, User: c.User, Password: password, TLS: tls}, err
	}
	a, err := engine.Attach(ctx, s.config.Data)
	if err != nil {
		s.log.Debug("no engine to attach to", "reason", err)
		s.engine, err = engine.Start(ctx, engine.Options{Dir: s.config.Data, Database: c.Database, Log: s.log, MaxMemory: uint64(c.MaxMemory)})
		if err != nil {
			return store.Options{}, err
		}
		s.close = append(s.close, s.engine.Close)
		a = s.engine.Address()
	}
	return store.Options{Addrs: []string{a.Addr}, Database: c.Database, User: a.User, Password: a.Password}, nil
}

// Close closes what was opened, the last first.
func (s *installation) Close() error {
	var errs []error
	for i := len(s.close) - 1; i >= 0; i-- {
		errs = append(errs, s.close[i]())
	}
	s.close = nil
	return errors.Join(errs...)
}

// reader returns a reader of the ledger and the key that signs it.
func (s *installation) reader() (*store.Reader, ledger.SigningKey, error) {
	key, err := s.dir.ExistingKey()
	if err != nil {
		return nil, key, fmt.Errorf("%w. Nothing was ever written with this data directory: run 'exhibit serve' or 'exhibit import' first", err)
	}
	verifier, err := key.Verifier()
	if err != nil {
		return nil, key, err
	}
	return s.db.NewReader(note.VerifierList(verifier)), key, nil
}

// look opens the store for a command that only reads, and closes it behind do.
func (c *cli) look(ctx context.Context, log *slog.Logger, do func(s *installation) error) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	s, err := open(ctx, config, log)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// A writer is an installation that this process writes to.
type writer struct {
	*installation
	ledger    *ingest.Log
	committer *ingest.Committer
	diary     *ingest.Diary
	secret    []byte
	spool     *spool.Spool // of serve
	stop      func() error // ends the committer
}

// openWriter makes this process the writer. ingest.ErrLocked says that another
// process is.
func openWriter(ctx context.Context, config Config, log *slog.Logger, accept ingest.Accept) (*writer, error) {
	dir := ingest.Dir(config.Data)
	unlock, err := dir.Lock()
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, config, log)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	s.close = append([]func() error{unlock}, s.close...)
	w, err := s.startWriting(ctx, accept)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return w, nil
}

func (s *installation) startWriting(ctx context.Context, accept ingest.Accept) (*writer, error) {
	if err := s.dir.FinishRotation(ctx, s.db); err != nil {
		return nil, err
	}
	key, err := s.dir.Key(s.config.Origin)
	if err != nil {
		return nil, err
	}
	w := &writer{installation: s}
	if w.secret, err = s.dir.Secret(); err != nil {
		return nil, err
	}
	options := w.logOptions(key, accept)
	if options.AcceptedAhead, err = s.dir.AcceptedAhead(); err != nil {
		return nil, err
	}
	w.ledger, err = ingest.OpenLog(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := w.ledger.FillUnmapped(ctx); err != nil {
		return nil, errors.Join(err, w.ledger.Close())
	}
	w.committer = ingest.NewCommitter(w.ledger)
	own, err := s.kinds.Of(source.Own, source.Own)
	if err != nil {
		return nil, errors.Join(err, w.ledger.Close())
	}
	w.diary = ingest.NewDiary(w.committer, own, w.secret, time.Now)
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- w.committer.Run(running) }()
	w.stop = func() error {
		cancel()
		return errors.Join(<-ended, w.ledger.Close())
	}
	s.close = append(s.close, w.stop)
	return w, nil
}

func (w *writer) logOptions(key ledger.SigningKey, accept ingest.Accept) ingest.LogOptions {
	return ingest.LogOptions{DB: w.db, Key: key, Path: w.dir.Ledger(), Now: time.Now, Random: rand.Reader, Log: w.log, Accept: accept, MinFree: uint64(w.config.MinFree),
		Renormalize: ingest.Renormalizer(w.kindOf)}
}

// kindOf returns the kind of a source that is configured, or that the ledger knows.
func (w *writer) kindOf(name string) (source.Kind, bool) {
	kind := ""
	if i := slices.IndexFunc(w.config.Sources, func(s Source) bool { return s.Name == name }); i >= 0 {
		kind = w.config.Sources[i].Kind
	} else if w.ledger != nil {
		head := w.ledger.Head()
		if first, known := head.State.First(name); known {
			kind = first.Kind
		}
	}
	k, err := w.kinds.Of(name, kind)
	return k, err == nil
}
