package source_test

import (
	"fmt"
	"strings"
	"testing"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// Every event type that Okta lists is filed where the reference says, with its class.
func TestOktaEventTypes(t *testing.T) {
	text := string(reference(t, "classification/okta-event-types-classified.tsv"))
	k := kind(t, "okta")
	n := 0
	for line := range strings.Lines(text) {
		col := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		if n++; n == 1 {
			continue // the names of the columns
		}
		for result, section := range map[string]string{"SUCCESS": col[4], "SKIPPED": col[4], "FAILURE": col[5]} {
			r := normalize(t, k, fmt.Sprintf(`{"eventType":%q,"outcome":{"result":%q}}`, col[0], result))
			e := r.Event
			got := fmt.Sprintf("%s class %d %s unmapped %v", e.Action, e.Class, e.Section, r.Unmapped)
			want := fmt.Sprintf("%s class %s %s unmapped false", col[0], col[1], section)
			if got != want {
				t.Errorf("%s: got  %s\nwant %s", result, got, want)
			}
		}
	}
	if n < 1179 {
		t.Errorf("got %d lines, want all 1178 event types", n-1)
	}
}

func TestOktaOutcomes(t *testing.T) {
	k := kind(t, "okta")
	for result, want := range map[string]string{
		`"SUCCESS"`: event.Success, `"ALLOW"`: event.Success,
		`"FAILURE"`: event.Failure, `"DENY"`: event.Failure, `"RATE_LIMIT"`: event.Failure, `"ABANDONED"`: event.Failure, `"UNANSWERED"`: event.Failure,
		`"CHALLENGE"`: event.Unknown, `"SKIPPED"`: event.Unknown, `"UNKNOWN"`: event.Unknown, `"DEFERRED"`: event.Unknown, `"SCHEDULED"`: event.Unknown, `null`: event.Unknown, `"x"`: event.Unknown,
	} {
		e := normalize(t, k, `{"eventType":"user.session.start","outcome":{"result":`+result+`}}`).Event
		section := event.Logins
		if want == event.Failure {
			section = event.FailedAuth
		}
		if e.Outcome != want || e.Section != section {
			t.Errorf("%s: got %s in %s, want %s in %s", result, e.Outcome, e.Section, want, section)
		}
	}
}

// The events of an event hook share its bytes, so there is an end to their number.
func TestOktaHookLimit(t *testing.T) {
	k := kind(t, "okta")
	hook := func(n int) string {
		return `{"data":{"events":[` + strings.TrimSuffix(strings.Repeat(`{"eventType":"a.b"},`, n), ",") + `]}}`
	}
	for n, want := range map[int]int{1: 1, 1000: 1000, 1001: 0} {
		out, err := k.Normalize(source.Record{Raw: []byte(hook(n)), Received: received})
		if len(out) != want || (err == nil) != (want > 0) || err != nil && source.Reason(err) != source.ReasonTooMany {
			t.Errorf("%d events: got %d, error %v", n, len(out), err)
		}
	}
}

// A record that is not Unicode is read twice, and holds its events once.
func TestNotUnicodeCountsOnce(t *testing.T) {
	for name, raw := range map[string]string{
		"okta": `{"data":{"events":[{"eventType":"a.b","displayMessage":"\ud800"},{"eventType":"a.c","target":[{"id":"1","type":"User"}]}]}}`,
		"json": `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"a","body":{"stringValue":"\ud800"}},{"eventName":"b"}]}]}]}`,
	} {
		k := kind(t, name)
		out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received})
		if err != nil || len(out) != 2 {
			t.Errorf("%s: %d events, %v; want 2", name, len(out), err)
		}
	}
}
