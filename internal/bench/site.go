package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/demo/idp"
	"exhibit/reports"
	"exhibit/web"
	"exhibit/web/site"
)

// A browser is signed in at the product's own pages.
type browser struct {
	http.Client
	url string
}

// browse serves the pages and an identity provider, and signs in.
func (st *stage) browse(ctx context.Context, maker *reports.Maker) (*browser, error) {
	app, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	provider, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	appURL, issuer := "http://"+app.Addr().String(), "http://"+provider.Addr().String()
	password := rand.Text()
	login, err := idp.New(issuer, []idp.Client{{ID: "exhibit", Secret: password, RedirectURIs: []string{appURL + "/sign-in/callback"}}},
		[]idp.User{{Name: "admin", FullName: "Admin", Groups: []string{"admins"}, Password: password}}, time.Now)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	packs, err := reports.OpenPacks(st.path("packs"), maker, log, rand.Reader)
	if err != nil {
		return nil, err
	}
	s := site.New(site.Deps{DB: st.db, Reader: maker.Reader, Maker: maker, Packs: packs, Kinds: source.Kinds(), Names: []string{feed}, Zone: time.UTC, Now: time.Now})
	pages, err := web.New(web.Deps{BaseURL: appURL, Zone: time.UTC, Log: log, Now: time.Now, Rand: rand.Reader, Audit: unkept{},
		Provider: web.Provider{Issuer: issuer, ClientID: "exhibit", ClientSecret: password, Roles: map[string]web.Role{"admins": web.Admin}},
		Overview: s.Overview, Reports: s.Reports, Packs: s.Packs, Coverage: s.Coverage, Sources: s.Sources, Events: s.Events, Rejects: s.Rejects, Tokens: s.Tokens,
		Client: &http.Client{Timeout: time.Minute}})
	if err != nil {
		return nil, err
	}
	go http.Serve(provider, login) // both end with the process
	go http.Serve(app, pages)
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	b := &browser{http.Client{Jar: jar, Timeout: time.Minute}, appURL}
	form, err := b.get(ctx, "/sign-in/start")
	if err != nil {
		return nil, err
	}
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindSubmatch(form)
	if id == nil {
		return nil, errors.New("the provider shows no form to sign in")
	}
	answer, err := b.PostForm(issuer+"/login", url.Values{"id": {html.UnescapeString(string(id[1]))}, "username": {"admin"}, "password": {password}})
	if err != nil {
		return nil, err
	}
	return b, answer.Body.Close()
}

// unkept is a diary that keeps nothing.
type unkept struct{}

func (unkept) Record(context.Context, web.Action) error { return nil }

// get reads a whole page.
func (b *browser) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := b.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", path, answer.Status)
	}
	return body, err
}
