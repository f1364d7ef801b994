package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"exhibit/internal/demo"
	"exhibit/internal/demo/idp"
	"exhibit/web"

	"github.com/goccy/go-yaml"
)

// The demo's history: 120 days up to today, of which the last 14 are polled and the
// others are imported, but for two days whose files were lost.
const (
	demoDays     = 120
	demoImported = 106
	demoSeed     = 20260102
	demoZone     = "Europe/Berlin"
	demoSource   = "hcp-prod"
)

func demoLost(day int) bool { return day == 41 || day == 77 }

// demoOutage is when the local HCP Terraform stops answering, and for how long.
const (
	demoOutageAfter = time.Minute
	demoOutageFor   = 30 * time.Second
)

type demoCmd struct {
	Listen string `default:"127.0.0.1:8080" help:"Address of the pages."`
}

// Run starts what the demo has besides the product, an identity provider and a
// server that speaks HCP Terraform's API, writes a configuration for them, and runs
// the product with it.
func (cmd demoCmd) Run(ctx context.Context, c *cli, log *slog.Logger) error {
	if c.Config != "" {
		return errors.New("demo: it writes a configuration of its own; leave --config out")
	}
	data := c.Data
	if data == "" {
		data = "demo-data"
	}
	d, err := newDemoSite(cmd.Listen, data, log)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer d.close()
	config, err := LoadConfig(d.configPath)
	if err != nil {
		return err
	}
	hourly, err := d.startTrail(ctx)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	go hourly(ctx)
	if err := d.importHistory(ctx, config); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	go d.outage(ctx)
	return serve(ctx, config, log, func(string) {
		go d.send(ctx)
		d.welcome()
	})
}

type demoSite struct {
	log        *slog.Logger
	listen     string
	data       string
	configPath string
	today      time.Time // local midnight
	zone       *time.Location
	users      []idp.User
	hcp        *demo.HCP
	token      string
	history    demo.History
	servers    []*http.Server
}

func newDemoSite(listen, data string, log *slog.Logger) (*demoSite, error) {
	zone, err := time.LoadLocation(demoZone)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(data, "witness"), 0o700); err != nil {
		return nil, err
	}
	now := time.Now().In(zone)
	d := &demoSite{log: log, listen: listen, data: data, zone: zone, token: rand.Text(),
		today: time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, zone), configPath: filepath.Join(data, "demo.yaml")}
	d.history = demo.History{Seed: demoSeed, Zone: zone}
	d.history.QuietFrom, d.history.QuietTo = demo.QuietWeekend(d.day(0), d.day(demoImported), zone)
	for _, name := range []string{"admin", "reviewer", "auditor"} {
		d.users = append(d.users, idp.User{Name: name, FullName: "Demo " + strings.ToUpper(name[:1]) + name[1:], Email: name + "@demo.example",
			Groups: []string{"exhibit-" + name + "s"}, Password: strings.ToLower(rand.Text()[:12])})
	}
	if err := d.start(); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

// day returns local midnight of a day of the history, 0 being its first.
func (d *demoSite) day(n int) time.Time { return d.today.AddDate(0, 0, n-demoDays+1) }

// start starts the servers beside the product and writes the configuration.
func (d *demoSite) start() error {
	// What lies ahead becomes visible when its time comes.
	d.hcp = demo.NewHCP(demo.HCPOptions{Token: d.token, Now: time.Now})
	for r := range d.history.Records(time.Now().AddDate(0, 0, -14), time.Now().AddDate(0, 0, 30)) {
		d.hcp.Append(r)
	}
	api, err := d.serve("127.0.0.1:0", d.hcp)
	if err != nil {
		return err
	}
	okta, err := d.startOkta()
	if err != nil {
		return err
	}
	issuer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	base := "http://" + d.listen
	secret := rand.Text()
	provider, err := idp.New("http://"+issuer.Addr().String(), []idp.Client{{ID: "exhibit", Secret: secret,
		RedirectURIs: []string{base + "/sign-in/callback"}, PostLogoutRedirectURIs: []string{base + "/signed-out"}}}, d.users, time.Now)
	if err != nil {
		return errors.Join(err, issuer.Close())
	}
	d.serveOn(issuer, provider)
	for name, text := range map[string]string{"hcp-token": d.token, "okta-token": d.token, "oidc-secret": secret} {
		if err := os.WriteFile(filepath.Join(d.data, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return d.writeConfig(base, "http://"+api, "http://"+okta, "http://"+issuer.Addr().String())
}

func (d *demoSite) serve(address string, handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	d.serveOn(l, handler)
	return l.Addr().String(), nil
}

func (d *demoSite) serveOn(l net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)}
	d.servers = append(d.servers, server)
	go func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.log.Error("demo server", "error", err)
		}
	}()
}

