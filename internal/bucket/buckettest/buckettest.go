// Package buckettest gives tests a real S3 server: versitygw on a free port of this
// machine, over a directory of the test.
//
//	server := buckettest.Start(t)
//	address := server.Bucket(t, "audit-logs") // for bucket.Open
package buckettest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

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

// patience bounds how long a server may take to start or to stop.
const patience = 30 * time.Second

// A Server is an S3 server that can be stopped and started again with its data.
type Server struct {
	dir     string
	program string
	port    int
	command *exec.Cmd // nil when it does not run
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
	program, err := find()
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
	s := &Server{dir: dir, program: program}
	return s, s.Again()
}

// find returns the path of versitygw.
func find() (string, error) {
	if path := os.Getenv(Program); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("buckettest: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", "tools", "versitygw")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	path, err := exec.LookPath("versitygw")
	if err != nil {
		return "", ErrMissing
	}
	return path, nil
}

// Start starts a server that was stopped, on the port that it had.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if err := s.Again(); err != nil {
		t.Fatal(err)
	}
}

// Again is Start outside of tests.
func (s *Server) Again() error {
	var last error
	for range 5 { // somebody else may take a free port first
		if s.port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			s.port = port
		}
		if last = s.start(); last == nil {
			return nil
		}
		s.Stop()
		s.port = 0
	}
	return last
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("buckettest: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func (s *Server) start() error {
	cmd := exec.Command(s.program, "--port", fmt.Sprintf("127.0.0.1:%d", s.port), "--quiet", "posix", s.dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+accessKey, "ROOT_SECRET_KEY="+secretKey)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("buckettest: start versitygw: %w", err)
	}
	s.command = cmd
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := answers(ctx, s.endpoint())
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("buckettest: versitygw does not answer: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// answers reports whether an S3 server answers: it refuses who shows no key.
func answers(ctx context.Context, endpoint string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode != http.StatusForbidden {
		err = fmt.Errorf("it answers %s", response.Status)
	}
	return err
}

// Stop ends the server at once; its data stay. A request under way fails.
func (s *Server) Stop() {
	if s.command == nil {
		return
	}
	_ = s.command.Process.Kill() // it may have ended
	_ = s.command.Wait()         // and says that it was killed
	s.command = nil
}

func (s *Server) endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

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
