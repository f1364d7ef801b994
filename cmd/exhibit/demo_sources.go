package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/token"
	"exhibit/internal/bucket"
	"exhibit/internal/demo"
)

// Besides HCP Terraform, the demo has a source for each way in which events come: Okta
// is followed, CloudTrail is read from a bucket, and Scalr sends.
const (
	demoOkta  = "okta"
	demoAWS   = "aws-prod"
	demoScalr = "scalr-events"

	demoOktaDays  = 90
	demoTrailDays = 30
	demoScalrSays = 20 * time.Second
)

// demoDeleted is the hour of the trail whose log file somebody deleted: the digest
// tells.
func (d *demoSite) demoDeleted() time.Time { return d.day(demoDays - 10).Add(11 * time.Hour) }

// sources describes the sources as a configuration file does.
func (d *demoSite) sources(dir, hcp, okta string) []any {
	since := func(days int) string { return d.day(demoDays - days).Format(time.DateOnly) }
	file := func(name string) string { return filepath.Join(dir, name) }
	return []any{
		map[string]any{"name": demoSource, "kind": "hcp-terraform", "system": "HCP Terraform", "environment": "production", "since": since(demoDays), "every": "15s",
			"settings": map[string]string{"url": hcp, "token_file": file("hcp-token")}},
		map[string]any{"name": demoOkta, "kind": "okta", "system": "Okta", "environment": "production", "since": since(demoOktaDays), "every": "15s",
			"settings": map[string]string{"url": okta, "token_file": file("okta-token")}},
		map[string]any{"name": demoAWS, "kind": "aws-cloudtrail", "system": "AWS", "environment": "production", "since": since(demoTrailDays),
			"bucket": "file://" + file("trail"), "settings": map[string]string{"public_keys_file": file("trail-keys.json")}},
		map[string]any{"name": demoScalr, "kind": "scalr", "system": "Scalr", "environment": "edge", "since": since(1), "push": true, "heartbeat": "10m", "settle": "1m"},
	}
}

// startOkta starts a local Okta.
func (d *demoSite) startOkta() (address string, err error) {
	okta := &demo.Okta{Token: d.token, Now: time.Now}
	for r := range d.history.SignIns(d.day(demoDays-demoOktaDays), time.Now().AddDate(0, 0, 30)) {
		okta.Log = append(okta.Log, r)
	}
	return d.serve("127.0.0.1:0", okta)
}

// startTrail writes the hours of the trail so far, and the keys that check it, and
// returns what writes each further hour when it is over.
func (d *demoSite) startTrail(ctx context.Context) (func(context.Context), error) {
	key, err := d.trailKey()
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(d.data, "trail"))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	b, err := bucket.Open(ctx, "file://"+filepath.ToSlash(dir)+"?no_tmp_dir=true")
	if err != nil {
		return nil, err
	}
	trail := demo.Trail{History: d.history, Bucket: b, Key: key, Deleted: d.demoDeleted()}
	end := d.day(demoDays - demoTrailDays).Truncate(time.Hour).Add(time.Hour)
	for ; !end.After(time.Now()); end = end.Add(time.Hour) {
		if err := trail.Hour(ctx, end); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return func(ctx context.Context) {
		for ; wait(ctx, time.Until(end)); end = end.Add(time.Hour) {
			if err := trail.Hour(ctx, end); err != nil {
				d.log.Error("demo trail", "error", err)
			}
		}
		if err := b.Close(); err != nil {
			d.log.Error("demo trail", "error", err)
		}
	}, nil
}

// trailKey returns the key that signs the trail, the same at each start, and writes
// the public one as 'aws cloudtrail list-public-keys' prints it.
func (d *demoSite) trailKey() (*rsa.PrivateKey, error) {
	path := filepath.Join(d.data, "trail-key.pem")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key, err := demo.NewTrailKey()
		if err != nil {
			return nil, err
		}
		text = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key: remove the demo's data directory", path)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	list, err := json.Marshal(map[string]any{"PublicKeyList": []any{map[string]string{
		"Value": base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&key.PublicKey)), "Fingerprint": demo.TrailFingerprint}}})
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(filepath.Join(d.data, "trail-keys.json"), list, 0o600)
}

// openDoor makes the token with which Scalr's events are sent, unless an earlier start
// did.
func (d *demoSite) openDoor(ctx context.Context, w *writer) error {
	path := filepath.Join(d.data, "scalr-token")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	keeper, err := w.tokens(ctx)
	if err != nil {
		return err
	}
	t, text := token.New(demoScalr, "admin@demo.example", time.Time{}, time.Now())
	if err := ingest.AddToken(ctx, w.ledger, keeper, t, token.Operator(t.By)); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// send sends events as Amazon EventBridge does for Scalr.
func (d *demoSite) send(ctx context.Context) {
	text, err := os.ReadFile(filepath.Join(d.data, "scalr-token"))
	if err != nil {
		d.log.Error("demo sender", "error", err)
		return
	}
	client := http.Client{Timeout: 5 * time.Second}
	rng := rand.New(rand.NewPCG(demoSeed, uint64(time.Now().UnixNano())))
	for wait(ctx, demoScalrSays) {
		event := demo.ScalrEvent(rng, time.Now())
		if err := post(ctx, &client, "http://"+d.listen+"/ingest/"+demoScalr, string(text), event); err != nil {
			d.log.Warn("demo sender", "error", err)
		}
	}
}

func post(ctx context.Context, client *http.Client, address, token string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", answer.Status)
	}
	return nil
}

// wait waits, and reports whether there is still something to do then.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
