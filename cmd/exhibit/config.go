package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/ledger"
	"exhibit/reports/framework"
	"exhibit/web"

	"github.com/goccy/go-yaml"
)

// Config is the configuration file. Every key is described here; keys that are
// not here are errors. Secrets are never in the file: KEY_file names a file that
// holds the secret, KEY_env an environment variable.
type Config struct {
	// Data is the directory of the signing key, the ledger's copy, packs, and,
	// without clickhouse.addrs, the embedded database. Default: ./data
	Data string `yaml:"data"`
	// Origin names the ledger, once and for ever: a host and path that are yours,
	// without a scheme, such as "exhibit.example.com/prod". Default: a random name.
	Origin string `yaml:"origin"`
	// Zone is the time zone in which dates are meant, such as Europe/Berlin. Default: UTC
	Zone string `yaml:"zone"`
	// MinFree is how much space must be left on the disk of the data directory;
	// with less, nothing is taken in. Default: 1 GiB
	MinFree Size `yaml:"min_free"`

	ClickHouse  ClickHouse          `yaml:"clickhouse"`
	Web         Web                 `yaml:"web"`
	Sources     []Source            `yaml:"sources"`
	Scope       map[string][]string `yaml:"scope"` // framework → systems that must be evidenced
	Engagements []Engagement        `yaml:"engagements"`
	Witnesses   []Witness           `yaml:"witnesses"`
	Mail        Mail                `yaml:"mail"`
}

// ClickHouse is the database server; without addrs the embedded engine is used.
type ClickHouse struct {
	Addrs        []string `yaml:"addrs"`    // host:port of the native protocol
	Database     string   `yaml:"database"` // default: exhibit
	User         string   `yaml:"user"`     // default: default
	PasswordFile string   `yaml:"password_file"`
	PasswordEnv  string   `yaml:"password_env"`
	// Plain turns encryption off. Only for a server on this machine.
	Plain  bool   `yaml:"plain"`
	CAFile string `yaml:"ca_file"` // certificate of the server's authority; default: the system's
	// Cluster is refused: replicated tables on a self-hosted cluster are not supported.
	Cluster string `yaml:"cluster"`
	// MaxMemory bounds the embedded engine. Default: 4 GiB or 40 % of the machine's, the lower.
	MaxMemory Size `yaml:"max_memory"`
}

// Web is the web application.
type Web struct {
	Listen   string        `yaml:"listen"`   // default: 127.0.0.1:8080
	BaseURL  string        `yaml:"base_url"` // as browsers see it: https://exhibit.example.com
	Instance string        `yaml:"instance"` // shown beside the product's name
	Proxies  []string      `yaml:"proxies"`  // networks whose X-Forwarded-For is believed
	Idle     time.Duration `yaml:"idle"`     // a session without requests ends; default 30m
	Absolute time.Duration `yaml:"absolute"` // a session ends; default 8h
	OIDC     OIDC          `yaml:"oidc"`
}

// OIDC is the identity provider.
type OIDC struct {
	Issuer           string              `yaml:"issuer"`
	ClientID         string              `yaml:"client_id"`
	ClientSecretFile string              `yaml:"client_secret_file"`
	ClientSecretEnv  string              `yaml:"client_secret_env"`
	Scopes           []string            `yaml:"scopes"`       // besides openid; default: profile, email, groups
	GroupsClaim      string              `yaml:"groups_claim"` // default: groups
	Roles            map[string]web.Role `yaml:"roles"`        // group → admin, reviewer or auditor
}

// Source is one feed that events come from.
type Source struct {
	Name        string            `yaml:"name"` // permanent
	Kind        string            `yaml:"kind"`
	System      string            `yaml:"system"`      // as in scope
	Environment string            `yaml:"environment"` // production, ...
	Since       string            `yaml:"since"`       // date or instant from which on events are required
	Settle      time.Duration     `yaml:"settle"`      // how late events may appear; default: the kind's
	Every       time.Duration     `yaml:"every"`       // between polls; default 1m
	Push        bool              `yaml:"push"`        // true: imports only, nothing is polled
	Settings    map[string]string `yaml:"settings"`    // as the kind has them; secrets as NAME_file or NAME_env
}

// Engagement is one audit that people are invited to.
type Engagement struct {
	Name      string   `yaml:"name"`
	Framework string   `yaml:"framework"`
	From      string   `yaml:"from"` // dates, both included
	To        string   `yaml:"to"`
	Zone      string   `yaml:"zone"` // default: the configuration's
	Sources   []string `yaml:"sources"`
	People    []string `yaml:"people"` // addresses or subjects
	Groups    []string `yaml:"groups"`
	Expires   string   `yaml:"expires"` // date, included
}

