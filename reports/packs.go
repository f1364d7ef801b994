package reports

import (
	"cmp"
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

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

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
