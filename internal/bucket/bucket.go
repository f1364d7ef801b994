// Package bucket opens object storage by URL: S3, Google Cloud Storage, Azure
// Blob Storage, or a local directory.
package bucket

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob" // azblob://CONTAINER
	"gocloud.dev/blob/fileblob"  // file:///DIRECTORY
	"gocloud.dev/blob/gcsblob"   // gs://BUCKET
	_ "gocloud.dev/blob/s3blob"  // s3://BUCKET?region=REGION
)

// Open opens the bucket that the URL names, such as s3://audit-logs?region=eu-central-1.
// A path after the bucket's name is a prefix for all keys. Credentials come from
// where the provider's own tools look for them.
func Open(ctx context.Context, address string) (*blob.Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("bucket: %q is not a URL like s3://NAME", address)
	}
	open := openOther
	switch u.Scheme {
	case gcsblob.Scheme:
		open = openGoogle
	case azureblob.Scheme:
		open = openAzure
	}
	b, err := open(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("bucket: open %s: %w", u.Redacted(), err)
	}
	if folder := strings.Trim(u.Path, "/"); folder != "" && u.Scheme != fileblob.Scheme {
		return blob.PrefixedBucket(b, folder+"/"), nil
	}
	return b, nil
}

func openOther(ctx context.Context, u *url.URL) (*blob.Bucket, error) {
	return blob.OpenBucket(ctx, u.String())
}

// headerTimeout bounds how long a store may take until it begins to answer.
const headerTimeout = time.Minute

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = headerTimeout
	t.MaxIdleConnsPerHost = 16 // objects are read a few at a time
	return t
}
