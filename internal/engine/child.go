package engine

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/unix"
)

// childArg is the first argument of a process that is to be the engine.
const childArg = "engine"

// childQuery keeps the library inside its one call for ever: the listener
// lives as long as the query that started it is followed by another.
const childQuery = "SYSTEM START LISTEN TCP; " +
	"SELECT count() FROM system.numbers WHERE sleepEachRow(3) = 1 SETTINGS max_block_size = 1, max_threads = 1"

// RunChildIfAsked makes this process the engine, and never returns, when its
// first argument says so; otherwise it does nothing. It belongs at the very
// top of main, and of TestMain where tests start an engine, because an engine
// is started as another process of the running binary.
func RunChildIfAsked() {
	if len(os.Args) < 2 || os.Args[1] != childArg {
		return
	}
	fmt.Fprintln(os.Stderr, messagePrefix, Child(os.Args[2:], os.Stdin))
	os.Exit(1)
}

// childArgs is what Child reads back.
func childArgs(lib, dir string) []string { return []string{childArg, "-lib", lib, "-dir", dir} }

// Child runs ClickHouse in this process, on the arguments that Start gives
// it, until stdin closes: then the process exits, at once and without
// clean-up, so that it can never outlive the parent that holds the other
// end. What is committed survives that as it survives SIGKILL. Child returns
// only when the engine cannot start or stops by itself.
func Child(args []string, stdin io.Reader) error {
	flags := flag.NewFlagSet(childArg, flag.ContinueOnError)
	lib := flags.String("lib", "", "libchdb")
	dir := flags.String("dir", "", "data directory")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read arguments: %w", err)
	}
	if *lib == "" || *dir == "" {
		return errors.New("this command is started by Exhibit itself: use exhibit serve")
	}
	go exitWith(stdin)
	// A service manager or a terminal may signal all processes at once: the
	// parent still needs the engine for what it does before it leaves.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	unix.Umask(0o077)

	// The engine before this one may be on its way out. Waiting here, and not
	// failing, is what lets a restart follow a kill immediately.
	lock, err := waitLock(filepath.Join(*dir, childLockFile))
	if err != nil {
		return fmt.Errorf("lock data of %s: %w", *dir, err)
	}
	defer runtime.KeepAlive(lock) // a collected file closes, and unlocks

	return runLibrary(*lib, []string{
		"clickhouse-local",
		"--path=" + filepath.Join(*dir, clickhouseDir),
		"--config-file=" + filepath.Join(*dir, clickhouseDir, configFile),
		"--" + queryLimit + "=" + ownLimit,
		"--query=" + childQuery,
	})
}

// exitWith ends the process when r does.
func exitWith(r io.Reader) {
	_, _ = io.Copy(io.Discard, r) // an error ends it as well as an end
	os.Exit(0)
}

// runLibrary calls chdb_query_cmdline(argc, argv) and returns when it does.
func runLibrary(lib string, argv []string) error {
	handle, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("load %s: %w", lib, err)
	}
	var run func(argc int32, argv unsafe.Pointer) uintptr
	var message func(result uintptr) string
	const runName, messageName = "chdb_query_cmdline", "chdb_result_error"
	runAt, err := purego.Dlsym(handle, runName)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", runName, lib, err)
	}
	messageAt, err := purego.Dlsym(handle, messageName)
	if err != nil {
		return fmt.Errorf("find %s in %s: %w", messageName, lib, err)
	}
	purego.RegisterFunc(&run, runAt)
	purego.RegisterFunc(&message, messageAt)
	if err := keepServing(lib, runName, runAt); err != nil {
		return fmt.Errorf("replace the error handler of %s (is it another version than package-lock.json has?): %w", lib, err)
	}

	words := make([]*byte, len(argv)+1) // C wants a NULL behind the last
	for i, word := range argv {
		words[i] = unsafe.StringData(word + "\x00")
	}
	result := run(int32(len(argv)), unsafe.Pointer(&words[0]))
	runtime.KeepAlive(words)
	if result != 0 {
		if text := message(result); text != "" {
			return errors.New(text)
		}
	}
	return errors.New("the engine ended by itself")
}
