package ingest_test

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// A network carries requests to a vendor, or spoils them. Every request takes a while.
// Whoever changes it or the vendor holds its lock: a request may go on when nobody
// waits for it any more.
type network struct {
	sync.Mutex
	next     http.Handler
	random   *mathrand.Rand
	clock    *clock
	down     bool
	trouble  float64            // share of requests that are spoiled
	cancel   context.CancelFunc // ends the program
	after    int                // so many requests
	requests int
	spoiled  int
}

func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.Lock()
	defer n.Unlock()
	n.requests++
	n.clock.pass(time.Duration(n.random.IntN(2000)) * time.Millisecond)
	if n.cancel != nil {
		if n.after--; n.after < 0 {
			n.cancel()
		}
	}
	if n.down {
		http.Error(w, "<html>Bad Gateway</html>", http.StatusBadGateway)
		return
	}
	if n.random.Float64() >= n.trouble {
		n.next.ServeHTTP(w, r)
		return
	}
	n.spoiled++
	n.spoil(w, r)
}

func (n *network) spoil(w http.ResponseWriter, r *http.Request) {
	switch n.random.IntN(7) {
	case 0:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	case 1:
		now := n.clock.now().UTC()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		w.Header().Set("Retry-After", now.Add(2*time.Second).Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	case 2:
		w.WriteHeader([]int{500, 502, 503, 504}[n.random.IntN(4)])
	case 3:
		fmt.Fprint(w, "<html><title>Welcome to the hotel's network</title></html>")
	case 4:
		panic(http.ErrAbortHandler) // the connection is reset
	case 5: // the answer is cut off
		answer := httptest.NewRecorder()
		n.next.ServeHTTP(answer, r)
		body := answer.Body.Bytes()
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(answer.Code)
		w.Write(body[:n.random.IntN(len(body)+1)]) //nolint:errcheck // it is cut off anyhow
	case 6: // the answer comes in crumbs
		answer := httptest.NewRecorder()
		n.next.ServeHTTP(answer, r)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		for body := answer.Body.Bytes(); len(body) > 0; {
			crumb := min(len(body), 1+n.random.IntN(4096))
			w.Write(body[:crumb]) //nolint:errcheck // the reader may be gone
			w.(http.Flusher).Flush()
			body = body[crumb:]
		}
	}
}

// change changes the network or the vendor.
func (n *network) change(what func()) {
	n.Lock()
	defer n.Unlock()
	what()
}
