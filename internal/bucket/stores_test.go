package bucket_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

// Objects have all kinds of names: each is listed as it was written, in order, is found
// by itself, is read, and a listing can begin behind it.
func TestNames(t *testing.T) {
	t.Parallel()
	names := []string{
		"a b.json", "a+b.json", "a%20b.json", "50%.json", "what?.json", "nr#1.json", `say "x".json`, "dt=2026-03-10/hour=12/x.json",
		"zürich/日本/😀.json", "a&b;c,d:e@f$g!h'(i)*~.json", "long/" + strings.Repeat("0123456789", 20) + "/" + strings.Repeat("x", 200), "tag<1>.json",
	}
	slices.Sort(names)
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, in(t, address(t), "/a folder"))
			for _, key := range names {
				write(t, b, key, key)
			}
			if got := keys(t, b, "", ""); !slices.Equal(got, names) {
				t.Fatalf("listed are %q of %q", got, names)
			}
			for i, key := range names {
				if got := read(t, b, key); got != key {
					t.Errorf("%q has %q", key, got)
				}
				if got := keys(t, b, "", key); !slices.Equal(got, names[i+1:]) {
					t.Errorf("after %q are %q", key, got)
				}
				if got := keys(t, b, key, ""); len(got) != 1 || got[0] != key {
					t.Errorf("of %q are listed %q", key, got)
				}
			}
		})
	}
}

// A listing of several pages has each object once, in order, and begins on any of them.
func TestManyPages(t *testing.T) {
	t.Parallel()
	const objects = 1100 // a page has 1000
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, in(t, address(t), "/x"))
			var writers sync.WaitGroup
			for w := range 8 {
				writers.Go(func() {
					for i := w; i < objects; i += 8 {
						if err := b.WriteAll(t.Context(), key(i), []byte("x"), nil); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			writers.Wait()
			for _, after := range []int{-1, 0, 500, 1050, objects - 1} {
				got := keys(t, b, "day/", map[bool]string{true: "", false: key(after)}[after < 0])
				for i, k := range got {
					if k != key(after+1+i) {
						t.Fatalf("after %d: object %d is %q", after, i, k)
					}
				}
				if len(got) != objects-1-after {
					t.Errorf("after %d there are %d objects", after, len(got))
				}
			}
			folders := 0
			for o, err := range bucket.Folder(t.Context(), b, "day/") {
				if err != nil {
					t.Fatal(err)
				}
				if o.Key != fmt.Sprintf("day/%02d/", folders) {
					t.Fatalf("folder %d is %q", folders, o.Key)
				}
				folders++
			}
			if folders != objects/100 {
				t.Errorf("there are %d folders", folders)
			}
		})
	}
}

func key(i int) string { return fmt.Sprintf("day/%02d/%05d", i/100, i) }

// An object that is marked as gzip has the bytes that it has, as many as are listed:
// stores and their libraries would unpack it on the way.
func TestAsStored(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, strings.Repeat("the same ", 1000))
	_ = z.Close()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, address(t))
			if err := b.WriteAll(t.Context(), "a.json.gz", packed.Bytes(), &blob.WriterOptions{ContentEncoding: "gzip", ContentType: "application/json"}); err != nil {
				t.Fatal(err)
			}
			if got := read(t, b, "a.json.gz"); got != packed.String() {
				t.Errorf("it has %d bytes, %d were written", len(got), packed.Len())
			}
			for o, err := range bucket.Objects(t.Context(), b, "", "") {
				if err != nil || o.Size != int64(packed.Len()) {
					t.Errorf("%+v, %v", o, err)
				}
			}
		})
	}
}

// What is there is not written over: who comes second is told so, with small and with
// large objects, which are sent in parts.
func TestFirstStays(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, address(t))
			for _, size := range []int{5, 9 << 20, 17 << 20} {
				name := fmt.Sprint("pack-", size)
				once := &blob.WriterOptions{IfNotExist: true, ContentType: "application/zip", Metadata: map[string]string{"sha256": "abc"}}
				if err := bucket.Write(t.Context(), b, name, bytes.NewReader(bytes.Repeat([]byte("1"), size)), once); err != nil {
					t.Fatal(err)
				}
				err := bucket.Write(t.Context(), b, name, bytes.NewReader(bytes.Repeat([]byte("2"), size)), once)
				if !errors.Is(err, bucket.ErrExists) {
					t.Errorf("%d bytes: the second writer got %v", size, err)
				}
				if got := read(t, b, name); len(got) != size || strings.Trim(got, "1") != "" {
					t.Errorf("%d bytes: the first did not stay", size)
				}
				if a, err := b.Attributes(t.Context(), name); err != nil || a.Metadata["sha256"] != "abc" || a.Size != int64(size) {
					t.Errorf("%+v, %v", a, err)
				}
				r, err := b.NewRangeReader(t.Context(), name, 2, 3, nil)
				if err != nil {
					t.Fatal(err)
				}
				if part, err := io.ReadAll(r); err != nil || string(part) != "111" {
					t.Errorf("%d bytes: the part has %q, %v", size, part, err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Of writers at the same time one is the first: the store decides, not a look before.
func TestOneOfMany(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, address(t))
			var writers sync.WaitGroup
			var first atomic.Int32
			for i := range 8 {
				writers.Go(func() {
					err := bucket.Write(t.Context(), b, "one", strings.NewReader(fmt.Sprint(i)), &blob.WriterOptions{IfNotExist: true, ContentType: "text/plain"})
					if err == nil {
						first.Add(1)
					} else if !errors.Is(err, bucket.ErrExists) {
						t.Errorf("writer %d: %v", i, err)
					}
				})
				if name == "directory" {
					writers.Wait() // a directory can only look first, and write then
				}
			}
			writers.Wait()
			if first.Load() != 1 {
				t.Errorf("%d writers were first", first.Load())
			}
		})
	}
}

