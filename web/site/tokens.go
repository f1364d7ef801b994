package site

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/token"
	"exhibit/views"
	"exhibit/web"
)

// A TokenKeeper makes and ends tokens, and writes that down.
type TokenKeeper interface {
	List() []token.Token
	Add(ctx context.Context, t token.Token, by source.Act) error
	Revoke(ctx context.Context, id string, by source.Act) (token.Token, error)
}

// List implements web.Tokens.
func (t Tokens) List(_ context.Context, source string) ([]views.Token, error) {
	var out []views.Token
	for _, one := range t.Keeper.List() {
		if source == "" || one.Source == source {
			out = append(out, tokenView(one))
		}
	}
	return out, nil
}

func tokenView(t token.Token) views.Token {
	return views.Token{ID: t.ID, Source: t.Source, Created: t.Created, By: t.By, Used: t.Used, Expires: t.Expires, Revoked: t.Revoked, RevokedBy: t.RevokedBy}
}

// Create implements web.Tokens.
func (t Tokens) Create(ctx context.Context, name string, expires time.Time, by web.Action) (views.Token, string, error) {
	if !slices.Contains(t.Names, name) {
		return views.Token{}, "", &web.InputError{Sentence: fmt.Sprintf("There is no source %q.", name)}
	}
	made, text := token.New(name, cmp.Or(by.Actor.Email, by.Actor.ID), expires, t.Now())
	if err := t.Keeper.Add(ctx, made, actOf(by)); err != nil {
		return views.Token{}, "", err
	}
	return tokenView(made), text, nil
}

// Revoke implements web.Tokens.
func (t Tokens) Revoke(ctx context.Context, id string, by web.Action) error {
	if !slices.ContainsFunc(t.Keeper.List(), func(one token.Token) bool { return one.ID == id }) {
		return fmt.Errorf("%w: token %q", web.ErrNotFound, id)
	}
	_, err := t.Keeper.Revoke(ctx, id, actOf(by))
	return err
}

// actOf says who does something on a page, and from where.
func actOf(a web.Action) source.Act {
	return source.Act{IP: a.IP, UserAgent: a.UserAgent, RequestID: a.RequestID,
		Actor: source.Party{Type: a.Actor.Type, ID: a.Actor.ID, Name: a.Actor.Name, Email: a.Actor.Email}}
}
