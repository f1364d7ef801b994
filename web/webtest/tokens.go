package webtest

import (
	"context"
	"fmt"
	"time"

	"exhibit/views"
	"exhibit/web"
)

// Tokens implements web.Tokens: k8s-prod is sent to.
type Tokens struct{ *Data }

// List implements web.Tokens.
func (t Tokens) List(_ context.Context, source string) ([]views.Token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []views.Token
	for _, one := range append(t.tokens, views.Token{ID: "a1b2c3d4e5", Source: "k8s-prod", Created: t.At.Add(-90 * day), By: "ada@example.com", Used: t.At.Add(-89 * day)},
		views.Token{ID: "z9y8x7w6v5", Source: "k8s-prod", Created: t.At.Add(-200 * day), By: "root@collector", Expires: t.At.Add(-90 * day)}) {
		if source == "" || one.Source == source {
			out = append(out, one)
		}
	}
	return out, t.Err
}

// TokenText is the text of each token that is made.
const TokenText = "exh_0123456789_vtd7ktpvltqobf2c7x2nqjqf3zt5j4nqu7ixy3gkq3x6r2m5hw3a"

// Create implements web.Tokens.
func (t Tokens) Create(_ context.Context, source string, expires time.Time, by web.Action) (views.Token, string, error) {
	if t.Err != nil {
		return views.Token{}, "", t.Err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	made := views.Token{ID: "0123456789", Source: source, Created: t.At, By: by.Actor.Email, Expires: expires}
	t.tokens = append([]views.Token{made}, t.tokens...)
	return made, TokenText, nil
}

// Revoke implements web.Tokens.
func (t Tokens) Revoke(_ context.Context, id string, by web.Action) error {
	if t.Err != nil {
		return t.Err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.tokens {
		if one := &t.tokens[i]; one.ID == id {
			one.Revoked, one.RevokedBy = t.At, by.Actor.Email
			return nil
		}
	}
	return fmt.Errorf("%w: token %q", web.ErrNotFound, id)
}
