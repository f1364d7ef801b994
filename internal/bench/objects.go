package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/objects"
	"exhibit/ingest/source"
	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"
	"exhibit/migrations"

	"gocloud.dev/blob"
)

// What is in the bucket: so many objects with so many events each, compressed.
const (
	objectCount  = 1000
	objectEvents = 50
)

// objectRate is what is measured besides.
const objectRate = "objects/s"

// objects reads a bucket from its beginning: list, fetch, unpack, normalise, dedupe,
// hash, insert, ledger. The bucket is on an S3 server of this machine (make s3), or in
// a directory where there is none.
func (st *stage) objects(ctx context.Context) (err error) {
	if err := st.db.Migrate(ctx, migrations.FS); err != nil {
		return err
	}
	kind, err := source.Lookup(source.Kinds(), "hcp-terraform")
	if err != nil {
		return err
	}
	address, stop, err := st.bucket(ctx)
	if err != nil {
		return err
	}
	defer stop()
	b, err := bucket.Open(ctx, address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	n, err := st.fill(ctx, b)
	if err != nil {
		return err
	}
	w, err := st.openWriter(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	if err := w.log.Declare(ctx, []ingest.Declaration{{Name: feed, Kind: kind.FromBucket(), Since: st.now.Add(-span)}}, true); err != nil {
		return err
	}
	reader := objects.New(objects.Options{Feed: objects.Feed{Name: feed, Kind: kind.FromBucket(), Bucket: b, Every: time.Minute}, DB: st.db, Log: w.log,
		Committer: w.committer, Secret: w.secret, Now: time.Now, Slog: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err := st.start(); err != nil {
		return err
	}
	if err := reader.Turn(ctx); err != nil {
		return err
	}
	if err := st.stop(uint64(n)); err != nil {
		return err
	}
	st.m.Numbers = map[string]float64{objectRate: objectCount / st.m.Wall.Seconds()}
	return nil
}

// bucket makes an empty bucket; stop ends its server.
func (st *stage) bucket(ctx context.Context) (address string, stop func(), err error) {
	dir := st.path("bucket")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, err
	}
	server, err := buckettest.Run(dir)
	if errors.Is(err, buckettest.ErrMissing) {
		return "file://" + dir + "?no_tmp_dir=true&metadata=skip", func() {}, nil
	}
	if err != nil {
		return "", nil, err
	}
	if address, err = server.Make(ctx, "bench"); err != nil {
		server.Stop()
		return "", nil, err
	}
	return address, server.Stop, nil
}

// fill writes the first events of the file into objects.
func (st *stage) fill(ctx context.Context, b *blob.Bucket) (n int, err error) {
	f, err := os.Open(st.input())
	if err != nil {
		return 0, err
	}
	defer f.Close() // it was read
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for i := range objectCount {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		for j := 0; j < objectEvents && lines.Scan(); j++ {
			if _, err := z.Write(append(lines.Bytes(), '\n')); err != nil {
				return n, err
			}
			n++
		}
		if err := z.Close(); err != nil {
			return n, err
		}
		if err := b.WriteAll(ctx, fmt.Sprintf("exports/%06d.json.gz", i), packed.Bytes(), nil); err != nil {
			return n, err
		}
	}
	return n, lines.Err()
}

// printObjects prints what the table does not have.
func (b *bench) printObjects() string {
	m := median(b.steps[stepObjects])
	return fmt.Sprintf("bucket, %d objects with %d events each: %.0f objects/s, %.2f s\n", objectCount, objectEvents, m.Numbers[objectRate], m.Wall.Seconds())
}
