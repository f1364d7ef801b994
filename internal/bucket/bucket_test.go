package bucket_test

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"

	"gocloud.dev/blob"
)

// stores are the stores that tests can have: the address of a new bucket of each.
func stores() map[string]func(t *testing.T) string {
	return map[string]func(t *testing.T) string{
		"s3":        func(t *testing.T) string { return buckettest.Start(t).Bucket(t, "logs") },
		"google":    func(t *testing.T) string { return buckettest.StartGoogle(t).Bucket(t, "logs") },
		"azure":     func(t *testing.T) string { return buckettest.Azure(t) },
		"directory": func(t *testing.T) string { return "file://" + t.TempDir() + "?create_dir=true&no_tmp_dir=true" },
	}
}

// in is the address of a folder.
func in(t *testing.T, address, folder string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path += folder
	return u.String()
}

// Listing begins where it is told to, knows when an object was written again, and
// keeps to the folder of the address, on each store that tests can have.
func TestListing(t *testing.T) {
	t.Parallel()
	for name, address := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole := address(t)
			folder := in(t, whole, "/in/here")
			b := open(t, whole)
			for i := range 5 {
				write(t, b, fmt.Sprintf("in/here/2026/03/%02d/a.gz", i+1), "x")
			}
			write(t, b, "outside", "x")
			if got := keys(t, b, "in/here/2026/", "in/here/2026/03/03"); !slices.Equal(got, []string{"in/here/2026/03/03/a.gz", "in/here/2026/03/04/a.gz", "in/here/2026/03/05/a.gz"}) {
				t.Errorf("after the 3rd: %q", got)
			}
			part := open(t, folder)
			if got := keys(t, part, "2026/", "2026/03/04/a.gz"); !slices.Equal(got, []string{"2026/03/05/a.gz"}) {
				t.Errorf("in the folder, after a key: %q", got)
			}
			if got := len(keys(t, part, "", "")); got != 5 {
				t.Errorf("the folder has %d objects of 5", got)
			}
			before := tag(t, b, "outside")
			if again := tag(t, b, "outside"); before == "" || again != before {
				t.Errorf("the tag of an object is %q, then %q", before, again)
			}
			write(t, b, "outside", "y")
			if after := tag(t, b, "outside"); after == before {
				t.Errorf("an object that was written again has its old tag %q", after)
			}
		})
	}
}

func open(t *testing.T, address string) *blob.Bucket {
	t.Helper()
	b, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func write(t *testing.T, b *blob.Bucket, key, text string) {
	t.Helper()
	if err := b.WriteAll(t.Context(), key, []byte(text), nil); err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, b *blob.Bucket, prefix, after string) []string {
	t.Helper()
	var list []string
	for o, err := range bucket.Objects(t.Context(), b, prefix, after) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o.Key)
	}
	return list
}

func tag(t *testing.T, b *blob.Bucket, key string) string {
	t.Helper()
	for o, err := range bucket.Objects(t.Context(), b, key, "") {
		if err != nil {
			t.Fatal(err)
		}
		return o.ETag
	}
	t.Fatalf("no object %s", key)
	return ""
}
