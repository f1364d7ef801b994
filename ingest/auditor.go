package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/store"
)

// An Auditor compares the store's rows with the ledger every night: the last 35
// days, and of the rest a thirtieth, so that everything is looked at once a month.
type Auditor struct {
	DB    *store.DB
	Log   *Log
	Diary *Diary
	Dir   Dir
	Now   func() time.Time
	Slog  *slog.Logger
	After func(time.Duration) <-chan time.Time
}

const (
	auditDays  = 35
	auditParts = 30
	auditEvery = 24 * time.Hour
)

func (d Dir) audit() string { return d.path("audit.json") }

// LastAudit returns the result of the last nightly audit.
func (d Dir) LastAudit() (a Audit, found bool, err error) {
	b, err := os.ReadFile(d.audit())
	if errors.Is(err, fs.ErrNotExist) {
		return Audit{}, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		return Audit{}, false, fmt.Errorf("ingest: last audit: %w", err)
	}
	return a, true, nil
}

// Run audits when the last audit is a day old, until the context ends.
func (a *Auditor) Run(ctx context.Context) error {
	for {
		wait := auditEvery
		last, found, err := a.Dir.LastAudit()
		if err != nil {
			a.Slog.Error("last audit cannot be read; auditing now", "error", err)
		}
		if age := a.Now().Sub(last.At); !found || age >= auditEvery {
			if err := errors.Join(a.Once(ctx), a.Sweep(ctx)); err != nil && ctx.Err() == nil {
				a.Slog.Error("audit", "error", err)
				wait = time.Hour
			}
		} else {
			wait = auditEvery - age
		}
		select {
		case <-a.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// Sweep removes the rows that void batches left. Nobody reads them; they only take
// room.
func (a *Auditor) Sweep(ctx context.Context) error {
	for _, seq := range a.Log.Head().State.Voids {
		events, rejects, err := a.DB.CountBatch(ctx, seq)
		if err != nil {
			return err
		}
		if events+rejects == 0 {
			continue
		}
		if err := a.DB.DeleteBatch(ctx, seq); err != nil {
			return err
		}
		a.Slog.Info("rows of a void batch removed", "seq", seq, "events", events, "rejects", rejects)
	}
	return nil
}

// Once audits now and keeps the result.
func (a *Auditor) Once(ctx context.Context) error {
	now := a.Now()
	recent := now.UTC().AddDate(0, 0, -auditDays).Format(ledger.DayFormat)
	part := uint32(now.Unix()/86400) % auditParts
	result, err := AuditStore(ctx, a.DB, a.Log.Head(), now, func(s ledger.SegmentAt) bool {
		return s.Day >= recent || partOf(s) == part
	}, nil)
	if err != nil {
		return err
	}
	b, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("ingest: keep audit: %w", err)
	}
	// Pages read it at any time, so it is replaced as a whole.
	temp, err := writeTemp(a.Dir.audit(), string(b))
	if err == nil {
		err = os.Rename(temp, a.Dir.audit())
	}
	if err != nil {
		return fmt.Errorf("ingest: keep audit: %w", err)
	}
	act := source.Act{Action: "audit.run", Outcome: event.Success, Actor: source.Party{Type: event.System, ID: source.Own}, Reason: result.String()}
	for _, f := range result.Findings {
		act.Outcome = event.Failure
		a.Slog.Error("the store is not what the ledger says", "finding", f.What)
	}
	return a.Diary.Write(ctx, act)
}

// partOf says in which of the month's nights an old segment is looked at.
func partOf(s ledger.SegmentAt) uint32 {
	h := fnv.New32a()
	h.Write([]byte(s.Source + "\x00" + s.Day + "\x00" + string(s.Section)))
	return h.Sum32() % auditParts
}

// String says the result in a sentence.
func (a Audit) String() string {
	if len(a.Findings) == 0 {
		return fmt.Sprintf("%d segments with %d events recomputed, all as in the ledger", a.Segments, a.Events)
	}
	return fmt.Sprintf("%d segments with %d events recomputed, %d findings: %s", a.Segments, a.Events, len(a.Findings), a.Findings[0].What)
}
