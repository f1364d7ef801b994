package idp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

const (
	signInLasts  = 10 * time.Minute // from the first redirect to the password
	codeLasts    = time.Minute
	tokenLasts   = time.Hour
	mostRequests = 1000 // sign-ins in progress; the oldest gives way
)

var errNotSupported = errors.New("idp: not supported")

// storage is what the provider library keeps and asks for, all in memory.
type storage struct {
	now     func() time.Time
	clients map[string]*client
	users   map[string]User
	key     signingKey

	mu       sync.Mutex // guards everything below
	requests map[string]*authRequest
	codes    map[string]code // by the code's text
	tokens   map[string]token
}

type code struct {
	request string
	expires time.Time
}

type token struct {
	user, client string
	scopes       []string
	expires      time.Time
}

func newStorage(clients []Client, users []User, now func() time.Time) (*storage, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	s := &storage{now: now, key: signingKey{rand.Text(), key},
		clients: map[string]*client{}, users: map[string]User{},
		requests: map[string]*authRequest{}, codes: map[string]code{}, tokens: map[string]token{}}
	for _, c := range clients {
		s.clients[c.ID] = &client{c}
	}
	for _, u := range users {
		s.users[u.Name] = u
	}
	return s, nil
}

// same compares two secrets in a time that does not depend on them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// checkPassword reports whether a user of this name has this password, and takes
// as long for a name that nobody has.
func (s *storage) checkPassword(name, password string) bool {
	u, known := s.users[name]
	return same(u.Password, password) && known
}

// complete marks a sign-in as done by user.
func (s *storage) complete(id, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok || !s.now().Before(r.expires) {
		return errNoRequest
	}
	r.user, r.authTime, r.done = user, s.now(), true
	return nil
}

// sweep forgets what has expired, and the oldest sign-in when there are too
// many. The caller holds the lock.
func (s *storage) sweep() {
	now := s.now()
	var oldest *authRequest
	for id, r := range s.requests {
		if !now.Before(r.expires) {
			delete(s.requests, id)
		} else if oldest == nil || r.expires.Before(oldest.expires) {
			oldest = r
		}
	}
	if len(s.requests) >= mostRequests {
		delete(s.requests, oldest.id)
	}
	for k, c := range s.codes {
		if !now.Before(c.expires) {
			delete(s.codes, k)
		}
	}
	for k, t := range s.tokens {
		if !now.Before(t.expires) {
			delete(s.tokens, k)
		}
	}
}

// CreateAuthRequest begins a sign-in. The provider keeps no session of its own:
// each sign-in asks for the password, and prompt=none never succeeds.
func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	if r.CodeChallenge == "" || r.CodeChallengeMethod != oidc.CodeChallengeMethodS256 {
		return nil, oidc.ErrInvalidRequest().WithDescription("PKCE with code_challenge_method S256 is required")
	}
	for _, p := range r.Prompt {
		if p == oidc.PromptNone {
			return nil, oidc.ErrLoginRequired()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	a := &authRequest{id: rand.Text(), expires: s.now().Add(signInLasts), asked: *r}
	s.requests[a.id] = a
	return a.copy(), nil
}

var errNoRequest = oidc.ErrInvalidRequest().WithDescription("this sign-in is unknown or has expired")

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.requests[id]
	if !ok || !s.now().Before(r.expires) {
		return nil, errNoRequest
	}
	return r.copy(), nil
}

// AuthRequestByCode takes a code, which is then spent, also when the verifier
// turns out wrong.
func (s *storage) AuthRequestByCode(_ context.Context, text string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.codes[text]
	delete(s.codes, text)
	r, known := s.requests[c.request]
	if !ok || !known || !s.now().Before(c.expires) {
		return nil, errors.New("idp: unknown, spent or expired code")
	}
	delete(s.requests, c.request)
	return r.copy(), nil
}

func (s *storage) SaveAuthCode(_ context.Context, id, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[text] = code{id, s.now().Add(codeLasts)}
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.requests, id)
	return nil
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	a, ok := r.(*authRequest)
	if !ok {
		return "", time.Time{}, errNotSupported
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, expires := rand.Text(), s.now().Add(tokenLasts)
	s.tokens[id] = token{a.user, a.asked.ClientID, a.asked.Scopes, expires}
	return id, expires, nil
}

func (s *storage) TerminateSession(_ context.Context, user, client string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, t := range s.tokens {
		if t.user == user && t.client == client {
			delete(s.tokens, id)
		}
	}
	return nil
}

func (s *storage) RevokeToken(_ context.Context, id, _, client string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.tokens[id]; ok && t.client == client {
		delete(s.tokens, id)
	}
	return nil
}
