package schedule

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"exhibit/internal/bucket"

	"gocloud.dev/blob"
)

// Buckets puts packs into buckets that the configuration names.
type Buckets struct {
	URLs  map[string]string // by name, as bucket.Open takes them
	Packs func(id string) (*os.File, error)
	// Timeout is how long a pack may take, beside a second for each slowest bytes of it.
	Timeout time.Duration
}

// slowest is how many bytes a second a bucket must take at the least.
const slowest = 1 << 20

// The metadata of an object that has the pack's SHA-256.
const digestKey = "sha256"

// Send implements Post. A pack of a run goes there once and replaces nothing: the name
// of its object has the id of the delivery. One that is there already and is the same
// was put by an earlier try.
func (b Buckets) Send(ctx context.Context, p Parcel) Outcome {
	name := strings.TrimPrefix(p.To, bucketPrefix)
	address, ok := b.URLs[name]
	if !ok {
		return Outcome{State: Failed, Reply: fmt.Sprintf("the configuration has no bucket %q (mail.buckets)", name)}
	}
	key := packName(p)
	ctx, cancel := context.WithTimeout(ctx, b.Timeout+time.Duration(p.Letter.Size/slowest)*time.Second)
	defer cancel()
	place, err := b.put(ctx, address, key, p)
	switch {
	case errors.Is(err, errOther):
		return Outcome{State: Failed, Reply: "another object has the name " + place + " already; it was left as it is"}
	case err != nil:
		return Outcome{State: Deferred, Reply: oneLine(err.Error())}
	}
	return Outcome{State: Sent, Reply: "written to " + place}
}

// errOther is returned when the place is taken by something else.
var errOther = errors.New("schedule: something else is there")

// put writes the pack where nothing is, and returns where that is.
func (b Buckets) put(ctx context.Context, address, key string, p Parcel) (place string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("the bucket's address in the configuration is not a URL")
	}
	place = u.Scheme + "://" + u.Host + strings.TrimSuffix(u.Path, "/") + "/" + key
	file, err := b.Packs(p.Pack)
	if err != nil {
		return place, err
	}
	defer file.Close() // read only
	target, err := bucket.Open(ctx, address)
	if err != nil {
		return place, err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	err = bucket.Write(ctx, target, key, file, &blob.WriterOptions{IfNotExist: true, ContentType: "application/zip", Metadata: map[string]string{digestKey: p.Letter.SHA256}})
	if errors.Is(err, bucket.ErrExists) {
		return place, same(ctx, target, key, p.Letter)
	}
	if err != nil {
		return place, fmt.Errorf("write %s: %w", place, err)
	}
	return place, nil
}

// same reports whether the object that is there is the pack.
func same(ctx context.Context, target *blob.Bucket, key string, l *Letter) error {
	a, err := target.Attributes(ctx, key)
	if err != nil {
		return fmt.Errorf("look at %s: %w", key, err)
	}
	if digest := a.Metadata[digestKey]; a.Size != l.Size || digest != "" && digest != l.SHA256 {
		return errOther
	}
	return nil
}
