package reports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"exhibit/internal/pack"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sys/unix"
)

// A JobState says how far a job is.
type JobState string

// The states of a job.
const (
	Queued  JobState = "queued"
	Running JobState = "running"
	Done    JobState = "done"
	Failed  JobState = "failed"
)

// A Job makes one pack in the background. When it is done, it is the pack's entry
// in the list of packs.
type Job struct {
	ID         string      `json:"id"`
	State      JobState    `json:"state"`
	Framework  string      `json:"framework"`
	From       time.Time   `json:"from"` // half-open
	To         time.Time   `json:"to"`
	PeriodText string      `json:"period_text"`
	Zone       string      `json:"zone"`
	Sources    []string    `json:"sources,omitempty"` // asked for; Made has those in the pack
	By         pack.Person `json:"by"`
	Engagement string      `json:"engagement,omitempty"`
	Started    time.Time   `json:"started"`
	Ended      time.Time   `json:"ended,omitzero"`
	Problem    string      `json:"problem,omitempty"`
	File       string      `json:"file,omitempty"` // name that the file should have
	SHA256     string      `json:"sha256,omitempty"`
	Size       int64       `json:"size,omitzero"`
	Content    string      `json:"content,omitempty"`
	Made       []string    `json:"sources_in_pack,omitempty"`
	Records    uint64      `json:"records,omitzero"` // size of the log at the checkpoint
	Events     uint64      `json:"events,omitzero"`

	Written uint64 `json:"-"` // lines, of Total; 0 of 0 before it is known
	Total   uint64 `json:"-"`
}

// period gives the request's period back from what is kept of it.
func (j *Job) period() (Period, error) {
	zone, err := LoadZone(j.Zone)
	if err != nil {
		return Period{}, err
	}
	p := Period{Zone: zone, Text: j.PeriodText}
	p.From, p.To = j.From, j.To
	return p, nil
}

// How many packs may wait for their turn, and how many of one person.
const (
	maxWaiting = 20
	maxOfOne   = 5
)

// packTemp is how the names of directories begin that pack.Write works in.
const packTemp = "exhibit-pack-"

// ErrBusy is returned by Start when too many packs wait.
var ErrBusy = fmt.Errorf("%d packs are waiting already: try again when some are done", maxWaiting)

// ErrOwnBusy is returned by Start when too many packs of the same person wait.
var ErrOwnBusy = fmt.Errorf("%d of your packs are waiting already: try again when some are done", maxOfOne)

// ErrNoPack is returned for a pack or job that is not there.
var ErrNoPack = errors.New("reports: there is no such pack")

// Packs makes packs one after the other and keeps them in a directory: ID.zip with
// ID.json beside it, which is written last. A job lives on when its browser closes,
// but not when the process ends: the next one shows it as failed.
type Packs struct {
	dir   string
	maker *Maker
	log   *slog.Logger
	rand  io.Reader
	queue chan string   // ids; a job in it is in jobs too
	turn  chan struct{} // holds one while a pack is made: they take memory and processors

	mu   sync.Mutex // protects jobs and what they point to
	jobs map[string]*Job
}

