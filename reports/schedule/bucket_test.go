package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"

	"gocloud.dev/blob"
)

// inBucket is a parcel for a bucket with the pack's real size and digest.
func inBucket(to string, content []byte) Parcel {
	p := parcel()
	p.To, p.Letter.Size = to, int64(len(content))
	sum := sha256.Sum256(content)
	p.Letter.SHA256 = hex.EncodeToString(sum[:])
	return p
}

func packFile(t *testing.T, content []byte) func(string) (*os.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return func(string) (*os.File, error) { return os.Open(path) }
}

// A pack goes into a bucket of a real server once, however often it is tried, and
// replaces nothing that is there.
func TestBuckets(t *testing.T) {
	t.Run("s3", func(t *testing.T) {
		server := buckettest.Start(t)
		testBuckets(t, server.Bucket(t, "evidence"), server.URL("no-such-bucket"))
	})
	t.Run("google", func(t *testing.T) {
		server := buckettest.StartGoogle(t)
		testBuckets(t, server.Bucket(t, "evidence"), server.URL("no-such-bucket"))
	})
	t.Run("azure", func(t *testing.T) { testBuckets(t, buckettest.Azure(t), buckettest.AzureURL(t, "no-such-bucket")) })
}

func testBuckets(t *testing.T, address, missing string) {
	content := filled(6_000_000) // more than one part
	b := Buckets{URLs: map[string]string{"audit": address, "gone": missing}, Packs: packFile(t, content), Timeout: time.Minute}
	const key = "exhibit-pci-2026-03-01_2026-03-31-01234567.zip"
	bare, _, _ := strings.Cut(address, "?")
	for try := range 3 {
		if out := b.Send(t.Context(), inBucket("bucket:audit", content)); out.State != Sent || out.Reply != "written to "+bare+"/"+key {
			t.Fatalf("try %d: %+v", try, out)
		}
	}
	target, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	if got, err := target.ReadAll(t.Context(), key); err != nil || string(got) != string(content) {
		t.Errorf("the object has %d bytes, %v", len(got), err)
	}
	// Something else under the name: it stays, and the delivery says so.
	other := inBucket("bucket:audit", content)
	other.MessageID = "fedcba98@example.com"
	taken := strings.Replace(key, "01234567", "fedcba98", 1)
	if err := target.WriteAll(t.Context(), taken, []byte("not ours"), &blob.WriterOptions{}); err != nil {
		t.Fatal(err)
	}
	if out := b.Send(t.Context(), other); out.State != Failed || !strings.Contains(out.Reply, "left as it is") {
		t.Errorf("over something else: %+v", out)
	}
	if got, err := target.ReadAll(t.Context(), taken); err != nil || string(got) != "not ours" {
		t.Errorf("it was replaced: %q, %v", got, err)
	}
	for to, want := range map[string]DeliveryState{"bucket:gone": Deferred, "bucket:unknown": Failed} {
		if out := b.Send(t.Context(), inBucket(to, content)); out.State != want || out.Reply == "" {
			t.Errorf("%s: %+v", to, out)
		}
	}
	b.Packs = func(string) (*os.File, error) { return nil, errors.New("the pack is gone") }
	if out := b.Send(t.Context(), inBucket("bucket:audit", content)); out.State != Deferred || out.Reply != "the pack is gone" {
		t.Errorf("without a pack: %+v", out)
	}
}

// A server that is away defers the delivery; when it is back the pack is put there.
func TestBucketIsTriedAgain(t *testing.T) {
	server := buckettest.Start(t)
	content := filled(10_000)
	address := server.Bucket(t, "evidence")
	m := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}
	m.schedules[0].Recipients, m.schedules[0].Bucket = nil, "audit"
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	r, _ := newRunner(t, m, &invented{letter: inBucket("", content).Letter}, nil, &now)
	r.Buckets = Buckets{URLs: map[string]string{"audit": address}, Packs: packFile(t, content), Timeout: 20 * time.Second}
	server.Stop()
	tick := func() Delivery {
		t.Helper()
		if err := errors.Join(r.Tick(t.Context()), r.Put(t.Context())); err != nil {
			t.Fatal(err)
		}
		list := deliveriesOf(t, m)
		if len(list) != 1 {
			t.Fatalf("%d deliveries", len(list))
		}
		return list[0]
	}
	if d := tick(); d.State != Deferred || d.Target != "bucket:audit" || !strings.Contains(d.Reply, "refused") || d.Next.IsZero() {
		t.Errorf("with the server away: %+v", d)
	}
	server.Start(t)
	now = now.Add(10 * time.Minute)
	if d := tick(); d.State != Sent || d.Attempt != 2 {
		t.Errorf("with the server back: %+v", d)
	}
}

// A bucket that cannot refuse what is there already must not be written over either.
func TestDirectoryAsBucket(t *testing.T) {
	content := filled(1000)
	b := Buckets{URLs: map[string]string{"dir": fmt.Sprintf("file://%s?create_dir=true&no_tmp_dir=true&metadata=skip", t.TempDir())}, Packs: packFile(t, content), Timeout: time.Minute}
	for range 2 {
		if out := b.Send(t.Context(), inBucket("bucket:dir", content)); out.State != Sent {
			t.Errorf("got %+v", out)
		}
	}
	smaller := inBucket("bucket:dir", content)
	smaller.Letter.Size = 7
	if out := b.Send(t.Context(), smaller); out.State != Failed {
		t.Errorf("something of another size: %+v", out)
	}
}
