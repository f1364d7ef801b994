package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/internal/coverage"
	"exhibit/internal/ledger"
)

// A parcel that breaks a rule of the ledger gets the error alone: what was handed in
// beside it is committed.
func TestBadParcelCostsNoOther(t *testing.T) {
	w := newSite(t).open()
	together := ingest.NewCommitter(w.log)
	together.MaxWait = time.Hour // the last parcel is urgent: all are one group
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.running.Go(func() {
		if err := together.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	parcel := func(name string) ingest.Parcel {
		p := ingest.NewPreparer(name, w.kind("hcp-terraform"), w.secret, strings.NewReader(strings.Repeat("salt of some kind", 8)))
		if err := p.Add(source.Record{Raw: []byte(hcp(1, start(), "create")), Received: w.now()}); err != nil {
			t.Fatal(err)
		}
		return p.Take()
	}
	day := coverage.Interval{From: start(), To: start().AddDate(0, 0, 1)}
	bad := parcel("bad")
	bad.Covers = []ledger.Cover{{From: day.From, To: day.To, Method: "guessed"}}
	last := parcel("last")
	last.Urgent = true
	var receipts []<-chan ingest.Receipt
	for _, p := range []ingest.Parcel{parcel("first"), bad, parcel("first"), last} {
		done, err := together.Submit(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		receipts = append(receipts, done)
	}
	var got []string
	for _, done := range receipts {
		r := <-done
		if r.Err != nil {
			if !errors.Is(r.Err, ledger.ErrRule) {
				t.Error(r.Err)
			}
			got = append(got, "refused")
			continue
		}
		got = append(got, fmt.Sprintf("%s %d+%d", r.Batch.Source, r.Batch.Events, r.Batch.Duplicates))
	}
	if want := "[first 1+0 refused first 0+1 last 1+0]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	w.audit()
}
