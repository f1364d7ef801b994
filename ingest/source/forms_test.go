package source_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"exhibit/ingest/source"
)

// Records come with words before them, in the base64 of queues, in the pages of stores
// of logs, and in lists that lost their brackets.
func TestForms(t *testing.T) {
	raw := `{"id":"d-1","activityDisplayName":"Add user","activityDateTime":"2026-01-02T03:04:05Z","result":"success"}`
	code := base64.StdEncoding.EncodeToString([]byte(raw))
	k := kind(t, "entra-id")
	for form, file := range map[string]string{
		"syslog":             "<134>1 2026-01-02T03:04:06Z host app - - - " + raw,
		"container":          "2026-01-02T03:04:06.1Z stdout F " + raw,
		"Pub/Sub":            `{"message":{"data":"` + code + `","messageId":"1"},"subscription":"s"}`,
		"Kinesis":            `{"Records":[{"kinesis":{"data":"` + code + `"},"eventSource":"aws:kinesis"}]}`,
		"SNS":                `{"Type":"Notification","TopicArn":"t","Message":` + quoted(t, raw) + `}`,
		"SQS":                `{"Records":[{"messageId":"m","body":` + quoted(t, raw) + `}]}`,
		"Splunk's results":   `{"preview":false,"messages":[],"results":[{"_raw":` + quoted(t, raw) + `}]}`,
		"Elasticsearch":      `{"took":1,"hits":{"total":{"value":1},"hits":[{"_source":{"event":{"original":` + quoted(t, raw) + `}}}]}}`,
		"CloudWatch":         `{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","timestamp":1767323046000,"message":` + quoted(t, raw) + `}]}`,
		"list, no brackets":  raw + ",\n" + raw + ",\n",
		"objects, no breaks": raw + raw,
	} {
		n := 0
		for p, err := range source.Records(strings.NewReader(file), source.RecordsOptions{Wraps: k.Wraps}) {
			if err != nil || p.Bad != "" {
				t.Errorf("%s: %s %v", form, p.Bad, err)
				break
			}
			n++
			if r := normalize(t, k, string(p.Raw)); r.Event.ID != "d-1" || r.Claimed != "2026-01-02T03:04:05Z" || r.Event.Raw != string(p.Raw) {
				t.Errorf("%s: got %s of %s with %s", form, r.Event.ID, r.Claimed, r.Event.Raw)
			}
		}
		if want := 1 + strings.Count(form, "no b"); n != want {
			t.Errorf("%s: got %d records, want %d", form, n, want)
		}
	}
}

// What is no record at all says what to do about it.
func TestNoForms(t *testing.T) {
	k := kind(t, "entra-id")
	for raw, want := range map[string]string{
		"Date (UTC),Request ID,User,IP address":      "(CSV)",
		`"2026-01-02T03:04:05Z","r-1","Ada, L.","x"`: "(CSV)",
		`{'id': 'd-1'}`:                      "json.dumps",
		`{"id":"d-1","activityDi`:            "too early",
		`sign-in of {"id":"d-1","activityDi`: "not JSON",
	} {
		_, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received})
		if err == nil || errors.Is(err, source.ErrSkip) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", raw, err, want)
		}
	}
}
