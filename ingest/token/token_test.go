package token_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/token"
	"exhibit/internal/store"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// memory is a store and a diary that can be told to fail.
type memory struct {
	mu   sync.Mutex
	rows []store.StateRow
	acts []source.Act
	err  error
	told chan struct{} // of acts
}

func (m *memory) AddToken(_ context.Context, row store.StateRow) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil {
		m.rows = append(m.rows, row)
	}
	return m.err
}

func (m *memory) Tokens(context.Context) ([]store.StateRow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rows := slices.Clone(m.rows)
	slices.SortStableFunc(rows, func(a, b store.StateRow) int {
		if c := strings.Compare(a.Key[0], b.Key[0]); c != 0 {
			return c
		}
		return int(a.Number) - int(b.Number)
	})
	return rows, m.err
}

func (m *memory) Write(_ context.Context, act source.Act) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.told != nil {
		m.told <- struct{}{}
	}
	if m.err == nil {
		m.acts = append(m.acts, act)
	}
	return m.err
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

type clock struct {
	now   time.Time
	again chan time.Time // when to try again
}

func open(t *testing.T, m *memory, c *clock) *token.Keeper {
	t.Helper()
	k, err := token.Open(t.Context(), token.Options{Store: m, Diary: m, Now: func() time.Time { return c.now },
		After: func(time.Duration) <-chan time.Time { return c.again },
		Log:   slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestToken(t *testing.T) {
	m, c := &memory{}, &clock{now: start}
	k := open(t, m, c)
	one, text := token.New("hcp", "ann", start.Add(time.Hour), start)
	if !regexp.MustCompile(`^exh_[a-z2-7]{10}_[a-z2-7]{52}$`).MatchString(text) || strings.Contains(text, one.SHA256) {
		t.Errorf("the token is %s", text)
	}
	if _, err := k.Check(text, "192.0.2.1"); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("before it is kept: %v", err)
	}
	if err := k.Add(t.Context(), one, token.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	if err := k.Add(t.Context(), one, token.Operator("ann")); err == nil {
		t.Error("the same token was added twice")
	}
	for _, wrong := range []string{"", "exh_", text[:len(text)-1], text + "a", strings.ToUpper(text), "exh_" + one.ID + "_", one.SHA256, text[4:], strings.Repeat("exh_", 1000)} {
		if _, err := k.Check(wrong, "192.0.2.1"); !errors.Is(err, token.ErrUnknown) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	// What is stored does not open anything.
	var all bytes.Buffer
	for _, row := range m.rows {
		all.WriteString(row.Body)
	}
	for _, act := range m.acts {
		raw, err := act.Raw()
		if err != nil {
			t.Fatal(err)
		}
		all.Write(raw)
	}
	if strings.Contains(all.String(), text[15:]) {
		t.Errorf("the text of the token is stored: %s", all.String())
	}
	// It is the same after a restart, and ends when it ends.
	for _, keeper := range []*token.Keeper{k, open(t, m, c)} {
		c.now = start
		got, err := keeper.Check(text, "192.0.2.1")
		if err != nil || got.Source != "hcp" || got.ID != one.ID || got.By != "ann" {
			t.Errorf("got %+v, %v", got, err)
		}
		c.now = start.Add(time.Hour)
		if got, err := keeper.Check(text, "192.0.2.1"); !errors.Is(err, token.ErrExpired) || got.Source != "hcp" {
			t.Errorf("an hour later: %+v, %v", got, err)
		}
		c.now = start
	}
	if _, err := k.Revoke(t.Context(), one.ID, token.Operator("bob")); err != nil {
		t.Fatal(err)
	}
	for _, keeper := range []*token.Keeper{k, open(t, m, c)} {
		if _, err := keeper.Check(text, "192.0.2.1"); !errors.Is(err, token.ErrRevoked) {
			t.Errorf("after it was revoked: %v", err)
		}
	}
	list, err := token.List(t.Context(), m)
	if err != nil || len(list) != 1 || list[0].RevokedBy != "bob" || list[0].Revoked.IsZero() {
		t.Errorf("got %+v, %v", list, err)
	}
	if _, err := k.Revoke(t.Context(), "nothing", token.Operator("bob")); err == nil {
		t.Error("a token that is not there was revoked")
	}
	if got := actions(m); got != "token.create token.revoke" {
		t.Errorf("the diary has %s", got)
	}
}

func TestTokensThatAreNotKept(t *testing.T) {
	m, c := &memory{}, &clock{now: start}
	k := open(t, m, c)
	old, _ := token.New("hcp", "ann", start, start)
	nameless, _ := token.New("", "ann", time.Time{}, start)
	for _, bad := range []token.Token{{}, old, nameless} {
		if err := k.Add(t.Context(), bad, token.Operator("ann")); err == nil {
			t.Errorf("%+v was kept", bad)
		}
	}
	m.fail(errors.New("no disk"))
	good, text := token.New("hcp", "ann", time.Time{}, start)
	if err := k.Add(t.Context(), good, token.Operator("ann")); err == nil {
		t.Error("a token was kept on no disk")
	}
	if _, err := k.Check(text, ""); !errors.Is(err, token.ErrUnknown) {
		t.Errorf("a token that is not stored: %v", err)
	}
	m.fail(nil)
	if err := k.Add(t.Context(), good, token.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	// A token that cannot be stored as revoked is closed all the same, and the second
	// attempt stores it.
	m.fail(errors.New("no disk"))
	if _, err := k.Revoke(t.Context(), good.ID, token.Operator("bob")); err == nil {
		t.Error("a revocation was stored on no disk")
	}
	if _, err := k.Check(text, ""); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("a token that is to be revoked: %v", err)
	}
	m.fail(nil)
	if _, err := k.Revoke(t.Context(), good.ID, token.Operator("bob")); err != nil {
		t.Error(err)
	}
	if _, err := open(t, m, c).Check(text, ""); !errors.Is(err, token.ErrRevoked) {
		t.Errorf("after a restart: %v", err)
	}
}

// The first use is noted once, when it can be, and requests do not wait for it.
func TestFirstUse(t *testing.T) {
	m, c := &memory{told: make(chan struct{}, 100)}, &clock{now: start, again: make(chan time.Time)}
	k := open(t, m, c)
	one, text := token.New("hcp", "ann", time.Time{}, start)
	if err := k.Add(t.Context(), one, token.Operator("ann")); err != nil {
		t.Fatal(err)
	}
	<-m.told
	m.fail(errors.New("the engine is down"))
	for range 3 {
		if _, err := k.Check(text, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	<-m.told
	c.again <- start
	<-m.told // it was tried again
	m.fail(nil)
	c.again <- start
	<-m.told
	for {
		list, err := token.List(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if !list[0].Used.IsZero() {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	act := m.acts[1]
	if act.IP != "192.0.2.1" || act.Actor.ID != one.ID || act.Target.Name != "ingest:hcp" {
		t.Errorf("got %+v", act)
	}
	again := open(t, m, c)
	if _, err := again.Check(text, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	if got, err := again.Check(text, "192.0.2.1"); err != nil || got.Used.IsZero() || actions(m) != "token.create token.use" {
		t.Errorf("got %+v, %v; %s", got, err, actions(m))
	}
}

func actions(m *memory) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []string
	for _, a := range m.acts {
		list = append(list, a.Action)
	}
	return strings.Join(list, " ")
}
