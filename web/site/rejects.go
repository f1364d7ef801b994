package site

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"exhibit/ingest/source"
	"exhibit/internal/store"
	"exhibit/views"
	"exhibit/web"
)

// Groups implements web.Rejects.
func (r Rejects) Groups(ctx context.Context, f views.RejectFilter) ([]views.RejectGroup, error) {
	head, err := r.Reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := r.DB.RejectGroups(ctx, head.Snapshot(), storeFilter(f))
	if err != nil {
		return nil, err
	}
	var out []views.RejectGroup
	for _, g := range groups {
		out = append(out, views.RejectGroup{Source: g.Source, Reason: g.Reason, Open: int64(g.Open), Resolved: int64(g.Resolved), Bytes: int64(g.Bytes),
			First: g.First, Last: g.Last, Example: hex.EncodeToString(g.Example[:])})
	}
	return out, nil
}

func storeFilter(f views.RejectFilter) store.RejectFilter {
	return store.RejectFilter{Source: f.Source, Reason: f.Reason, State: store.RejectState(f.State)}
}

// List implements web.Rejects.
func (r Rejects) List(ctx context.Context, q web.RejectQuery) ([]views.Reject, error) {
	head, err := r.Reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	f := storeFilter(q.RejectFilter)
	if q.Before != nil {
		f.Before.Received, f.Before.Key = q.Before.Received, store.RejectKey(q.Before.Key)
	}
	list, err := r.DB.Rejects(ctx, head.Snapshot(), f, q.Limit)
	if err != nil {
		return nil, err
	}
	var out []views.Reject
	for i := range list {
		out = append(out, rejectView(&list[i]))
	}
	return out, nil
}

func rejectView(r *store.StoredReject) views.Reject {
	v := views.Reject{Source: r.Source, Reason: r.Reason, SHA256: hex.EncodeToString(r.SHA256[:]), Received: r.Received, Size: int64(r.Size), Batch: int64(r.Batch)}
	if d := r.Resolved; d != nil {
		v.Resolved = &views.Resolved{Outcome: d.Outcome, Batch: int64(d.Batch)}
		if d.ID != "" {
			v.Resolved.Event = web.EventPath(r.Source, d.ID, time.Time{})
		}
	}
	return v
}

// Bytes of a reject on its page.
const (
	shownText = 8 << 10
	shownHex  = 2 << 10
)

// Reject implements web.Rejects.
func (r Rejects) Reject(ctx context.Context, key web.RejectKey) (views.Reject, error) {
	found, err := r.find(ctx, key, source.MaxRecord)
	if err != nil {
		return views.Reject{}, err
	}
	v := rejectView(found)
	v.Kept = int64(len(found.Raw))
	v.Shown, v.Hex, v.Cut = showBytes(found.Raw)
	return v, nil
}

// Bytes implements web.Rejects.
func (r Rejects) Bytes(ctx context.Context, key web.RejectKey) ([]byte, error) {
	found, err := r.find(ctx, key, source.MaxRecord)
	if err != nil {
		return nil, err
	}
	return []byte(found.Raw), nil
}

func (r Rejects) find(ctx context.Context, key web.RejectKey, bytes uint64) (*store.StoredReject, error) {
	head, err := r.Reader.Head(ctx)
	if err != nil {
		return nil, err
	}
	found, ok, err := r.DB.Reject(ctx, head.Snapshot(), store.RejectKey(key), bytes)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: reject %x", web.ErrNotFound, key.SHA256[:6])
	}
	return &found, nil
}

// showBytes makes the beginning of bytes that nobody knows safe to show: as text in
// which everything that is not printed is written as its code point, which also holds
// for what turns the direction of writing; or in hex.
func showBytes(raw string) (shown string, isHex, cut bool) {
	text := raw[:min(len(raw), shownText)]
	cut = len(text) < len(raw)
	for i := 1; cut && i < utf8.UTFMax && !utf8.ValidString(text); i++ {
		text = text[:len(text)-1] // a letter that was cut in two
	}
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		var b strings.Builder
		for _, r := range text {
			if r == '\n' || r == '\t' || unicode.IsPrint(r) {
				b.WriteRune(r)
				continue
			}
			fmt.Fprintf(&b, "\\u{%x}", r)
		}
		return b.String(), false, cut
	}
	part := raw[:min(len(raw), shownHex)]
	return hex.Dump([]byte(part)), true, len(part) < len(raw)
}
