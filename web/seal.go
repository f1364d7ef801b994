package web

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// loginTime is how long somebody may take to sign in at the provider.
const loginTime = 10 * time.Minute

// A login is a sign-in under way. The browser carries it in a cookie that only
// this process can read or make, so nobody can fill our memory with sign-ins
// that never end.
type login struct {
	State, Nonce, Verifier string
	Return                 string
	Until                  time.Time
}

// A sealer encrypts and authenticates with a key that lives as long as the process.
type sealer struct{ aead cipher.AEAD }

func newSealer(rand io.Reader) (*sealer, error) {
	var key [32]byte
	if _, err := io.ReadFull(rand, key[:]); err != nil {
		return nil, fmt.Errorf("cookie key: %w", err)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("cookie key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cookie key: %w", err)
	}
	return &sealer{aead}, nil
}

func (s *sealer) close(l login) (string, error) {
	plain, err := json.Marshal(l)
	if err != nil {
		return "", fmt.Errorf("seal sign-in: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte("login"))), nil
}

func (s *sealer) open(text string, now time.Time) (login, error) {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return login{}, fmt.Errorf("open sign-in: %w", err)
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte("login"))
	if err != nil {
		return login{}, fmt.Errorf("open sign-in: %w", err)
	}
	var l login
	if err := json.Unmarshal(plain, &l); err != nil {
		return login{}, fmt.Errorf("open sign-in: %w", err)
	}
	if !now.Before(l.Until) {
		return login{}, errors.New("open sign-in: too old")
	}
	return l, nil
}
