package main

import (
	"context"
	"sync"
	"time"

	"exhibit/ingest"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
	"exhibit/internal/store"
)

// witnesses returns the configured witnesses.
func (s *installation) witnesses() []ingest.Witness {
	var list []ingest.Witness
	for _, w := range s.config.Witnesses {
		list = append(list, ingest.Witness{Name: w.Name, Directory: w.Directory, Bucket: w.Bucket, HeldBy: w.HeldBy})
	}
	return list
}

// A heldCheckpoints knows what witnesses hold. They are asked once a minute at the
// most: a bucket is far away, and every page wants to know.
type heldCheckpoints struct {
	*installation
	reader *store.Reader
	key    ledger.SigningKey

	mu    sync.Mutex
	asked time.Time
	list  []pack.Witness
}

// askEvery is how long what witnesses said is believed, and askPatience how long
// one may take to say it.
const (
	askEvery    = time.Minute
	askPatience = 20 * time.Second
)

// held returns what a report says of the witnesses. One that cannot be read, or holds
// what is not this ledger's, holds nothing.
func (h *heldCheckpoints) held(ctx context.Context) ([]pack.Witness, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.asked) < askEvery {
		return h.list, nil
	}
	var list []pack.Witness
	for _, w := range h.witnesses() {
		one := pack.Witness{Name: w.Name, Kind: "directory", Note: "held by " + w.HeldBy}
		if w.Bucket != "" {
			one.Kind = "bucket"
		}
		if w.HeldBy == "" {
			one.Note = "held by the operator: it does not count as a witness"
		}
		head, err := h.reader.Head(ctx)
		if err != nil {
			return nil, err
		}
		deposit, found, err := h.last(ctx, w, head)
		if err != nil { // what others hold must not keep anybody from the evidence
			h.log.Error("what the witness holds does not count", "witness", w.Name, "error", err)
		}
		if found {
			one.Last, one.Size = deposit.At, deposit.Size
		}
		list = append(list, one)
	}
	h.asked, h.list = time.Now(), list
	return list, nil
}

func (h *heldCheckpoints) last(ctx context.Context, w ingest.Witness, head store.Head) (ingest.Deposit, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return w.Last(ctx, h.db, head, h.key)
}
