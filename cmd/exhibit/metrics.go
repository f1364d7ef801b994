package main

import (
	"fmt"

	"exhibit/ingest/push"
	"exhibit/internal/disk"
	"exhibit/web"
	"exhibit/web/site"
)

// Metrics makes /metrics answer who shows the token. Without it there is no such page.
type Metrics struct {
	TokenFile string `yaml:"token_file"` // a file or an environment variable with the token,
	TokenEnv  string `yaml:"token_env"`  // which Prometheus sends as "Authorization: Bearer"
}

// metrics returns what answers scrapes; nil without a token.
func (w *writer) metrics(pages *site.Site, doors *push.Handler) (*web.Metrics, error) {
	token, err := secret("metrics.token", w.config.Metrics.TokenFile, w.config.Metrics.TokenEnv)
	if err != nil || w.config.Metrics == (Metrics{}) {
		return nil, err
	}
	if len(token) < minToken {
		return nil, fmt.Errorf("configuration: metrics.token: it has fewer than %d characters: make a random one, as with 'openssl rand -hex 32'", minToken)
	}
	g := site.Gauges{Version: version, Commit: commit, Queue: w.committer.Waiting, Free: func() (uint64, error) { return disk.Free(w.config.Data) }, MinFree: uint64(w.config.MinFree), Log: w.log}
	if w.spool != nil {
		g.Spool, g.Doors = w.spool.Status, doors
	}
	return &web.Metrics{Token: token, Handler: pages.Metrics(g)}, nil
}

// minToken is as long as a token has to be that nobody can guess.
const minToken = 20
