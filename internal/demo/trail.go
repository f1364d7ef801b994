package demo

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"gocloud.dev/blob"
)

// A Trail writes an AWS account's CloudTrail into a bucket as AWS does: a log file
// with the events of each hour, and a digest that names it, is signed, and names the
// digest before it.
type Trail struct {
	History History
	Bucket  *blob.Bucket
	Key     *rsa.PrivateKey
	Deleted time.Time // the log file of the hour that begins here is not there, although its digest names it

	previous trailDigest
	plain    []byte // of previous
	sign     string // of previous; empty: the chain begins
}

const (
	trailAccount = "123456789012"
	trailRegion  = "eu-central-1"
	trailBucket  = "fernhill-audit"
	trailFolder  = "AWSLogs/" + trailAccount
)

// The shape of a digest file.
type (
	trailDigest struct {
		Account     string      `json:"awsAccountId"`
		Start       string      `json:"digestStartTime"`
		End         string      `json:"digestEndTime"`
		Bucket      string      `json:"digestS3Bucket"`
		Object      string      `json:"digestS3Object"`
		Fingerprint string      `json:"digestPublicKeyFingerprint"`
		Algorithm   string      `json:"digestSignatureAlgorithm"`
		Newest      *string     `json:"newestEventTime"`
		Oldest      *string     `json:"oldestEventTime"`
		PrevBucket  *string     `json:"previousDigestS3Bucket"`
		PrevObject  *string     `json:"previousDigestS3Object"`
		PrevHash    *string     `json:"previousDigestHashValue"`
		HashAlgo    string      `json:"previousDigestHashAlgorithm"`
		PrevSign    *string     `json:"previousDigestSignature"`
		Files       []trailFile `json:"logFiles"`
	}
	trailFile struct {
		Bucket    string `json:"s3Bucket"`
		Object    string `json:"s3Object"`
		Hash      string `json:"hashValue"`
		Algorithm string `json:"hashAlgorithm"`
		Newest    string `json:"newestEventTime"`
		Oldest    string `json:"oldestEventTime"`
	}
)

// Hour writes the log file and the digest of the hour that ends at end, unless they
// are there: the demo may be stopped and started. Hours must be told in order, from
// the first one on, because each digest names the one before.
func (t *Trail) Hour(ctx context.Context, end time.Time) error {
	end = end.UTC()
	from := end.Add(-time.Hour)
	object := fmt.Sprintf("%s/CloudTrail-Digest/%s/%s/%s_CloudTrail-Digest_%s_all-regions_%s_%s.json.gz",
		trailFolder, trailRegion, end.Format("2006/01/02"), trailAccount, trailRegion, trailRegion, end.Format("20060102T150405Z"))
	d := trailDigest{Account: trailAccount, Start: from.Format(time.RFC3339), End: end.Format(time.RFC3339), Bucket: trailBucket, Object: object,
		Fingerprint: TrailFingerprint, Algorithm: "SHA256withRSA", HashAlgo: "SHA-256", Files: []trailFile{}}
	before := "null"
	if t.sign != "" {
		hash := sum(t.plain)
		d.PrevBucket, d.PrevObject, d.PrevHash, d.PrevSign = &d.Bucket, &t.previous.Object, &hash, &t.sign
		before = t.sign
	}
	records, err := t.file(&d, from, end)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(d)
	if err != nil {
		return err
	}
	signed := sha256.Sum256([]byte(d.End + "\n" + trailBucket + "/" + object + "\n" + sum(plain) + "\n" + before))
	signature, err := rsa.SignPKCS1v15(nil, t.Key, crypto.SHA256, signed[:])
	if err != nil {
		return err
	}
	t.previous, t.plain, t.sign = d, plain, hex.EncodeToString(signature)
	if records != nil && !from.Equal(t.Deleted) {
		if err := t.write(ctx, d.Files[0].Object, records, nil); err != nil {
			return err
		}
	}
	return t.write(ctx, object, plain, map[string]string{"signature": t.sign, "signature-algorithm": "SHA256withRSA"})
}

// file returns the log file of an hour, nil if nothing happened, and names it in the
// digest.
func (t *Trail) file(d *trailDigest, from, end time.Time) ([]byte, error) {
	events := t.History.calls(from, end)
	if len(events) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(map[string]any{"Records": events})
	if err != nil {
		return nil, err
	}
	oldest, newest := events[0].Time, events[len(events)-1].Time
	d.Oldest, d.Newest = &oldest, &newest
	object := fmt.Sprintf("%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%s.json.gz", trailFolder, trailRegion, from.Format("2006/01/02"),
		trailAccount, trailRegion, end.Format("20060102T1504Z"), sum(text)[:16])
	d.Files = append(d.Files, trailFile{trailBucket, object, sum(text), "SHA-256", newest, oldest})
	return text, nil
}

func (t *Trail) write(ctx context.Context, key string, plain []byte, metadata map[string]string) error {
	if there, err := t.Bucket.Exists(ctx, key); err != nil || there {
		return err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return t.Bucket.WriteAll(ctx, key, b.Bytes(), &blob.WriterOptions{Metadata: metadata, ContentType: "application/json", ContentEncoding: "gzip"})
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// TrailFingerprint is what digests call the key that signed them.
const TrailFingerprint = "fe3b1a0e0d2c4b6a8f7e5d4c3b2a1908"

// NewTrailKey makes a key that signs digests.
func NewTrailKey() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }
