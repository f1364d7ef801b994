package main

import (
	"net/http"
	"net/netip"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
)

// doors returns what takes events that are sent to the configured sources.
func (w *writer) doors(spool push.Spool, tokens push.Tokens) (*push.Handler, error) {
	sources := make(map[string]source.Kind)
	for _, s := range w.config.Sources {
		kind, err := w.kinds.Of(s.Name, s.Kind)
		if err != nil {
			return nil, err
		}
		sources[s.Name] = kind
	}
	proxies, err := w.config.proxies()
	if err != nil {
		return nil, err
	}
	return push.New(push.Options{Spool: spool, Tokens: tokens, Sources: sources, Proxies: proxies, Now: time.Now, Log: w.log}), nil
}

// proxies returns the networks whose word on the address of a sender is believed.
func (c *Config) proxies() (list []netip.Prefix, err error) {
	for _, text := range c.Web.Proxies {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// front sends a request to the doors or to the pages, which know nothing of each
// other: a door asks for a token and looks at no session.
func front(doors *push.Handler, pages http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if push.Owns(r.URL.Path) {
			doors.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	})
}
