package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/spool"
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
	// Spool is the disk between senders and the database.
	Spool Spool `yaml:"spool"`
	// Rules is a file with the site's own classification rules: see docs/sources.md.
	Rules string `yaml:"rules"`

	ClickHouse  ClickHouse          `yaml:"clickhouse"`
	Web         Web                 `yaml:"web"`
	Sources     []Source            `yaml:"sources"`
	Scope       map[string][]string `yaml:"scope"` // framework → systems that must be evidenced
	Engagements []Engagement        `yaml:"engagements"`
	Witnesses   []Witness           `yaml:"witnesses"`
	Mail        Mail                `yaml:"mail"`
	Metrics     Metrics             `yaml:"metrics"`
}

// Spool keeps what is pushed until it is committed, in the data directory. When it is
// full, senders are told to wait.
type Spool struct {
	Max Size `yaml:"max"` // default: 4GiB
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
	Keeps       time.Duration     `yaml:"keeps"`       // how long the vendor keeps events, by plan or setting: 720h; default: the kind's, the shortest
	Every       time.Duration     `yaml:"every"`       // between polls; default 1m
	Push        bool              `yaml:"push"`        // true: nothing is polled; events are sent, or imported
	Heartbeat   time.Duration     `yaml:"heartbeat"`   // how long a path that events are sent on may be silent and still count as alive; default 1h
	Bucket      string            `yaml:"bucket"`      // read from here instead: s3://NAME/FOLDER?region=REGION, gs://, azblob:// or file://
	Map         string            `yaml:"map"`         // kind json: file that says where a record says what
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
	Name string `yaml:"name"`
	// Directory is there already, such as a mounted share: it is not made.
	Directory string `yaml:"directory"`
	// Bucket is in place of a directory: s3://NAME/FOLDER?region=REGION, gs:// or
	// azblob://. With object lock it keeps checkpoints from its owner too.
	Bucket string `yaml:"bucket"`
	// HeldBy says who else can read it and the operator cannot change it for. Empty:
	// it is held by the operator, and does not count as a witness.
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
	c.kindPaths(filepath.Dir(path))
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
	if c.Spool.Max == 0 {
		c.Spool.Max = spool.DefaultMax
	}
	for i := range c.Sources {
		if c.Sources[i].Heartbeat == 0 {
			c.Sources[i].Heartbeat = ingest.DefaultHeartbeat
		}
		if c.Sources[i].Every == 0 {
			c.Sources[i].Every = time.Minute
			if c.Sources[i].Bucket != "" {
				c.Sources[i].Every = everyBucket
			}
		}
	}
	for i := range c.Engagements {
		def(&c.Engagements[i].Zone, c.Zone)
	}
}
