// Package web is Exhibit's HTTP side: routes, sign-in over OpenID Connect,
// sessions, roles, pages. A handler parses the request, calls one of the small
// interfaces below, and renders a component of package views. It holds no
// evidence itself and decides nothing about evidence.
//
// Who may do what stands in one table, routes.go; what is not in it is refused.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/static"
	"exhibit/views"
)

// Deps is everything that the pages need. All fields are required unless they
// say otherwise.
type Deps struct {
	// BaseURL is the address that browsers use: scheme and host, no path.
	// With https, cookies are __Host- cookies and HSTS is sent.
	BaseURL string
	// Instance is shown beside the product's name; may be empty.
	Instance string
	// Provider is the identity provider and what its groups may do here.
	Provider Provider
	// Sessions limits how long a sign-in lasts. Zero values mean 30 min and 8 h.
	Sessions SessionLimits
	// Proxies are the networks whose X-Forwarded-For is believed. None: the
	// address of the connection counts.
	Proxies []netip.Prefix
	// Zone is the default zone of periods and times.
	Zone *time.Location
	// Engagements lists the audits that auditors are invited to.
	Engagements []Engagement

	Overview Overviews
	Reports  Reports
	Packs    Packs
	Coverage Coverages
	Sources  Sources
	Events   Events
	Rejects  Rejects
	Tokens   Tokens
	Audit    Audit
	// Schedules may be nil: no mail is configured.
	Schedules Schedules
	// Metrics may be nil: then there is no /metrics.
	Metrics *Metrics

	Log *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Rand gives secrets: crypto/rand.Reader outside of tests.
	Rand io.Reader
	// Client talks to the identity provider. It must have a timeout.
	Client *http.Client
}

// Overviews gives the first page.
type Overviews interface {
	Overview(ctx context.Context) (views.Overview, error)
}

// Reports gives reports. The same query gives the pack of the same numbers.
type Reports interface {
	// Frameworks lists the frameworks that reports exist for.
	Frameworks(ctx context.Context) ([]views.FrameworkChoice, error)
	// Report answers ErrNotFound for a framework that does not exist and an
	// *InputError for a source that does not, or a period that has not begun.
	Report(ctx context.Context, q ReportQuery) (views.Report, error)
}

// Packs makes and keeps evidence packs.
type Packs interface {
	// NewID returns the id of a pack that is not there yet.
	NewID() (string, error)
	// Start begins to make a pack in the background and returns the id of the
	// job, which goes on when ctx ends. An *InputError says what is wrong with
	// the request, or that too many jobs wait.
	Start(ctx context.Context, r PackRequest) (job string, err error)
	// Job answers ErrNotFound for a job that it does not know (any more).
	Job(ctx context.Context, id string) (views.Job, error)
	// List returns all packs, newest first.
	List(ctx context.Context) ([]views.Pack, error)
	// Open returns a pack's facts and its bytes; the caller closes them.
	Open(ctx context.Context, id string) (views.Pack, io.ReadSeekCloser, error)
}

// Coverages gives the coverage page.
type Coverages interface {
	Coverage(ctx context.Context, q CoverageQuery) (views.Coverage, error)
}

// Sources gives the state of sources.
type Sources interface {
	// Names lists the sources in the order of the configuration. It is called
	// for forms on many pages, so it must be cheap.
	Names(ctx context.Context) ([]string, error)
	List(ctx context.Context) ([]views.Source, error)
	// Source answers ErrNotFound for a name that is not configured.
	Source(ctx context.Context, name string) (views.Source, error)
}

// Events gives single events.
type Events interface {
	// List returns up to q.Limit events, newest first by (time, source, id).
	List(ctx context.Context, q EventQuery) ([]views.EventRow, error)
	// Event answers ErrNotFound for an event that is not stored. It is looked for at
	// the time first, unless that is zero.
	Event(ctx context.Context, source, id string, at time.Time) (views.Event, error)
}

// A ReportQuery chooses a report or a pack.
type ReportQuery struct {
	Framework string
	// From and To are dates (midnight UTC of the day), both included, in Zone.
	From, To time.Time
	Zone     *time.Location
	// Sources are the sources in the report, none twice; empty means all.
	Sources []string
	// Engagement names the engagement that an auditor acts under, else empty.
	Engagement string
}

// A PackRequest is a pack that somebody asked for.
type PackRequest struct {
	ID string // from NewID
	ReportQuery
	By Identity
}

