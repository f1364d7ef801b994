package bucket

import (
	"context"
	"errors"
	"io"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// ErrExists is returned by Write when there is an object of the name already, and
// options.IfNotExist keeps it.
var ErrExists = errors.New("bucket: there is an object of this name already")

// Write writes an object to its end, or not at all: when reading fails there is none.
// With options.IfNotExist one of several writers is the first, but in a directory, where
// two that write at the same moment may both be.
// The options need a ContentType. Writers of blob must not be used for stores that may
// be Azure: when Azure refuses what is written, as where IfNotExist finds something,
// closing the writer ends the program (gocloud.dev 0.47).
func Write(ctx context.Context, b *blob.Bucket, key string, r io.Reader, options *blob.WriterOptions) error {
	// Some servers close the connection in the middle of what they do not want, and their
	// answer is lost. Who may not look here is told when everything was sent.
	if options.IfNotExist {
		if there, err := b.Exists(ctx, key); err == nil && there {
			return ErrExists
		}
	}
	// A cancelled context keeps a store from making an object of one half.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := b.Upload(ctx, key, &ending{r, stop}, options)
	if options.IfNotExist && gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return ErrExists
	}
	return Clear(err)
}

// An ending is a reader that stops the writing when it fails.
type ending struct {
	io.Reader
	stop func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil && err != io.EOF {
		e.stop()
	}
	return n, err
}
