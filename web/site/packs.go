package site

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/views"
	"exhibit/web"
)

// NewID implements web.Packs.
func (p Packs) NewID() (string, error) { return p.Deps.Packs.NewID() }

// Start implements web.Packs.
func (p Packs) Start(ctx context.Context, q web.PackRequest) (string, error) {
	request, err := p.request(q.ReportQuery)
	if errors.Is(err, web.ErrNotFound) {
		return "", &web.InputError{Sentence: fmt.Sprintf("There is no framework %q.", q.Framework)}
	}
	if err != nil {
		return "", err
	}
	if err := p.Maker.Check(ctx, request); err != nil {
		return "", inputError(err)
	}
	request.ID = q.ID
	request.By = pack.Person{ID: q.By.Subject, Name: cmp.Or(q.By.Name, q.By.Email), Role: string(q.By.Role)}
	id, err := p.Deps.Packs.Start(request)
	return id, inputError(err)
}

// Job implements web.Packs.
func (p Packs) Job(_ context.Context, id string) (views.Job, error) {
	job, err := p.Deps.Packs.Job(id)
	if err != nil {
		return views.Job{}, notFound(err)
	}
	v := views.Job{ID: job.ID, State: views.JobState(job.State), Framework: p.choice(job.Framework), Period: dates(job.From, job.To, job.Zone),
		Sources: job.Sources, By: cmp.Or(job.By.Name, job.By.ID), Started: job.Started, Ended: job.Ended, Done: int64(job.Written),
		Total: int64(job.Total), Problem: job.Problem, Zone: p.Zone}
	switch {
	case job.State == reports.Queued:
		v.Step = "waiting for its turn"
	case job.State == reports.Running && job.Total == 0:
		v.Step = "reading the ledger"
	case job.State == reports.Running && job.Written < job.Total:
		v.Step = "writing and proving events"
	case job.State == reports.Running:
		v.Step = "finishing the file"
	case job.State == reports.Done:
		one := p.pack(job)
		v.Pack, v.Sources = &one, one.Sources
	}
	return v, nil
}

func (p Packs) pack(job reports.Job) views.Pack {
	return views.Pack{ID: job.ID, File: job.File, Framework: p.choice(job.Framework), Period: dates(job.From, job.To, job.Zone), Sources: job.Made,
		Digest: job.SHA256, Size: job.Size, By: cmp.Or(job.By.Name, job.By.ID), At: job.Ended, Checkpoint: int64(job.Records), Events: int64(job.Events)}
}

// List implements web.Packs.
func (p Packs) List(context.Context) ([]views.Pack, error) {
	var out []views.Pack
	for _, job := range p.Deps.Packs.List() {
		out = append(out, p.pack(job))
	}
	return out, nil
}

// Open implements web.Packs.
func (p Packs) Open(_ context.Context, id string) (views.Pack, io.ReadSeekCloser, error) {
	job, f, err := p.Deps.Packs.Open(id)
	if err != nil {
		return views.Pack{}, nil, notFound(err)
	}
	return p.pack(job), f, nil
}

func notFound(err error) error {
	if errors.Is(err, reports.ErrNoPack) {
		return fmt.Errorf("%w: %w", web.ErrNotFound, err)
	}
	return err
}