// Half of a file makes no object.
func TestHalf(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, address(t))
			for _, size := range []int{5, 17 << 20} {
				half := io.MultiReader(bytes.NewReader(make([]byte, size)), iotest.ErrReader(io.ErrUnexpectedEOF))
				if err := bucket.Write(t.Context(), b, "half", half, &blob.WriterOptions{IfNotExist: true, ContentType: "application/zip"}); err == nil {
					t.Errorf("%d bytes: nothing was wrong", size)
				}
				if there, err := b.Exists(t.Context(), "half"); there || err != nil {
					t.Errorf("%d bytes: it is there: %v, %v", size, there, err)
				}
			}
		})
	}
}

// A bucket that is not there says so, in one line.
func TestMissing(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(t *testing.T) string{
		"s3":     func(t *testing.T) string { return buckettest.Start(t).URL("nothing") },
		"google": func(t *testing.T) string { return buckettest.StartGoogle(t).URL("nothing") },
		"azure":  func(t *testing.T) string { return buckettest.AzureURL(t, "nothing") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := listError(t, open(t, address(t)))
			if gcerrors.Code(err) != gcerrors.NotFound || strings.Contains(err.Error(), "\n") || bucket.Refused(err) {
				t.Errorf("%v (%v)", err, gcerrors.Code(err))
			}
			t.Log(err)
		})
	}
}

// Refusals, as the stores' documents have them, are told from what passes by itself.
func TestRefused(t *testing.T) {
	t.Parallel()
	googleSays := func(reason string) string {
		return `{"error":{"code":403,"message":"exhibit@example.iam.gserviceaccount.com does not have storage.objects.list access to the Google Cloud Storage bucket.","errors":[{"message":"no","domain":"global","reason":"` + reason + `"}]}}`
	}
	azure := func(t *testing.T, at string) string { return buckettest.AzureAt(t, at, "logs") }
	google := func(_ *testing.T, at string) string { return "gs://logs?anonymous=true&endpoint=" + at }
	amazon := func(t *testing.T, at string) string {
		buckettest.Start(t) // sets the environment
		return "s3://logs?region=us-east-1&use_path_style=true&endpoint=" + at
	}
	for name, c := range map[string]struct {
		address func(t *testing.T, at string) string
		status  int
		code    string
		body    string
		want    bool
	}{
		"google, not logged in":   {google, 401, "", `{"error":{"code":401,"message":"Invalid Credentials","errors":[{"reason":"authError"}]}}`, true},
		"google, not allowed":     {google, 403, "", googleSays("forbidden"), true},
		"google, too many":        {google, 403, "", googleSays("userRateLimitExceeded"), false},
		"azure, wrong key":        {azure, 403, "AuthenticationFailed", "", true},
		"azure, no role":          {azure, 403, "AuthorizationPermissionMismatch", "", true},
		"azure, firewall":         {azure, 403, "AuthorizationFailure", "", true},
		"azure, no such token":    {azure, 401, "InvalidAuthenticationInfo", "", true},
		"azure, container absent": {azure, 404, "ContainerNotFound", "", false},
		"s3, expired":             {amazon, 400, "", `<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>`, true},
		"s3, denied":              {amazon, 403, "", `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`, true},
		"s3, another request":     {amazon, 400, "", `<Error><Code>InvalidArgument</Code><Message>no</Message></Error>`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.code != "" {
					w.Header().Set("x-ms-error-code", c.code)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			err := listError(t, open(t, c.address(t, server.URL)))
			if bucket.Refused(err) != c.want || strings.Contains(err.Error(), "\n") {
				t.Errorf("refused is %v: %v", bucket.Refused(err), err)
			}
		})
	}
}

// The token of a signed URL is in no error.
func TestNoSecretInError(t *testing.T) {
	t.Parallel()
	err := bucket.Clear(fmt.Errorf("list: %w", &url.Error{Op: "Get", URL: "https://x.blob.core.windows.net/logs?sv=2026&sig=SECRET", Err: io.ErrUnexpectedEOF}))
	if strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), "x.blob.core.windows.net/logs") {
		t.Error(err)
	}
}

// A store that does not answer is given up in a while, whatever its library thinks.
func TestOutage(t *testing.T) {
	t.Parallel()
	server := buckettest.StartGoogle(t)
	b := open(t, server.Bucket(t, "logs"))
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, err := range bucket.Objects(ctx, b, "", "") {
		if err == nil || ctx.Err() != nil || bucket.Refused(err) {
			t.Errorf("it says %v", err)
		}
	}
}

func listError(t *testing.T, b *blob.Bucket) error {
	t.Helper()
	for _, err := range bucket.Objects(t.Context(), b, "", "") {
		if err == nil {
			break
		}
		return err
	}
	t.Fatal("it can be listed")
	return nil
}

func read(t *testing.T, b *blob.Bucket, key string) string {
	t.Helper()
	r, err := bucket.NewReader(t.Context(), b, key)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return string(text)
}
