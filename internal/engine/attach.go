package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// attachFile tells other processes of the same user where the engine is.
const attachFile = "engine.json"

// ErrNotRunning is returned by Attach when no process serves the directory.
var ErrNotRunning = errors.New("no engine is running")

// Address is what a client needs to talk to a running engine.
type Address struct {
	Addr     string `json:"addr"` // host:port of the native protocol
	User     string `json:"user"`
	Password string `json:"password"`
	PID      int    `json:"pid"` // the process that called Start, not the child
}

// LogValue keeps the password out of logs.
func (a Address) LogValue() slog.Value {
	return slog.GroupValue(slog.String("addr", a.Addr), slog.String("user", a.User), slog.Int("pid", a.PID))
}

// attachPatience is how long Attach waits for an engine that is being
// restarted; a healthy one answers in milliseconds.
const attachPatience = 15 * time.Second

// Attach returns the address of the engine that another process runs on the
// data directory, after it has answered. Without one, the error is
// ErrNotRunning.
func Attach(ctx context.Context, dir string) (Address, error) {
	held, err := locked(filepath.Join(dir, parentLockFile))
	if errors.Is(err, fs.ErrPermission) {
		return Address{}, fmt.Errorf("engine: attach to %s: it belongs to another user: run this command as that user: %w", dir, err)
	}
	if err != nil {
		return Address{}, fmt.Errorf("engine: attach to %s: %w", dir, err)
	}
	// The file alone proves nothing: a killed process leaves it behind, and its
	// port may be someone else's by now.
	if !held {
		return Address{}, fmt.Errorf("engine: attach to %s: %w: start exhibit serve on it", dir, ErrNotRunning)
	}
	ctx, cancel := context.WithTimeout(ctx, attachPatience)
	defer cancel()
	var address Address
	err = poll(ctx, func() error {
		var err error
		if address, err = readAddress(filepath.Join(dir, attachFile)); err != nil {
			return err
		}
		return ping(ctx, address, pingPatience)
	})
	if err != nil {
		return Address{}, fmt.Errorf("engine: attach to %s: the process that serves it gives no answer: %w", dir, err)
	}
	return address, nil
}

func readAddress(path string) (Address, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Address{}, err
	}
	var a Address
	if err := json.Unmarshal(b, &a); err != nil {
		return Address{}, fmt.Errorf("read %s: %w", path, err)
	}
	return a, nil
}

// writeAddress replaces the attach file; readers see the old one or the new.
func writeAddress(path string, a Address) error {
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	next := path + ".new"
	if err := writePrivate(next, append(b, '\n')); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// writePrivate writes a file that only this user can read, from its first
// byte on and whatever was there before.
func writePrivate(path string, b []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// pingPatience bounds one question to the engine. A busy one answers in
// milliseconds, and a machine that swaps still sooner than this.
const pingPatience = 10 * time.Second

// ping signs in on a new connection, so that the listener is tried as well.
func ping(ctx context.Context, a Address, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol:     clickhouse.Native,
		Addr:         []string{a.Addr},
		Auth:         clickhouse.Auth{Database: "system", Username: a.User, Password: a.Password},
		DialTimeout:  patience,
		MaxOpenConns: 1,
	})
	if err != nil {
		return err
	}
	return errors.Join(conn.Ping(ctx), conn.Close())
}

// poll calls try, at first every few milliseconds and later less often, until
// it succeeds or ctx ends; then it returns the last error that try gave.
func poll(ctx context.Context, try func() error) error {
	for wait := 2 * time.Millisecond; ; wait = min(wait+wait/4+1, 100*time.Millisecond) {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
