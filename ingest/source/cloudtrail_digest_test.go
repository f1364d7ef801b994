package source_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
)

const digestAt = "AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/2026/03/10/123456789012_CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20260310T110000Z.json.gz"

// digestText is a digest as CloudTrail writes it, below a prefix of its bucket.
func digestText(change ...string) string {
	return strings.NewReplacer(change...).Replace(fmt.Sprintf(`{"awsAccountId":"123456789012","digestStartTime":"2026-03-10T10:00:00Z","digestEndTime":"2026-03-10T11:00:00Z",`+
		`"digestS3Bucket":"logs","digestS3Object":"pre/%s","digestPublicKeyFingerprint":"f00d","digestSignatureAlgorithm":"SHA256withRSA","newestEventTime":null,"oldestEventTime":null,`+
		`"previousDigestS3Bucket":"logs","previousDigestS3Object":"pre/BEFORE","previousDigestHashValue":"AB","previousDigestHashAlgorithm":"SHA-256","previousDigestSignature":"cd",`+
		`"logFiles":[{"s3Bucket":"logs","s3Object":"pre/AWSLogs/file","hashValue":"ef","hashAlgorithm":"SHA-256","newestEventTime":"2026-03-10T10:59:00Z","oldestEventTime":"2026-03-10T10:01:00Z"}]}`, digestAt))
}

func TestParseDigest(t *testing.T) {
	t.Parallel()
	d, err := source.ParseDigest(digestAt, []byte(digestText()))
	if err != nil {
		t.Fatal(err)
	}
	ten := time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC)
	if d.Chain != "123456789012 eu-west-1 my_trail_us-east-1" || !d.Start.Equal(ten) || !d.End.Equal(ten.Add(time.Hour)) || d.Begins() || len(d.Files) != 1 {
		t.Errorf("%+v", d)
	}
	if key, ok := d.Local(digestAt, d.Files[0].Key); !ok || key != "AWSLogs/file" {
		t.Errorf("the file lies at %q, %v", key, ok)
	}
	if _, ok := d.Local(digestAt, "elsewhere"); ok {
		t.Error("a file outside of the prefix is found")
	}
	first, err := source.ParseDigest(digestAt, []byte(digestText(`"pre/BEFORE"`, "null", `"AB"`, "null", `"cd"`, "null", `"previousDigestS3Bucket":"logs"`, `"previousDigestS3Bucket":null`)))
	if err != nil || !first.Begins() {
		t.Errorf("the first of a chain: %v", err)
	}
	for what, text := range map[string]string{
		"not a digest":                   "[]",
		"was moved":                      digestText("20260310T110000Z", "20260310T120000Z"),
		"is not the hour of its key":     digestText(`"digestEndTime":"2026-03-10T11:00:00Z"`, `"digestEndTime":"2026-03-10T12:00:00Z"`),
		"not the hour":                   digestText(`"digestStartTime":"2026-03-10T10`, `"digestStartTime":"2026-03-08T10`),
		"which is not the hour":          digestText(`"digestStartTime":"2026-03-10T10`, `"digestStartTime":"2026-03-10T11`),
		"is not a time":                  digestText(`"2026-03-10T11:00:00Z"`, `"later"`),
		"a part of the digest before it": digestText(`"AB"`, "null"),
		"with a hash by":                 digestText(`"hashAlgorithm"`, `"x"`, `"hashValue":"ef","x":"SHA-256"`, `"hashAlgorithm":"MD5"`),
		"duplicate":                      digestText(`"digestS3Bucket"`, `"digestEndTime":"2026-03-10T11:00:00Z","digestS3Bucket"`),
	} {
		if what == "with a hash by" {
			text = digestText(`"hashValue":"ef","hashAlgorithm":"SHA-256"`, `"hashValue":"ef","hashAlgorithm":"MD5"`)
		}
		if _, err := source.ParseDigest(digestAt, []byte(text)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("want %q, got %v", what, err)
		}
	}
	for _, key := range []string{"", "a.json.gz", strings.Replace(digestAt, "CloudTrail-Digest/", "", 1), digestAt + ".bak", strings.Replace(digestAt, "T11", "T31", 1)} {
		if _, _, ok := source.IsDigest(key); ok {
			t.Errorf("%q counts as a digest", key)
		}
	}
}

// A real digest, from other people's samples.
func TestSampleDigest(t *testing.T) {
	t.Parallel()
	found := false
	samples(t, "aws-cloudtrail", func(path string, data []byte) {
		if filepath.Base(path) != "test-cloudtrail-digest-json.log" {
			return
		}
		found = true
		line, _, _ := bytes.Cut(data, []byte("\n"))
		key := "123456789123/CloudTrail-Digest/us-west-2/2020/09/11/123456789123_CloudTrail-Digest_us-west-2_leh-ct-test_us-west-2_20200911T193649Z.json.gz"
		d, err := source.ParseDigest(key, line)
		if err != nil || len(d.Files) < 5 || d.Chain != "123456789123 us-west-2 leh-ct-test_us-west-2" {
			t.Errorf("%+v, %v", d, err)
		}
	})
	if !found {
		t.Error("the samples hold no digest")
	}
}

