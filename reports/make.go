package reports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"exhibit/internal/disk"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
	"exhibit/reports/framework"
)

// A Maker makes packs out of a store. Its fields are required unless they say
// otherwise; it is safe for use by several goroutines.
type Maker struct {
	DB         *store.DB
	Reader     *store.Reader
	Key        ledger.SigningKey // the one that signs checkpoints
	Frameworks []framework.Framework
	Software   pack.Software
	Now        func() time.Time
	// Scope lists the systems that must be evidenced, by id of the framework.
	Scope map[string][]pack.System
	// Deletes is after how long the retention rules delete events; 0: never.
	Deletes time.Duration
	// Temp is where temporary files go, about as large as the pack; "": beside the pack.
	Temp string
	// MinFree is how many bytes the disk must have left for another pack; only Packs looks.
	MinFree uint64
	// Outside says who holds checkpoints and what the last audit found; may be nil.
	Outside func(ctx context.Context) (Outside, error)

	known known
}

// Outside is what a report says of things beside the ledger.
type Outside struct {
	Witnesses []pack.Witness
	Audit     *pack.Audit
	Altered   []ledger.SegmentRef // segments that the last audit found to differ
}

// A Request chooses a report, and says for whom a pack is made.
type Request struct {
	ID         string // of the pack that Packs makes; empty: a new one
	Framework  string // id
	Period     Period
	Sources    []string // empty: all but pack.Own
	By         pack.Person
	Engagement string // the audit that it is made for; may be empty
}

// Info is what a finished pack is.
type Info struct {
	File    string // name that the file should have
	SHA256  string // of the file, in hexadecimal
	Size    int64  // of the file, in bytes
	Content string // digest over all that does not say who and when
	Sources []string
	Period  Period
	Made    time.Time
	Counts  pack.Counts
}

// Report makes the report of a request, as it stands at the head of the ledger.
func (m *Maker) Report(ctx context.Context, r Request) (*Report, Outside, error) {
	return m.report(ctx, r, m.Now(), &m.known)
}

// Check returns what is wrong with a request before anything is made of it: an
// unknown framework, an *UnknownSourceError, a period that has not begun.
func (m *Maker) Check(ctx context.Context, r Request) error {
	if _, err := framework.Find(m.Frameworks, r.Framework); err != nil {
		return err
	}
	head, err := m.Reader.Head(ctx)
	if err != nil {
		return err
	}
	if head.State.Size == 0 {
		return ErrEmpty
	}
	if _, err := r.Period.At(head.State.At); err != nil {
		return err
	}
	_, err = inScope(&head.State, r.Sources)
	return err
}

// report makes a report as of now; a zero now is the time of the last record.
func (m *Maker) report(ctx context.Context, r Request, now time.Time, k *known) (*Report, Outside, error) {
	f, err := framework.Find(m.Frameworks, r.Framework)
	if err != nil {
		return nil, Outside{}, err
	}
	var outside Outside
	if m.Outside != nil {
		if outside, err = m.Outside(ctx); err != nil {
			return nil, Outside{}, fmt.Errorf("reports: ask for witnesses and audit: %w", err)
		}
	}
	head, err := m.Reader.Head(ctx)
	if err != nil {
		return nil, Outside{}, err
	}
	report, err := Build(ctx, m.DB, Input{Framework: f, Period: r.Period, Sources: r.Sources, Scope: m.Scope[f.ID], Head: head,
		Now: now, Deletes: m.Deletes, Altered: outside.Altered, known: k})
	return report, outside, err
}

// Make makes a pack in the file at path and returns what it is. The file is there
// only when all of it is on the disk; it replaces one that was there before. When
// path is a directory, the pack gets its own name in it, which Info has.
func (m *Maker) Make(ctx context.Context, r Request, path string, progress func(written, total uint64)) (Info, error) {
	report, outside, err := m.report(ctx, r, time.Time{}, nil)
	if err != nil {
		return Info{}, err
	}
	p := m.params(report, outside, r)
	p.Progress = progress
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, p.FileName())
	}
	if p.Temp == "" {
		p.Temp = filepath.Dir(path)
	}
	made := Info{File: p.FileName(), Sources: report.Sources, Period: report.Period, Made: p.Made}
	err = replace(path, func(out io.Writer) error {
		sum := sha256.New()
		counted := &counter{w: io.MultiWriter(out, sum)}
		summary, err := pack.Write(ctx, counted, newData(m.DB, report.Head), p)
		if err != nil {
			return err
		}
		made.SHA256, made.Size = hex.EncodeToString(sum.Sum(nil)), counted.n
		made.Content, made.Counts = summary.Content, summary.Counts
		return nil
	})
	if err != nil {
		return Info{}, fmt.Errorf("reports: make pack %s: %w", path, err)
	}
	return made, nil
}

