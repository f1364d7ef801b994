// Package verifier is the command line of exhibit-verify, which is also that of
// exhibit verify: it checks an evidence pack offline, against a key that reached
// the reader another way than with the pack.
package verifier

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"exhibit/internal/pack"

	"github.com/alecthomas/kong"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Exit codes.
const (
	good     = 0
	wrong    = 1
	unusable = 2 // the command line or a file is
)

type options struct {
	Pack  string   `arg:"" help:"The pack, a zip file."`
	Key   string   `required:"" placeholder:"KEY" help:"Public key of the log (NAME+HASH+BASE64), or a file that holds it. It must have reached you another way than with the pack."`
	Since []string `placeholder:"CHECKPOINT" sep:"none" help:"File with an older checkpoint of the same log that you hold. May be given several times."`
	JSON  bool     `name:"json" help:"Print the result as JSON."`
}

// Run runs the command called name and returns its exit code.
func Run(ctx context.Context, name string, args []string, stdout, stderr io.Writer) int {
	var o options
	helped := false
	parser, err := kong.New(&o, kong.Name(name), kong.Writers(stdout, stderr), kong.Exit(func(int) { helped = true }),
		kong.Description("Checks an evidence pack. Exit code: 0 nothing is wrong, 1 something is, 2 it could not be checked."))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if helped {
		return good
	}
	var res *pack.Result
	if err == nil {
		res, err = check(ctx, o, progress(stderr))
	}
	if err == nil {
		err = show(stdout, res, o.JSON)
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return unusable
	case !res.OK:
		return wrong
	}
	return good
}

func check(ctx context.Context, o options, progress func(done, total uint64)) (*pack.Result, error) {
	key, err := pack.Given(o.Key)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	var since []string
	for _, arg := range o.Since {
		text, err := pack.Given(arg)
		if err != nil {
			return nil, fmt.Errorf("--since: %w", err)
		}
		since = append(since, text)
	}
	f, err := os.Open(o.Pack)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return pack.Verify(ctx, f, info.Size(), pack.Options{Key: key, Since: since, Progress: progress})
}

func show(w io.Writer, res *pack.Result, asJSON bool) error {
	if !asJSON {
		return res.Print(w)
	}
	if err := json.MarshalWrite(w, res, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// progress returns a callback that keeps a terminal informed, and nothing else.
func progress(stderr io.Writer) func(done, total uint64) {
	f, ok := stderr.(*os.File)
	if !ok {
		return nil
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	last := time.Now()
	return func(done, total uint64) {
		if now := time.Now(); now.Sub(last) > 200*time.Millisecond {
			last = now
			fmt.Fprintf(f, "\rchecking %d %%\x1b[K\r", done*100/max(total, 1))
		}
	}
}
