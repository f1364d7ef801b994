package bucket

import (
	"context"
	"io"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob"
)

// NewReader opens an object. It gives the bytes as they are stored: objects that are
// marked as gzip (Content-Encoding) are not unpacked, so that there are as many bytes
// as the listing says.
func NewReader(ctx context.Context, b *blob.Bucket, key string) (io.ReadCloser, error) {
	r, err := b.NewReader(ctx, key, &blob.ReaderOptions{BeforeRead: asStored})
	if err != nil {
		return nil, Clear(err)
	}
	return r, nil
}

// asStored keeps Google from unpacking. S3's library does not, and Azure's has a
// transport that does not.
func asStored(as func(any) bool) error {
	var google **storage.ObjectHandle
	if as(&google) {
		*google = (*google).ReadCompressed(true)
	}
	return nil
}
