package demo

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// answer is one HTTP answer with the ways in which sending it can go wrong.
type answer struct {
	status      int
	contentType string
	header      map[string]string
	body        []byte

	pause time.Duration // wait in the middle of the body
	cut   bool          // promise the whole body, send half, close
	reset bool          // send nothing, reset the connection
}

func (a answer) countAs() int {
	if a.reset {
		return 0
	}
	return a.status
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	if a.reset {
		resetConnection(w)
	}
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if !a.cut && a.pause == 0 {
		w.Write(a.body) // the client may have gone: nobody left to tell
		return
	}
	half := len(a.body) / 2
	w.Write(a.body[:half])
	http.NewResponseController(w).Flush() // best effort, the rest of the answer does not depend on it
	if a.cut {
		panic(http.ErrAbortHandler) // net/http closes the connection without a log line
	}
	select {
	case <-r.Context().Done():
	case <-time.After(a.pause):
		w.Write(a.body[half:])
	}
}

// resetConnection closes with RST where the connection allows it, and never
// returns.
func resetConnection(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}

func (h *HCP) headers() map[string]string {
	return map[string]string{"X-RateLimit-Limit": strconv.Itoa(max(h.opt.RateLimit, 0))}
}

// errorAnswer is a JSON:API error, which this endpoint uses although its data is
// plain JSON.
func (h *HCP) errorAnswer(status int) answer {
	title := map[int]string{
		http.StatusBadRequest:          "bad request",
		http.StatusUnauthorized:        "unauthorized",
		http.StatusNotFound:            "not found",
		http.StatusInternalServerError: "internal server error",
		http.StatusBadGateway:          "bad gateway",
		http.StatusServiceUnavailable:  "service unavailable",
	}[status]
	return answer{status: status, contentType: "application/vnd.api+json", header: h.headers(),
		body: []byte(`{"errors":[{"status":"` + strconv.Itoa(status) + `","title":"` + title + `"}]}`)}
}

// rateLimited is the documented answer to a request too many.
func (h *HCP) rateLimited() answer {
	return answer{status: http.StatusTooManyRequests, contentType: "application/vnd.api+json", header: h.headers(),
		body: []byte(`{"errors":[{"detail":"You have exceeded the API's rate limit.","status":429,"title":"Too many requests"}]}`)}
}
