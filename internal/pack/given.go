package pack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxGiven bounds a file with a key or a checkpoint.
const maxGiven = 1 << 20

// Given returns the text of a key or checkpoint that a person named on a command
// line: the argument itself when it is one, else the content of that file. Of a saved
// mail it is the checkpoint that the mail tells.
func Given(arg string) (string, error) {
	f, err := os.Open(arg)
	if err != nil {
		if strings.Count(arg, "+") >= 2 || strings.Count(arg, "\n") >= 2 {
			return arg, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%q is neither a key or checkpoint nor a file", arg)
		}
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxGiven+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", arg, err)
	}
	if len(b) > maxGiven {
		// A mail with a pack attached: its text comes first.
		if text := string(b); mailed(text) != text {
			return mailed(text), nil
		}
		return "", fmt.Errorf("%s is larger than %d bytes: it is no key and no checkpoint", arg, maxGiven)
	}
	return mailed(string(b)), nil
}
