package token

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/store"
)

// A Store keeps what happened to tokens; *store.DB is one.
type Store interface {
	AddToken(ctx context.Context, row store.StateRow) error
	Tokens(ctx context.Context) ([]store.StateRow, error)
}

// A Diary keeps acts; *ingest.Diary is one.
type Diary interface {
	Write(ctx context.Context, act source.Act) error
}

// Options are the parts of a Keeper; all are needed.
type Options struct {
	Store Store
	Diary Diary
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time // time.After
	Log   *slog.Logger
}

// A Keeper holds the tokens of a store in memory, for the one process that changes
// them. It is safe for concurrent use.
type Keeper struct {
	Options
	uses chan use // first uses that are not noted yet

	mu     sync.RWMutex
	tokens map[string]Token // by id
}

type use struct {
	token Token
	from  string
}

// List reads all tokens, the newest first.
func List(ctx context.Context, from Store) ([]Token, error) {
	rows, err := from.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	list, err := fromRows(rows)
	slices.SortStableFunc(list, func(a, b Token) int { return b.Created.Compare(a.Created) })
	return list, err
}

// Open reads the tokens of the store.
func Open(ctx context.Context, o Options) (*Keeper, error) {
	list, err := List(ctx, o.Store)
	if err != nil {
		return nil, err
	}
	k := &Keeper{Options: o, uses: make(chan use, 256), tokens: make(map[string]Token, len(list))}
	for _, t := range list {
		k.tokens[t.ID] = t
	}
	return k, nil
}

// Check returns the token that has the text, also with ErrExpired: what its holder
// sends is missing then. from is the address that it came from.
func (k *Keeper) Check(text, from string) (Token, error) {
	id := idOf(text)
	k.mu.RLock()
	t := k.tokens[id]
	k.mu.RUnlock()
	now := k.Now()
	switch err := t.check(text, now); {
	case errors.Is(err, ErrExpired):
		return t, err
	case err != nil:
		return Token{}, err
	}
	if t.Used.IsZero() {
		k.firstUse(id, from, now)
	}
	return t, nil
}

// firstUse leaves it to Run to note that a token was used. What cannot be left now is
// left by the next use.
func (k *Keeper) firstUse(id, from string, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tokens[id]
	if !t.Used.IsZero() {
		return
	}
	t.Used = now.UTC().Round(0)
	select {
	case k.uses <- use{t, from}:
		k.tokens[id] = t
	default:
	}
}

// List returns all tokens, the newest first.
func (k *Keeper) List() []Token {
	k.mu.RLock()
	defer k.mu.RUnlock()
	list := slices.Collect(maps.Values(k.tokens))
	slices.SortFunc(list, func(a, b Token) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Operator is who makes or ends a token on the machine itself.
func Operator(id string) source.Act { return source.Act{Actor: source.Party{Type: event.User, ID: id}} }

// Add keeps a new token, which works when nil is returned. by says who does it, and
// from where.
func (k *Keeper) Add(ctx context.Context, t Token, by source.Act) error {
	if err := t.valid(k.Now()); err != nil {
		return err
	}
	k.mu.RLock()
	_, known := k.tokens[t.ID]
	k.mu.RUnlock()
	if known {
		return fmt.Errorf("there is a token %s already", t.ID)
	}
	t.Used, t.Revoked, t.RevokedBy = time.Time{}, time.Time{}, ""
	row, err := t.row(created, k.Now())
	if err != nil {
		return err
	}
	// If the act cannot be written, the token stays stored and nobody has its text.
	if err := k.Store.AddToken(ctx, row); err != nil {
		return err
	}
	ends := "it does not expire"
	if !t.Expires.IsZero() {
		ends = "it expires at " + t.Expires.Format(time.RFC3339)
	}
	act := t.act("token.create", by)
	act.Reason = ends
	if err := k.Diary.Write(ctx, act); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens[t.ID] = t
	return nil
}

// Revoke ends a token at once. When the end could not be stored, the token is closed
// until this process ends, and the error says so.
func (k *Keeper) Revoke(ctx context.Context, id string, by source.Act) (Token, error) {
	k.mu.Lock()
	t, known := k.tokens[id]
	ended := known && !t.Revoked.IsZero()
	if known && !ended {
		t.Revoked, t.RevokedBy = k.Now().UTC().Round(0), cmp.Or(by.Actor.Email, by.Actor.ID)
		k.tokens[id] = t
	}
	k.mu.Unlock()
	if !known {
		return t, fmt.Errorf("there is no token %q; 'exhibit token list' names them", id)
	}
	// A token that is closed already is stored again: the first time may have failed.
	row, err := t.row(revoked, k.Now())
	if err == nil {
		err = k.Store.AddToken(ctx, row)
	}
	act := t.act("token.revoke", by)
	if ended {
		act.Reason = "it was revoked before"
	}
	if err = errors.Join(err, k.Diary.Write(ctx, act)); err != nil {
		return t, fmt.Errorf("token %s opens nothing until the next start; that it is revoked could not be stored, so do it again: %w", id, err)
	}
	return t, nil
}

// Run notes the first use of each token until the context ends. It does so beside the
// requests: they must not wait for the database.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-k.uses:
			k.note(ctx, u)
		}
	}
}

// note tries until it succeeds. A crash before that leaves the token unused, and its
// next use is the first.
func (k *Keeper) note(ctx context.Context, u use) {
	for {
		err := k.noteOnce(ctx, u)
		if err == nil || ctx.Err() != nil {
			return
		}
		k.Log.Warn("first use of a token not noted yet", "token", u.token.ID, "source", u.token.Source, "error", err)
		select {
		case <-ctx.Done():
			return
		case <-k.After(time.Minute):
		}
	}
}

func (k *Keeper) noteOnce(ctx context.Context, u use) error {
	act := u.token.act("token.use", source.Act{Actor: source.Party{Type: event.Service, ID: u.token.ID, Name: "token of " + u.token.Source}})
	act.Time, act.IP, act.Reason = u.token.Used, u.from, "first use"
	if err := k.Diary.Write(ctx, act); err != nil {
		return err
	}
	row, err := u.token.row(used, k.Now())
	if err != nil {
		return err
	}
	return k.Store.AddToken(ctx, row)
}

// act is what by does with the token.
func (t *Token) act(action string, by source.Act) source.Act {
	by.Action, by.Outcome, by.Target = action, event.Success, source.Party{Type: "token", ID: t.ID, Name: "ingest:" + t.Source}
	return by
}
