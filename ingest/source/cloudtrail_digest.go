package source

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// A Digest is what CloudTrail says, once an hour, of the log files that it delivered
// for a trail in a region. Each names the one before it, so that those of a trail in
// a region are a chain, and an hour without a log file has a digest too.
//
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html
type Digest struct {
	Start       time.Time    `json:"digestStartTime"`
	End         time.Time    `json:"-"`
	EndText     string       `json:"digestEndTime"` // as it is signed
	Bucket      string       `json:"digestS3Bucket"`
	Key         string       `json:"digestS3Object"`
	Fingerprint string       `json:"digestPublicKeyFingerprint"`
	Algorithm   string       `json:"digestSignatureAlgorithm"`
	Files       []DigestFile `json:"logFiles"`

	// Of the digest before; all empty in the first one after logging or validation was
	// switched on.
	PreviousBucket    string `json:"previousDigestS3Bucket"`
	PreviousKey       string `json:"previousDigestS3Object"`
	PreviousHash      string `json:"previousDigestHashValue"`
	PreviousSignature string `json:"previousDigestSignature"`

	Chain string `json:"-"` // account, region, trail and home region
}

// A DigestFile is a log file that a digest names.
type DigestFile struct {
	Bucket    string `json:"s3Bucket"`
	Key       string `json:"s3Object"`
	Hash      string `json:"hashValue"` // SHA-256 of the file without compression, in hex
	Algorithm string `json:"hashAlgorithm"`
}

// digestKey matches the keys of digests:
// ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOME-REGION_END.json.gz
var digestKey = regexp.MustCompile(`^([0-9]{12})_CloudTrail-Digest_([a-z0-9-]+)_(.+)_([0-9]{8}T[0-9]{6}Z)(` + backfill + `)?\.json\.gz$`)

const backfill = "_backfill"

// IsBackfill reports whether the digest under a key is for log files that came too late
// for the digest of their hour. It is signed like any other, and stands beside the
// chain of the others.
func IsBackfill(key string) bool { return strings.HasSuffix(key, backfill+".json.gz") }

// IsDigest returns whether the key is that of a digest, and of which chain.
func IsDigest(key string) (chain string, end time.Time, ok bool) {
	m := digestKey.FindStringSubmatch(path.Base(key))
	if m == nil || !strings.Contains(key, "CloudTrail-Digest/") {
		return "", time.Time{}, false
	}
	end, err := time.Parse("20060102T150405Z", m[4])
	return m[1] + " " + m[2] + " " + m[3], end, err == nil
}

// ParseDigest reads a digest, without compression, that lies under the key. In the
// vendor's bucket keys may begin with a prefix that key does not have.
func ParseDigest(key string, plain []byte) (Digest, error) {
	var d Digest
	fail := func(format string, args ...any) (Digest, error) {
		return Digest{}, fmt.Errorf("digest %s: %w", key, fmt.Errorf(format, args...))
	}
	if err := json.Unmarshal(plain, &d); err != nil {
		return fail("not a digest: %w", err)
	}
	var err error
	if d.End, err = time.Parse(time.RFC3339, d.EndText); err != nil {
		return fail("digestEndTime %q is not a time", d.EndText)
	}
	chain, end, ok := IsDigest(key)
	switch {
	case !ok:
		return fail("the key is not that of a digest")
	case d.Key != key && !strings.HasSuffix(d.Key, "/"+key):
		return fail("it was written as %q: it was moved", d.Key)
	case !d.End.Equal(end) || !d.Start.Before(d.End) || d.End.Sub(d.Start) > maxDigest:
		return fail("it is for %s to %s, which is not the hour of its key", d.Start.Format(time.RFC3339), d.EndText)
	case (d.PreviousKey == "") != (d.PreviousHash == "") || (d.PreviousKey == "") != (d.PreviousSignature == ""):
		return fail("it names a part of the digest before it only")
	}
	for _, f := range d.Files {
		if f.Key == "" || cmp.Or(f.Algorithm, "SHA-256") != "SHA-256" {
			return fail("it names log file %q with a hash by %q", f.Key, f.Algorithm)
		}
	}
	d.Chain, d.Start, d.End = chain, d.Start.UTC(), d.End.UTC()
	return d, nil
}

