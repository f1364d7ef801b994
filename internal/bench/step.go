package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"exhibit/internal/engine"
	"exhibit/internal/store"
)

// The steps.
const (
	stepGenerate    = "generate"
	stepImport      = "import"
	stepLoad        = "load"
	stepDisk        = "disk"
	stepPack        = "pack"
	stepExport      = "export"
	stepExportPlain = "export-plain"
	stepVerify      = "verify"
	stepAgain       = "import-again"
	stepPages       = "pages"
	stepPush        = "push"
	stepObjects     = "objects"
)

// measured is what one step took.
type measured struct {
	Events  uint64             `json:"events"`
	Wall    time.Duration      `json:"wall"`
	Own     time.Duration      `json:"own"`    // processor time of the step's process
	Engine  time.Duration      `json:"engine"` // processor time of the engine meanwhile
	Memory  uint64             `json:"memory"` // peak, of the step's process
	Beside  uint64             `json:"beside"` // peak, of the engine
	Numbers map[string]float64 `json:"numbers,omitempty"`
}

func (m measured) cpu() time.Duration { return m.Own + m.Engine }

// A bench runs steps in child processes and keeps what they say.
type bench struct {
	settings
	engine *engine.Engine
	steps  map[string][]measured
}

func (b *bench) step(ctx context.Context, name string, round int) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, exe, "-step", name, "-round", strconv.Itoa(round), "-dir", b.dir,
		"-events", strconv.Itoa(b.events), "-now", b.now.Format(time.RFC3339), "-profile", b.profile)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "BENCH_ENGINE="+strconv.Itoa(b.engine.Pid()))
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	var m measured
	if err := json.Unmarshal(bytes.TrimSpace(out), &m); err != nil {
		return fmt.Errorf("read the answer of the step: %w", err)
	}
	if round == moreRound {
		name += "-more"
	}
	b.steps[name] = append(b.steps[name], m)
	fmt.Fprintf(os.Stderr, "%-14s %9d events %8.2f s, processor %6.2f s + %6.2f s of the engine, memory %4d MiB + %4d MiB\n", name, m.Events,
		m.Wall.Seconds(), m.Own.Seconds(), m.Engine.Seconds(), m.Memory>>20, m.Beside>>20)
	if name == stepImport {
		fmt.Fprintf(os.Stderr, "  the committer, seconds: %v\n", m.Numbers)
	}
	return nil
}

// A stage is what a step has: the store and where things are.
type stage struct {
	settings
	db     *store.DB
	engine int // its process id
	m      measured

	began       time.Time
	own, beside time.Duration
}

// runStep runs one step in this process and prints what it took.
func (s settings) runStep(ctx context.Context) error {
	pid, err := strconv.Atoi(os.Getenv("BENCH_ENGINE"))
	if err != nil {
		return errors.New("a step is started by the program itself")
	}
	st := &stage{settings: s, engine: pid}
	if st.db, err = st.open(ctx, st.database()); err != nil {
		return err
	}
	do := map[string]func(context.Context) error{
		stepGenerate: st.generate, stepImport: st.imports, stepAgain: st.importAgain, stepLoad: st.load, stepDisk: st.disk,
		stepPack: st.pack, stepExport: st.export, stepExportPlain: st.exportPlain, stepVerify: st.verify, stepPages: st.pages,
		stepPush: st.push, stepObjects: st.objects,
	}[s.step]
	if do == nil {
		return fmt.Errorf("there is no step %q", s.step)
	}
	if err := do(ctx); err != nil {
		return err
	}
	if err := st.db.Close(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(st.m)
}

func (s settings) database() string {
	if s.step == stepLoad {
		return fmt.Sprintf("exhibit_load_%d", s.round)
	}
	if s.step == stepPush {
		return fmt.Sprintf("exhibit_push_%d", s.round)
	}
	if s.step == stepObjects {
		return "exhibit_objects"
	}
	if s.round == moreRound {
		return "exhibit_own_more"
	}
	if s.step == stepImport {
		return fmt.Sprintf("exhibit_own_%d", s.round)
	}
	return "exhibit_own_0" // later steps use what the first round brought in
}

func (s settings) path(name string) string { return filepath.Join(s.dir, name) }

// events file of this size of history.
func (s settings) input() string { return s.path(fmt.Sprintf("events-%d.jsonl", s.events)) }

// data is the data directory of the writer.
func (s settings) data() string { return s.path("data-" + s.database()) }

func (st *stage) open(ctx context.Context, database string) (*store.DB, error) {
	a, err := engine.Attach(ctx, st.path("engine"))
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, store.Options{Addrs: []string{a.Addr}, Database: database, User: a.User, Password: a.Password, Timeout: 10 * time.Minute})
}

// start begins to measure; what a step did before was preparation.
func (st *stage) start() error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", st.engine), []byte("5"), 0); err != nil { // its peak begins anew
		return err
	}
	if st.profile != "" {
		f, err := os.Create(filepath.Join(st.profile, st.step+".cpu"))
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	var err error
	if st.own, err = processor(os.Getpid()); err == nil {
		st.beside, err = processor(st.engine)
	}
	st.began = time.Now()
	return err
}

// stop ends the measuring.
func (st *stage) stop(events uint64) (err error) {
	st.m.Wall, st.m.Events = time.Since(st.began), events
	if st.profile != "" {
		pprof.StopCPUProfile()
		f, err := os.Create(filepath.Join(st.profile, st.step+".heap"))
		if err != nil {
			return err
		}
		if err := errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close()); err != nil {
			return err
		}
	}
	var own, beside time.Duration
	if own, err = processor(os.Getpid()); err != nil {
		return err
	}
	if beside, err = processor(st.engine); err != nil {
		return err
	}
	st.m.Own, st.m.Engine = own-st.own, beside-st.beside
	if st.m.Memory, err = peak(os.Getpid()); err == nil {
		st.m.Beside, err = peak(st.engine)
	}
	return err
}

// processor returns the processor time that a process has used.
func processor(pid int) (time.Duration, error) {
	if pid == os.Getpid() {
		var u syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest) // from the third of proc(5) on
	if len(fields) < 13 {
		return 0, fmt.Errorf("process %d: cannot read its processor time", pid)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ, which Linux has fixed at 100
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// peak returns the most memory that a process has had resident.
func peak(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for scan := bufio.NewScanner(bytes.NewReader(b)); scan.Scan(); {
		if rest, ok := strings.CutPrefix(scan.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d: its peak memory is not known", pid)
}
