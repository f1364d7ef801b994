// Package vendortest fakes the APIs of vendors for tests: as the vendors document
// them, with the troubles that their users report, and with those of the network in
// between. Nothing in it is used by the product.
package vendortest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// An Entry is what a vendor has logged.
type Entry struct {
	ID   string
	At   time.Time // the time that it bears
	Seen time.Time // from when on the API shows it
	Raw  []byte    // as the API gives it
}

// A Log is a vendor's log. It is safe for concurrent use.
type Log struct {
	Now   func() time.Time // the vendor's clock
	Keeps time.Duration    // what is older is not shown; 0: for ever

	mu      sync.Mutex
	entries []Entry // ordered by At, then by ID
}

// Add adds entries.
func (l *Log) Add(entries ...Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range entries {
		i, _ := slices.BinarySearchFunc(l.entries, e, inOrder)
		l.entries = slices.Insert(l.entries, i, e)
	}
}

func inOrder(a, b Entry) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) }

// Shown returns what the API shows now of the times from <= At < to, oldest first.
func (l *Log) Shown(from, to time.Time) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.Now()
	if l.Keeps > 0 && from.Before(now.Add(-l.Keeps)) {
		from = now.Add(-l.Keeps)
	}
	var out []Entry
	i, _ := slices.BinarySearchFunc(l.entries, Entry{At: from}, inOrder)
	for ; i < len(l.entries) && l.entries[i].At.Before(to); i++ {
		if !l.entries[i].Seen.After(now) {
			out = append(out, l.entries[i])
		}
	}
	return out
}

// A Question is a request that a fake was asked.
type Question struct {
	Method, Path, Query string
	Header              http.Header
	Body                string
}

func (q Question) String() string {
	return fmt.Sprintf("%s %s?%s %s", q.Method, q.Path, q.Query, q.Body)
}

// recordsHere stands for the records in the frame of an answer.
const recordsHere = "\x00records"

// write answers with a frame, with the records in it byte for byte.
func write(w http.ResponseWriter, frame any, records []Entry) {
	var list bytes.Buffer
	for i, e := range records {
		if i > 0 {
			list.WriteString(",\n ")
		}
		list.Write(e.Raw)
	}
	text, err := json.Marshal(frame)
	if err != nil {
		panic(err) // fakes write what they made
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(bytes.Replace(text, []byte(`"\u0000records"`), append(append([]byte("["), list.Bytes()...), ']'), 1))
}
