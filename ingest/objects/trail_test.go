package objects_test

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"

	"gocloud.dev/blob"
)

// A trail writes log files and digests as CloudTrail does.
type trail struct {
	*site
	region   string
	name     string // empty: all_calls
	key      *rsa.PrivateKey
	previous map[string]any // the last digest; nil: the chain begins
	plain    []byte         // of the last digest
	sign     string         // of the last digest
	files    []map[string]any
	written  int
}

const account = "123456789012"

func (s *site) trail(region string, key *rsa.PrivateKey) *trail {
	return &trail{site: s, region: region, key: key}
}

func trailKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// deliver writes a log file.
func (r *trail) deliver(at time.Time, calls ...string) string {
	r.t.Helper()
	r.written++
	key := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%016d.json.gz", account, r.region, at.Format("2006/01/02"), account, r.region, at.Format("20060102T1504Z"), r.written)
	text := records(calls...)
	r.put(key, gz(text))
	sum := sha256.Sum256([]byte(text))
	r.files = append(r.files, map[string]any{"s3Bucket": "logs", "s3Object": key, "hashValue": hex.EncodeToString(sum[:]), "hashAlgorithm": "SHA-256"})
	return key
}

func (r *trail) digestKey(end time.Time) string {
	return fmt.Sprintf("AWSLogs/%s/CloudTrail-Digest/%s/%s/%s_CloudTrail-Digest_%s_%s_eu-central-1_%s.json.gz",
		account, r.region, end.Format("2006/01/02"), account, r.region, cmp.Or(r.name, "all_calls"), end.Format("20060102T150405Z"))
}

// digest writes the digest of the hour that ends at end.
func (r *trail) digest(end time.Time) string {
	r.t.Helper()
	return r.digestAs(r.digestKey(end), end)
}

// backfill writes the digest of the files that came too late for that of the hour.
func (r *trail) backfill(end time.Time) string {
	r.t.Helper()
	other := *r // of no chain
	other.previous = nil
	r.files = nil
	return other.digestAs(strings.Replace(r.digestKey(end), ".json.gz", "_backfill.json.gz", 1), end)
}

func (r *trail) digestAs(key string, end time.Time) string {
	r.t.Helper()
	d := map[string]any{"awsAccountId": account, "digestStartTime": end.Add(-time.Hour).Format(time.RFC3339), "digestEndTime": end.Format(time.RFC3339),
		"digestS3Bucket": "logs", "digestS3Object": key, "digestPublicKeyFingerprint": "f00d", "digestSignatureAlgorithm": "SHA256withRSA",
		"newestEventTime": nil, "oldestEventTime": nil, "logFiles": append([]map[string]any{}, r.files...),
		"previousDigestS3Bucket": nil, "previousDigestS3Object": nil, "previousDigestHashValue": nil, "previousDigestSignature": nil}
	before := "null"
	if r.previous != nil {
		sum := sha256.Sum256(r.plain)
		before = r.sign
		d["previousDigestS3Bucket"], d["previousDigestS3Object"] = "logs", r.previous["digestS3Object"]
		d["previousDigestHashValue"], d["previousDigestSignature"] = hex.EncodeToString(sum[:]), r.sign
	}
	plain, err := json.Marshal(d)
	if err != nil {
		r.t.Fatal(err)
	}
	sum := sha256.Sum256(plain)
	signed := sha256.Sum256([]byte(end.Format(time.RFC3339) + "\nlogs/" + key + "\n" + hex.EncodeToString(sum[:]) + "\n" + before))
	signature, err := rsa.SignPKCS1v15(rand.Reader, r.key, crypto.SHA256, signed[:])
	if err != nil {
		r.t.Fatal(err)
	}
	r.previous, r.plain, r.sign, r.files = d, plain, hex.EncodeToString(signature), nil
	r.putDigest(key, plain, r.sign)
	return key
}

