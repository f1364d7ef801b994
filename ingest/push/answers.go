package push

import (
	"net/http"
	"sync"
)

// An Answer says how many requests at a door were answered with a class of status:
// 2 for 2xx, and so on.
type Answer struct {
	Door  string // ingest, hec, otlp, datadog
	Class int
	N     uint64
}

type answers struct {
	mu sync.Mutex
	n  map[Answer]uint64 // by an Answer without N
}

func (a *answers) add(door string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == nil {
		a.n = map[Answer]uint64{}
	}
	a.n[Answer{Door: door, Class: status / 100}]++
}

// Answers returns what was answered since the start, in no order.
func (h *Handler) Answers() []Answer {
	h.answers.mu.Lock()
	defer h.answers.mu.Unlock()
	list := make([]Answer, 0, len(h.answers.n))
	for a, n := range h.answers.n {
		a.N = n
		list = append(list, a)
	}
	return list
}

// A watched writer remembers the status.
type watched struct {
	http.ResponseWriter
	status int
}

func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }
