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
)

// patience bounds how long a server may take to start.
const patience = 30 * time.Second

// A process is a server that listens on a port of this machine.
type process struct {
	program string
	args    func(port int) []string
	env     []string
	path    string // that is asked for until it answers
	ready   int    // the status that it answers with
	port    int
	command *exec.Cmd // nil when it does not run
}

// find returns the path of a program: what the environment variable names, what
// "make deps" put into bin/tools, or what is in PATH.
func find(program, variable string) (string, error) {
	if path := os.Getenv(variable); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("buckettest: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", "tools", program)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return exec.LookPath(program)
}

// Start starts a server that was stopped, on the port that it had.
func (p *process) Start(t testing.TB) {
	t.Helper()
	if err := p.Again(); err != nil {
		t.Fatal(err)
	}
}

// Again is Start outside of tests.
func (p *process) Again() error {
	var last error
	for range 5 { // somebody else may take a free port first
		if p.port == 0 {
			port, err := freePort()
			if err != nil {
				return err
			}
			p.port = port
		}
		if last = p.start(); last == nil {
			return nil
		}
		p.Stop()
		p.port = 0
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

func (p *process) start() error {
	name := filepath.Base(p.program)
	cmd := exec.Command(p.program, p.args(p.port)...)
	cmd.Env = append(os.Environ(), p.env...)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("buckettest: start %s: %w", name, err)
	}
	p.command = cmd
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		err := p.answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("buckettest: %s does not answer: %w", name, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// answers reports whether the server answers as it does when it is ready.
func (p *process) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.endpoint()+p.path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	err = errors.Join(err, response.Body.Close())
	if err == nil && response.StatusCode != p.ready {
		err = fmt.Errorf("it answers %s", response.Status)
	}
	return err
}

// Stop ends the server at once; what it has on disk stays. A request under way fails.
func (p *process) Stop() {
	if p.command == nil {
		return
	}
	_ = p.command.Process.Kill() // it may have ended
	_ = p.command.Wait()         // and says that it was killed
	p.command = nil
}

func (p *process) endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", p.port) }