// A CoverageQuery chooses the days of the coverage page.
type CoverageQuery struct {
	From, To time.Time // dates, both included, in UTC: coverage is kept per UTC day
	Source   string    // empty: all
	Zone     *time.Location
}

// An EventQuery chooses events. Empty fields choose all; text fields match whole
// values, except Actor, which matches a part of the actor's id, name or email.
type EventQuery struct {
	Sources                             []string // names; one that does not exist matches nothing
	Section, Actor, Action, Outcome, ID string
	From, To                            time.Time // half-open; zero: open
	// Before continues a list: only events older than this position.
	Before *Position
	Limit  int
}

// A Position is a place in the order (time, source, id) of events.
type Position struct {
	Time       time.Time
	Source, ID string
}

type server struct {
	Deps
	base      *url.URL
	assets    *static.Assets
	sessions  *sessions
	seal      *sealer
	provider  *relyingParty
	refusals  *refusals
	allowed   map[string]access // "GET /reports" → who
	protected http.CrossOriginProtection
}

// New builds the handler for all of Exhibit's pages.
func New(d Deps) (http.Handler, error) {
	s, err := newServer(d)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	e, err := s.router()
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return e, nil
}

func newServer(d Deps) (*server, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	base, err := url.Parse(d.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") || (base.Path != "" && base.Path != "/") {
		return nil, fmt.Errorf("base url %q: give scheme and host without a path, like https://exhibit.example.com", d.BaseURL)
	}
	assets, err := static.Load()
	if err != nil {
		return nil, err
	}
	seal, err := newSealer(d.Rand)
	if err != nil {
		return nil, err
	}
	d.Sessions = d.Sessions.orDefault()
	s := &server{Deps: d, base: base, assets: assets, seal: seal, allowed: map[string]access{}}
	s.sessions = newSessions(d.Sessions, d.Rand, d.Now)
	s.refusals = newRefusals(d.Now)
	s.provider = &relyingParty{Provider: d.Provider, client: d.Client, now: d.Now,
		redirect: base.Scheme + "://" + base.Host + callbackPath}
	return s, nil
}

func (d Deps) check() error {
	var errs []error
	need := func(ok bool, name string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is not set", name))
		}
	}
	need(d.Zone != nil, "Zone")
	need(d.Log != nil, "Log")
	need(d.Now != nil, "Now")
	need(d.Rand != nil, "Rand")
	need(d.Client != nil && d.Client.Timeout > 0, "Client with a timeout")
	need(d.Metrics == nil || len(d.Metrics.Token) >= minToken, "a longer token for the metrics")
	need(d.Overview != nil && d.Reports != nil && d.Packs != nil && d.Coverage != nil && d.Sources != nil && d.Events != nil && d.Rejects != nil && d.Tokens != nil, "a page's data")
	need(d.Audit != nil, "Audit")
	errs = append(errs, d.Provider.check())
	for _, e := range d.Engagements {
		errs = append(errs, e.Check())
	}
	return errors.Join(errs...)
}

// router registers the table of routes and nothing else.
func (s *server) router() (*echo.Echo, error) {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(io.Discard) // requests and errors go to our own log
	e.IPExtractor = s.extractIP()
	e.HTTPErrorHandler = s.showError
	table := s.routes()
	var errs []error
	e.OnAddRouteHandler = func(_ string, r echo.Route, _ echo.HandlerFunc, _ []echo.MiddlewareFunc) {
		if !slices.ContainsFunc(table, func(t route) bool { return t.method == r.Method && t.path == r.Path }) {
			panic(fmt.Errorf("route %s %s is not in the table of routes", r.Method, r.Path)) // a mistake of ours: stop at once
		}
	}
	e.Use(s.observe, s.headers, s.limitBody, s.refuseCrossOrigin, s.identify, s.gate)
	for _, r := range table {
		if err := r.check(); err != nil {
			errs = append(errs, err)
			continue
		}
		s.allowed[r.method+" "+r.path] = r.access
		e.Add(r.method, r.path, r.handle, r.around...)
	}
	return e, errors.Join(errs...)
}

// extractIP believes X-Forwarded-For only from the configured proxies.
func (s *server) extractIP() echo.IPExtractor {
	if len(s.Proxies) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range s.Proxies {
		options = append(options, echo.TrustIPRange(ipNet(p)))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
