package pack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"slices"

	"exhibit/internal/event"
	"exhibit/internal/ledger"

	"golang.org/x/mod/sumdb/tlog"
)

// ledger writes the records that the pack carries and checks them against the
// checkpoint. The last record before the first day is where the proof starts: the
// one before is held back until it is known which that is.
func (w *writer) ledger(ctx context.Context) error {
	names := [...]string{"ledger/records.jsonl", "ledger/earlier-leaves", "ledger/earlier.jsonl"}
	var files [len(names)]*file
	var out [len(names)]*bufio.Writer
	for i, name := range names {
		f, err := w.create(name)
		if err != nil {
			return err
		}
		files[i], out[i] = f, bufio.NewWriterSize(f, 64<<10)
	}
	carried := &carried{r: w.r, records: out[0], leaves: out[1], earlier: out[2]}
	err := w.data.Records(ctx, 0, w.sum.Checkpoint.Size, carried.take)
	if err == nil {
		err = carried.finish()
	}
	if err != nil {
		return fmt.Errorf("pack: records: %w", err)
	}
	for _, o := range out {
		if err := o.Flush(); err != nil {
			return err
		}
	}
	head := w.sum.Checkpoint
	if n := carried.root.Count(); n != head.Size {
		return fmt.Errorf("%w: %d records were read, the checkpoint is of %d", ErrMismatch, n, head.Size)
	}
	if carried.root.Hash() != head.Root {
		return fmt.Errorf("%w: the %d records read are not the ones that the checkpoint signs", ErrMismatch, head.Size)
	}
	if err := w.r.finish(); err != nil {
		return err
	}
	w.voids, w.sum.Counts.First = carried.voids, carried.first
	if err := w.done(files[:]...); err != nil {
		return err
	}
	return w.add("ledger/checkpoint", []byte(w.p.Checkpoint))
}

// A carried splits the records of a log into what a pack carries of them.
type carried struct {
	r                        *reading
	records, leaves, earlier *bufio.Writer
	root                     ledger.Root
	voids                    []uint64
	first                    uint64
	started                  bool
	held                     []byte        // the last record, as long as the proof has not started
	heldHead                 ledger.Record // without its member
}

func (c *carried) take(line []byte) error {
	h, err := ledger.ParseHead(line)
	if err != nil {
		return err
	}
	if seq := c.root.Count(); h.Seq != seq {
		return fmt.Errorf("%w: record %d came where %d was due", ErrMismatch, h.Seq, seq)
	}
	c.root.Add(tlog.RecordHash(line))
	if h.Kind == ledger.KindVoid {
		c.voids = append(c.voids, h.Seq)
	}
	if c.started {
		return c.carry(line)
	}
	if h.At.Before(c.r.before()) {
		if err := c.pass(); err != nil {
			return err
		}
		c.held, c.heldHead = append(c.held[:0], line...), h
		return nil
	}
	if err := c.begin(); err != nil {
		return err
	}
	return c.carry(line)
}

// pass puts the record that was held back among the earlier ones.
func (c *carried) pass() error {
	if len(c.held) == 0 {
		return nil
	}
	leaf := tlog.RecordHash(c.held)
	if _, err := c.leaves.WriteString(base64.StdEncoding.EncodeToString(leaf[:]) + "\n"); err != nil {
		return err
	}
	if !ledger.Stands(c.heldHead.Kind) {
		return nil
	}
	if err := c.r.earlier(c.held); err != nil {
		return err
	}
	return writeLine(c.earlier, c.held)
}

// begin starts the proof with the record that was held back, if there is one.
func (c *carried) begin() error {
	c.started = true
	if len(c.held) == 0 {
		return nil
	}
	c.first = c.heldHead.Seq
	c.r.state.Size = c.first
	return c.carry(c.held)
}

func (c *carried) carry(line []byte) error {
	if err := c.r.record(line); err != nil {
		return err
	}
	return writeLine(c.records, line)
}

