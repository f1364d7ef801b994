package source

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"exhibit/internal/coverage"
)

// A Puller reads one source. It may be used by one goroutine at a time.
type Puller interface {
	// Pull reads what is asked for and hands over the records page by page as they
	// come; an error of page ends it. Only when Pull returns no error was everything
	// read that the source had, and then Answer says up to which moment.
	//
	// Records may come twice, in one page or in several; none is left out. After an
	// error the pages handed over so far are right, but say nothing of the rest.
	Pull(ctx context.Context, ask Ask, page func(Page) error) (Answer, error)
}

// An Ask is what a source is asked for, by the shape of its kind.
type Ask struct {
	// Window is the piece to read; for Since it is from Window.From to now, for
	// Follow where to begin when there is no cursor.
	Window coverage.Interval
	// Cursor is where the last read that was committed had come to; only for Follow.
	Cursor string
}

// A Page is what one request brought.
type Page struct {
	Records  [][]byte // byte for byte as sent; they stay valid
	Received time.Time
	Cursor   string // where to go on after this page; only for Follow
}

// An Answer is what a source said of a read that came to its end.
type Answer struct {
	Total    int       // how many events the source says there are since w.From; -1: it did not say
	Distinct int       // how many different records were handed over, to compare with Total
	Requests int       // how many requests it took, failed ones included
	Through  time.Time // everything that the source had at this moment was read
}

// Errors that a person has to resolve; reading again does not help.
var (
	// ErrToken means that the source does not know the token.
	ErrToken = errors.New("the token was rejected")
	// ErrPlan means that the token is known but may not read this.
	ErrPlan = errors.New("the token may not read the audit trail")
)

// ErrCursor means that the source does not know the cursor of an Ask any more. Who
// asks begins anew with Ask.Window.From.
var ErrCursor = errors.New("the cursor was refused")

// A Config configures a Puller. Name and the required settings of the kind must
// be there; everything else has a default.
type Config struct {
	Name      string            // of the source, for errors
	Settings  map[string]string // by name, as in Kind.Settings; secrets too
	UserAgent string
	Transport http.RoundTripper // http.DefaultTransport
	Now       func() time.Time  // time.Now
	Random    func() float64    // in [0, 1), to spread retries; math/rand/v2.Float64
	Retry     Retry
}

// Retry says how patient a Puller is with one page. Zero fields have defaults.
type Retry struct {
	Times    int           // 6 further attempts
	Min, Max time.Duration // 500 ms and 1 min between attempts; no answer makes it wait longer than Max
	Timeout  time.Duration // 1 min for one request, its body included
}

// LogValue shows the names of the settings, and no value: some are secret.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("name", c.Name),
		slog.Any("settings", slices.Sorted(maps.Keys(c.Settings))))
}

// String is LogValue for fmt.
func (c Config) String() string { return c.LogValue().String() }

// GoString is String for %#v.
func (c Config) GoString() string { return c.String() }