func (m *Maker) params(r *Report, outside Outside, q Request) pack.Params {
	made := Made{By: q.By, At: m.Now().UTC().Truncate(time.Second), Software: m.Software, Witnesses: outside.Witnesses,
		Audit: outside.Audit, Key: m.Key.Public}
	f := r.Framework
	p := pack.Params{
		Sheet: pack.Sheet{
			Framework: pack.Framework{ID: f.ID, Version: f.Version, Name: f.Title + ", " + f.Edition, Definition: f.Hash,
				Changed: f.LastChanged, ChangedBy: f.ChangedBy},
			Title: f.Title + " evidence", PeriodText: r.Period.Text + cutText(r.Period), Sources: r.Sources, Retention: r.packRetention(),
			Scope: r.packScope(), By: q.By, Made: made.At, Software: m.Software, Query: r.Query, Changes: r.Changes,
			Witnesses: outside.Witnesses, Audit: outside.Audit, Unmapped: r.Unmapped, Notes: r.notes(q),
		},
		Period: r.Period.Interval, Zone: r.Period.Zone, Checkpoint: r.Head.Checkpoint, Key: m.Key.Public, Signer: m.Key, Temp: m.Temp,
	}
	p.Answer = func(s *pack.Summary) ([]pack.Control, error) {
		if err := r.agree(s); err != nil {
			return nil, err
		}
		return r.packControls(), nil
	}
	p.Cover = func(s *pack.Summary) ([]byte, error) {
		made := made
		made.Summary = s
		return r.Cover(made, p.FileName())
	}
	return p
}

// ErrDisagree is wrapped by the error for a pack whose events are not as many as
// its report counted.
var ErrDisagree = errors.New("reports: the store does not agree with its ledger")

// agree compares the numbers that answers were made from with those that the pack
// holds. They were counted apart: from the ledger here, line by line there.
func (r *Report) agree(s *pack.Summary) error {
	for _, counted := range s.Counts.Sections {
		want := r.tally.exact.events(pack.Own, "")
		if counted.Name != pack.Own {
			section, ok := r.SectionNamed(counted.Name)
			if !ok {
				return fmt.Errorf("the pack has a section %s that the report does not know", counted.Name)
			}
			want = section.Events
		}
		if counted.Events != want {
			return fmt.Errorf("%w: section %s holds %d events where the report counted %d", ErrDisagree, counted.Name, counted.Events, want)
		}
	}
	return nil
}

func (r *Report) notes(q Request) []string {
	var out []string
	for _, text := range r.Missing {
		out = append(out, "Not evidenced: "+text)
	}
	out = append(out, r.Framework.Notes...)
	if q.Engagement != "" {
		out = append(out, "Made for the engagement "+q.Engagement)
	}
	return out
}

// packScope names for each system of the scope the sources that stand for it here.
func (r *Report) packScope() []pack.System {
	var out []pack.System
	for _, s := range r.Scope {
		var there []string
		for _, name := range s.Sources {
			if slices.Contains(r.Sources, name) {
				there = append(there, name)
			}
		}
		out = append(out, pack.System{Name: s.Name, Sources: there, Note: s.Note})
	}
	return out
}

func (r *Report) packRetention() []pack.Retention {
	var out []pack.Retention
	for _, row := range r.Retention {
		out = append(out, pack.Retention{Source: row.Source, Requires: row.Title + ": " + days(row.Days) + " (" + string(row.Kind) + ")",
			Kept: row.Text, State: string(row.State)})
	}
	return out
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// replace writes a file beside path, puts it on the disk and gives it its name. A
// crash leaves at most a file whose name begins with tempPrefix.
func replace(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}

const tempPrefix = ".exhibit-tmp-"