func (r *trail) putDigest(key string, plain []byte, sign string) {
	r.t.Helper()
	err := r.bucket.WriteAll(r.t.Context(), key, gz(string(plain)), &blob.WriterOptions{Metadata: map[string]string{"signature": sign, "signature-algorithm": "SHA256withRSA"}})
	if err != nil {
		r.t.Fatal(err)
	}
}

// hours writes n hours with a call and a digest each, from start on.
func (r *trail) hours(start time.Time, n int) {
	for i := range n {
		at := start.Add(time.Duration(i) * time.Hour)
		r.deliver(at.Add(20*time.Minute), call(fmt.Sprintf("%s-%s", r.region, at.Format("02T15")), at.Add(10*time.Minute), "CreateUser"))
		r.digest(at.Add(time.Hour))
	}
}

func TestDigestsProveHours(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "aws-cloudtrail", address(t))
			key := trailKey(t)
			s.feed.Keys = []source.DigestKey{{Fingerprint: "f00d", Key: &key.PublicKey}}
			s.restart()
			r := s.trail("eu-central-1", key)
			start := noon().Add(-30 * time.Hour)
			r.hours(start, 28)
			r.digest(start.Add(29 * time.Hour)) // an hour without a log file
			s.turn()
			s.expect(28, 0, 0, 28+29, 0)
			s.covered("2026-03-09T06:00", "2026-03-10T10:00")
			s.wants(ingest.Idle)

			// Another hour, found by a listing of the last day.
			s.at(noon().Add(time.Hour))
			r.hours(start.Add(29*time.Hour), 1)
			s.turn()
			s.covered("2026-03-09T06:00", "2026-03-10T11:00")

			// Another region begins: what was before it stays proven.
			s.at(noon().Add(3 * time.Hour))
			other := s.trail("us-east-1", key)
			other.hours(start.Add(31*time.Hour), 1)
			r.hours(start.Add(30*time.Hour), 2)
			s.turn()
			s.covered("2026-03-09T06:00", "2026-03-10T13:00")
			s.wants(ingest.Idle)

			// It falls silent: nothing is proven from then on, also after a restart.
			r.hours(start.Add(32*time.Hour), 30)
			for range 2 {
				s.at(noon().Add(33 * time.Hour))
				s.turn()
				s.covered("2026-03-09T06:00", "2026-03-10T13:00")
				s.wants(ingest.Alarm, "123456789012 us-east-1 all_calls_eu-central-1: no digest since 2026-03-10 14:00Z")
				s.restart()
			}
			s.feed.Ended = []string{"123456789012 us-east-1 all_calls_eu-central-1"}
			s.restart()
			s.turn()
			s.covered("2026-03-09T06:00", "2026-03-11T19:00")
			s.wants(ingest.Idle)
		})
	}
}

