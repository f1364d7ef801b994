package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestBucketConfig(t *testing.T) {
	t.Parallel()
	source := func(text string) string {
		return strings.Replace(goodConfig, "engagements:", "  - {name: logs, "+text+"}\nengagements:", 1)
	}
	c, err := load(t, source(`kind: aws-cloudtrail, bucket: "s3://audit-logs/trails?region=eu-central-1", settings: {public_keys_file: keys.json}`))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Sources[1]; s.Every != everyBucket || !filepath.IsAbs(s.Settings["public_keys_file"]) {
		t.Errorf("%+v", s)
	}
	for words, text := range map[string]string{
		"choose one":              source(`kind: scalr, bucket: "s3://a", push: true`),
		"is not a URL":            source(`kind: scalr, bucket: audit-logs`),
		"is not a time like":      source(`kind: scalr, bucket: "s3://a", settings: {closed_after: two days}`),
		"a directory or a bucket": goodConfig + "witnesses: [{name: w, bucket: \"s3://a\", directory: /mnt}]\n",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("want %q, got %v", words, err)
		}
	}
}

// Of a source in a bucket nothing is required that only a puller needs, and its time
// is due when its day is closed.
func TestBucketKinds(t *testing.T) {
	t.Parallel()
	catalog, err := new(Config).catalog()
	if err != nil {
		t.Fatal(err)
	}
	s := &installation{kinds: catalog, config: Config{Zone: "UTC"}}
	dir := "file://" + t.TempDir()
	for kind, want := range map[string]time.Duration{"scalr": 72 * time.Hour, "datadog": 72 * time.Hour, "aws-cloudtrail": time.Hour} {
		c := Source{Name: "logs", Kind: kind, Bucket: dir}
		k, err := s.sourceKind(c)
		if err != nil {
			t.Fatal(err)
		}
		if due, err := c.due(k); err != nil || due != want || k.NewPuller != nil || k.Keeps != 0 {
			t.Errorf("%s: due after %s, %v", kind, due, err)
		}
		if err := trySourceBucket(t.Context(), s, c); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if err := trySourceBucket(t.Context(), s, Source{Name: "logs", Kind: "scalr", Bucket: dir + "/nothing"}); err == nil {
		t.Error("a bucket that is not there is right")
	}
	c := Source{Name: "logs", Kind: "aws-cloudtrail", Bucket: dir, Settings: map[string]string{"public_keys_file": filepath.Join(t.TempDir(), "none"), "ended_chains": "a, b"}}
	if _, err := s.bucketFeed(t.Context(), c); err == nil || !strings.Contains(err.Error(), "public_keys_file") {
		t.Errorf("without the keys: %v", err)
	}
}
