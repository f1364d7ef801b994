package source

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/hashicorp/go-retryablehttp"
)

const (
	oktaTokenPath = "oauth2/v1/token"
	oktaScope     = "okta.logs.read"

	// oktaEarly is how long before its end an access token is exchanged for a new one.
	oktaEarly = 5 * time.Minute
)

// An oktaLogin gets access tokens for a service app, which proves who it is by a
// signature of its key (the method private_key_jwt of OpenID Connect, which Okta
// wants of service apps).
type oktaLogin struct {
	client  string
	signer  jose.Signer
	address *url.URL

	token   string
	expires time.Time // of token
}

func newOktaLogin(client, key, keyID string, base *url.URL) (*oktaLogin, error) {
	private, id, err := parseKey(key)
	if err != nil {
		return nil, err
	}
	if keyID != "" {
		id = keyID
	}
	if id == "" {
		return nil, errors.New("setting key_id is missing: the id that Okta shows for the key")
	}
	algorithm := jose.RS256
	if _, elliptic := private.(*ecdsa.PrivateKey); elliptic {
		algorithm = jose.ES256
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: private, KeyID: id}}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, errors.New("setting private_key: want an RSA key, or an elliptic one of P-256")
	}
	return &oktaLogin{client: client, signer: signer, address: base.JoinPath(oktaTokenPath)}, nil
}

// parseKey reads a private key in PEM or as a JWK, which has an id. Its errors say
// nothing of what is in the key.
func parseKey(text string) (key crypto.PrivateKey, id string, err error) {
	bad := errors.New("setting private_key: want a private key in PEM, or as the JSON that Okta shows when it makes one")
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var jwk jose.JSONWebKey
		if err := json.Unmarshal([]byte(text), &jwk); err != nil || jwk.IsPublic() || !jwk.Valid() {
			return nil, "", bad
		}
		return jwk.Key, jwk.KeyID, nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", bad
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		return key, "", nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, "", nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, "", nil
	}
	return nil, "", bad
}

// assertion is what the app says of itself, signed. The address is in it, so that it
// is worth nothing elsewhere. It has no id: then it may be sent again.
func (l *oktaLogin) assertion(now time.Time) (string, error) {
	return jwt.Signed(l.signer).Claims(jwt.Claims{Issuer: l.client, Subject: l.client, Audience: jwt.Audience{l.address.String()},
		IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(5 * time.Minute))}).Serialize()
}

// signIn gets a token, unless there is one that lives for a while.
func (p *oktaPuller) signIn(ctx context.Context, now time.Time) error {
	l := p.login
	if l == nil || l.token != "" && now.Before(l.expires) {
		return nil
	}
	assertion, err := l.assertion(now)
	if err != nil {
		return errors.New("source: setting private_key: the key cannot sign")
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {oktaScope}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, l.address.String(), []byte(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	l.token = ""
	err = p.send(req, func(_ http.Header, body []byte) error {
		var answer struct {
			Type    string `json:"token_type"`
			Token   string `json:"access_token"`
			Expires int64  `json:"expires_in"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
			return errors.New("the answer is not an access token")
		}
		if !strings.EqualFold(answer.Type, "Bearer") {
			return finalError{fmt.Errorf("%w: Okta gave a token of the type %q: switch off DPoP for the app", ErrToken, answer.Type)}
		}
		l.token, l.expires = answer.Token, now.Add(time.Duration(answer.Expires)*time.Second-oktaEarly)
		return nil
	})
	switch codeOf(err) {
	case http.StatusBadRequest, http.StatusUnauthorized:
		err = fmt.Errorf("%w: %w; see that client_id, key_id and private_key belong to one service app, that DPoP is switched off for it, and that it was granted %s", ErrToken, err, oktaScope)
	}
	if err != nil {
		return fmt.Errorf("source: POST %s: %w", l.address.Path, err)
	}
	return nil
}
