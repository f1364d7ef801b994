package main

import (
	"crypto/rand"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/views"
)

// pushing opens the spool and returns what empties it into the ledger. A source that is
// read in another way may be sent to as well, which proves nothing of it.
func (w *writer) pushing() (*ingest.Drain, error) {
	box, err := spool.Open(spool.Options{Dir: w.dir.Spool(), Max: uint64(w.config.Spool.Max), MinFree: uint64(w.config.MinFree), Now: time.Now, Log: w.log})
	if err != nil {
		return nil, err
	}
	w.spool, w.close = box, append(w.close, box.Close)
	o := ingest.DrainOptions{Spool: box, Log: w.ledger, Committer: w.committer, Kinds: w.kinds, Secret: w.secret, Random: rand.Reader, Now: time.Now, Slog: w.log}
	for _, c := range w.config.Sources {
		kind, err := w.sourceKind(c)
		if err != nil {
			return nil, err
		}
		s := ingest.PushedSource{Name: c.Name, Kind: kind, Settle: c.Settle}
		if s.Settle == 0 {
			s.Settle = kind.Settle
		}
		if c.Bucket == "" && (c.Push || kind.NewPuller == nil) {
			s.Heartbeat = c.Heartbeat
		}
		o.Sources = append(o.Sources, s)
	}
	return ingest.NewDrain(o)
}

// way is how events of a source come.
func (s *Source) way(kind source.Kind) views.Way {
	switch {
	case s.Bucket != "":
		return views.Bucket
	case s.Push:
		return views.Pushed
	case kind.NewPuller == nil:
		return views.Files // until something is sent
	}
	return views.Polled
}
