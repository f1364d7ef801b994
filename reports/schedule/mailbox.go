package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Mailbox keeps mails in a directory instead of sending them: for a trial.
type Mailbox struct {
	Dir   string
	From  Sender
	Packs func(id string) (*os.File, error)
}

const mailSuffix = ".eml"

// Send implements Post. A mail that is there already, of an earlier try, is replaced.
func (b Mailbox) Send(ctx context.Context, p Parcel) Outcome {
	how, err := b.put(ctx, p)
	if err != nil {
		return Outcome{State: Deferred, Reply: oneLine(err.Error())}
	}
	return Outcome{State: Sent, Reply: "kept in the local mailbox, not sent", Note: how}
}

func (b Mailbox) put(ctx context.Context, p Parcel) (how string, err error) {
	var pack io.ReadSeeker
	switch {
	case p.Pack != "" && p.Attach:
		file, err := b.Packs(p.Pack)
		if err != nil {
			return "", err
		}
		defer file.Close()
		pack = file
		how = "The pack is attached, and can be downloaded too."
	case p.Pack != "":
		how = "The pack is not attached: the schedule says so. Download it with the link."
	}
	m, err := b.From.message(ctx, p, pack, how)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return "", fmt.Errorf("schedule: mailbox: %w", err)
	}
	temp, err := os.CreateTemp(b.Dir, ".new-*")
	if err != nil {
		return "", fmt.Errorf("schedule: mailbox: %w", err)
	}
	_, err = m.WriteTo(temp)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("schedule: mailbox: %w", err), os.Remove(temp.Name()))
	}
	name := fileName(p.At.UTC().Format("20060102-150405") + "-" + strings.Split(p.MessageID, "@")[0])
	return how, os.Rename(temp.Name(), b.path(name+mailSuffix))
}

func (b Mailbox) path(name string) string { return filepath.Join(b.Dir, name) }

// List returns the mails, newest first.
func (b Mailbox) List() ([]Kept, error) {
	names, err := filepath.Glob(filepath.Join(b.Dir, "*"+mailSuffix))
	if err != nil {
		return nil, fmt.Errorf("schedule: mailbox: %w", err)
	}
	var out []Kept
	for _, path := range names {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("schedule: mailbox: %w", err)
		}
		m, err := mail.ReadMessage(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("schedule: mailbox: %s: %w", path, err)
		}
		one, err := kept(filepath.Base(path), m.Header)
		if err != nil {
			return nil, fmt.Errorf("schedule: mailbox: %s: %w", path, err)
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(x, y Kept) int { return cmp.Or(y.At.Compare(x.At), strings.Compare(x.Name, y.Name)) })
	return out, nil
}
