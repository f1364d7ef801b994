package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/push"
	"exhibit/ingest/source"
	"exhibit/reports"
	"exhibit/views"
	"exhibit/web"
	"exhibit/web/site"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
)

type serveCmd struct{}

// Run runs everything until it is told to stop.
func (serveCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	config, err := c.config()
	if err != nil {
		return err
	}
	return serve(ctx, config, log, func(address string) { log.Info("serving", "url", config.Web.BaseURL, "address", address) })
}

// serve runs the product. ready is called once when pages can be asked for.
func serve(ctx context.Context, config Config, log *slog.Logger, ready func(address string)) error {
	if err := config.checkServe(); err != nil {
		return err
	}
	w, err := openWriter(ctx, config, log, ingest.Accept{})
	if err != nil {
		return err
	}
	err = w.serve(ctx, ready)
	return errors.Join(err, w.Close())
}

// serve starts what runs beside each other. The order of the end is: no more
// requests and polls; workers commit what they held back; then, in Close, the
// committer finishes its record, and store and engine stop.
func (w *writer) serve(ctx context.Context, ready func(address string)) error {
	if err := w.declare(ctx, false); err != nil {
		return err
	}
	workers, err := w.workers()
	if err != nil {
		return err
	}
	buckets, err := w.buckets(ctx)
	if err != nil {
		return err
	}
	var states health
	for _, worker := range workers {
		states = append(states, worker)
	}
	for _, worker := range buckets {
		states = append(states, worker)
	}
	drain, err := w.pushing()
	if err != nil {
		return err
	}
	for _, feed := range drain.Feeds() {
		states = append(states, feed)
	}
	maker, err := w.maker()
	if err != nil {
		return err
	}
	packs, err := reports.OpenPacks(filepath.Join(w.config.Data, "packs"), maker, w.log, rand.Reader)
	if err != nil {
		return err
	}
	runner, mailing, err := w.mailing(ctx, maker, packs)
	if err != nil {
		return err
	}
	tokens, err := w.tokens(ctx)
	if err != nil {
		return err
	}
	doors, err := w.doors(w.spool, tokens)
	if err != nil {
		return err
	}
	pages, err := w.pages(maker, packs, states, mailing, pageTokens{tokens, w.ledger}, doors)
	if err != nil {
		return err
	}
	handler := front(doors, pages)
	listener, err := net.Listen("tcp", w.config.Web.Listen)
	if err != nil {
		return fmt.Errorf("web: %w", err)
	}
	socket, err := w.dir.Listen()
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	handoff := &ingest.Handoff{Committer: w.committer, Log: w.ledger, Diary: w.diary, Tokens: tokens, Kinds: w.kinds, Secret: w.secret, Now: time.Now, Slog: w.log}
	depositor := &ingest.Depositor{Witnesses: w.witnesses(), Log: w.ledger, Diary: w.diary, Now: time.Now, Slog: w.log, After: time.After}
	auditor := &ingest.Auditor{DB: w.db, Log: w.ledger, Diary: w.diary, Dir: w.dir, Now: time.Now, Slog: w.log, After: time.After}

	group, ctx := errgroup.WithContext(ctx)
	for _, worker := range workers {
		group.Go(func() error { return worker.Run(ctx) })
	}
	for _, worker := range buckets {
		group.Go(func() error { return worker.Run(ctx) })
	}
	group.Go(func() error { return drain.Run(ctx) })
	group.Go(func() error { return tokens.Run(ctx) })
	group.Go(func() error { return packs.Run(ctx) })
	group.Go(func() error { return handoff.Serve(ctx, socket) })
	group.Go(func() error { return depositor.Run(ctx) })
	group.Go(func() error { return auditor.Run(ctx) })
	group.Go(func() error { return serveHTTP(ctx, web.Server(w.config.Web.Listen, handler, w.log), listener) })
	if runner != nil {
		group.Go(func() error { return runner.Run(ctx) })
	}
	if w.engine != nil {
		group.Go(func() error { return w.watchEngine(ctx) })
	}
	ready(listener.Addr().String())
	return group.Wait()
}

// watchEngine ends the program when its engine has stopped for good.
func (w *writer) watchEngine(ctx context.Context) error {
	select {
	case <-w.engine.Done():
		return fmt.Errorf("the database engine stopped: %w", w.engine.Err())
	case <-ctx.Done():
		return nil
	}
}

// maxConnections bounds how many connections are open at once: each takes a file
// descriptor, which the store and the ledger need too.
const maxConnections = 4096

