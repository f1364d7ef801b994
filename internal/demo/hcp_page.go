package demo

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

type hcpQuery struct {
	since      time.Time
	page, size int
}

func (h *HCP) parseQuery(r *http.Request) (hcpQuery, error) {
	q := hcpQuery{page: 1, size: hcpPageSize}
	v := r.URL.Query()
	if s := v.Get("since"); s != "" {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return q, fmt.Errorf("demo: since: %w", err)
		}
		q.since = t
	}
	// A number that makes no sense counts as absent, as with the vendor's other lists.
	if n, err := strconv.Atoi(v.Get("page[number]")); err == nil && n > 0 {
		q.page = n
	}
	if n, err := strconv.Atoi(v.Get("page[size]")); err == nil && n > 0 {
		q.size = min(n, hcpPageSize)
	}
	return q, nil
}

// page is one page before it is written.
type page struct {
	records [][]byte
	number  int
	pages   int
	total   int
}

// page cuts the page out of the list as it is at this moment: an event that
// arrived since the last page moves everything down by one.
func (h *HCP) page(q hcpQuery, now time.Time) page {
	h.sort()
	oldest := now.Add(-hcpKeeps)
	if q.since.After(oldest) {
		oldest = q.since
	}
	p := page{number: q.page}
	first, last := (q.page-1)*q.size, q.page*q.size
	for _, e := range h.events {
		if e.Time.Before(oldest) {
			break
		}
		if e.visible.After(now) || h.opt.SinceExclusive && e.Time.Equal(q.since) {
			continue
		}
		if p.total >= first && p.total < last {
			p.records = append(p.records, e.Raw)
		}
		p.total++
	}
	p.pages = (p.total + q.size - 1) / q.size
	return p
}

// sort puts the newest event first; of equal times the one that came last.
func (h *HCP) sort() {
	if !h.dirty {
		return
	}
	slices.SortFunc(h.events, func(a, b hcpEvent) int {
		if c := b.Time.Compare(a.Time); c != 0 {
			return c
		}
		return b.seq - a.seq
	})
	h.dirty = false
}

func (p *page) encode() []byte {
	var b bytes.Buffer
	b.WriteString(`{"data":[`)
	for i, r := range p.records {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r)
	}
	prev, next := "null", "null"
	if p.number > 1 {
		prev = strconv.Itoa(p.number - 1)
	}
	if p.number < p.pages {
		next = strconv.Itoa(p.number + 1)
	}
	fmt.Fprintf(&b, `],"pagination":{"current_page":%d,"prev_page":%s,"next_page":%s,"total_pages":%d,"total_count":%d}}`,
		p.number, prev, next, p.pages, p.total)
	return b.Bytes()
}