// Witness gets the checkpoint once a day.
type Witness struct {
	Name      string `yaml:"name"`
	Directory string `yaml:"directory"`
	// HeldBy says who else can read the directory and the operator cannot change it
	// for. Empty: it is held by the operator, and does not count as a witness.
	HeldBy string `yaml:"held_by"`
}

// LoadConfig reads and checks the file.
func LoadConfig(path string) (c Config, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	// The library panics on some malformed documents.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("configuration %s: malformed YAML: %v", path, p)
		}
	}()
	if err := yaml.UnmarshalWithOptions(text, &c, yaml.Strict()); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	c.complete()
	// Paths are meant from where the file is.
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(filepath.Dir(path), c.Data)
	}
	c.Mail.mailPaths(filepath.Dir(path))
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

func (c *Config) complete() {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&c.Data, "data")
	def(&c.Zone, "UTC")
	def(&c.ClickHouse.Database, "exhibit")
	def(&c.ClickHouse.User, "default")
	def(&c.Web.Listen, "127.0.0.1:8080")
	c.Mail.complete()
	if c.MinFree == 0 {
		c.MinFree = 1 << 30
	}
	for i := range c.Sources {
		if c.Sources[i].Every == 0 {
			c.Sources[i].Every = time.Minute
		}
	}
	for i := range c.Engagements {
		def(&c.Engagements[i].Zone, c.Zone)
	}
}

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
	kinds := source.Kinds()
	names := make(map[string]bool)
	for _, s := range c.Sources {
		if err := ingest.CheckSourceName(s.Name); err != nil {
			errs = append(errs, err)
		}
		if names[s.Name] {
			add("source %q: there are two of this name", s.Name)
		}
		names[s.Name] = true
		if _, err := source.Lookup(kinds, s.Kind); err != nil {
			add("source %q: %w", s.Name, err)
		}
		if _, err := parseMoment(s.Since, c.Zone); err != nil {
			add("source %q: since: %w", s.Name, err)
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
		if w.Name == "" || w.Directory == "" {
			add("witness %d: it needs a name and a directory", i+1)
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

// secret reads a secret from a file or from the environment.
func secret(what, file, env string) (string, error) {
	switch {
	case file != "" && env != "":
		return "", fmt.Errorf("configuration: %s: give a file or an environment variable, not both", what)
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("configuration: %s: %w", what, err)
		}
		return strings.TrimSpace(string(b)), nil
	case env != "":
		value, ok := os.LookupEnv(env)
		if !ok {
			return "", fmt.Errorf("configuration: %s: the environment has no %s", what, env)
		}
		return value, nil
	}
	return "", nil
}

// settings returns the settings of a source with its secrets read.
func (s Source) settings(kind source.Kind) (map[string]string, error) {
	out := make(map[string]string)
	for name, value := range s.Settings {
		plain := strings.TrimSuffix(strings.TrimSuffix(name, "_file"), "_env")
		isSecret := slices.ContainsFunc(kind.Settings, func(k source.Setting) bool { return k.Secret && k.Name == plain })
		switch {
		case !isSecret:
			out[name] = value
			continue
		case plain == name:
			return nil, fmt.Errorf("source %s: %s is a secret: give %s_file or %s_env", s.Name, name, name, name)
		}
		file, env := value, ""
		if strings.HasSuffix(name, "_env") {
			file, env = "", value
		}
		text, err := secret("source "+s.Name+": "+plain, file, env)
		if err != nil {
			return nil, err
		}
		out[plain] = text
	}
	return out, kind.CheckSettings(out)
}

// tls returns how to encrypt the connection to the server.
func (c ClickHouse) tls() (*tls.Config, error) {
	if c.Plain {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("configuration: clickhouse.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("configuration: clickhouse.ca_file: %s holds no certificate", c.CAFile)
		}
	}
	return config, nil
}

// A Size is a number of bytes, written as 512MiB or 4GiB.
type Size uint64

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	var n uint64
	var unit string
	if _, err := fmt.Sscanf(string(text), "%d%s", &n, &unit); err != nil && unit != "" {
		return fmt.Errorf("size %q: write it as 512MiB or 4GiB", text)
	}
	shift, ok := map[string]int{"": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}[unit]
	if !ok || n > 1<<20 && shift > 20 {
		return fmt.Errorf("size %q: write it as 512MiB or 4GiB", text)
	}
	*s = Size(n << shift)
	return nil
}