// maxDigest is how long a digest may be for: they are for an hour.
const maxDigest = 25 * time.Hour

// Local returns the key under which a source finds what the digest's bucket has
// under the full one: the digest lies under key. False: it lies elsewhere.
func (d *Digest) Local(key, full string) (string, bool) {
	return strings.CutPrefix(full, strings.TrimSuffix(d.Key, key))
}

// Begins reports whether a chain of digests begins with this one.
func (d *Digest) Begins() bool { return d.PreviousKey == "" }

// SameHash reports whether a hash of a digest is that of the bytes with the sum.
func SameHash(text string, sum [sha256.Size]byte) bool {
	return strings.EqualFold(text, hex.EncodeToString(sum[:]))
}

// A DigestKey is a public key that CloudTrail signs digests with.
type DigestKey struct {
	Fingerprint string // empty: any
	Key         *rsa.PublicKey
}

// ParseDigestKeys reads public keys: what 'aws cloudtrail list-public-keys' prints,
// or PEM.
func ParseDigestKeys(text []byte) ([]DigestKey, error) {
	if block, _ := pem.Decode(text); block != nil {
		return pemKeys(text)
	}
	var list struct {
		PublicKeyList []struct {
			Value       string
			Fingerprint string
		}
	}
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("source: public keys: neither PEM nor what 'aws cloudtrail list-public-keys' prints: %w", err)
	}
	var keys []DigestKey
	for _, k := range list.PublicKeyList {
		der, err := base64.StdEncoding.DecodeString(k.Value)
		if err != nil {
			return nil, fmt.Errorf("source: public key %s: %w", k.Fingerprint, err)
		}
		key, err := x509.ParsePKCS1PublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("source: public key %s: %w", k.Fingerprint, err)
		}
		keys = append(keys, DigestKey{k.Fingerprint, key})
	}
	if len(keys) == 0 {
		return nil, errors.New("source: public keys: there are none in PublicKeyList")
	}
	return keys, nil
}

func pemKeys(text []byte) ([]DigestKey, error) {
	var keys []DigestKey
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return keys, nil
		}
		text = rest
		key, err := x509.ParsePKCS1PublicKey(block.Bytes)
		if err != nil {
			any, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("source: public keys: %s is not a public key: %w", block.Type, err)
			}
			var ok bool
			if key, ok = any.(*rsa.PublicKey); !ok {
				return nil, errors.New("source: public keys: CloudTrail signs with RSA, and this is another sort of key")
			}
		}
		keys = append(keys, DigestKey{Key: key})
	}
}

// Signed returns what the signature of a digest is over.
func (d *Digest) Signed(plain []byte) []byte {
	sum := sha256.Sum256(plain)
	return []byte(d.EndText + "\n" + d.Bucket + "/" + d.Key + "\n" + hex.EncodeToString(sum[:]) + "\n" + cmp.Or(d.PreviousSignature, "null"))
}

// CheckSignature checks the signature, which lies in the metadata of the digest's
// object, with the keys.
func (d *Digest) CheckSignature(keys []DigestKey, plain []byte, signature string) error {
	if signature == "" {
		return errors.New("it has no signature: the metadata of its object was lost, or it is not CloudTrail's")
	}
	if d.Algorithm != "SHA256withRSA" {
		return fmt.Errorf("it is signed by %q, which is not known", d.Algorithm)
	}
	bytes, err := hex.DecodeString(signature)
	if err != nil {
		return errors.New("its signature is not hexadecimal")
	}
	sum, known := sha256.Sum256(d.Signed(plain)), false
	for _, k := range keys {
		if k.Fingerprint != "" && !strings.EqualFold(k.Fingerprint, d.Fingerprint) {
			continue
		}
		if known = true; rsa.VerifyPKCS1v15(k.Key, crypto.SHA256, sum[:], bytes) == nil {
			return nil
		}
	}
	if !known {
		return fmt.Errorf("the key %s, which signed it, is not among the public keys: fetch them again", d.Fingerprint)
	}
	return errors.New("its signature is wrong: it was changed, or it is not CloudTrail's")
}
