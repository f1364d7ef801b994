package main

import (
	"fmt"
	"os"
	"path/filepath"

	"exhibit/ingest/source"
)

// catalog reads the kinds of the configuration: with the site's own rules, and with
// the mappings of sources.
func (c *Config) catalog() (source.Catalog, error) {
	own, err := readSiteRules(c.Rules)
	if err != nil {
		return source.Catalog{}, err
	}
	out := source.Catalog{Kinds: own.Kinds()}
	for _, s := range c.Sources {
		if s.Keeps != 0 && s.Bucket == "" {
			if err := out.Keep(s.Name, s.Kind, s.Keeps); err != nil {
				return out, fmt.Errorf("source %q: %w", s.Name, err)
			}
		}
		if s.Map == "" {
			continue
		}
		if s.Kind != jsonKind {
			return out, fmt.Errorf("source %q: map is for the kind %s; %s has its own", s.Name, jsonKind, s.Kind)
		}
		m, err := readMapping(s.Map)
		if err != nil {
			return out, fmt.Errorf("source %q: %w", s.Name, err)
		}
		out.Map(s.Name, m, own)
	}
	return out, nil
}

// jsonKind is the kind that takes a mapping.
const jsonKind = "json"

// readSiteRules reads a site's own rules; without a file there are none.
func readSiteRules(path string) (*source.SiteRules, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return source.ParseSiteRules(path, text)
}

func readMapping(path string) (*source.Mapping, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	m, err := source.ParseMapping(text)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return m, nil
}

// kindPaths makes the paths of rules, mappings and other files of sources meant from
// where the configuration is.
func (c *Config) kindPaths(dir string) {
	from := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	c.Rules = from(c.Rules)
	known := source.Kinds()
	for i := range c.Sources {
		s := &c.Sources[i]
		s.Map = from(s.Map)
		kind, err := source.Lookup(known, s.Kind)
		if err != nil {
			continue // the check of the configuration says so
		}
		for _, setting := range kind.Settings {
			if path := s.Settings[setting.Name]; path != "" && setting.Type == source.File {
				s.Settings[setting.Name] = from(path)
			}
		}
	}
}