func TestDigestSignature(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	plain := []byte(digestText())
	d, err := source.ParseDigest(digestAt, plain)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(plain)
	want := "2026-03-10T11:00:00Z\nlogs/pre/" + digestAt + "\n" + hex.EncodeToString(sum[:]) + "\ncd"
	if got := string(d.Signed(plain)); got != want {
		t.Errorf("signed is %q, want %q", got, want)
	}
	sign := func(k *rsa.PrivateKey) string {
		hashed := sha256.Sum256([]byte(want))
		s, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, hashed[:])
		if err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(s)
	}
	der := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	pkix, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	list := func(fingerprint string) string {
		return fmt.Sprintf(`{"PublicKeyList":[{"Value":%q,"ValidityStartTime":1.0,"ValidityEndTime":"x","Fingerprint":%q}]}`, base64.StdEncoding.EncodeToString(der), fingerprint)
	}
	for name, text := range map[string]string{
		"list":  list("F00D"),
		"PKCS1": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: der})),
		"PKIX":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})),
	} {
		keys, err := source.ParseDigestKeys([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.CheckSignature(keys, plain, sign(key)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for words, signature := range map[string]string{"is wrong": sign(other), "has no signature": "", "not hexadecimal": "xyz"} {
			if err := d.CheckSignature(keys, plain, signature); err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: want %q, got %v", name, words, err)
			}
		}
		if err := d.CheckSignature(keys, append(plain, ' '), sign(key)); err == nil {
			t.Errorf("%s: another text has the signature", name)
		}
	}
	keys, err := source.ParseDigestKeys([]byte(list("beef")))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.CheckSignature(keys, plain, sign(key)); err == nil || !strings.Contains(err.Error(), "not among the public keys") {
		t.Errorf("a key with another fingerprint: %v", err)
	}
	for _, text := range []string{"", "{}", "null", `{"PublicKeyList":[{"Value":"AAAA"}]}`, `{"PublicKeyList":[{"Value":"?"}]}`, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if keys, err := source.ParseDigestKeys([]byte(text)); err == nil {
			t.Errorf("%q gives %d keys", text, len(keys))
		}
	}
}

func FuzzDigest(f *testing.F) {
	f.Add(digestAt, []byte(digestText()))
	f.Add(digestAt, []byte(digestText(`"pre/BEFORE"`, "null")))
	f.Add("CloudTrail-Digest/123456789012_CloudTrail-Digest_a_b_20260310T110000Z.json.gz", []byte("{}"))
	f.Fuzz(func(t *testing.T, key string, plain []byte) {
		chain, end, ok := source.IsDigest(key)
		d, err := source.ParseDigest(key, plain)
		if err != nil {
			return
		}
		if !ok || d.Chain != chain || !d.End.Equal(end) || !d.Start.Before(d.End) || !strings.HasSuffix(d.Key, key) {
			t.Errorf("%q: %+v", key, d)
		}
		if local, ok := d.Local(key, d.Key); !ok || local != key {
			t.Errorf("it lies at %q, not at %q", local, key)
		}
		if d.CheckSignature(nil, plain, "00") == nil {
			t.Error("a signature is right without a key")
		}
	})
}

func FuzzDigestKeys(f *testing.F) {
	f.Add([]byte(`{"PublicKeyList":[{"Value":"AAAA","Fingerprint":"f"}]}`))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := source.ParseDigestKeys(text)
		if err == nil && len(keys) == 0 {
			t.Error("no error and no keys")
		}
		for _, k := range keys {
			if k.Key == nil {
				t.Error("a key is nil")
			}
		}
	})
}

func FuzzDayIn(f *testing.F) {
	f.Add("scalr/2026-03-01.json")
	f.Add("20260301T000000Z/2026/03/01/x")
	f.Fuzz(func(t *testing.T, key string) {
		if day, ok := source.DayIn(key); ok && (day.Year() < 2000 || day.Year() > 2099 || !day.Equal(day.Truncate(24*time.Hour))) {
			t.Errorf("%q is of %s", key, day)
		}
	})
}

func TestDayIn(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		"scalr/audit-2026-03-01.json.gz":             "2026-03-01",
		"2026/03/01/audit.json":                      "2026-03-01",
		"audit_20260301.json":                        "2026-03-01",
		"2026-03-01/audit-20260301T235959Z.json":     "2026-03-01",
		"exports/2026-03-01_2026-03-02.json":         "",
		"exports/account-acc-v0o1234567890/all.json": "",
		"2026-13-01.json":                            "",
		"2026-02-30.json":                            "",
		"":                                           "",
	} {
		got := ""
		if day, ok := source.DayIn(key); ok {
			got = day.Format(time.DateOnly)
		}
		if got != want {
			t.Errorf("%q is of %q, want %q", key, got, want)
		}
	}
}
