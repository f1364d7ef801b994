// Package buckettest gives tests real servers of object storage on free ports of this
// machine: versitygw for S3, over a directory of the test, and fake-gcs-server for
// Google Cloud Storage; and containers of an Azurite that somebody else started.
//
//	server := buckettest.Start(t)
//	address := server.Bucket(t, "audit-logs") // for bucket.Open
package buckettest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"exhibit/internal/bucket"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Program names an environment variable for the path of versitygw. Without it the
// program is looked for in bin/tools, where "make s3" puts it, then in PATH.
const Program = "EXHIBIT_VERSITYGW"

// The one account of all servers. Opening a bucket finds it in the environment.
const (
	accessKey = "exhibit-test"
	secretKey = "exhibit-test-secret"
)

// A Server is an S3 server that can be stopped and started again with its data.
type Server struct {
	process
	dir string
}

// ErrMissing says that there is no versitygw.
var ErrMissing = errors.New("buckettest: versitygw, the S3 server, is missing: run 'make s3', or name it in " + Program)

// Start starts a server of its own for the test, which ends with it. Without
// versitygw the test is skipped, or fails when CI=true.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Run(t.TempDir())
	if errors.Is(err, ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// Run starts a server over a directory. Who calls it stops it.
func Run(dir string) (*Server, error) {
	program, err := find("versitygw", Program)
	if errors.Is(err, exec.ErrNotFound) {
		err = ErrMissing
	}
	if err != nil {
		return nil, err
	}
	// Where URLs give no credentials, the environment does. All servers have the
	// same, so that tests may run beside each other.
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey} {
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("buckettest: %w", err)
		}
	}
	s := &Server{dir: dir}
	// It refuses who shows no key.
	s.process = process{program: program, ready: http.StatusForbidden, env: []string{"ROOT_ACCESS_KEY=" + accessKey, "ROOT_SECRET_KEY=" + secretKey},
		args: func(port int) []string {
			return []string{"--port", fmt.Sprintf("127.0.0.1:%d", port), "--quiet", "posix", dir}
		}}
	return s, s.Again()
}

// URL returns the address of a bucket of the server, whether it is there or not.
func (s *Server) URL(name string) string {
	return "s3://" + name + "?endpoint=" + s.endpoint() + "&use_path_style=true&region=us-east-1"
}

// Bucket makes a bucket and returns its address.
func (s *Server) Bucket(t testing.TB, name string) string {
	t.Helper()
	address, err := s.Make(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// Make is Bucket outside of tests.
func (s *Server) Make(ctx context.Context, name string) (string, error) {
	address := s.URL(name)
	b, err := bucket.Open(ctx, address)
	if err != nil {
		return "", err
	}
	var client *s3.Client
	if b.As(&client) {
		_, err = client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name})
	} else {
		err = errors.New("it is not an S3 bucket")
	}
	if err := errors.Join(err, b.Close()); err != nil {
		return "", fmt.Errorf("buckettest: make bucket %s: %w", name, err)
	}
	return address, nil
}
