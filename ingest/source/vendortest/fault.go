package vendortest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"time"
)

// A Fault spoils the answer that next would give.
type Fault func(w http.ResponseWriter, r *http.Request, next http.Handler)

// A Line stands between a client and a vendor: it notes what is asked, and spoils
// answers as it is told. It is safe for concurrent use.
type Line struct {
	Next http.Handler

	mu        sync.Mutex
	faults    []Fault // of the next requests; nil: none
	down      Fault   // of all further requests
	questions []Question
}

// Spoil queues faults: each spoils one of the next requests, in order; nil spoils none.
func (l *Line) Spoil(faults ...Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, faults...)
}

// Down spoils every request that no queued fault does, until it is called with nil.
func (l *Line) Down(f Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = f
}

// Questions returns what was asked so far.
func (l *Line) Questions() []Question {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.questions
}

// ServeHTTP makes Line an http.Handler.
func (l *Line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // a client that went away gets no answer anyhow
	r.Body = io.NopCloser(bytes.NewReader(body))
	if f := l.note(r, body); f != nil {
		f(w, r, l.Next)
		return
	}
	l.Next.ServeHTTP(w, r)
}

func (l *Line) note(r *http.Request, body []byte) Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.questions = append(l.questions, Question{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone(), string(body)})
	if len(l.faults) == 0 {
		return l.down
	}
	f := l.faults[0]
	l.faults = l.faults[1:]
	return f
}

// Status answers with a status and a body.
func Status(code int, body string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

// RetryAfter is a 429 with Retry-After as it is given: seconds, or an HTTP date.
func RetryAfter(value string) Fault { return tooMany("Retry-After", value) }

// RetryAfterDate is a 429 with Retry-After as the HTTP date d from now, by the
// server's clock.
func RetryAfterDate(now func() time.Time, d time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Date", now().UTC().Format(http.TimeFormat))
		RetryAfter(now().Add(d).UTC().Format(http.TimeFormat))(w, r, next)
	}
}

// RateLimitReset is a 429 with X-RateLimit-Reset in seconds.
func RateLimitReset(seconds float64) Fault {
	return tooMany("X-RateLimit-Reset", strconv.FormatFloat(seconds, 'f', -1, 64))
}

func tooMany(name, value string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set(name, value)
		w.WriteHeader(http.StatusTooManyRequests)
	}
}

// ProxyPage is a page of a network that wants somebody to sign in.
func ProxyPage(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, "<!doctype html><title>Sign in</title><p>Sign in to the network.")
}

// Reset closes the connection without an answer.
func Reset(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// Cut sends half of the answer that it promised.
func Cut(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(w, r, next)
	w.Header().Set("Content-Length", strconv.Itoa(len(answer.Body.Bytes())))
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

// Short sends an answer of the right length whose JSON is not closed.
func Short(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := record(w, r, next)
	w.WriteHeader(answer.Code)
	w.Write(bytes.TrimRight(answer.Body.Bytes(), "]} \n"))
}

// Slow sends the answer in two halves, and waits in between.
func Slow(wait time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		answer := record(w, r, next)
		w.WriteHeader(answer.Code)
		body := answer.Body.Bytes()
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		select {
		case <-time.After(wait):
			w.Write(body[len(body)/2:])
		case <-r.Context().Done():
		}
	}
}

// Dated answers with another time in the Date header: a clock that is wrong by skew.
func Dated(now func() time.Time, skew time.Duration) Fault {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		w.Header().Set("Date", now().Add(skew).UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r)
	}
}

func record(w http.ResponseWriter, r *http.Request, next http.Handler) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	return answer
}