func (c *carried) finish() error {
	if c.started {
		return nil
	}
	return c.begin() // the whole log is from before the first day
}

func writeLine(out *bufio.Writer, line []byte) error {
	if _, err := out.Write(line); err != nil {
		return err
	}
	return out.WriteByte('\n')
}

// keyCheckpoints writes the checkpoints that hand over from key to key.
func (w *writer) keyCheckpoints(ctx context.Context) error {
	var due []uint64
	for _, k := range w.r.state.Keys {
		due = append(due, k.Seq)
	}
	err := w.data.KeyCheckpoints(ctx, w.sum.Checkpoint.Size, func(signed string) error {
		text, _, _ := bytes.Cut([]byte(signed), []byte("\n\n"))
		c, err := ledger.ParseCheckpoint(string(text) + "\n")
		if err != nil {
			return err
		}
		if len(due) == 0 || c.Size != due[0]+1 {
			return fmt.Errorf("%w: a checkpoint of %d records, not one right after a key record", ErrMismatch, c.Size)
		}
		due = due[1:]
		return w.add(keyCheckpointName(c.Size-1), []byte(signed))
	})
	if err == nil && len(due) > 0 {
		err = fmt.Errorf("%w: no checkpoint right after key record %d", ErrMismatch, due[0])
	}
	if err != nil {
		return fmt.Errorf("pack: key checkpoints: %w", err)
	}
	return nil
}

func keyCheckpointName(seq uint64) string { return fmt.Sprintf("ledger/key-checkpoints/%d", seq) }

// own keeps the events of Exhibit itself until all have come: their file holds
// all sections, one after the other, and data may bring them mixed. They are
// what people did by hand, so they are few beside the others.
type own struct {
	files map[event.Section]*os.File
	out   map[event.Section]*bufio.Writer
}

func (o *own) keep(dir string, seq uint64, e *event.Event, erased *event.Erased) error {
	if o.files == nil {
		o.files, o.out = map[event.Section]*os.File{}, map[event.Section]*bufio.Writer{}
	}
	line := fmt.Appendf(nil, "%d ", seq)
	var section event.Section
	if e != nil {
		line, section = e.AppendLine(line), e.Section
	} else {
		line, section = erased.AppendLine(line), erased.Section
	}
	if o.out[section] == nil {
		f, err := os.CreateTemp(dir, "")
		if err != nil {
			return fmt.Errorf("create temporary file: %w", err)
		}
		o.files[section], o.out[section] = f, bufio.NewWriter(f)
	}
	return writeLine(o.out[section], line)
}

// replay gives the kept events section by section.
func (o *own) replay(each func(seq uint64, e *event.Event, erased *event.Erased) error) error {
	for _, section := range event.Sections() {
		f := o.files[section]
		if f == nil {
			continue
		}
		if err := o.out[section].Flush(); err != nil {
			return err
		}
		if _, err := f.Seek(0, 0); err != nil {
			return err
		}
		in := bufio.NewReader(f)
		for {
			line, err := in.ReadString('\n')
			if line == "" {
				break
			}
			if err != nil {
				return err
			}
			if err := replayLine(line[:len(line)-1], each); err != nil {
				return err
			}
		}
	}
	return nil
}

func replayLine(kept string, each func(seq uint64, e *event.Event, erased *event.Erased) error) error {
	var seq uint64
	digits := slices.Index([]byte(kept), ' ')
	if _, err := fmt.Sscan(kept[:max(digits, 0)], &seq); err != nil {
		return fmt.Errorf("read back an event: %w", err)
	}
	line := kept[digits+1:]
	if event.IsErased(line) {
		var erased event.Erased
		if err := erased.Parse(line); err != nil {
			return err
		}
		return each(seq, nil, &erased)
	}
	var e event.Event
	if err := e.Parse(line); err != nil {
		return err
	}
	return each(seq, &e, nil)
}

func (o *own) remove() {
	for _, f := range o.files {
		f.Close() // its directory goes with the pack's temporary files
	}
}
