package push_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"exhibit/ingest/push"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/ingest/token"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// memory is a spool in memory that can be told to fail.
type memory struct {
	mu        sync.Mutex
	records   []string
	of        []string // the source of each
	beats     int
	mark      uint64
	committed uint64
	refused   []string
	left      []time.Duration // that each request had left to wait
	err       error
	until     int // after so many times, err is over; 0: never
	full      bool
	arrived   chan struct{} // told of new records, when there is somebody
}

func (m *memory) Append(ctx context.Context, name string, records []source.Record) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if until, ok := ctx.Deadline(); ok {
		m.left = append(m.left, time.Until(until))
	}
	if err := m.err; err != nil {
		if m.until--; m.until == 0 {
			m.err = nil
		}
		return 0, err
	}
	if len(records) == 0 {
		m.beats++
	}
	for _, r := range records {
		if r.Received.IsZero() {
			return 0, errors.New("a record without the time of its receipt")
		}
		m.records, m.of = append(m.records, string(r.Raw)), append(m.of, name)
	}
	m.mark += uint64(max(len(records), 1))
	select {
	case m.arrived <- struct{}{}:
	default:
	}
	return m.mark, nil
}

func (m *memory) count() int { m.mu.Lock(); defer m.mu.Unlock(); return len(m.records) }

func (m *memory) Committed() uint64 { m.mu.Lock(); defer m.mu.Unlock(); return m.committed }

func (m *memory) Refused(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused = append(m.refused, name)
}

func (m *memory) Status() (s spool.Status) {
	if m.full {
		s.Full = start
	}
	return s
}

// rig is the doors with a token for each source.
type rig struct {
	*push.Handler
	spool  *memory
	tokens map[string]string // text by source
	now    time.Time
	log    bytes.Buffer
}

// keeper knows tokens as token.Keeper does.
type keeper map[string]token.Token

func (k keeper) Check(text, _ string) (token.Token, error) {
	switch t, ok := k[text]; {
	case !ok:
		return token.Token{}, token.ErrUnknown
	case !t.Revoked.IsZero():
		return token.Token{}, token.ErrRevoked
	case !t.Expires.IsZero():
		return t, token.ErrExpired
	default:
		return t, nil
	}
}

func newRig(t testing.TB, limits push.Limits) *rig {
	t.Helper()
	x := &rig{spool: &memory{}, tokens: map[string]string{}, now: start}
	sources, tokens := map[string]source.Kind{}, keeper{}
	for _, k := range source.Kinds() {
		sources[k.Name] = k
		one, text := token.New(k.Name, "test", time.Time{}, start)
		tokens[text], x.tokens[k.Name] = one, text
	}
	gone, text := token.New("json", "test", time.Time{}, start)
	gone.Revoked = start
	tokens[text], x.tokens["revoked"] = gone, text
	old, text := token.New("json", "test", start, start)
	tokens[text], x.tokens["expired"] = old, text
	other, text := token.New("removed", "test", time.Time{}, start)
	tokens[text], x.tokens["removed"] = other, text
	x.Handler = push.New(push.Options{Spool: x.spool, Tokens: tokens, Sources: sources, Limits: limits,
		Now: func() time.Time { return x.now }, Log: slog.New(slog.NewTextHandler(&x.log, nil))})
	return x
}

// post sends a body with the token of the source and returns status and answer.
func (x *rig) post(of, path string, body []byte, headers ...string) (int, string, http.Header) {
	r := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	if of != "" {
		r.Header.Set("Authorization", "Bearer "+x.tokens[of])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	x.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func pack(t testing.TB, with string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch with {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	default:
		return body
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Every path of a door is kept from the pages, and no page's is taken.
func TestOwns(t *testing.T) {
	for path, want := range map[string]bool{"/ingest/x": true, "/ingest": true, "/services/collector": true, "/services/collector/event": true, "/v1/logs": true,
		"/api/v2/logs": true, "/api/v1/input": true, "/": false, "/sources/ingest": false, "/ingestion": false, "/api/events": false, "/v1/logsx": false, "/reports": false} {
		if push.Owns(path) != want {
			t.Errorf("%s: got %t", path, !want)
		}
	}
	x := newRig(t, push.Limits{})
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodHead} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(method, "/v1/logs", nil)
		r.Header.Set("Authorization", "Bearer "+x.tokens["json"])
		x.ServeHTTP(w, r)
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: got %d", method, w.Code)
		}
	}
}
