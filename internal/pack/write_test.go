package pack_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
)

// bent gives what a log has, but not all of it, or not as it was.
type bent struct {
	*log
	event  func(n int, seq uint64, e *event.Event, erased *event.Erased) (keep bool)
	reject func(n int, r *event.Reject) bool
	record func(n uint64, line []byte) []byte
	voids  bool
	fail   error
}

func (b bent) Events(ctx context.Context, q pack.Query, each func(uint64, *event.Event, *event.Erased) error) error {
	if b.voids {
		q.Voids = nil
	}
	n := 0
	err := b.log.Events(ctx, q, func(seq uint64, e *event.Event, erased *event.Erased) error {
		if e != nil {
			c := *e
			e = &c
		}
		n++
		if b.event != nil && !b.event(n, seq, e, erased) {
			return nil
		}
		return each(seq, e, erased)
	})
	return errors.Join(err, b.fail)
}

func (b bent) Rejects(ctx context.Context, q pack.Query, each func(uint64, *event.Reject) error) error {
	n := 0
	return b.log.Rejects(ctx, q, func(seq uint64, r *event.Reject) error {
		n++
		if b.reject != nil && !b.reject(n, r) {
			return nil
		}
		return each(seq, r)
	})
}

func (b bent) Records(ctx context.Context, from, to uint64, each func([]byte) error) error {
	n := from
	return b.log.Records(ctx, from, to, func(line []byte) error {
		if b.record != nil {
			line = b.record(n, line)
		}
		n++
		if line == nil {
			return nil
		}
		return each(line)
	})
}

// No pack is made from data that are not what the ledger says.
func TestWriteRefuses(t *testing.T) {
	l := history(t, 1)
	tests := []struct {
		name string
		data bent
		want string
	}{
		{"an event lost", bent{event: func(n int, _ uint64, _ *event.Event, _ *event.Erased) bool { return n != 100 }}, "lines were read, "},
		{"the last event lost", bent{event: func(n int, seq uint64, e *event.Event, _ *event.Erased) bool { return seq < 88 || e == nil }}, "of "},
		{"all lost", bent{event: func(int, uint64, *event.Event, *event.Erased) bool { return false }}, "no more came"},
		{"an event changed", bent{event: func(n int, _ uint64, e *event.Event, _ *event.Erased) bool {
			if n == 100 {
				e.Outcome = event.Failure
			}
			return true
		}}, "are not the ones that were committed"},
		{"rows of a void batch", bent{voids: true}, "batch 56"},
		{"a reject lost", bent{reject: func(n int, _ *event.Reject) bool { return n != 4 }}, "section rejects"},
		{"a record lost", bent{record: func(n uint64, line []byte) []byte {
			if n == 60 {
				return nil
			}
			return line
		}}, "record 61 came where 60 was due"},
		{"a record changed", bent{record: func(n uint64, line []byte) []byte {
			return bytes.Replace(line, []byte("the token had expired"), []byte("the token was revoked"), 1)
		}}, "not the ones that the checkpoint signs"},
		{"the query failed", bent{fail: errors.New("connection reset")}, "connection reset"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := l.params()
			tt.data.log = l
			var out bytes.Buffer
			_, err := pack.Write(t.Context(), &out, tt.data, p)
			if err == nil || !strings.Contains(err.Error(), tt.want) || out.Len() > 0 {
				t.Errorf("got %v and %d bytes, want %q", err, out.Len(), tt.want)
			}
			if tt.data.fail == nil && !errors.Is(err, pack.ErrMismatch) {
				t.Errorf("%v is no ErrMismatch", err)
			}
			if left, err := os.ReadDir(p.Temp); err != nil || len(left) > 0 {
				t.Errorf("%d files are left in the temporary directory, %v", len(left), err)
			}
		})
	}
}

