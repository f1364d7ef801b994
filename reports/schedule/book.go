package schedule

import (
	"context"
	"slices"
	"strings"
	"time"
)

// A Book is what the records said at one moment: all schedules, and the runs and
// deliveries that had changed since an instant.
type Book struct {
	Histories  [][]Schedule // versions of each schedule, in order
	Runs       []Run        // newest states
	ids        map[string]int
	deliveries map[string]Delivery
}

// Read reads the records since an instant; the zero time is all of them.
func Read(ctx context.Context, records Records, since time.Time) (*Book, error) {
	b, err := readSchedules(ctx, records)
	if err != nil {
		return nil, err
	}
	runs, err := records.Runs(ctx, since)
	if err != nil {
		return nil, err
	}
	list, err := records.Deliveries(ctx, since)
	if err != nil {
		return nil, err
	}
	b.add(runs, list)
	return b, nil
}

// ReadOne reads one schedule with the n of its runs that began last.
func ReadOne(ctx context.Context, l Lookup, schedule string, n int) (*Book, error) {
	b := newBook()
	history, err := l.Versions(ctx, schedule)
	if err != nil || len(history) == 0 {
		return b, err
	}
	b.Histories = [][]Schedule{history}
	runs, err := l.RunsOf(ctx, schedule, n)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.ID()
	}
	list, err := l.DeliveriesOf(ctx, ids...)
	if err != nil {
		return nil, err
	}
	b.add(runs, list)
	return b, nil
}

// ReadNewest reads all schedules, each with the run that began last, and what has not
// arrived since an instant with the runs of that.
func ReadNewest(ctx context.Context, a Archive, since time.Time) (*Book, error) {
	b, err := readSchedules(ctx, a)
	if err != nil {
		return nil, err
	}
	runs, err := a.LastRuns(ctx)
	if err != nil {
		return nil, err
	}
	list, err := a.DeliveriesIn(ctx, []DeliveryState{Failed, Deferred}, since)
	if err != nil {
		return nil, err
	}
	b.add(runs, list)
	var others []string
	for _, d := range list {
		if _, ok := b.Run(d.Run); !ok && !slices.Contains(others, d.Run) {
			others = append(others, d.Run)
		}
	}
	if runs, err = a.RunsNamed(ctx, others...); err != nil {
		return nil, err
	}
	b.add(runs, nil)
	slices.SortStableFunc(b.Runs, func(x, y Run) int { return x.First.Compare(y.First) })
	for i, r := range b.Runs {
		b.ids[r.ID()] = i
	}
	return b, nil
}

func newBook() *Book { return &Book{ids: map[string]int{}, deliveries: map[string]Delivery{}} }

func (b *Book) add(runs []Run, list []Delivery) {
	for _, r := range runs {
		b.begun(r)
	}
	for _, d := range list {
		b.deliveries[d.Run+"\x00"+d.Target] = d
	}
}

// readSchedules reads schedules without their runs.
func readSchedules(ctx context.Context, records Records) (*Book, error) {
	versions, err := records.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	b := newBook()
	for _, s := range versions {
		i := slices.IndexFunc(b.Histories, func(h []Schedule) bool { return h[0].ID == s.ID })
		if i < 0 {
			b.Histories = append(b.Histories, []Schedule{s})
			continue
		}
		b.Histories[i] = append(b.Histories[i], s)
	}
	return b, nil
}

// History returns the versions of a schedule, none when it is not there.
func (b *Book) History(id string) []Schedule {
	for _, h := range b.Histories {
		if h[0].ID == id {
			return h
		}
	}
	return nil
}

// Newest returns the newest version of each schedule that was not removed.
func (b *Book) Newest() []Schedule {
	var out []Schedule
	for _, h := range b.Histories {
		if s := h[len(h)-1]; s.State != Removed {
			out = append(out, s)
		}
	}
	return out
}

// RunsOf returns the runs of a schedule, newest first.
func (b *Book) RunsOf(schedule string) []Run {
	var out []Run
	for _, r := range slices.Backward(b.Runs) {
		if r.Schedule == schedule {
			out = append(out, r)
		}
	}
	return out
}

// Delivery returns the delivery of a run to a target.
func (b *Book) Delivery(run, target string) (Delivery, bool) {
	d, ok := b.deliveries[run+"\x00"+target]
	return d, ok
}

// Failing lists deliveries that were refused or given up, and those that were tried
// and are not there yet, newest first.
func (b *Book) Failing() []Delivery {
	var out []Delivery
	for _, d := range b.deliveries {
		if d.State == Failed || d.State == Deferred {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(x, y Delivery) int {
		if c := y.At.Compare(x.At); c != 0 {
			return c
		}
		return strings.Compare(x.Run+x.Target, y.Run+y.Target)
	})
	return out
}

// failingFor is how long a mail tells of deliveries that failed.
const failingFor = 35 * 24 * time.Hour

// failing says which earlier deliveries of a schedule are not there, for the next
// mail.
func (b *Book) failing(schedule string, since time.Time) []string {
	var out []string
	for _, d := range b.Failing() {
		r, ok := b.Run(d.Run)
		if !ok || r.Schedule != schedule || d.At.Before(since) {
			continue
		}
		out = append(out, strings.TrimSpace(r.Span.Words()+" to "+d.Target+": "+string(d.State)+". "+d.Reply))
	}
	return out
}

// Run returns a run by its ID.
func (b *Book) Run(id string) (Run, bool) {
	i, ok := b.ids[id]
	if !ok {
		return Run{}, false
	}
	return b.Runs[i], true
}

// begun adds a run.
func (b *Book) begun(r Run) {
	b.ids[r.ID()] = len(b.Runs)
	b.Runs = append(b.Runs, r)
}
