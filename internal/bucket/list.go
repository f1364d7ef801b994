package bucket

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
)

// An Object is what a listing says of an object.
type Object struct {
	Key      string
	ETag     string // what the store gives for its content; another one when it was written again. Google's is the generation
	Size     int64
	Modified time.Time
}

// Objects lists the objects whose keys begin with prefix and come after a key, in
// the order of their keys, page by page: it takes the memory of one page. A directory
// cannot begin in the middle and is listed from its beginning.
func Objects(ctx context.Context, b *blob.Bucket, prefix, after string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		list := b.List(&blob.ListOptions{Prefix: prefix, BeforeList: startAfter(prefix, after)})
		for {
			o, err := list.Next(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Object{}, fmt.Errorf("bucket: list %q: %w", prefix, Clear(err)))
				return
			}
			// A folder that a console made is an empty object with a slash at its end.
			if o.Key <= after || o.Size == 0 && strings.HasSuffix(o.Key, "/") {
				continue
			}
			if !yield(objectOf(o), nil) {
				return
			}
		}
	}
}

// Folder lists what lies directly in a folder, whose name ends with a slash or is
// empty: the objects, and the folders, which have names that end with a slash and
// nothing else.
func Folder(ctx context.Context, b *blob.Bucket, folder string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		list := b.List(&blob.ListOptions{Prefix: folder, Delimiter: "/"})
		for {
			o, err := list.Next(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(Object{}, fmt.Errorf("bucket: list folder %q: %w", folder, Clear(err)))
				return
			}
			entry := Object{Key: o.Key}
			if !o.IsDir {
				entry = objectOf(o)
			}
			if o.Key != folder && !yield(entry, nil) {
				return
			}
		}
	}
}

// startAfter tells stores that can do so to begin after a key.
func startAfter(prefix, after string) func(as func(any) bool) error {
	if after == "" {
		return nil
	}
	return func(as func(any) bool) error {
		// The key has in front of it what the whole bucket has.
		var amazon *s3.ListObjectsV2Input
		if as(&amazon) && amazon.ContinuationToken == nil {
			begin := after
			if amazon.Prefix != nil {
				begin = root(*amazon.Prefix, prefix) + after
			}
			amazon.StartAfter = &begin
		}
		var google *storage.Query
		if as(&google) {
			google.StartOffset = root(google.Prefix, prefix) + after
		}
		var azure *container.ListBlobsHierarchyOptions
		if as(&azure) && azure.Marker == nil {
			begin := root(*azure.Prefix, prefix) + after
			azure.StartFrom = &begin
		}
		return nil
	}
}

var escaped = regexp.MustCompile(`__0x([0-9a-f]{1,6})__`)

// root returns what the whole bucket has in front of a prefix. The libraries write
// some characters of prefixes in another way, which is not that of the objects.
func root(whole, prefix string) string {
	whole = escaped.ReplaceAllStringFunc(whole, func(text string) string {
		code, err := strconv.ParseUint(escaped.FindStringSubmatch(text)[1], 16, 32)
		if err != nil {
			return text // the expression lets nothing else through
		}
		return string(rune(code))
	})
	return strings.TrimSuffix(whole, prefix)
}

func objectOf(o *blob.ListObject) Object {
	out := Object{Key: o.Key, Size: o.Size, Modified: o.ModTime.UTC()}
	var amazon types.Object
	var google storage.ObjectAttrs
	var azure container.BlobItem
	switch {
	case o.As(&amazon) && amazon.ETag != nil:
		out.ETag = *amazon.ETag
	case o.As(&google):
		// Its ETag changes with its storage class too.
		out.ETag = strconv.FormatInt(google.Generation, 10)
	case o.As(&azure) && azure.Properties != nil && azure.Properties.ETag != nil:
		out.ETag = string(*azure.Properties.ETag)
	}
	if out.ETag == "" { // a directory gives none
		out.ETag = fmt.Sprintf("%x-%x", o.ModTime.UnixNano(), o.Size)
		if len(o.MD5) > 0 {
			out.ETag = hex.EncodeToString(o.MD5)
		}
	}
	return out
}
