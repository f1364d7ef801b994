package schedule

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"exhibit/reports/framework"
)

// Errors of a Desk.
var (
	ErrNone    = errors.New("schedule: there is no such schedule, run or delivery")
	ErrChanged = errors.New("schedule: somebody else has changed it meanwhile: look at it again and repeat your change")
	ErrBuiltIn = errors.New("schedule: the configuration makes this schedule: change mail.checkpoint there")
)

// An InputError is a schedule that cannot be kept as it was written.
type InputError struct{ error }

// A Desk is where people change schedules. What they ask for is added to the records,
// and the runner does it.
type Desk struct {
	Records     Archive
	Frameworks  []framework.Framework
	Domains     []string // that mail may go to
	Directories []string // names
	Buckets     []string // names
	Rand        io.Reader
	Now         func() time.Time
	Wake        func() // tells the runner; may be nil

	mu sync.Mutex // one change at a time
}

// NewID returns the id of a schedule that is not there yet: what is to be created can
// be named before it is.
func (d *Desk) NewID() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var random [6]byte
	if _, err := io.ReadFull(d.Rand, random[:]); err != nil {
		return "", fmt.Errorf("schedule: name a schedule: %w", err)
	}
	return hex.EncodeToString(random[:]), nil
}

// Create keeps a new schedule under the id that it has from NewID.
func (d *Desk) Create(ctx context.Context, s Schedule, by string) (Schedule, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Check(s); err != nil {
		return s, err
	}
	there, err := d.Records.Versions(ctx, s.ID)
	switch {
	case err != nil:
		return s, err
	case s.ID == "" || len(there) > 0:
		return s, ErrChanged
	}
	s.State, s.Version, s.By, s.At = Active, 1, by, d.Now().UTC()
	return s, d.add(ctx, s)
}

// Save keeps a new version of the schedule with the id and the version that the person
// has seen.
func (d *Desk) Save(ctx context.Context, s Schedule, by string) (Schedule, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.Check(s); err != nil {
		return s, err
	}
	newest, err := d.newest(ctx, s.ID)
	switch {
	case err != nil:
		return s, err
	case newest.Version != s.Version:
		return s, ErrChanged
	}
	s.State, s.Version, s.By, s.At = newest.State, newest.Version+1, by, d.Now().UTC()
	return s, d.add(ctx, s)
}

// SetState pauses, resumes or removes a schedule.
func (d *Desk) SetState(ctx context.Context, id string, state State, by string) (Schedule, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.newest(ctx, id)
	if err != nil || s.State == state {
		return s, err
	}
	s.State, s.By, s.At, s.Version = state, by, d.Now().UTC(), s.Version+1
	return s, d.add(ctx, s)
}

func (d *Desk) add(ctx context.Context, s Schedule) error {
	if err := d.Records.AddSchedule(ctx, s); err != nil {
		return err
	}
	d.wake()
	return nil
}

func (d *Desk) wake() {
	if d.Wake != nil {
		d.Wake()
	}
}

// newest returns the newest version of a schedule that people may change.
func (d *Desk) newest(ctx context.Context, id string) (Schedule, error) {
	if id == Checkpoint {
		return Schedule{}, ErrBuiltIn
	}
	return d.Find(ctx, id)
}

// Find returns the newest version of a schedule.
func (d *Desk) Find(ctx context.Context, id string) (Schedule, error) {
	history, err := d.Records.Versions(ctx, id)
	if err != nil {
		return Schedule{}, err
	}
	if n := len(history); n > 0 && history[n-1].State != Removed {
		return history[n-1], nil
	}
	return Schedule{}, fmt.Errorf("%w: %s", ErrNone, cut(id))
}

// Check returns an InputError with all that is wrong with a schedule.
func (d *Desk) Check(s Schedule) error {
	var errs []error
	if !slices.ContainsFunc(d.Frameworks, func(f framework.Framework) bool { return f.ID == s.Framework }) {
		errs = append(errs, fmt.Errorf("there is no framework %q", cut(s.Framework)))
	}
	if s.Directory != "" && !slices.Contains(d.Directories, s.Directory) {
		errs = append(errs, fmt.Errorf("there is no directory %q: the configuration names them (mail.directories)", cut(s.Directory)))
	}
	if s.Bucket != "" && !slices.Contains(d.Buckets, s.Bucket) {
		errs = append(errs, fmt.Errorf("there is no bucket %q: the configuration names them (mail.buckets)", cut(s.Bucket)))
	}
	if err := errors.Join(append(errs, s.Check(d.Domains))...); err != nil {
		return InputError{err}
	}
	return nil
}

// Latest returns the period that a schedule stands for today.
func (s *Schedule) Latest(now time.Time) (Span, error) {
	e, err := s.calendar()
	if err != nil {
		return Span{}, err
	}
	span := Span{Zone: s.Zone}
	span.From, span.To = e.span(e.date(now))
	return span, nil
}

// RunNow asks for a run of the latest period, whether it was sent or not.
func (d *Desk) RunNow(ctx context.Context, id, by string) (Run, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.Find(ctx, id)
	if err != nil {
		return Run{}, err
	}
	now := d.Now().UTC()
	span, err := s.Latest(now)
	if err != nil {
		return Run{}, err
	}
	r := Run{Schedule: id, Key: span.key() + "_now-" + now.Format("20060102T150405.000"), State: Asked, At: now, First: now, Due: now, Version: s.Version, Span: span, By: by,
		Waited: "Asked for by " + by + ", without waiting for coverage."}
	if err := d.Records.AddRun(ctx, r); err != nil {
		return r, err
	}
	d.wake()
	return r, nil
}

// Resend queues a delivery again that has come to its end.
func (d *Desk) Resend(ctx context.Context, run, target, by string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	list, err := d.Records.DeliveriesOf(ctx, run)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(d Delivery) bool { return d.Target == target })
	if i < 0 {
		return fmt.Errorf("%w: %s to %s", ErrNone, cut(run), cut(target))
	}
	old := list[i]
	if !old.State.Settled() {
		return InputError{fmt.Errorf("it is %s: it is tried again by itself", old.State)}
	}
	now := d.Now().UTC()
	next := Delivery{Run: run, Target: target, Number: old.Number + 1, Round: old.Round + 1, State: Queued, At: now, Since: now, By: by, Note: "Asked for again by " + by + "."}
	if err := d.Records.AddDelivery(ctx, next); err != nil {
		return err
	}
	d.wake()
	return nil
}

// BuiltIn brings the schedule of the daily checkpoint up to the configuration. No
// recipients means that there is none.
func (d *Desk) BuiltIn(ctx context.Context, recipients []string, zone string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	history, err := d.Records.Versions(ctx, Checkpoint)
	if err != nil {
		return err
	}
	s := Schedule{ID: Checkpoint, Version: 1, Name: "Daily checkpoint", State: Active, Period: "yesterday", Zone: zone, Every: Recurrence{Kind: "daily", Hour: 6},
		Recipients: recipients, By: "configuration", At: d.Now().UTC()}
	if len(recipients) == 0 {
		s.State = Removed
	}
	if len(history) == 0 {
		if s.State == Removed {
			return nil
		}
		return d.Records.AddSchedule(ctx, s)
	}
	last := history[len(history)-1]
	if last.State == s.State && last.Zone == zone && slices.Equal(last.Recipients, recipients) {
		return nil
	}
	s.Version = last.Version + 1
	return d.Records.AddSchedule(ctx, s)
}

// Sentence makes one of an error for people.
func Sentence(err error) string {
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "schedule: "), "\n", "; ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}
