package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Turns is how a feed is read again and again.
type Turns struct {
	Every   time.Duration // between turns
	Longest time.Duration // between turns that fail
	Log     *Log
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time
	Slog    *slog.Logger
	Set     func(func(*Status)) // changes the status of the feed
}

// Run takes turns until the context ends or the ledger cannot be written any more,
// which is the error that it returns.
func (t Turns) Run(ctx context.Context, turn func(context.Context) error) error {
	failures := 0
	for {
		pause := t.Every
		err := turn(ctx)
		switch {
		case ctx.Err() != nil:
			t.Set(func(s *Status) { s.State = Stopped })
			return nil
		case errors.Is(err, ErrStopped) || t.Log.Failed() != nil:
			err = errors.Join(err, t.Log.Failed())
			t.Set(func(s *Status) { s.State, s.Problem = Stopped, err.Error() })
			return err
		case err != nil:
			failures++
			pause = min(t.Every<<min(failures, 6), t.Longest)
			t.Slog.Error("turn failed", "error", err, "next_in", pause)
		default:
			failures = 0
		}
		next := t.Now().Add(pause)
		t.Set(func(s *Status) { s.Next = next })
		select {
		case <-t.After(pause):
		case <-ctx.Done():
		}
	}
}
