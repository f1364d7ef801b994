package source_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/ingest/source/vendortest"

	"github.com/go-jose/go-jose/v4"
)

// A serviceApp is a new organization's, with the private key as Okta shows it.
func serviceApp(t *testing.T, key crypto.Signer) (*oktaOrg, string) {
	t.Helper()
	o := newOktaOrg(t, 30)
	o.Okta.Token, o.Client, o.Key = "", "0oa-app", jose.JSONWebKey{Key: key.Public(), KeyID: "kid-1"}
	text, err := json.Marshal(jose.JSONWebKey{Key: key, KeyID: "kid-1"})
	if err != nil {
		t.Fatal(err)
	}
	delete(o.settings, "token")
	o.settings["client_id"], o.settings["private_key"] = "0oa-app", string(text)
	return o, string(text)
}

func ellipticKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A service app signs in with its key, uses its token for as long as it lives, and
// gets another when it ends or is refused.
func TestOktaServiceApp(t *testing.T) {
	t.Parallel()
	o, _ := serviceApp(t, ellipticKey(t))
	p := o.puller()
	signIns := func(want int) {
		t.Helper()
		got := 0
		for _, q := range o.line.Questions() {
			if q.Path == vendortest.OktaTokenPath {
				got++
				if q.Header.Get("Authorization") != "" || q.Query != "" {
					t.Errorf("signed in with %v", q)
				}
			}
		}
		if got != want {
			t.Errorf("signed in %d times, want %d", got, want)
		}
	}
	for _, x := range []struct {
		change func()
		want   int
	}{
		{func() { o.line.Spoil(vendortest.Status(503, ""), vendortest.ProxyPage) }, 3},
		{func() { o.now = o.now.Add(50 * time.Minute) }, 3},
		{func() { o.now = o.now.Add(6 * time.Minute) }, 4}, // a few minutes before its end
		{o.Revoke, 5},
	} {
		x.change()
		n := 0
		_, err := p.Pull(t.Context(), source.Ask{}, func(page source.Page) error { n += len(page.Records); return nil })
		if err == nil || !strings.Contains(err.Error(), "since") {
			t.Fatalf("an ask without a window: %v", err)
		}
		_, err = p.Pull(t.Context(), o.day(), func(page source.Page) error { n += len(page.Records); return nil })
		if err != nil || n != 30 {
			t.Errorf("%d events, error %v", n, err)
		}
		signIns(x.want)
	}
	if got, _, _, err := o.follow(""); err != nil || len(got) != 30 {
		t.Errorf("%d events, error %v", len(got), err)
	}
}

func TestOktaServiceAppRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*oktaOrg){
		"another key": func(o *oktaOrg) { o.Key.Key = ellipticKey(t).Public() },
		"another app": func(o *oktaOrg) { o.Client = "0oa-other" },
		"DPoP":        func(o *oktaOrg) { o.DPoP = true },
	} {
		o, key := serviceApp(t, ellipticKey(t))
		change(o)
		_, _, answer, err := o.follow("")
		if !errors.Is(err, source.ErrToken) || !strings.Contains(err.Error(), "DPoP") || answer.Requests != 1 {
			t.Errorf("%s: %d requests, error %v", name, answer.Requests, err)
		}
		if err != nil && strings.Contains(err.Error(), key[20:40]) {
			t.Errorf("%s: the key is in the error: %v", name, err)
		}
	}
}

// Keys come in the forms that Okta and openssl give them; what is no key is told, and
// not shown.
func TestOktaKeys(t *testing.T) {
	t.Parallel()
	block := func(kind string, der []byte, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	short := ellipticKey(t)
	pkcs8, err8 := x509.MarshalPKCS8PrivateKey(long)
	sec1, err1 := x509.MarshalECPrivateKey(short)
	for name, x := range map[string]struct {
		key  crypto.Signer
		text string
	}{
		"PKCS 8": {long, block("PRIVATE KEY", pkcs8, err8)},
		"PKCS 1": {long, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(long), nil)},
		"SEC 1":  {short, block("EC PRIVATE KEY", sec1, err1)},
	} {
		o, _ := serviceApp(t, x.key)
		o.settings["private_key"], o.settings["key_id"] = x.text, "kid-1"
		if got, _, _, err := o.follow(""); err != nil || len(got) != 30 {
			t.Errorf("%s: %d events, error %v", name, len(got), err)
		}
	}
	public, err := json.Marshal(jose.JSONWebKey{Key: short.Public(), KeyID: "kid-1"})
	if err != nil {
		t.Fatal(err)
	}
	pem8 := block("PRIVATE KEY", pkcs8, err8)
	for name, change := range map[string]map[string]string{
		"no key":      {"private_key": ""},
		"no PEM":      {"private_key": "secret-words"},
		"no JWK":      {"private_key": `{"kty":"secret-words"}`},
		"public":      {"private_key": string(public)},
		"cut":         {"private_key": strings.Replace(pem8, "MII", "MIJ", 1)},
		"without id":  {"private_key": pem8},
		"and a token": {"private_key": pem8, "key_id": "kid-1", "token": "secret-words"},
	} {
		settings := map[string]string{"url": "https://example.okta.com", "client_id": "0oa-app"}
		maps.Copy(settings, change)
		_, err := kind(t, "okta").NewPuller(source.Config{Name: "okta-prod", Settings: settings})
		if err == nil || !strings.Contains(err.Error(), "setting ") || strings.Contains(err.Error(), "secret-words") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