// Whatever is wrong with digests and log files, the time is not covered and the
// words say why; when it is put right, the time is covered.
func TestDigestFaults(t *testing.T) {
	t.Parallel()
	key := trailKey(t)
	start := noon().Add(-6 * time.Hour)
	address := buckettestAddress(t)
	tests := map[string]struct {
		do    func(r *trail) (undo func())
		words string
		want  []string
	}{
		"missing log file": {func(r *trail) func() {
			return r.without(fmt.Sprintf("AWSLogs/%s/CloudTrail/eu-central-1/2026/03/10/%s_CloudTrail_eu-central-1_20260310T0820Z_%016d.json.gz", account, account, 3))
		}, "_20260310T0820Z_0000000000000003.json.gz is missing", []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T09:00", "2026-03-10T11:00"}},
		"altered log file": {func(r *trail) func() {
			k := fmt.Sprintf("AWSLogs/%s/CloudTrail/eu-central-1/2026/03/10/%s_CloudTrail_eu-central-1_20260310T0820Z_%016d.json.gz", account, account, 3)
			undo := r.without(k)
			r.put(k, gz(records(call("eu-central-1-10T08", start.Add(130*time.Minute), "ListUsers"))))
			return undo
		}, "it was altered", []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T09:00", "2026-03-10T11:00"}},
		"missing digest": {func(r *trail) func() { return r.without(r.digestKey(start.Add(3 * time.Hour))) },
			"digests are missing from 2026-03-10 08:00Z to 2026-03-10 09:00Z", []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T09:00", "2026-03-10T11:00"}},
		"two missing digests": {func(r *trail) func() {
			a, b := r.without(r.digestKey(start.Add(3*time.Hour))), r.without(r.digestKey(start.Add(4*time.Hour)))
			return func() { a(); b() }
		}, "digests are missing from 2026-03-10 08:00Z to 2026-03-10 10:00Z", []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T10:00", "2026-03-10T11:00"}},
		"forged digest": {func(r *trail) func() {
			k := r.digestKey(start.Add(3 * time.Hour))
			undo := r.without(k)
			r.putDigest(k, []byte(fmt.Sprintf(`{"digestStartTime":"2026-03-10T08:00:00Z","digestEndTime":"2026-03-10T09:00:00Z","digestS3Bucket":"logs","digestS3Object":"%s",`+
				`"digestPublicKeyFingerprint":"f00d","digestSignatureAlgorithm":"SHA256withRSA","logFiles":[]}`, k)), r.sign)
			return undo
		}, "its signature is wrong", []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T09:00", "2026-03-10T11:00"}},
		"cut digest": {func(r *trail) func() {
			k := r.digestKey(start.Add(3 * time.Hour))
			undo := r.without(k)
			r.put(k, gz("{}")[:15])
			return undo
		}, "it is cut short", []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T09:00", "2026-03-10T11:00"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "aws-cloudtrail", address(t))
			s.feed.Keys = []source.DigestKey{{Fingerprint: "f00d", Key: &key.PublicKey}}
			s.restart()
			r := s.trail("eu-central-1", key)
			r.hours(start, 6)
			undo := tt.do(r)
			s.turn()
			s.covered(tt.want...)
			s.wants(ingest.Alarm, tt.words)
			s.at(noon().Add(time.Minute))
			s.turn()
			s.covered(tt.want...)
			s.wants(ingest.Alarm, tt.words)
			undo()
			s.at(noon().Add(2 * time.Minute))
			s.turn()
			s.covered("2026-03-10T06:00", "2026-03-10T11:00")
			if name == "altered log file" { // what was altered was read, and is a conflict
				s.wants(ingest.Idle, "1 objects changed after they were read")
				s.expect(6, 0, 1, 6+1+6, 1)
				return
			}
			s.wants(ingest.Idle)
			s.expect(6, 0, 0, 12, 0)
		})
	}
}

// Logging that was switched off leaves a gap, and a chain that begins anew.
func TestDigestChainBeginsAnew(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", buckettestAddress(t)(t))
	r := s.trail("eu-central-1", trailKey(t))
	start := noon().Add(-8 * time.Hour)
	r.hours(start, 3)
	r.previous = nil
	r.hours(start.Add(5*time.Hour), 3)
	s.turn()
	// When in the first hour logging began, nobody knows.
	s.covered("2026-03-10T04:00", "2026-03-10T06:00", "2026-03-10T10:00", "2026-03-10T11:00")
	s.wants(ingest.Alarm, "the chain of digests begins anew at 2026-03-10 09:00Z")
	head := s.log.Head()
	for _, c := range head.State.Covers {
		if c.Basis != "digests of CloudTrail, signatures not checked" {
			t.Errorf("the cover's basis is %q", c.Basis)
		}
	}
}

func TestNoDigests(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", buckettestAddress(t)(t))
	r := s.trail("eu-central-1", nil)
	r.deliver(noon().Add(-time.Hour), call("1", noon().Add(-time.Hour), "CreateUser"))
	s.put("AWSLogs/123456789012/Config/eu-central-1/2026/3/10/x.json.gz", gz("{}")) // of another service
	s.put("copied/by hand.json", []byte(call("2", noon(), "CreateUser")))
	s.turn()
	s.covered()
	s.expect(2, 0, 0, 2, 0)
	s.wants(ingest.Alarm, "turn on log file validation")
}

// without takes an object away; undo puts it back as it was.
func (r *trail) without(key string) (undo func()) {
	r.t.Helper()
	raw, err := r.bucket.ReadAll(r.t.Context(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := r.bucket.Attributes(r.t.Context(), key)
	if err != nil {
		r.t.Fatal(err)
	}
	r.delete(key)
	return func() {
		if err := r.bucket.WriteAll(r.t.Context(), key, raw, &blob.WriterOptions{Metadata: a.Metadata}); err != nil {
			r.t.Fatal(err)
		}
	}
}

// Without keys a digest that was replaced is told by the one after it, in every turn,
// until the right one is back.
func TestReplacedDigest(t *testing.T) {
	t.Parallel()
	s := newSite(t, "aws-cloudtrail", buckettestAddress(t)(t))
	r := s.trail("eu-central-1", trailKey(t))
	start := noon().Add(-6 * time.Hour)
	r.hours(start, 6)
	key := r.digestKey(start.Add(3 * time.Hour))
	undo := r.without(key)
	before := r.digestKey(start.Add(2 * time.Hour))
	r.putDigest(key, []byte(fmt.Sprintf(`{"digestStartTime":"2026-03-10T08:00:00Z","digestEndTime":"2026-03-10T09:00:00Z","digestS3Bucket":"logs","digestS3Object":"%s",`+
		`"previousDigestS3Bucket":"logs","previousDigestS3Object":"%s","previousDigestHashValue":"00","previousDigestSignature":"00","logFiles":[]}`, key, before)), "00")
	for i := range 3 {
		s.at(noon().Add(time.Duration(i) * time.Minute))
		s.turn()
		s.wants(ingest.Alarm, "was replaced")
		s.covered("2026-03-10T09:00", "2026-03-10T11:00")
	}
	undo()
	s.at(noon().Add(3 * time.Minute))
	s.turn()
	s.covered("2026-03-10T06:00", "2026-03-10T11:00")
	s.wants(ingest.Idle)
}

// Log files that came too late for the digest of their hour are in a digest beside the
// chain.
func TestBackfillDigest(t *testing.T) {
	t.Parallel()
	key := trailKey(t)
	whole, gap := []string{"2026-03-10T06:00", "2026-03-10T11:00"}, []string{"2026-03-10T06:00", "2026-03-10T07:00", "2026-03-10T09:00", "2026-03-10T11:00"}
	start := noon().Add(-6 * time.Hour)
	for name, tt := range map[string]struct {
		spoil func(r *trail, file, digest string) (undo func())
		want  []string
		words string
	}{
		"whole":            {func(*trail, string, string) func() { return func() {} }, whole, ""},
		"without its file": {func(r *trail, file, _ string) func() { return r.without(file) }, gap, "is missing"},
		"without signature": {func(r *trail, _, digest string) func() {
			undo := r.without(digest)
			r.put(digest, gz("{}"))
			return undo
		}, gap, "proves nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "aws-cloudtrail", directory(t))
			s.feed.Keys = []source.DigestKey{{Fingerprint: "f00d", Key: &key.PublicKey}}
			s.restart()
			r := s.trail("eu-central-1", key)
			r.hours(start, 6)
			file := r.deliver(start.Add(5*time.Hour), call("late", start.Add(150*time.Minute), "DeleteUser"))
			undo := tt.spoil(r, file, r.backfill(start.Add(3*time.Hour)))
			for i := range 2 {
				s.at(noon().Add(time.Duration(i) * time.Minute))
				s.turn()
				s.covered(tt.want...)
				if tt.words != "" {
					s.wants(ingest.Alarm, tt.words)
				}
			}
			undo()
			s.restart()
			s.turn()
			s.covered(whole...)
			s.wants(ingest.Idle)
			s.expect(7, 0, 0, 14, 0)
		})
	}
}
