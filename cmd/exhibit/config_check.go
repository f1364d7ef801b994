package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/ledger"
	"exhibit/reports/framework"
	"exhibit/web"
)

func (c *Config) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.ClickHouse.Cluster != "" {
		add("clickhouse.cluster: replicated tables on a cluster of your own are not supported yet; use one server or the service")
	}
	if _, err := time.LoadLocation(c.Zone); err != nil {
		add("zone: %w", err)
	}
	if c.Origin != "" {
		if err := ledger.CheckOrigin(c.Origin); err != nil {
			add("origin: %w", err)
		}
	}
	catalog, err := c.catalog()
	if err != nil {
		errs = append(errs, err)
		catalog.Kinds = source.Kinds()
	}
	if c.Spool.Max < 64<<20 {
		add("spool.max: %d MiB is too little: with less than 64MiB senders are sent away at once when the database stops", c.Spool.Max>>20)
	}
	names := make(map[string]bool)
	for _, s := range c.Sources {
		if err := ingest.CheckSourceName(s.Name); err != nil {
			errs = append(errs, err)
		}
		if names[s.Name] {
			add("source %q: there are two of this name", s.Name)
		}
		names[s.Name] = true
		if _, err := catalog.Of(s.Name, s.Kind); err != nil {
			add("source %q: %w", s.Name, err)
		}
		if _, err := parseMoment(s.Since, c.Zone); err != nil {
			add("source %q: since: %w", s.Name, err)
		}
		if err := s.checkBucket(); err != nil {
			errs = append(errs, err)
		}
		if s.Heartbeat < time.Second || s.Heartbeat > 24*time.Hour {
			add("source %q: heartbeat: %s is not between a second and a day", s.Name, s.Heartbeat)
		}
		if s.Every < time.Second {
			add("source %q: every: %s is too often", s.Name, s.Every)
		}
	}
	frameworks, err := framework.Load()
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(c.Scope)) {
		if _, err := framework.Find(frameworks, id); err != nil {
			add("scope: %w", err)
		}
	}
	for _, e := range c.Engagements {
		if one, err := e.engagement(); err != nil {
			add("engagement %q: %w", e.Name, err)
		} else if err := one.Check(); err != nil {
			errs = append(errs, err)
		}
		if _, err := framework.Find(frameworks, e.Framework); err != nil && e.Framework != "" {
			add("engagement %q: %w", e.Name, err)
		}
		for _, name := range e.Sources {
			if !names[name] {
				add("engagement %q: there is no source %q", e.Name, name)
			}
		}
	}
	for i, w := range c.Witnesses {
		if w.Name == "" || (w.Directory == "") == (w.Bucket == "") {
			add("witness %d: it needs a name, and a directory or a bucket", i+1)
		}
	}
	for _, p := range c.Web.Proxies {
		if _, err := netip.ParsePrefix(p); err != nil {
			add("web.proxies: %w", err)
		}
	}
	errs = append(errs, c.Mail.check())
	return errors.Join(errs...)
}

// checkServe returns what is missing for the web application.
func (c *Config) checkServe() error {
	base, err := url.Parse(c.Web.BaseURL)
	if err != nil || base.Host == "" {
		return fmt.Errorf("configuration: web.base_url %q: give the address that browsers use, like https://exhibit.example.com", c.Web.BaseURL)
	}
	if base.Scheme == "http" && !loopback(base.Hostname()) {
		return fmt.Errorf("configuration: web.base_url %q: without https only on this machine (127.0.0.1 or localhost)", c.Web.BaseURL)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// parseMoment reads a date, meant as midnight in the zone, or an instant. Empty is
// no moment.
func parseMoment(text, zone string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	loc, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}, err
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, loc); err == nil {
		return t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a date (2026-01-31) nor an instant (2026-01-31T12:00:00Z)", text)
	}
	return t, nil
}

func (e Engagement) engagement() (web.Engagement, error) {
	zone, err := time.LoadLocation(e.Zone)
	if err != nil {
		return web.Engagement{}, err
	}
	out := web.Engagement{Name: e.Name, Framework: e.Framework, Zone: zone, Sources: e.Sources, People: e.People, Groups: e.Groups}
	for _, d := range []struct {
		text string
		to   *time.Time
	}{{e.From, &out.From}, {e.To, &out.To}, {e.Expires, &out.Expires}} {
		if *d.to, err = time.Parse(time.DateOnly, d.text); err != nil {
			return web.Engagement{}, fmt.Errorf("%q is not a date like 2026-01-31", d.text)
		}
	}
	y, m, day := out.Expires.Date()
	out.Expires = time.Date(y, m, day+1, 0, 0, 0, 0, zone)
	return out, nil
}