// OpenPacks reads the directory, which it makes when it is missing. It removes what
// a process that died left half-written. Packs are made by Run.
func OpenPacks(dir string, m *Maker, log *slog.Logger, rand io.Reader) (*Packs, error) {
	p := &Packs{dir: dir, maker: m, log: log, rand: rand, queue: make(chan string, maxWaiting), turn: make(chan struct{}, 1), jobs: map[string]*Job{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("reports: make directory of packs: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reports: read directory of packs: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, tempPrefix), strings.HasPrefix(name, packTemp):
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("reports: remove unfinished pack: %w", err)
			}
		case strings.HasSuffix(name, ".json"):
			if err := p.load(name); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// load reads the entry of a pack. A job that was under way died with its process.
func (p *Packs) load(name string) error {
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		return fmt.Errorf("reports: read entry of a pack: %w", err)
	}
	job := new(Job)
	if err := json.Unmarshal(b, job); err != nil || job.ID+".json" != name {
		p.log.Error("entry of a pack cannot be read", "file", name, "error", err)
		return nil // one bad entry must not keep the others from people
	}
	if job.State == Queued || job.State == Running {
		job.State, job.Problem, job.Ended = Failed, "Exhibit was restarted before the pack was finished. Make it again.", p.maker.Now().UTC()
		// The pack may have been whole already; nobody has recorded what it is.
		if err := os.Remove(p.path(job.ID, ".zip")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reports: remove unfinished pack: %w", err)
		}
		if err := p.save(job); err != nil {
			return err
		}
	}
	p.jobs[job.ID] = job
	return nil
}

// save writes the entry of a job; callers hold the lock or are alone.
func (p *Packs) save(job *Job) error {
	b, err := json.Marshal(job, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("reports: encode entry of pack %s: %w", job.ID, err)
	}
	err = replace(p.path(job.ID, ".json"), func(w io.Writer) error {
		_, err := w.Write(append(b, '\n'))
		return err
	})
	if err != nil {
		return fmt.Errorf("reports: write entry of pack %s: %w", job.ID, err)
	}
	return nil
}

func (p *Packs) path(id, ext string) string { return filepath.Join(p.dir, id+ext) }

// Start queues a pack and returns the id of its job.
func (p *Packs) Start(r Request) (string, error) {
	job, err := p.job(r)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == cap(p.queue) { // only Start sends, and it holds the lock
		return "", ErrBusy
	}
	own := 0
	for _, other := range p.jobs {
		if other.By == job.By && (other.State == Queued || other.State == Running) {
			own++
		}
	}
	if own >= maxOfOne {
		return "", ErrOwnBusy
	}
	if err := p.save(job); err != nil {
		return "", err
	}
	p.jobs[job.ID] = job
	p.queue <- job.ID
	return job.ID, nil
}

// Make makes a pack and returns its entry. It waits for its turn, but not for what
// Start has queued.
func (p *Packs) Make(ctx context.Context, r Request) (Job, error) {
	job, err := p.job(r)
	if err != nil {
		return Job{}, err
	}
	p.mu.Lock()
	p.jobs[job.ID] = job
	p.mu.Unlock()
	if err := p.make(ctx, job.ID); err != nil {
		return Job{}, err
	}
	return p.Job(job.ID)
}

// job makes the entry of a pack that is not made yet.
func (p *Packs) job(r Request) (*Job, error) {
	var random [6]byte
	if _, err := io.ReadFull(p.rand, random[:]); err != nil {
		return nil, fmt.Errorf("reports: name a pack: %w", err)
	}
	now := p.maker.Now().UTC()
	return &Job{ID: fmt.Sprintf("%s-%x", now.Format("20060102-150405"), random), State: Queued, Framework: r.Framework,
		From: r.Period.From.UTC(), To: r.Period.To.UTC(), PeriodText: r.Period.Text, Zone: r.Period.Zone.String(),
		Sources: r.Sources, By: r.By, Engagement: r.Engagement, Started: now}, nil
}

// Run makes the packs that Start queues, one at a time, until ctx ends.
func (p *Packs) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-p.queue:
			if err := p.make(ctx, id); err != nil {
				p.log.Error("pack not made", "pack", id, "error", err)
			}
		}
	}
}

