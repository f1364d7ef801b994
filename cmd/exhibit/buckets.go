package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"exhibit/ingest/objects"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
)

// everyBucket is how often a bucket is listed when the configuration does not say.
const everyBucket = 5 * time.Minute

// sourceKind returns the kind of a configured source: one that is read from a bucket
// needs none of what a puller needs.
func (s *installation) sourceKind(c Source) (source.Kind, error) {
	kind, err := s.kinds.Of(c.Name, c.Kind)
	if err != nil || c.Bucket == "" {
		return kind, err
	}
	kind = kind.FromBucket()
	kind.Keeps = c.Keeps
	return kind, nil
}

// due is how long after an event its time is covered: when its day is closed, where
// days are closed.
func (c Source) due(kind source.Kind) (time.Duration, error) {
	if c.Bucket == "" || c.Settle != 0 {
		return c.Settle, nil
	}
	closed, err := c.closed(kind)
	if closed == 0 || err != nil {
		return kind.Settle, err
	}
	return closed + 24*time.Hour, nil
}

func (c Source) closed(kind source.Kind) (time.Duration, error) {
	text := c.Settings["closed_after"]
	if text == "" {
		return kind.Layout.Closed, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("source %q: closed_after: %q is not a time like 48h", c.Name, text)
	}
	return d, nil
}

// buckets returns a worker for each source that is read from a bucket.
func (w *writer) buckets(ctx context.Context) ([]*objects.Worker, error) {
	var list []*objects.Worker
	for _, c := range w.config.Sources {
		if c.Bucket == "" {
			continue
		}
		feed, err := w.bucketFeed(ctx, c)
		if err != nil {
			return nil, err
		}
		w.close = append([]func() error{feed.Bucket.Close}, w.close...)
		list = append(list, objects.New(objects.Options{Feed: feed, DB: w.db, Log: w.ledger, Committer: w.committer, Secret: w.secret, Now: time.Now, Slog: w.log}))
	}
	return list, nil
}

func (s *installation) bucketFeed(ctx context.Context, c Source) (objects.Feed, error) {
	kind, err := s.sourceKind(c)
	if err != nil {
		return objects.Feed{}, err
	}
	if err := kind.CheckSettings(c.Settings); err != nil {
		return objects.Feed{}, fmt.Errorf("configuration: source %s: %w", c.Name, err)
	}
	since, err := parseMoment(c.Since, s.config.Zone)
	if err != nil {
		return objects.Feed{}, err
	}
	feed := objects.Feed{Name: c.Name, Kind: kind, Since: since, Settle: c.Settle, Every: c.Every}
	if feed.Settle == 0 {
		feed.Settle = kind.Settle
	}
	if feed.Closed, err = c.closed(kind); err != nil {
		return feed, err
	}
	if path := c.Settings["public_keys_file"]; path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return feed, fmt.Errorf("configuration: source %s: public_keys_file: %w", c.Name, err)
		}
		if feed.Keys, err = source.ParseDigestKeys(text); err != nil {
			return feed, fmt.Errorf("configuration: source %s: public_keys_file %s: %w", c.Name, path, err)
		}
	}
	for chain := range strings.SplitSeq(c.Settings["ended_chains"], ",") {
		if chain = strings.TrimSpace(chain); chain != "" {
			feed.Ended = append(feed.Ended, chain)
		}
	}
	feed.Bucket, err = bucket.Open(ctx, c.Bucket)
	return feed, err
}

// checkBucket returns what is wrong with the bucket of a source, without asking it.
func (c Source) checkBucket() error {
	if c.Bucket == "" {
		return nil
	}
	if c.Push {
		return fmt.Errorf("source %q: it has a bucket and push: choose one", c.Name)
	}
	u, err := url.Parse(c.Bucket)
	if err != nil || u.Scheme == "" {
		return fmt.Errorf("source %q: bucket: %q is not a URL like s3://NAME?region=REGION", c.Name, c.Bucket)
	}
	_, err = c.closed(source.Kind{})
	return err
}

// trySourceBucket lists the first object of a bucket.
func trySourceBucket(ctx context.Context, s *installation, c Source) (err error) {
	feed, err := s.bucketFeed(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, feed.Bucket.Close()) }()
	for _, err := range bucket.Objects(ctx, feed.Bucket, "", "") {
		return err
	}
	return nil
}
