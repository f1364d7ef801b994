package ingest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// Socket returns the path of the writer's socket.
func (d Dir) Socket() string { return filepath.Join(d.path("writer"), "sock") }

// Listen opens the socket. The one of a process that is gone is replaced: the
// writer's lock was taken before. A socket gets its mode only after it takes
// connections, so it lies in a directory that is closed to others before.
func (d Dir) Listen() (net.Listener, error) {
	path := d.Socket()
	dir := filepath.Dir(path)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("ingest: socket: %w", err)
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
		return nil, errors.Join(fmt.Errorf("ingest: socket: %s is no directory", dir), err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("ingest: socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("ingest: socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil && len(path) > maxSocketPath {
		return nil, fmt.Errorf("ingest: socket: the path %s is too long for a socket: use a data directory with a shorter one: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("ingest: socket: %w", err)
	}
	return l, nil
}

// maxSocketPath is what every system takes; Linux takes a few bytes more.
const maxSocketPath = 103
