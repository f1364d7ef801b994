package web

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Provider describes the identity provider and what its groups may do here.
type Provider struct {
	// Name is what people call the provider: "Okta". Empty: its host.
	Name         string
	Issuer       string
	ClientID     string
	ClientSecret string // empty for a public client: PKCE is always used
	// Scopes are asked for besides openid. None: profile, email, groups.
	Scopes []string
	// GroupsClaim is the claim of the ID token that holds the groups: a list of
	// texts, or one text. Empty: "groups".
	GroupsClaim string
	// Roles gives groups their role. A group that is not here gives none.
	Roles map[string]Role
}

func (p Provider) check() error {
	var errs []error
	issuer, err := url.Parse(p.Issuer)
	if err != nil || issuer.Host == "" {
		errs = append(errs, fmt.Errorf("oidc issuer %q: give the provider's address", p.Issuer))
	}
	if p.ClientID == "" {
		errs = append(errs, errors.New("oidc client id is not set"))
	}
	if len(p.Roles) == 0 {
		errs = append(errs, errors.New("oidc roles: no group has a role, so nobody could sign in"))
	}
	for group, role := range p.Roles {
		if !slices.Contains(roles(), role) {
			errs = append(errs, fmt.Errorf("oidc roles: group %q has role %q; use admin, reviewer or auditor", group, role))
		}
	}
	return errors.Join(errs...)
}

// roleOf returns the role that may do most among those of the groups.
func (p Provider) roleOf(groups []string) (Role, bool) {
	for _, role := range roles() {
		for _, g := range groups {
			if p.Roles[g] == role {
				return role, true
			}
		}
	}
	return "", false
}

// A relyingParty talks to the provider. What the provider publishes is asked for
// at the first sign-in and not at start, so that Exhibit starts, and collects,
// while the provider is down.
type relyingParty struct {
	Provider
	client   *http.Client
	now      func() time.Time
	redirect string

	mu    sync.Mutex // protects found
	found *discovery
}

type discovery struct {
	oauth    oauth2.Config
	verifier *oidc.IDTokenVerifier
	end      string // end_session_endpoint; empty: the provider has none
}

func (p *relyingParty) discover(ctx context.Context) (*discovery, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// The provider's keys are fetched again with this context long after the
	// request has ended; the client's timeout bounds each call.
	long := oidc.ClientContext(context.WithoutCancel(ctx), p.client)
	provider, err := oidc.NewProvider(long, p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover %s: %w", p.Issuer, err)
	}
	var more struct {
		End string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("discover %s: %w", p.Issuer, err)
	}
	scopes := p.Scopes
	if len(scopes) == 0 {
		scopes = []string{"profile", "email", "groups"}
	}
	p.found = &discovery{
		oauth: oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: p.redirect, Scopes: append([]string{oidc.ScopeOpenID}, scopes...)},
		verifier: provider.VerifierContext(long, &oidc.Config{ClientID: p.ClientID, Now: p.now}),
		end:      more.End,
	}
	return p.found, nil
}

// called is the provider as people know it.
func (p *relyingParty) called() string {
	if p.Name != "" {
		return p.Name
	}
	u, err := url.Parse(p.Issuer)
	if err != nil {
		return p.Issuer
	}
	return u.Host
}

// endOrigin is where signing out leads, once that is known.
func (p *relyingParty) endOrigin() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil || p.found.end == "" {
		return ""
	}
	u, err := url.Parse(p.found.end)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// begin returns the address that a sign-in starts at.
func (d *discovery) begin(l login) string {
	return d.oauth.AuthCodeURL(l.State, oidc.Nonce(l.Nonce), oauth2.S256ChallengeOption(l.Verifier))
}

// finish trades a code for a person and the raw ID token.
func (p *relyingParty) finish(ctx context.Context, d *discovery, l login, code string) (Identity, string, error) {
	token, err := d.oauth.Exchange(oidc.ClientContext(ctx, p.client), code, oauth2.VerifierOption(l.Verifier))
	if err != nil {
		return Identity{}, "", fmt.Errorf("exchange code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Identity{}, "", errors.New("exchange code: the provider sent no id_token")
	}
	id, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return Identity{}, "", fmt.Errorf("verify id_token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(l.Nonce)) != 1 {
		return Identity{}, "", errors.New("verify id_token: nonce is not ours")
	}
	who, err := p.identity(id)
	return who, raw, err
}

func (p *relyingParty) identity(id *oidc.IDToken) (Identity, error) {
	var said struct {
		Name      string `json:"name"`
		Preferred string `json:"preferred_username"`
		Email     string `json:"email"`
		Verified  any    `json:"email_verified"` // some providers send text
	}
	all := map[string]json.RawMessage{}
	if err := errors.Join(id.Claims(&said), id.Claims(&all)); err != nil {
		return Identity{}, fmt.Errorf("read claims: %w", err)
	}
	claim := p.GroupsClaim
	if claim == "" {
		claim = "groups"
	}
	who := Identity{Subject: id.Subject, Name: said.Name, Email: said.Email, Groups: texts(all[claim])}
	if who.Name == "" {
		who.Name = said.Preferred
	}
	// An address that the provider calls unverified could be anybody's, and
	// engagements invite by address.
	if said.Verified == false || said.Verified == "false" {
		who.Email = ""
	}
	who.Role, _ = p.roleOf(who.Groups)
	return who, nil
}

// texts reads a claim that is a list of texts or one text; anything else is none.
func texts(raw json.RawMessage) []string {
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	var one string
	if json.Unmarshal(raw, &one) == nil && one != "" {
		return []string{one}
	}
	return nil
}
