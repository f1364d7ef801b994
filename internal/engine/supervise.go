package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// endPatience is how long a child gets to leave when its stdin has closed.
	endPatience = 5 * time.Second
	// maxMissed is how many looks in a row may find no answer before the child
	// is replaced: a full minute and more when each times out.
	maxMissed = 6
	// maxStarts is how many starts in a row may fail before the engine gives up.
	maxStarts = 8
)

// process is one child.
type process struct {
	cmd   *exec.Cmd
	stdin io.Closer     // the child lives as long as this is open
	ended chan struct{} // closed when it has been waited for
	how   error         // how it ended; read it after ended
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// run starts a child and looks after its end.
func run(cmd *exec.Cmd) (*process, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin, ended: make(chan struct{})}
	go func() {
		p.how = cmd.Wait()
		if p.how == nil {
			p.how = errors.New("exit status 0")
		}
		close(p.ended)
	}()
	return p, nil
}

// end returns when the child is gone.
func (p *process) end() {
	p.stdin.Close() // an error means that it is closed already
	select {
	case <-p.ended:
		return
	case <-time.After(endPatience):
	}
	_ = p.cmd.Process.Kill() // an error means that it has just ended
	<-p.ended
}

// startChild starts a child and returns when it answers, or is gone again.
func (e *Engine) startChild(ctx context.Context) error {
	log, err := openLog(filepath.Join(e.options.Dir, clickhouseDir, logFile))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the child has its own copy
	args := append(e.options.Command[1:len(e.options.Command):len(e.options.Command)], childArgs(e.options.Lib, e.options.Dir)...)
	cmd := exec.Command(e.options.Command[0], args...)
	cmd.Dir = filepath.Join(e.options.Dir, clickhouseDir)       // ClickHouse looks for files where it stands
	cmd.Env = []string{"TZ=UTC", "LC_ALL=C", "HOME=" + cmd.Dir} // and no secret of ours
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl+C is for the parent, which closes stdin when it is done
	child, err := run(cmd)
	if err != nil {
		return fmt.Errorf("start child: %w", err)
	}
	e.mu.Lock()
	e.child = child
	e.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- poll(ctx, func() error { return ping(ctx, e.address, pingPatience) }) }()
	select {
	case err = <-answered:
		if err == nil {
			return nil
		}
		child.end()
		return fmt.Errorf("no answer on %s: %w; see %s", e.address.Addr, err, log.Name())
	case <-child.ended:
		cancel()
		<-answered
		return fmt.Errorf("child ended (%w): %s; see %s", child.how, lastMessage(log.Name()), log.Name())
	}
}

// supervise replaces the child when it dies or answers no more, until Close.
func (e *Engine) supervise() {
	defer close(e.done)
	defer e.release()
	for {
		reason := e.watch()
		if reason == nil {
			return
		}
		e.log.Error("engine is gone, restarting it", "pid", e.Pid(), "reason", reason)
		_ = e.child.cmd.Process.Kill() // an error means that it has ended
		e.child.end()
		if err := e.restart(); err != nil {
			e.log.Error("engine does not start again", "err", err)
			e.mu.Lock()
			e.err = fmt.Errorf("engine: restart on %s: %w", e.options.Dir, err)
			e.mu.Unlock()
			return
		}
		if e.closing() {
			return
		}
	}
}

func (e *Engine) closing() bool {
	select {
	case <-e.stop:
		return true
	default:
		return false
	}
}

// watch returns why the child must be replaced, or nil when Close was called.
func (e *Engine) watch() error {
	look := time.NewTicker(e.options.CheckEvery)
	defer look.Stop()
	for missed := 0; ; {
		select {
		case <-e.stop:
			return nil
		case <-e.child.ended:
			return fmt.Errorf("child ended: %w", e.child.how)
		case <-look.C:
		}
		err := ping(context.Background(), e.address, e.options.CheckTimeout)
		if err == nil {
			missed = 0
			continue
		}
		// Nobody listens although the process is there: waiting will not help.
		if missed++; missed >= maxMissed || errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("no answer: %w", err)
		}
		e.log.Warn("engine gives no answer", "missed", missed, "err", err)
	}
}

// restart starts a child until one answers; nil also when Close was called.
func (e *Engine) restart() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-e.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	wait := 50 * time.Millisecond
	for failed := 0; ; wait *= 2 {
		began := time.Now()
		err := e.startChild(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			e.mu.Lock()
			e.restarts++
			e.mu.Unlock()
			e.log.Info("engine restarted", "pid", e.Pid(), "took", time.Since(began))
			return nil
		}
		if failed++; failed == maxStarts {
			return err
		}
		e.log.Error("engine restart", "attempt", failed, "err", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
