package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"exhibit/views"
)

// Tokens keeps what other systems send events with. Create and Revoke write the event
// of what they do themselves, before it works: by says who, and from where.
type Tokens interface {
	// List returns the tokens of a source, of all sources without one, newest first.
	List(ctx context.Context, source string) ([]views.Token, error)
	// Create makes a token that works until expires, or for good. Its text is not kept
	// anywhere. It answers an *InputError for a source that nobody can send to.
	Create(ctx context.Context, source string, expires time.Time, by Action) (t views.Token, text string, err error)
	// Revoke answers ErrNotFound for a token that is not there.
	Revoke(ctx context.Context, id string, by Action) error
}

func (s *server) tokens(c echo.Context) error {
	return s.showTokens(c, http.StatusOK, views.Tokens{Source: cut(c.QueryParam("source"))})
}

func (s *server) showTokens(c echo.Context, status int, v views.Tokens) error {
	ctx := c.Request().Context()
	v.Zone, v.Now, v.Base = s.Zone, s.Now(), s.base.Scheme+"://"+s.base.Host
	var err error
	if v.Sources, err = s.Deps.Sources.Names(ctx); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	if v.Source != "" && !slices.Contains(v.Sources, v.Source) && v.Problem == "" {
		return fmt.Errorf("%w: source %q", ErrNotFound, v.Source)
	}
	if v.Tokens, err = s.Deps.Tokens.List(ctx, v.Source); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	return s.renderStatus(c, status, views.Page{Title: "Tokens"}, views.TokensPage(v))
}

// createToken makes a token and shows its text, in the answer to the form and nowhere
// else: no address leads to it, and browsers are told not to keep the page.
func (s *server) createToken(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	v := views.Tokens{Source: cut(form.Get("source")), Expires: cut(form.Get("expires"))}
	t, text, err := s.makeToken(c, v.Source, v.Expires)
	var input *InputError
	switch {
	case errors.As(err, &input):
		v.Problem = input.Sentence
		return s.showTokens(c, http.StatusBadRequest, v)
	case err != nil:
		return &Problem{Status: http.StatusServiceUnavailable, Heading: "No token was made",
			Sentence: "It could not be stored and recorded, so it opens nothing.", Help: []string{"Try again in a minute.", "If it stays so, the log has the reason."}, Cause: err}
	}
	v.Made, v.Text, v.Expires = &t, text, ""
	return s.showTokens(c, http.StatusOK, v)
}

func (s *server) makeToken(c echo.Context, source, last string) (t views.Token, text string, err error) {
	names, err := s.Deps.Sources.Names(c.Request().Context())
	if err != nil {
		return t, "", err
	}
	if !slices.Contains(names, source) {
		return t, "", badInput("Choose the source that the token is to open.")
	}
	var expires time.Time
	if last != "" {
		day, err := time.ParseInLocation(time.DateOnly, last, s.Zone)
		if err != nil {
			return t, "", badInput("The last day %q is no date. Write it as 2026-12-31.", last)
		}
		if expires = day.AddDate(0, 0, 1); !expires.After(s.Now()) {
			return t, "", badInput("The last day %s has passed.", last)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), recordTime)
	defer cancel()
	return s.Deps.Tokens.Create(ctx, source, expires, s.by(c, who(c), Action{}))
}

// revokeToken ends a token at once.
func (s *server) revokeToken(c echo.Context) error {
	form, err := c.FormParams()
	if err != nil {
		return fmt.Errorf("read form: %w", err)
	}
	id := pathValue(c, "token")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request().Context()), recordTime)
	defer cancel()
	switch err := s.Deps.Tokens.Revoke(ctx, id, s.by(c, who(c), Action{})); {
	case errors.Is(err, ErrNotFound):
		return err
	case err != nil:
		return &Problem{Status: http.StatusServiceUnavailable, Heading: "Revoked for now",
			Sentence: "The token opens nothing until Exhibit starts again. That it is revoked could not be stored and recorded, so revoke it again.",
			Link:     linkTo("Back to the tokens", tokensPath(form.Get("source"))), Cause: err}
	}
	return c.Redirect(http.StatusSeeOther, tokensPath(form.Get("source")))
}

// tokensPath is the page of tokens, of one source if one is named.
func tokensPath(source string) string {
	if source = cut(source); source == "" {
		return "/tokens"
	}
	return "/tokens?source=" + url.QueryEscape(source)
}
