package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"exhibit/ingest"
	"exhibit/internal/pack"
	"exhibit/reports"
	"exhibit/reports/framework"

	"golang.org/x/mod/sumdb/note"
)

// share is how many of the days of the history are in the pack: three of ten.
const share = span * 3 / 10

// period is the last days of the history, up to its last whole day.
func (s settings) period() (from, to time.Time) {
	to = s.now.Truncate(24 * time.Hour)
	return to.Add(-share), to
}

func (st *stage) maker() (*reports.Maker, error) {
	key, err := ingest.Dir(st.data()).ExistingKey()
	if err != nil {
		return nil, err
	}
	verifier, err := key.Verifier()
	if err != nil {
		return nil, err
	}
	list, err := framework.Load()
	if err != nil {
		return nil, err
	}
	return &reports.Maker{DB: st.db, Reader: st.db.NewReader(note.VerifierList(verifier)), Key: key, Frameworks: list,
		Software: pack.Software{Version: "bench"}, Now: time.Now, Temp: st.dir}, nil
}

func (st *stage) request() (reports.Request, error) {
	from, to := st.period()
	period, err := reports.ParsePeriod(from.Format(time.RFC3339), to.Format(time.RFC3339), time.UTC, time.Now())
	return reports.Request{Framework: "soc2", Period: period, By: pack.Person{Name: "bench"}}, err
}

// pack makes a pack as `exhibit pack` does.
func (st *stage) pack(ctx context.Context) error {
	m, err := st.maker()
	if err != nil {
		return err
	}
	q, err := st.request()
	if err != nil {
		return err
	}
	if err := st.start(); err != nil {
		return err
	}
	info, err := m.Make(ctx, q, st.path("pack.zip"), nil)
	if err != nil {
		return err
	}
	st.m.Numbers = map[string]float64{"bytes": float64(info.Size)}
	return st.stop(info.Counts.Lines)
}

// export has ClickHouse itself write the rows of the pack, in the pack's order.
func (st *stage) export(ctx context.Context) error {
	return st.exportRows(ctx, " ORDER BY section, toDate(time), batch, source, time, id")
}

// exportPlain is export in the order that is cheapest.
func (st *stage) exportPlain(ctx context.Context) error { return st.exportRows(ctx, "") }

func (st *stage) exportRows(ctx context.Context, order string) error {
	conn, err := st.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	from, to := st.period()
	out := st.path("export.jsonl")
	if err := os.Remove(out); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := st.start(); err != nil {
		return err
	}
	err = conn.Exec(ctx, fmt.Sprintf("INSERT INTO FUNCTION file('%s', 'JSONEachRow') SELECT * FROM %s.events WHERE source = '%s' AND time >= toDateTime(%d) AND time < toDateTime(%d)%s",
		out, st.database(), feed, from.Unix(), to.Unix(), order))
	if err != nil {
		return err
	}
	if err := st.stop(0); err != nil {
		return err
	}
	st.m.Events, err = lines(out)
	return err
}

// verify checks the pack as exhibit-verify does.
func (st *stage) verify(ctx context.Context) error {
	key, err := ingest.Dir(st.data()).ExistingKey()
	if err != nil {
		return err
	}
	f, err := os.Open(st.path("pack.zip"))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := st.start(); err != nil {
		return err
	}
	result, err := pack.Verify(ctx, f, info.Size(), pack.Options{Key: key.Public})
	if err != nil {
		return err
	}
	if !result.OK {
		return fmt.Errorf("the pack does not verify: %v", result.Findings)
	}
	return st.stop(result.Counts.Lines)
}
