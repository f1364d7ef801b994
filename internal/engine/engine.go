package engine

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Options say what to start. Only Dir is required.
type Options struct {
	Dir       string       // the data directory; made when missing
	Lib       string       // path of libchdb; default FindLib()
	Database  string       // what the names of the user's databases begin with; default "exhibit"
	MaxMemory uint64       // bytes the engine may use; default 4 GiB or 40 % of the machine's, the lower
	AllowFile bool         // grant the file() table function: any file that this process can read
	Command   []string     // how to run the child; default the running binary, which must call RunChildIfAsked
	Rand      io.Reader    // where the password comes from; default crypto/rand
	Log       *slog.Logger // default: no log

	CheckEvery   time.Duration // between two looks at a running child; default 5 s
	CheckTimeout time.Duration // how long one look waits for an answer; default 10 s
}

// user is the one that clients sign in as.
const user = "exhibit"

// startPatience bounds one start of the child. It takes a quarter of a second
// when the library is in the page cache, and many seconds from a slow disk.
const startPatience = 2 * time.Minute

// databaseName is what may stand in a grant without further thought.
var databaseName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// Engine is a running embedded ClickHouse. Its methods may be used from
// several goroutines.
type Engine struct {
	options Options
	address Address
	log     *slog.Logger

	lock     *os.File // DIR/engine.lock; held until Close
	reserved *os.File // the port; nil where it cannot be held

	stop chan struct{} // closed by Close
	once sync.Once     // for stop
	done chan struct{} // closed when the supervisor has returned

	mu       sync.Mutex // protects what follows
	child    *process   // the one that runs, or ran last
	restarts int
	err      error // why the engine has stopped for good
}

// Start runs an engine on the data directory and returns when it answers. ctx
// bounds the start only; the engine runs until Close. When another process has
// the directory the error is ErrInUse and names it.
func Start(ctx context.Context, options Options) (*Engine, error) {
	options, err := options.complete()
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	e := &Engine{options: options, log: options.Log, stop: make(chan struct{}), done: make(chan struct{})}
	if err := e.start(ctx); err != nil {
		e.release()
		return nil, fmt.Errorf("engine: start on %s: %w", options.Dir, err)
	}
	go e.supervise()
	return e, nil
}

func (o Options) complete() (Options, error) {
	if o.Dir == "" {
		return o, errors.New("no data directory given")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return o, fmt.Errorf("find data directory %q: %w", o.Dir, err)
	}
	o.Dir = dir
	if o.Lib == "" {
		if o.Lib, err = FindLib(); err != nil {
			return o, err
		}
	}
	if o.Database == "" {
		o.Database = "exhibit"
	}
	if !databaseName.MatchString(o.Database) {
		return o, fmt.Errorf("database %q: want lower case letters, digits and _, a letter first", o.Database)
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 4 << 30
		if memory := machineMemory(); memory > 0 {
			o.MaxMemory = min(o.MaxMemory, memory/5*2)
		}
	}
	if len(o.Command) == 0 {
		exe, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("find running binary: %w", err)
		}
		o.Command = []string{exe}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CheckEvery <= 0 {
		o.CheckEvery = 5 * time.Second
	}
	if o.CheckTimeout <= 0 {
		o.CheckTimeout = pingPatience
	}
	return o, nil
}

// start does everything up to an engine that answers; what it has opened by
// the time it fails is for release.
func (e *Engine) start(ctx context.Context) (err error) {
	began := time.Now()
	dir := e.options.Dir
	if err := makeDir(dir); err != nil {
		return err
	}
	if e.lock, err = takeLock(filepath.Join(dir, parentLockFile)); err != nil {
		return err
	}
	// A file left by a killed process; from here on it would lie.
	if err := removeIfThere(filepath.Join(dir, attachFile)); err != nil {
		return err
	}
	port, held, err := reservePort()
	if err != nil {
		return fmt.Errorf("reserve a loopback port: %w", err)
	}
	e.reserved = held
	secret := make([]byte, 32)
	if _, err := io.ReadFull(e.options.Rand, secret); err != nil {
		return fmt.Errorf("make password: %w", err)
	}
	e.address = Address{
		Addr:     net.JoinHostPort(loopback, strconv.Itoa(port)),
		User:     user,
		Password: base64.RawURLEncoding.EncodeToString(secret),
		PID:      os.Getpid(),
	}
	if err := e.writeConfig(port); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := e.startChild(ctx); err != nil {
		return err
	}
	if err := writeAddress(filepath.Join(dir, attachFile), e.address); err != nil {
		return fmt.Errorf("write attach file: %w", err)
	}
	e.log.Info("engine started", "addr", e.address.Addr, "pid", e.Pid(), "took", time.Since(began))
	return nil
}

// makeDir makes the data directory and what Exhibit keeps in it.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	if info.Mode().Perm()&0o002 != 0 {
		return errors.New("everybody can write to this directory: use one of your own, or take that right away (chmod o-w)")
	}
	for _, name := range []string{clickhouseDir, backupDir} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return fmt.Errorf("make data directory: %w", err)
		}
	}
	return nil
}

func (e *Engine) writeConfig(port int) error {
	home := filepath.Join(e.options.Dir, clickhouseDir)
	server, err := serverConfig(filepath.Join(home, usersFile), filepath.Join(e.options.Dir, backupDir), port, e.options.MaxMemory)
	if err != nil {
		return err
	}
	users, err := usersConfig(e.address.User, e.address.Password, e.options.Database, e.options.AllowFile)
	if err != nil {
		return err
	}
	if err := writePrivate(filepath.Join(home, configFile), server); err != nil {
		return err
	}
	return writePrivate(filepath.Join(home, usersFile), users)
}

// Address is where the engine is; it stays the same until Close.
func (e *Engine) Address() Address { return e.address }

// Dir is the data directory, absolute.
func (e *Engine) Dir() string { return e.options.Dir }

// Pid is the process id of the child, which changes when it is restarted.
func (e *Engine) Pid() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.child.pid()
}

// Restarts counts how often the child was replaced.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restarts
}

// Done is closed when the engine has stopped for good: after Close, or when
// the child could not be restarted.
func (e *Engine) Done() <-chan struct{} { return e.done }

// Err says why Done is closed: nil before that and after Close.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Close stops the child, removes the attach file and gives the directory free.
// It may be called more than once; it returns Err.
func (e *Engine) Close() error {
	e.once.Do(func() { close(e.stop) })
	<-e.done
	return e.Err()
}

// release gives back what start took, child first, so that nobody finds the
// directory free while ClickHouse still writes in it.
func (e *Engine) release() {
	if e.child != nil {
		e.child.end()
	}
	if e.lock != nil {
		if err := removeIfThere(filepath.Join(e.options.Dir, attachFile)); err != nil {
			e.log.Error("attach file stays behind", "err", err)
		}
	}
	for _, f := range []*os.File{e.reserved, e.lock} {
		if f != nil {
			f.Close() // held no data: nothing to lose
		}
	}
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
