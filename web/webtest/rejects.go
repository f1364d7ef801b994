package webtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"exhibit/views"
	"exhibit/web"
)

// Rejects implements web.Rejects: hcp-prod has enough for two pages.
type Rejects struct{ *Data }

const (
	rejectReason = "not JSON"
	rejectRaw    = "<script>alert(1)</script>\u202e{\"broken\": \x01"
)

// RejectCount is how many rejects hcp-prod has.
const RejectCount = 130

func (r Rejects) all() []views.Reject {
	var out []views.Reject
	for i := range RejectCount {
		sum := sha256.Sum256([]byte(fmt.Sprint(i)))
		v := views.Reject{Source: "hcp-prod", Reason: rejectReason, SHA256: hex.EncodeToString(sum[:]), Received: r.At.Add(-time.Duration(i) * time.Hour),
			Size: int64(len(rejectRaw)), Batch: int64(1000 - i), Kept: int64(len(rejectRaw)),
			Shown: `<script>alert(1)</script>\u{202e}{"broken": \u{1}`}
		if i == 0 {
			v.Resolved = &views.Resolved{Outcome: "event", Batch: 1001, Event: web.EventPath("hcp-prod", "ae-1", time.Time{})}
		}
		out = append(out, v)
	}
	return out
}

// Groups implements web.Rejects.
func (r Rejects) Groups(_ context.Context, f views.RejectFilter) ([]views.RejectGroup, error) {
	if r.Bare || r.Err != nil || f.Source != "" && f.Source != "hcp-prod" {
		return nil, r.Err
	}
	all := r.all()
	return []views.RejectGroup{{Source: "hcp-prod", Reason: rejectReason, Open: RejectCount - 1, Resolved: 1,
		First: all[RejectCount-1].Received, Last: all[0].Received, Example: all[1].SHA256}}, nil
}

// List implements web.Rejects.
func (r Rejects) List(_ context.Context, q web.RejectQuery) ([]views.Reject, error) {
	var out []views.Reject
	for _, v := range r.all() {
		fits := v.Source == q.Source && (q.Reason == "" || q.Reason == v.Reason) && (q.State == "" || (q.State == "resolved") == (v.Resolved != nil)) &&
			(q.Before == nil || v.Received.Before(q.Before.Received))
		if fits && len(out) < q.Limit {
			out = append(out, v)
		}
	}
	return out, r.Err
}

// Reject implements web.Rejects.
func (r Rejects) Reject(_ context.Context, key web.RejectKey) (views.Reject, error) {
	for _, v := range r.all() {
		if v.Source == key.Source && v.Reason == key.Reason && v.SHA256 == hex.EncodeToString(key.SHA256[:]) && r.Err == nil {
			return v, nil
		}
	}
	return views.Reject{}, orNotFound(r.Err)
}

// Bytes implements web.Rejects.
func (r Rejects) Bytes(ctx context.Context, key web.RejectKey) ([]byte, error) {
	_, err := r.Reject(ctx, key)
	return []byte(rejectRaw), err
}
