package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/coverage"

	"github.com/coreos/go-oidc/v3/oidc"
)

// errEnough ends a trial read after its first page.
var errEnough = errors.New("enough")

// checkSources asks every polled source for its last minutes.
func checkSources(ctx context.Context, s *installation, report func(string, error)) {
	for _, c := range s.config.Sources {
		if c.Bucket != "" {
			report("source "+c.Name, trySourceBucket(ctx, s, c))
			continue
		}
		kind, err := s.kinds.Of(c.Name, c.Kind)
		if err == nil && (c.Push || kind.NewPuller == nil) {
			continue
		}
		if err == nil {
			err = trySource(ctx, c, kind)
		}
		report("source "+c.Name, err)
	}
}

func trySource(ctx context.Context, c Source, kind source.Kind) error {
	settings, err := c.settings(kind)
	if err != nil {
		return err
	}
	puller, err := kind.NewPuller(source.Config{Name: c.Name, Settings: settings, UserAgent: "exhibit-check", Now: time.Now, Retry: source.Retry{Times: 1, Max: 5 * time.Second}})
	if err != nil {
		return err
	}
	now := time.Now()
	_, err = puller.Pull(ctx, source.Ask{Window: coverage.Interval{From: now.Add(-5 * time.Minute), To: now}}, func(source.Page) error { return errEnough })
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// checkProvider reads the provider's discovery document.
func checkProvider(ctx context.Context, config Config) error {
	p, err := config.provider()
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 20 * time.Second}
	if _, err := oidc.NewProvider(oidc.ClientContext(ctx, client), p.Issuer); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	return nil
}
