package web

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"sync"
	"time"
)

// An Identity is a person as the identity provider describes them, with the role
// that their groups have here.
type Identity struct {
	Subject string // the provider's own id
	Name    string
	Email   string // empty when the provider says that it is not verified
	Groups  []string
	Role    Role
}

// called is what to call the person on a page.
func (i Identity) called() string {
	switch {
	case i.Name != "":
		return i.Name
	case i.Email != "":
		return i.Email
	}
	return i.Subject
}

// SessionLimits says how long a sign-in lasts.
type SessionLimits struct {
	Idle     time.Duration // without a request
	Absolute time.Duration // in all
}

func (l SessionLimits) orDefault() SessionLimits {
	if l.Idle <= 0 {
		l.Idle = 30 * time.Minute
	}
	if l.Absolute <= 0 {
		l.Absolute = 8 * time.Hour
	}
	return l
}

// sessions are kept in memory: a restart signs everybody out. Browsers hold a
// random token; here only its hash is kept.
type sessions struct {
	limits SessionLimits
	rand   io.Reader
	now    func() time.Time

	mu    sync.Mutex // protects open and swept
	open  map[[sha256.Size]byte]*session
	swept time.Time
}

type session struct {
	who           Identity
	idToken       string // hint for the provider's own sign-out
	started, seen time.Time
}

func newSessions(l SessionLimits, rand io.Reader, now func() time.Time) *sessions {
	return &sessions{limits: l, rand: rand, now: now, open: map[[sha256.Size]byte]*session{}}
}

// start opens a session and returns the token that stands for it.
func (s *sessions) start(who Identity, idToken string) (string, error) {
	var secret [32]byte
	if _, err := io.ReadFull(s.rand, secret[:]); err != nil {
		return "", fmt.Errorf("session token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(secret[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.sweep(now)
	s.open[sha256.Sum256([]byte(token))] = &session{who: who, idToken: idToken, started: now, seen: now}
	return token, nil
}

// find returns who a token stands for and counts as a sign of life.
func (s *sessions) find(token string) (Identity, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, key := s.now(), sha256.Sum256([]byte(token))
	found, ok := s.open[key]
	if !ok {
		return Identity{}, false
	}
	if s.over(found, now) {
		delete(s.open, key)
		return Identity{}, false
	}
	found.seen = now
	return found.who, true
}

// end closes the session of a token and returns what it was.
func (s *sessions) end(token string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(token))
	found, ok := s.open[key]
	if !ok {
		return session{}, false
	}
	delete(s.open, key)
	return *found, !s.over(found, s.now())
}

func (s *sessions) over(x *session, now time.Time) bool {
	return now.Sub(x.seen) >= s.limits.Idle || now.Sub(x.started) >= s.limits.Absolute
}

// sweep forgets sessions that are over; callers hold the lock.
func (s *sessions) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	for key, x := range s.open {
		if s.over(x, now) {
			delete(s.open, key)
		}
	}
}
