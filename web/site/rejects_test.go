package site_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/reports/reporttest"
	"exhibit/views"
	"exhibit/web"
)

// The pages of rejects show what is stored, and bytes only in a form that is safe.
func TestRejects(t *testing.T) {
	s, l, _ := open(t, nil)
	long := strings.Repeat("é", 5000)
	raws := map[string]string{ // what came, and how its page begins
		"x":               "x",
		"a\x1b[2J\u202eb": `a\u{1b}[2J\u{202e}b`,
		"<b>":             "<b>",
		"\x00\xff":        "00000000  00 ff",
		long:              "éé",
	}
	at := event.Day(now()).Add(2 * time.Hour)
	var rejects []*event.Reject
	for raw := range raws {
		if raw != "x" { // open has that one
			rejects = append(rejects, reporttest.Reject("hcp-prod", raw, "no event type", at))
		}
	}
	l.Commit(at, ledger.Batch{Source: "hcp-prod", Fetched: 4, Rejects: 4}, nil, rejects)
	groups, err := s.Rejects.Groups(t.Context(), views.RejectFilter{State: "open"})
	if err != nil || len(groups) != 2 || groups[0].Open != 4 || groups[1].Reason != "not JSON" {
		t.Fatalf("got %+v, %v", groups, err)
	}
	list, err := s.Rejects.List(t.Context(), web.RejectQuery{RejectFilter: views.RejectFilter{Source: "hcp-prod"}, Limit: 10})
	if err != nil || len(list) != 5 || list[4].Reason != "not JSON" {
		t.Fatalf("got %d rejects, %v", len(list), err)
	}
	for raw, want := range raws {
		reason := "no event type"
		if raw == "x" {
			reason = "not JSON"
		}
		key := web.RejectKey{Source: "hcp-prod", Reason: reason, SHA256: sha256.Sum256([]byte(raw))}
		v, err := s.Rejects.Reject(t.Context(), key)
		if err != nil || !strings.HasPrefix(v.Shown, want) || v.Hex != strings.HasPrefix(want, "0000") || v.Cut != (raw == long) || len(v.Shown) > 9000 {
			t.Errorf("%.20q: shown %.40q, hex %t, cut %t, %v", raw, v.Shown, v.Hex, v.Cut, err)
		}
		if b, err := s.Rejects.Bytes(t.Context(), key); err != nil || string(b) != raw {
			t.Errorf("%.20q: got %.20q, %v", raw, b, err)
		}
	}
	if _, err := s.Rejects.Reject(t.Context(), web.RejectKey{Source: "okta"}); !errors.Is(err, web.ErrNotFound) {
		t.Errorf("an unknown reject: %v", err)
	}
}
