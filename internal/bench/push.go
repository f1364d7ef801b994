package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"exhibit/ingest"
	"exhibit/ingest/push"
	"exhibit/ingest/source"
	"exhibit/ingest/spool"
	"exhibit/ingest/token"
	"exhibit/migrations"
)

// How the file is pushed: so many senders at the same time, so many events in one
// request, as collectors send them.
const (
	pushSenders = 8
	pushBatch   = 500
)

// What is measured besides.
const (
	pushedRate = "answered, events/s"
	pushedP50  = "p50 of the answer, ms"
	pushedP99  = "p99 of the answer, ms"
)

// anyToken lets everybody in: what a token costs is not measured here.
type anyToken struct{}

func (anyToken) Check(string, string) (token.Token, error) { return token.Token{Source: feed}, nil }

// push sends the file over HTTP on loopback: door, spool, normalise, dedupe, hash,
// insert, ledger. It ends when all of it is in the ledger. The senders are in the same
// process and cost too.
func (st *stage) push(ctx context.Context) error {
	if err := st.db.Migrate(ctx, migrations.FS); err != nil {
		return err
	}
	kind, err := source.Lookup(source.Kinds(), "hcp-terraform")
	if err != nil {
		return err
	}
	w, err := st.openWriter(ctx)
	if err != nil {
		return err
	}
	declared := ingest.Declaration{Name: feed, Kind: kind, Since: st.now.Add(-span)}
	if err := w.log.Declare(ctx, []ingest.Declaration{declared}, true); err != nil {
		return errors.Join(err, w.close())
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	box, err := spool.Open(spool.Options{Dir: ingest.Dir(st.data()).Spool(), Now: time.Now, Log: log})
	if err != nil {
		return errors.Join(err, w.close())
	}
	drain, err := ingest.NewDrain(ingest.DrainOptions{Spool: box, Log: w.log, Committer: w.committer, Secret: w.secret, Random: rand.Reader, Now: time.Now, Slog: log,
		Sources: []ingest.PushedSource{{Name: feed, Kind: kind, Heartbeat: time.Hour}}})
	if err != nil {
		return errors.Join(err, box.Close(), w.close())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, box.Close(), w.close())
	}
	doors := push.New(push.Options{Spool: box, Tokens: anyToken{}, Sources: map[string]source.Kind{feed: kind}, Now: time.Now, Log: log})
	server := &http.Server{Handler: doors, ReadHeaderTimeout: time.Minute}
	var group sync.WaitGroup
	running, stop := context.WithCancel(ctx)
	defer stop()
	var drained, served error
	group.Go(func() { drained = drain.Run(running) })
	group.Go(func() { served = server.Serve(listener) })
	err = st.start()
	if err == nil {
		err = st.pushFile(ctx, "http://"+listener.Addr().String()+"/ingest/"+feed, box)
	}
	if err == nil {
		err = st.stop(uint64(st.events))
	}
	stop()
	err = errors.Join(err, server.Close())
	group.Wait()
	if errors.Is(served, http.ErrServerClosed) {
		served = nil
	}
	return errors.Join(err, drained, served, box.Close(), w.close())
}

// pushFile sends the file and waits until it is in the ledger.
func (st *stage) pushFile(ctx context.Context, url string, box *spool.Spool) error {
	f, err := os.Open(st.input())
	if err != nil {
		return err
	}
	defer f.Close()
	bodies := make(chan []byte, pushSenders)
	took := make([][]time.Duration, pushSenders)
	errs := make([]error, pushSenders)
	var senders sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: pushSenders}}
	for i := range pushSenders {
		senders.Go(func() {
			for body := range bodies {
				began := time.Now()
				if err := post(ctx, client, url, body); err != nil && errs[i] == nil {
					errs[i] = err
				}
				took[i] = append(took[i], time.Since(began))
			}
		})
	}
	began := time.Now()
	err = cutLines(f, pushBatch, func(body []byte) { bodies <- body })
	close(bodies)
	senders.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	answered := time.Since(began)
	for tick := time.NewTicker(5 * time.Millisecond); box.Status().Waiting > 0; <-tick.C {
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	st.m.Numbers[pushedRate] = float64(st.events) / answered.Seconds()
	st.m.Numbers[pushedP50], st.m.Numbers[pushedP99] = percentile(all, 50), percentile(all, 99)
	return nil
}

// percentile of sorted durations, in milliseconds.
func percentile(sorted []time.Duration, p int) float64 {
	return sorted[(len(sorted)-1)*p/100].Seconds() * 1000
}

// cutLines hands out so many lines at a time.
func cutLines(r io.Reader, n int, each func(body []byte)) error {
	in := bufio.NewReaderSize(r, 1<<20)
	var body bytes.Buffer
	for count := 1; ; count++ {
		line, err := in.ReadSlice('\n')
		body.Write(line)
		if last := errors.Is(err, io.EOF); last || count%n == 0 {
			if body.Len() > 0 {
				each(bytes.Clone(body.Bytes()))
			}
			body.Reset()
			if last {
				return nil
			}
		} else if err != nil {
			return err
		}
	}
}

func post(ctx context.Context, client *http.Client, url string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer any")
	request.Header.Set("Content-Type", "application/x-ndjson")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("answer %s: %s", answer.Status, text)
	}
	return errors.Join(err, answer.Body.Close())
}