func TestParams(t *testing.T) {
	l := history(t, 1)
	for name, change := range map[string]func(*pack.Params){
		"the period is empty":  func(p *pack.Params) { p.Period.To = p.Period.From },
		"not within 1970":      func(p *pack.Params) { p.Period.From = at("0001-01-01T00:00:00Z") },
		"whole seconds":        func(p *pack.Params) { p.Period.To = p.Period.To.Add(1) },
		"no source":            func(p *pack.Params) { p.Sources = nil },
		"twice":                func(p *pack.Params) { p.Sources = []string{"a", "a"} },
		"key":                  func(p *pack.Params) { p.Key = "x" },
		"the signer is not":    func(p *pack.Params) { p.Key = l.keys[0].public },
		"checkpoint":           func(p *pack.Params) { p.Checkpoint = l.signed[3] },
		"a signer and a cover": func(p *pack.Params) { p.Cover = nil },
		"make the cover: no time": func(p *pack.Params) {
			p.Cover = func(*pack.Summary) ([]byte, error) { return nil, errors.New("no time") }
		},
	} {
		p := l.params()
		change(&p)
		if _, err := pack.Write(t.Context(), io.Discard, l, p); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q", err, name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pack.Write(ctx, io.Discard, l, l.params()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	p := l.params()
	if got, want := p.FileName(), "exhibit-soc2-2026-03-27_2026-04-02.zip"; got != want {
		t.Errorf("FileName: got %s, want %s", got, want)
	}
}

// Other periods: from before the log began, to after its end, of one day, of
// none that the log knows; other sources.
func TestPeriods(t *testing.T) {
	l := history(t, 1)
	for name, change := range map[string]func(*pack.Params){
		"from before the log": func(p *pack.Params) { p.Period.From = at("2025-12-31T23:00:00Z") },
		"all of it": func(p *pack.Params) {
			p.Period = coverage.Interval{From: at("2026-01-01T00:00:00Z"), To: at("2026-12-31T00:00:00Z")}
		},
		"the future": func(p *pack.Params) {
			p.Period = coverage.Interval{From: at("2027-01-01T00:00:00Z"), To: at("2027-02-01T00:00:00Z")}
		},
		"the past": func(p *pack.Params) {
			p.Period = coverage.Interval{From: at("2020-01-01T00:00:00Z"), To: at("2020-02-01T00:00:00Z")}
		},
		"one hour": func(p *pack.Params) {
			p.Period = coverage.Interval{From: at("2026-03-28T10:00:00Z"), To: at("2026-03-28T11:00:00Z")}
		},
		"UTC":               func(p *pack.Params) { p.Zone = nil },
		"one source":        func(p *pack.Params) { p.Sources = []string{"other.system"} },
		"only our own":      func(p *pack.Params) { p.Sources = []string{"exhibit"} },
		"an unknown source": func(p *pack.Params) { p.Sources = []string{"nobody", "hcp-prod"} },
	} {
		t.Run(name, func(t *testing.T) {
			p := l.params()
			change(&p)
			zip, s := l.write(p)
			res := verify(t, zip, l.keys[0].public, l.signed[30])
			mustBeGood(t, res)
			if res.Counts.Events != s.Counts.Events || res.Counts.Lines < res.Counts.Events {
				t.Errorf("verified %d events of %d lines, wrote %d", res.Counts.Events, res.Counts.Lines, s.Counts.Events)
			}
		})
	}
}

// A section's CSV holds exactly the period, in local time, and every text comes
// back when one leading apostrophe is taken away.
func TestSectionCSV(t *testing.T) {
	l := history(t, 1)
	zip, s := l.write(l.params())
	files := unzip(t, zip)
	total, changed := uint64(0), 0
	for name, content := range files {
		if !strings.HasPrefix(name, "sections/") {
			continue
		}
		rows, err := csv.NewReader(bytes.NewReader(content)).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, want := rows[0][1], "time [Europe/Zurich]"; got != want {
			t.Errorf("%s: column %q, want %q", name, got, want)
		}
		for _, row := range rows[1:] {
			utc, err := time.Parse(time.RFC3339Nano, row[0])
			local, err2 := time.Parse(time.RFC3339Nano, row[1])
			if err != nil || err2 != nil || !utc.Equal(local) || !s.Period.Contains(utc) {
				t.Fatalf("%s: times %q and %q", name, row[0], row[1])
			}
			if want := utc.In(zurich(t)).Format("2006-01-02T15:04:05.000000000-07:00"); row[1] != want {
				t.Fatalf("%s: local time %s, want %s", name, row[1], want)
			}
			actor := row[8]
			if strings.HasPrefix(actor, "'") {
				actor = actor[1:]
				changed++
			}
			if row[27] == "" && actor != actors[0] && actor != actors[1] && actor != actors[2] && actor != actors[3] && actor != actors[4] {
				t.Fatalf("%s: actor %q", name, row[8])
			}
			if row[27] == "" {
				total++
			}
		}
	}
	if total != s.Counts.Events || changed == 0 {
		t.Errorf("%d rows, %d with an apostrophe; %d events were counted", total, changed, s.Counts.Events)
	}
}

// A lot of records and few events: the ledger's part of memory is small too.
func TestStatedAndHeard(t *testing.T) {
	l := newLog(t, 3)
	start := at("2026-03-26T00:00:00Z")
	l.source(start, "hcp-prod")
	l.add(ledger.Record{At: at("2026-04-05T00:00:00Z"), Kind: ledger.KindBatch, Batch: []ledger.Batch{{Source: "hcp-prod", Covers: []ledger.Cover{
		{From: at("2026-03-26T00:00:00Z"), To: at("2026-03-30T00:00:00Z"), Method: ledger.Stated, File: "=march.json", SHA256: strings.Repeat("0a", 32), By: "ann"},
		{From: at("2026-03-30T00:00:00Z"), To: at("2026-03-31T00:00:00Z"), Method: ledger.Heard},
	}}}})
	p := l.params()
	p.Sources = []string{"hcp-prod"}
	zip, s := l.write(p)
	mustBeGood(t, verify(t, zip, l.keys[0].public))
	got := string(unzip(t, zip)["coverage/intervals.csv"])
	for _, want := range []string{"hcp-prod,heard,", "stated by ann", "'=march.json,0a0a"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(s.Spans["hcp-prod"]) < 3 {
		t.Errorf("spans: %+v", s.Spans)
	}
}

func TestGiven(t *testing.T) {
	l := newLog(t, 4)
	key := l.keys[0].public
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, arg := range []string{key, path} {
		if got, err := pack.Given(arg); err != nil || strings.TrimSpace(got) != key {
			t.Errorf("Given(%q) = %q, %v", arg, got, err)
		}
	}
	if _, err := pack.Given("nowhere"); err == nil {
		t.Error("a file that is not there was taken")
	}
}