// serveHTTP serves until the context ends, then lets requests finish for a while.
func serveHTTP(ctx context.Context, server *http.Server, l net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(netutil.LimitListener(l, maxConnections)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("web: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		return fmt.Errorf("web: stop: %w", err)
	}
	return nil
}

// declare brings the ledger's list of sources up to the configuration. With only,
// sources that are not configured are left as they are.
func (w *writer) declare(ctx context.Context, only bool) error {
	own, err := w.kinds.Of(source.Own, source.Own)
	if err != nil {
		return err
	}
	list := []ingest.Declaration{{Name: source.Own, Kind: own, System: "Exhibit"}}
	for _, s := range w.config.Sources {
		kind, err := w.sourceKind(s)
		if err != nil {
			return err
		}
		settle, err := s.due(kind)
		if err != nil {
			return err
		}
		since, err := parseMoment(s.Since, w.config.Zone)
		if err != nil {
			return err
		}
		list = append(list, ingest.Declaration{Name: s.Name, Kind: kind, System: s.System, Host: s.host(kind), Environment: s.Environment, Settle: settle, Since: since, Pushed: !w.polled(s.Name)})
	}
	return w.ledger.Declare(ctx, list, only)
}

// workers returns a worker for each source that is polled.
func (w *writer) workers() ([]*ingest.Worker, error) {
	var list []*ingest.Worker
	for _, s := range w.config.Sources {
		kind, err := w.kinds.Of(s.Name, s.Kind)
		if err != nil {
			return nil, err
		}
		if s.Push || s.Bucket != "" || kind.NewPuller == nil {
			continue
		}
		settings, err := s.settings(kind)
		if err != nil {
			return nil, fmt.Errorf("configuration: source %s: %w", s.Name, err)
		}
		puller, err := kind.NewPuller(source.Config{Name: s.Name, Settings: settings, UserAgent: "exhibit/" + version, Now: time.Now})
		if err != nil {
			return nil, err
		}
		since, err := parseMoment(s.Since, w.config.Zone)
		if err != nil {
			return nil, err
		}
		settle := s.Settle
		if settle == 0 {
			settle = kind.Settle
		}
		feed := ingest.Feed{Name: s.Name, Kind: kind, Puller: puller, Since: since, Settle: settle, Every: s.Every}
		list = append(list, ingest.NewWorker(ingest.WorkerOptions{Feed: feed, Log: w.ledger, Committer: w.committer, Secret: w.secret, Now: time.Now, Slog: w.log}))
	}
	return list, nil
}

// provider returns the identity provider of the configuration.
func (c *Config) provider() (web.Provider, error) {
	o := c.Web.OIDC
	clientSecret, err := secret("web.oidc.client_secret", o.ClientSecretFile, o.ClientSecretEnv)
	return web.Provider{Issuer: o.Issuer, ClientID: o.ClientID, ClientSecret: clientSecret, Scopes: o.Scopes, GroupsClaim: o.GroupsClaim, Roles: o.Roles}, err
}

func (w *writer) pages(maker *reports.Maker, packs *reports.Packs, states health, mailing *site.Mailing, tokens site.TokenKeeper, doors *push.Handler) (http.Handler, error) {
	provider, err := w.config.provider()
	if err != nil {
		return nil, err
	}
	zone, err := reports.LoadZone(w.config.Zone)
	if err != nil {
		return nil, err
	}
	var engagements []web.Engagement
	for _, e := range w.config.Engagements {
		one, err := e.engagement()
		if err != nil {
			return nil, err
		}
		engagements = append(engagements, one)
	}
	var proxies []netip.Prefix
	for _, p := range w.config.Web.Proxies {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return nil, err
		}
		proxies = append(proxies, prefix)
	}
	if len(proxies) == 0 && strings.HasPrefix(w.config.Web.BaseURL, "https:") {
		w.log.Warn("web.proxies names no proxy: all readers have the proxy's address, in the ledger and for the limit on sign-ins")
	}
	var names []string
	ways := map[string]views.Way{}
	for _, s := range w.config.Sources {
		kind, err := w.kinds.Of(s.Name, s.Kind)
		if err != nil {
			return nil, err
		}
		names, ways[s.Name] = append(names, s.Name), s.way(kind)
	}
	pages := site.New(site.Deps{DB: w.db, Reader: maker.Reader, Maker: maker, Packs: packs, Kinds: w.kinds.Kinds, Names: names, Zone: zone,
		Now: time.Now, Health: states, Mail: mailing, Keeper: tokens, Ways: ways, Spool: w.spool.Status})
	metrics, err := w.metrics(pages, doors)
	if err != nil {
		return nil, err
	}
	return web.New(web.Deps{BaseURL: w.config.Web.BaseURL, Instance: w.config.Web.Instance, Provider: provider,
		Sessions: web.SessionLimits{Idle: w.config.Web.Idle, Absolute: w.config.Web.Absolute}, Proxies: proxies, Zone: zone, Engagements: engagements,
		Overview: pages.Overview, Reports: pages.Reports, Packs: pages.Packs, Coverage: pages.Coverage, Sources: pages.Sources, Events: pages.Events, Rejects: pages.Rejects, Tokens: pages.Tokens,
		Audit: acts{w.diary}, Schedules: pages.Schedules(), Metrics: metrics,
		Log: w.log, Now: time.Now, Rand: rand.Reader, Client: &http.Client{Timeout: 20 * time.Second}})
}