// make makes one pack when no other is being made. The error is for the log; people
// read Job.Problem.
func (p *Packs) make(ctx context.Context, id string) error {
	var request Request
	err := p.begin(ctx)
	if err == nil {
		defer func() { <-p.turn }()
		err = p.change(id, func(job *Job) error {
			job.State = Running
			period, err := job.period()
			request = Request{Framework: job.Framework, Period: period, Sources: job.Sources, By: job.By, Engagement: job.Engagement}
			return err
		})
	}
	if err == nil {
		err = p.room()
	}
	var info Info
	if err == nil {
		info, err = p.maker.Make(ctx, request, p.path(id, ".zip"), func(written, total uint64) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.jobs[id].Written, p.jobs[id].Total = written, total
		})
	}
	saved := p.change(id, func(job *Job) error {
		job.Ended = p.maker.Now().UTC()
		if err != nil {
			job.State, job.Problem = Failed, Problem(err)
			return nil
		}
		job.State, job.File, job.SHA256, job.Size, job.Content = Done, info.File, info.SHA256, info.Size, info.Content
		job.Made, job.Records, job.Events, job.Ended = info.Sources, info.Counts.Size, info.Counts.Events, info.Made
		return nil
	})
	return errors.Join(err, saved)
}

// room refuses a pack when the disk has little room left: what collects events on
// it needs that more.
func (p *Packs) room() error {
	var disk unix.Statfs_t
	if err := unix.Statfs(p.dir, &disk); err != nil {
		return fmt.Errorf("reports: look for room on the disk: %w", err)
	}
	if free := uint64(disk.Bavail) * uint64(disk.Bsize); free < p.maker.MinFree {
		return fmt.Errorf("reports: %d MiB left, %d MiB are kept free: %w", free>>20, p.maker.MinFree>>20, syscall.ENOSPC)
	}
	return nil
}

// begin waits for the turn.
func (p *Packs) begin(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Problem is what people are told of an error: what the report refuses is theirs to
// mend, all else is for the log.
func Problem(err error) string {
	var unknown *UnknownSourceError
	switch {
	case errors.As(err, &unknown), errors.Is(err, ErrEmpty):
		return err.Error()
	case errors.Is(err, pack.ErrMismatch), errors.Is(err, ErrDisagree):
		return "The stored events are not those that the ledger lists, so no pack was made. Run 'exhibit audit' to see what differs. " + err.Error()
	case errors.Is(err, context.Canceled):
		return "Exhibit was stopped before the pack was finished. Make it again."
	case errors.Is(err, syscall.ENOSPC):
		return "The disk is full, so no pack was made. Make room in the data directory: a pack needs about twice its size while it is made."
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist):
		return "The pack could not be written to the data directory. The log has the reason."
	}
	return "No pack was made. The log has the reason."
}

func (p *Packs) change(id string, to func(*Job) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	job := p.jobs[id]
	if err := to(job); err != nil {
		return err
	}
	return p.save(job)
}

// Job returns a job, or ErrNoPack.
func (p *Packs) Job(id string) (Job, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	job, ok := p.jobs[id]
	if !ok {
		return Job{}, fmt.Errorf("%w: %s", ErrNoPack, id)
	}
	return *job, nil
}

// List returns the packs that are done, newest first.
func (p *Packs) List() []Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Job
	for _, job := range p.jobs {
		if job.State == Done {
			out = append(out, *job)
		}
	}
	slices.SortFunc(out, func(a, b Job) int { return cmp.Or(b.Ended.Compare(a.Ended), cmp.Compare(b.ID, a.ID)) })
	return out
}

// Open returns a pack that is done, and its file, which the caller closes.
func (p *Packs) Open(id string) (Job, *os.File, error) {
	job, err := p.Job(id) // an id that is not in the list never becomes a path
	if err != nil {
		return Job{}, nil, err
	}
	if job.State != Done {
		return Job{}, nil, fmt.Errorf("%w: %s is %s", ErrNoPack, id, job.State)
	}
	f, err := os.Open(p.path(id, ".zip"))
	if errors.Is(err, fs.ErrNotExist) {
		return Job{}, nil, fmt.Errorf("%w: the file of %s is gone", ErrNoPack, id)
	}
	if err != nil {
		return Job{}, nil, fmt.Errorf("reports: open pack: %w", err)
	}
	return job, f, nil
}
