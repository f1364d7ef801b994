package buckettest

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"exhibit/internal/bucket"

	"cloud.google.com/go/storage"
)

// GoogleProgram names an environment variable for the path of fake-gcs-server. Without
// it the program is looked for in bin/tools, where "make gcs" puts it, then in PATH.
const GoogleProgram = "EXHIBIT_FAKE_GCS_SERVER"

// A Google is a server of Google Cloud Storage. It keeps its objects in memory: what it
// had is gone when it was stopped.
type Google struct{ process }

// StartGoogle starts a server of its own for the test, which ends with it. Without
// fake-gcs-server the test is skipped, or fails when CI=true.
func StartGoogle(t testing.TB) *Google {
	t.Helper()
	program, err := find("fake-gcs-server", GoogleProgram)
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("CI") != "true" {
		t.Skip("buckettest: fake-gcs-server is missing: run 'make gcs', or name it in " + GoogleProgram)
	}
	if err != nil {
		t.Fatal(err)
	}
	g := &Google{process{program: program, path: "/_internal/healthcheck", ready: http.StatusOK, args: func(port int) []string {
		return []string{"-scheme", "http", "-host", "127.0.0.1", "-port", fmt.Sprint(port), "-public-host", fmt.Sprintf("127.0.0.1:%d", port), "-backend", "memory", "-log-level", "error"}
	}}}
	t.Cleanup(g.Stop)
	g.Start(t)
	return g
}

// URL returns the address of a bucket of the server, whether it is there or not.
func (g *Google) URL(name string) string {
	return "gs://" + name + "?anonymous=true&endpoint=" + g.endpoint()
}

// Bucket makes a bucket and returns its address.
func (g *Google) Bucket(t testing.TB, name string) string {
	t.Helper()
	address := g.URL(name)
	b, err := bucket.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var client *storage.Client
	if !b.As(&client) {
		t.Fatalf("%s is not a bucket of Google", address)
	}
	if err := client.Bucket(name).Create(t.Context(), "test", nil); err != nil {
		t.Fatal(err)
	}
	return address
}
