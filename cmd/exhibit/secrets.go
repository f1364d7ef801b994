package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"exhibit/ingest/source"
)

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

// host says where a source is read, and of which tenant, as reports print it.
func (s Source) host(kind source.Kind) string {
	setting := func(name string) string {
		value := s.Settings[name]
		for _, known := range kind.Settings {
			if known.Name == name && value == "" && !s.Push {
				value = known.Default
			}
		}
		return value
	}
	host := ""
	if u, err := url.Parse(cmp.Or(s.Bucket, setting("url"))); err == nil {
		host = u.Host
	}
	if s.Bucket != "" {
		return host
	}
	tenant := setting("tenant")
	if tenant != "" {
		tenant = "tenant " + tenant
	}
	parts := []string{cmp.Or(host, setting("site")), tenant}
	return strings.Join(slices.DeleteFunc(parts, func(part string) bool { return part == "" }), ", ")
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
