package buckettest_test

import (
	"testing"

	"exhibit/internal/bucket"
	"exhibit/internal/bucket/buckettest"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"
)

func TestServer(t *testing.T) {
	t.Parallel()
	server := buckettest.Start(t)
	b, err := bucket.Open(t.Context(), server.Bucket(t, "evidence"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.WriteAll(t.Context(), "a/b", []byte("first"), &blob.WriterOptions{IfNotExist: true}); err != nil {
		t.Fatal(err)
	}
	err = b.WriteAll(t.Context(), "a/b", []byte("second"), &blob.WriterOptions{IfNotExist: true})
	if gcerrors.Code(err) != gcerrors.FailedPrecondition {
		t.Errorf("the second writer of a key got %v", err)
	}
	server.Stop()
	server.Start(t)
	if got, err := b.ReadAll(t.Context(), "a/b"); err != nil || string(got) != "first" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	denied, err := bucket.Open(t.Context(), server.URL("evidence")+"&anonymous=true")
	if err != nil {
		t.Fatal(err)
	}
	defer denied.Close()
	if _, err := denied.ReadAll(t.Context(), "a/b"); err == nil {
		t.Error("a reader without credentials is let in")
	}
}
