package web

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
)

// pageTime is how long a page may take to be made and sent, and makeTime how long
// to be made: what is left is for saying that it took too long. Downloads take
// longer (packs.go).
const (
	pageTime = 60 * time.Second
	makeTime = 50 * time.Second
)

// observe gives the request a number, turns panics into errors, errors into
// pages, and writes one line of log. Query strings stay out of the log: they hold
// sign-in codes and what people look for.
func (s *server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.Now()
		id := make([]byte, 8)
		if _, err := io.ReadFull(s.Rand, id); err != nil {
			return fmt.Errorf("request number: %w", err)
		}
		c.Set(requestKey, hex.EncodeToString(id))
		c.Response().Header().Set(echo.HeaderXRequestID, requestID(c))
		// A test's recorder has no deadlines to set.
		if err := http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(pageTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return fmt.Errorf("set deadline: %w", err)
		}
		ctx, cancel := context.WithTimeout(c.Request().Context(), makeTime)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		err := s.guarded(next, c)
		if err != nil {
			c.Error(err)
		}
		s.logRequest(c, s.Now().Sub(start), err)
		return nil
	}
}

// guarded calls next and makes a panic an error.
func (s *server) guarded(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return next(c)
}

func (s *server) logRequest(c echo.Context, took time.Duration, err error) {
	r, status := c.Request(), c.Response().Status
	attrs := []slog.Attr{
		slog.String("request", requestID(c)), slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Int64("bytes", c.Response().Size), slog.Duration("took", took), slog.String("ip", c.RealIP()),
	}
	if who, ok := identityOf(c); ok {
		attrs = append(attrs, slog.String("subject", who.Subject), slog.String("role", string(who.Role)))
	}
	level := slog.LevelInfo
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
		if status >= 500 {
			level = slog.LevelError
		}
	}
	s.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

func requestID(c echo.Context) string {
	id, _ := c.Get(requestKey).(string) // empty before observe ran
	return id
}
