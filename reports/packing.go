package reports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"exhibit/internal/disk"
	"exhibit/internal/pack"
)

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

// NewID returns the id of a pack that is not there yet: what is to be made can be named
// before it is.
func (p *Packs) NewID() (string, error) {
	var random [6]byte
	if _, err := io.ReadFull(p.rand, random[:]); err != nil {
		return "", fmt.Errorf("reports: name a pack: %w", err)
	}
	return fmt.Sprintf("%s-%x", p.maker.Now().UTC().Format("20060102-150405"), random), nil
}

// job makes the entry of a pack that is not made yet.
func (p *Packs) job(r Request) (*Job, error) {
	id, err := r.ID, error(nil)
	if id == "" {
		if id, err = p.NewID(); err != nil {
			return nil, err
		}
	}
	now := p.maker.Now().UTC()
	return &Job{ID: id, State: Queued, Framework: r.Framework,
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
	free, err := disk.Free(p.dir)
	if err != nil {
		return fmt.Errorf("reports: look for room: %w", err)
	}
	if free < p.maker.MinFree {
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
