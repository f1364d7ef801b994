package schedule

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Directories puts packs into directories that the configuration names.
type Directories struct {
	Paths map[string]string
	Packs func(id string) (*os.File, error)
}

// Send implements Post. A pack of a run goes there once: the name of its file has the
// id of the delivery, and a file that is there already stays.
func (d Directories) Send(_ context.Context, p Parcel) Outcome {
	name := strings.TrimPrefix(p.To, directoryPrefix)
	dir, ok := d.Paths[name]
	if !ok {
		return Outcome{State: Failed, Reply: fmt.Sprintf("the configuration has no directory %q (mail.directories)", name)}
	}
	path := filepath.Join(dir, packName(p))
	if err := d.put(p.Pack, path); err != nil {
		return Outcome{State: Deferred, Reply: oneLine(err.Error())}
	}
	return Outcome{State: Sent, Reply: "written to " + path}
}

// packName is the name of a pack in a directory or bucket: its own, with the id of the
// delivery, so that no two deliveries have the same.
func packName(p Parcel) string {
	return strings.TrimSuffix(fileName(p.Letter.File), ".zip") + "-" + p.MessageID[:8] + ".zip"
}

func (d Directories) put(id, path string) error {
	pack, err := d.Packs(id)
	if err != nil {
		return err
	}
	defer pack.Close()
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = io.Copy(temp, pack)
	if err := errors.Join(err, temp.Chmod(0o444), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