func (d *demoSite) close() {
	for _, s := range d.servers {
		if err := s.Close(); err != nil {
			d.log.Warn("stop demo server", "error", err)
		}
	}
}

// writeConfig writes the configuration that the demo runs with, for people to read.
func (d *demoSite) writeConfig(base, hcp, okta, issuer string) error {
	date := func(t time.Time) string { return t.Format(time.DateOnly) }
	abs, err := filepath.Abs(d.data)
	if err != nil {
		return err
	}
	roles := map[string]web.Role{"exhibit-admins": web.Admin, "exhibit-reviewers": web.Reviewer, "exhibit-auditors": web.Auditor}
	config := map[string]any{
		"data": abs,
		"zone": demoZone,
		"web": map[string]any{"listen": d.listen, "base_url": base, "instance": "Demo", "oidc": map[string]any{
			"issuer": issuer, "client_id": "exhibit", "client_secret_file": filepath.Join(abs, "oidc-secret"), "roles": roles}},
		"sources": d.sources(abs, hcp, okta),
		"scope":   map[string]any{"soc2": []string{"HCP Terraform", "Okta", "AWS", "GitHub"}, "hipaa": []string{"HCP Terraform", "Okta"}, "pci": []string{"HCP Terraform", "Okta", "AWS"}},
		"engagements": []any{map[string]any{"name": "SOC 2 Type 2", "framework": "soc2", "from": date(d.today.AddDate(0, 0, -89)), "to": date(d.today),
			"sources": []string{demoSource, demoOkta, demoAWS}, "people": []string{"auditor@demo.example"}, "expires": date(d.today.AddDate(0, 1, 0))}},
		"mail":      map[string]any{"mailbox": filepath.Join(abs, "mailbox"), "from": "exhibit@demo.example", "domains": []string{"demo.example"}},
		"witnesses": []any{map[string]any{"name": "local directory", "directory": filepath.Join(abs, "witness")}},
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	return os.WriteFile(d.configPath, text, 0o600)
}

// outage stops the local HCP Terraform for a while, to show that a gap heals.
func (d *demoSite) outage(ctx context.Context) {
	if !wait(ctx, demoOutageAfter) {
		return
	}
	d.hcp.Down(demo.Status(http.StatusServiceUnavailable))
	if wait(ctx, demoOutageFor) {
		d.hcp.Up()
	}
}

// welcome says how to go on.
func (d *demoSite) welcome() {
	var b strings.Builder
	fmt.Fprintf(&b, "\nExhibit's demo is running: http://%s\n\n", d.listen)
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintf(w, "  sign in as\twith password\tto see\n")
	for i, what := range []string{"everything", "reports, packs, coverage, sources, events", "reports and packs of one engagement: SOC 2, the last 90 days"} {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", d.users[i].Name, d.users[i].Password, what)
	}
	if err := w.Flush(); err != nil {
		d.log.Error("welcome", "error", err)
	}
	fmt.Fprintf(&b, "\nThe history is invented. Configuration: %s\nThe key that verifies packs: bin/exhibit key --data %s\nStop with Ctrl-C; start again to go on where it stopped.\n", d.configPath, d.data)
	fmt.Print(b.String())
}
