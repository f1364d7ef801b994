package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/ledger"
)

// A Witness is somewhere that a checkpoint is put once a day and is not replaced:
// whoever holds one can show that the ledger was not rebuilt since.
type Witness struct {
	Name      string
	Directory string
	HeldBy    string // who holds it; empty: the operator, which does not count
}

// A Deposit is a checkpoint that a witness holds.
type Deposit struct {
	Witness Witness
	At      time.Time
	Size    uint64
}

const checkpointSuffix = ".checkpoint"

// Put stores the checkpoint of a day. A day's checkpoint that is there already
// stays; then put is false.
func (w Witness) Put(day time.Time, signed string) (put bool, err error) {
	if err := os.MkdirAll(w.Directory, 0o755); err != nil {
		return false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	path := filepath.Join(w.Directory, day.UTC().Format(time.DateOnly)+checkpointSuffix)
	temp, err := os.CreateTemp(w.Directory, ".new-*")
	if err != nil {
		return false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	defer os.Remove(temp.Name()) // gone already when it could be linked; else nobody needs it
	_, err = temp.WriteString(signed)
	if err := errors.Join(err, temp.Chmod(0o444), temp.Sync(), temp.Close()); err != nil {
		return false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	// A link fails when the name is taken, and the file is whole when it appears.
	switch err := os.Link(temp.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	return true, nil
}

// Last returns the newest checkpoint that the witness holds.
func (w Witness) Last() (Deposit, bool, error) {
	entries, err := os.ReadDir(w.Directory) // by name, so by day
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Deposit{}, false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	var day time.Time
	for _, e := range entries { // others may keep files of their own there
		name, ours := strings.CutSuffix(e.Name(), checkpointSuffix)
		if t, err := time.Parse(time.DateOnly, name); err == nil && ours && e.Type().IsRegular() {
			day = t
		}
	}
	if day.IsZero() {
		return Deposit{}, false, nil
	}
	last := filepath.Join(w.Directory, day.Format(time.DateOnly)+checkpointSuffix)
	text, err := os.ReadFile(last)
	if err != nil {
		return Deposit{}, false, fmt.Errorf("ingest: witness %s: %w", w.Name, err)
	}
	body, _, _ := strings.Cut(string(text), "\n\n")
	c, err := ledger.ParseCheckpoint(body + "\n")
	if err != nil {
		return Deposit{}, false, fmt.Errorf("ingest: witness %s: %s: %w", w.Name, last, err)
	}
	return Deposit{Witness: w, At: day, Size: c.Size}, true, nil
}

// Depositor puts the checkpoint of each day into the witnesses.
type Depositor struct {
	Witnesses []Witness
	Log       *Log
	Diary     *Diary
	Now       func() time.Time
	Slog      *slog.Logger
	After     func(time.Duration) <-chan time.Time
}

// Run puts a checkpoint at its start and then once an hour where the day has none
// yet, until the context ends.
func (d *Depositor) Run(ctx context.Context) error {
	for {
		d.Deposit(ctx)
		select {
		case <-d.After(time.Hour):
		case <-ctx.Done():
			return nil
		}
	}
}

// Deposit puts today's checkpoint into each witness that has none of today. What
// fails is logged, is an event, and is tried again within the hour.
func (d *Depositor) Deposit(ctx context.Context) {
	for _, w := range d.Witnesses {
		head := d.Log.Head()
		put, err := w.Put(d.Now(), head.Checkpoint)
		act := source.Act{Action: "witness.put", Outcome: "success", Actor: source.Party{Type: "system", ID: "exhibit"},
			Target: source.Party{Type: "witness", Name: w.Name}, Reason: fmt.Sprintf("checkpoint of %d records", head.State.Size)}
		if err != nil {
			d.Slog.Error("witness does not take the checkpoint", "witness", w.Name, "error", err)
			act.Outcome, act.Reason = "failure", err.Error()
		}
		if !put && err == nil {
			continue
		}
		if err := d.Diary.Write(ctx, act); err != nil {
			d.Slog.Error("act not recorded", "action", act.Action, "error", err)
		}
	}
}
