// Package token keeps the tokens that other systems send events with.
//
// A token opens one source, and nothing else. Its text is shown once, when it is
// made; what is kept is its SHA-256. It is 256 random bits, so a plain hash tells
// nothing about it.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"exhibit/internal/store"

	"github.com/go-json-experiment/json"
)

// Why a token opens nothing.
var (
	ErrUnknown = errors.New("the token is not known")
	ErrExpired = errors.New("the token has expired")
	ErrRevoked = errors.New("the token was revoked")
)

// A Token is what is known of a token. Zero times have not come, or never will.
type Token struct {
	ID        string    `json:"id"`
	Source    string    `json:"source"` // the one that it opens
	SHA256    string    `json:"sha256"` // of the text, in hex
	Created   time.Time `json:"created"`
	By        string    `json:"by"`
	Expires   time.Time `json:"expires,omitzero"`
	Used      time.Time `json:"used,omitzero"` // for the first time
	Revoked   time.Time `json:"revoked,omitzero"`
	RevokedBy string    `json:"revoked_by,omitempty"`
}

// The text of a token is exh_ID_SECRET. The prefix lets scanners find one that
// leaked, and the id says which one it was.
const (
	prefix   = "exh_"
	idSize   = 10
	hashSize = 2 * sha256.Size
)

// New makes a token and its text, which nothing else remembers.
func New(source, by string, expires, now time.Time) (t Token, text string) {
	var secret [32]byte
	rand.Read(secret[:]) // it never fails
	id := strings.ToLower(rand.Text()[:idSize])
	text = prefix + id + "_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret[:]))
	return Token{ID: id, Source: source, SHA256: hash(text), Created: now.UTC().Round(0), By: by, Expires: expires.UTC()}, text
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// idOf returns the id in the text of a token, or nothing.
func idOf(text string) string {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) < idSize || len(text) > 200 {
		return ""
	}
	return rest[:idSize]
}

// check says whether the text is the token's, and why it opens nothing. An id that
// is not there has the zero Token: it takes as long as a wrong text.
func (t *Token) check(text string, now time.Time) error {
	want := t.SHA256
	if want == "" {
		want = strings.Repeat("0", hashSize)
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(hash(text)), []byte(want)) == 0, t.ID == "":
		return ErrUnknown
	case !t.Revoked.IsZero():
		return ErrRevoked
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return ErrExpired
	}
	return nil
}

// valid returns what is wrong with a token that is to be kept.
func (t *Token) valid(now time.Time) error {
	switch {
	case len(t.ID) != idSize || len(t.SHA256) != hashSize:
		return errors.New("the token has no id or hash")
	case t.Source == "":
		return errors.New("the token names no source")
	case !t.Expires.IsZero() && !t.Expires.After(now):
		return fmt.Errorf("the token would expire at %s, which has passed", t.Expires.Format(time.RFC3339))
	}
	return nil
}

// What happens to a token, in order.
const (
	created = "created"
	used    = "used"
	revoked = "revoked"
)

// number orders what happens to a token: a revocation is its end.
func number(state string) uint64 {
	return map[string]uint64{created: 0, used: 1, revoked: 2}[state]
}

func (t *Token) row(state string, at time.Time) (store.StateRow, error) {
	body, err := json.Marshal(t, json.Deterministic(true))
	if err != nil {
		return store.StateRow{}, fmt.Errorf("token: write %s: %w", t.ID, err)
	}
	return store.StateRow{Key: [2]string{t.ID}, Number: number(state), At: at, State: state, Body: string(body)}, nil
}

// fromRows puts tokens together from what happened to them, in their order.
func fromRows(rows []store.StateRow) ([]Token, error) {
	var list []Token
	for _, row := range rows {
		var t Token
		if err := json.Unmarshal([]byte(row.Body), &t); err != nil {
			return nil, fmt.Errorf("token: read %s: %w", row.Key[0], err)
		}
		if n := len(list); n == 0 || list[n-1].ID != t.ID {
			list = append(list, t)
			continue
		}
		last := &list[len(list)-1]
		switch row.State {
		case used:
			last.Used = t.Used
		case revoked:
			last.Revoked, last.RevokedBy = t.Revoked, t.RevokedBy
		}
	}
	return list, nil
}
