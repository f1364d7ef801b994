package source_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

func quoted(t testing.TB, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// carriers puts a record into each of the forms that carriers give it.
func carriers(t testing.TB, raw string) map[string]string {
	t.Helper()
	text := quoted(t, raw)
	log := func(body string) string {
		return `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}]},"scopeLogs":[{"scope":{"name":"s"},"logRecords":[{"timeUnixNano":"1700000000000000000","body":` + body + `}]}]}]}`
	}
	return map[string]string{
		"HEC":           `{"time":1700000000.5,"host":"h","source":"s","sourcetype":"_json","index":"main","event":` + raw + `,"fields":{"a":"b"}}`,
		"HEC, as text":  `{"event":` + text + `,"time":"1700000000.5"}`,
		"OTLP, as text": log(`{"stringValue":` + text + `}`),
		"EventBridge":   `{"version":"0","id":"6a7e8feb","detail-type":"AuditLog","source":"x","account":"1","time":"2023-11-14T22:13:20Z","region":"r","resources":[],"detail":` + raw + `}`,
		"Datadog":       `{"ddsource":"x","ddtags":"a:b","hostname":"h","service":"s","message":` + text + `}`,
		"a collector":   `{"@timestamp":"2023-11-14T22:13:20Z","log":` + text + `}`,
		"a text":        text,
		"a queue":       `{"topic":"t","timestamp":1700000000000,"payload":` + text + `,"headers":{}}`,
		"Datadog's API": `{"id":"A","content":{"timestamp":"2023-11-14T22:13:20Z","tags":["a:b"],"host":"h","service":"s","attributes":` + raw + `}}`,
		"a detector":    `{"timestamp":"2023-11-14T22:13:20Z","rule":{"id":"1"},"agent":{"id":"0"},"data":{"integration":"x","vendor":` + raw + `}}`,
		"a list":        `{"topic":"t","timestamp":1700000000000,"value":[` + raw + `]}`,
		"two lines":     `{"@timestamp":"2023-11-14T22:13:20Z","message":` + quoted(t, raw+"\n"+raw+"\n") + `}`,
		"two of them":   `{"event":{"message":` + text + `},"time":1700000000}`,
	}
}

// Whatever is around a record, it is the same event, and nothing of what came is lost.
func TestCarriers(t *testing.T) {
	for _, k := range documented() {
		name := k.Name
		if name == "datadog" { // is a carrier itself
			continue
		}
		seen := 0
		for _, raw := range fixtures(t, name) {
			bare, err := k.Normalize(source.Record{Raw: raw, Received: received})
			if err != nil || len(bare) != 1 || bare[0].Event.TimeBasis != "" {
				continue
			}
			// What is in a carrier already is not carried by another with the same words.
			if strings.Contains(string(raw), `"detail-type"`) || strings.Contains(string(raw), `"event":`) || strings.Contains(string(raw), `"message":`) {
				continue
			}
			seen++
			for carrier, text := range carriers(t, string(raw)) {
				out, err := k.Normalize(source.Record{Raw: []byte(text), Received: received})
				events := 1 + strings.Count(carrier, "two lines")
				if err != nil || len(out) != events {
					t.Errorf("%s in %s: %d events, %v\n%s", name, carrier, len(out), err, text)
					continue
				}
				e, want := out[events-1].Event, bare[0].Event
				if e.Raw != text {
					t.Errorf("%s in %s: the event keeps %s", name, carrier, e.Raw)
				}
				if want.ID == "" {
					e.ID = "" // EventBridge has one for each
				}
				e.Organisation = want.Organisation // some carriers name the account
				if !event.SameContent(&want, &e) || out[0].Unmapped != bare[0].Unmapped || out[0].Ends != bare[0].Ends {
					t.Errorf("%s in %s: got %s %s of %s, want %s %s of %s\n%s", name, carrier, e.ID, e.Action, e.Time, want.ID, want.Action, want.Time, text)
				}
			}
		}
		if seen < 2 {
			t.Errorf("%s: %d records were tried", name, seen)
		}
	}
}

// Where the vendor's record has no time, the carrier's stands in.
func TestCarrierTimes(t *testing.T) {
	k := kind(t, "json")
	for carrier, text := range carriers(t, `{"action":"user.login","user":"ann"}`) {
		if carrier == "a detector" {
			continue // an object under an unknown name states its time itself
		}
		out, err := k.Normalize(source.Record{Raw: []byte(text), Received: received})
		if err != nil {
			t.Fatalf("%s: %v", carrier, err)
		}
		e := out[0].Event
		want := time.Unix(1700000000, 0)
		switch {
		case carrier == "Datadog", carrier == "a text":
			if e.TimeBasis != event.BasisReceived {
				t.Errorf("%s has no time, and the basis is %s", carrier, e.TimeBasis)
			}
		case e.Time.Truncate(time.Second).Equal(want) && e.TimeBasis == event.BasisTransport:
		default:
			t.Errorf("%s: got %s (%s)", carrier, e.Time, e.TimeBasis)
		}
		if e.Action != "user.login" || e.Actor.Name != "ann" {
			t.Errorf("%s: got %s by %+v", carrier, e.Action, e.Actor)
		}
	}
}

// A log record that is no vendor's record says by its attributes what happened.
func TestLogRecords(t *testing.T) {
	k := kind(t, "json")
	one := func(text string) event.Event {
		t.Helper()
		out, err := k.Normalize(source.Record{Raw: []byte(text), Received: received})
		if err != nil {
			t.Fatal(err)
		}
		return out[0].Event
	}
	e := one(`{"resourceLogs":[{"resource":{"attributes":[{"key":"organization.id","value":{"stringValue":"acme"}}]},"scopeLogs":[{"logRecords":[{
		"timeUnixNano":1700000000123456789,"severityText":"INFO","eventName":"user.login.failed","traceId":"5b8efff798038103d269b633813fc60c",
		"body":{"stringValue":"wrong password for ann"},
		"attributes":[{"key":"user.name","value":{"stringValue":"ann"}},{"key":"client.address","value":{"stringValue":"192.0.2.7"}},
			{"key":"user_agent.original","value":{"stringValue":"curl/8"}},{"key":"log.record.uid","value":{"stringValue":"01J"}},
			{"key":"outcome","value":{"stringValue":"failure"}}]}]}]}]}`)
	if e.ID != "01J" || e.Action != "user.login.failed" || e.Actor.Name != "ann" || e.IP != "192.0.2.7" || e.UserAgent != "curl/8" ||
		e.Outcome != event.Failure || e.Organisation != "acme" || e.TimeBasis != "" || e.Time.UnixNano() != 1700000000123456789 || e.Section != event.FailedAuth {
		t.Errorf("got %+v", e)
	}
	// A body of keys and values is the vendor's record.
	e = one(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"observedTimeUnixNano":"1700000000000000000","body":{"kvlistValue":{"values":[
		{"key":"action","value":{"stringValue":"role.grant"}},{"key":"n","value":{"intValue":"7"}},{"key":"d","value":{"doubleValue":"NaN"}},
		{"key":"list","value":{"arrayValue":{"values":[{"boolValue":true},{},{"bytesValue":"AA=="}]}}},
		{"key":"target","value":{"kvlistValue":{"values":[{"key":"id","value":{"intValue":42}}]}}}]}}}]}]}]}`)
	if e.Action != "role.grant" || e.Target.ID != "42" || e.TimeBasis != event.BasisTransport || e.Time.Unix() != 1700000000 {
		t.Errorf("got %+v", e)
	}
	// A file of the collector holds several in one object.
	out, err := k.Normalize(source.Record{Raw: []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"a"},{"eventName":"b"}]}]},{"scopeLogs":[{"logRecords":[{"eventName":"c"}]}]}]}`), Received: received})
	if err != nil || len(out) != 3 || out[2].Event.Action != "c" {
		t.Errorf("got %d events, %v", len(out), err)
	}
	for _, bad := range []string{`{"resourceLogs":[]}`, `{"resourceLogs":5}`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[5]}]}]}`, `{"resourceLogs":[`} {
		if out, err := k.Normalize(source.Record{Raw: []byte(bad), Received: received}); err == nil {
			t.Errorf("%s: got %d events and no error", bad, len(out))
		}
	}
}

// What looks like a carrier and is none is read as it is.
func TestNoCarrier(t *testing.T) {
	k := kind(t, "json")
	for raw, want := range map[string]string{
		`{"event":{"action":"user.login","outcome":"success"},"user":{"name":"ann"},"host":{"name":"h"}}`: "user.login",
		`{"event":"user.logout","time":1700000000,"host":"h"}`:                                            "user.logout",
		`{"action":"a","message":"{\"action\":\"b\"}"}`:                                                   "a",
		`{"action":"a","event":{"action":"b"}}`:                                                           "a",
	} {
		out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received})
		if err != nil || out[0].Event.Action != want {
			t.Errorf("%s: got %v, %v", raw, out, err)
		}
	}
	for _, other := range []struct{ kind, raw, reason string }{
		{"json", `{"detail":{"x":1}}`, source.ReasonNoType},
		// A record that says who did it and not what: a thing in it is not the event.
		{"terracotta", `{"timestamp":"2026-01-02T03:04:05Z","user":{"id":"u1","type":"admin"}}`, source.ReasonNoType},
		{"json", `{"ts":"2026-01-02T03:04:05Z","user_id":"u7","resource":{"id":"r1","name":"bucket","created":"2020-01-02"}}`, source.ReasonNoType},
		{"json", `{"timestamp":"2026-01-02T03:04:05Z","user":"ann","data":{"name":"x","status":"success"}}`, source.ReasonNoType},
		{"json", `{"timestamp":"2026-01-02T03:04:05Z","path":"/login","status":200,"body":"{\"name\":\"ann\"}"}`, source.ReasonNoType},
		{"json", `{"timestamp":"2026-01-02T03:04:05Z","request":{"type":"GET","path":"/"}}`, source.ReasonNoType},
		{"json", `{"error":{"type":"unauthorized","message":"the token is bad"}}`, source.ReasonNoType},
		{"hcp-platform", `{"lot":{"description":"a bag","action":"delete"}}`, source.ReasonNoType},
		{"aws-cloudtrail", `{"event_type":"user.login","username":"bob"}`, source.ReasonNoType},
		{"okta", ` {`, source.ReasonNotJSON},
		// The end of a record that was torn.
		{"okta", `reason", "debugContext": {"eventType":"user.session.start"}`, source.ReasonNotJSON},
		{"okta", `"outcome":1},{"eventType":"user.session.start"}`, source.ReasonNotJSON},
	} {
		k := kind(t, other.kind)
		if out, err := k.Normalize(source.Record{Raw: []byte(other.raw), Received: received}); err == nil || source.Reason(err) != other.reason {
			t.Errorf("%s: %s: got %d events, %v", other.kind, other.raw, len(out), err)
		}
	}
}

// What is under data may be the record though the whole, by the mapping, says a part of it.
func TestWholeAgrees(t *testing.T) {
	r := normalize(t, kind(t, "json"), `{"log_id":"9","data":{"date":"2026-01-02T03:04:05Z","type":"user.login","user_id":"u7","user_name":"ann","ip":"192.0.2.1"}}`)
	if r.Event.Action != "user.login" || r.Event.Actor.ID != "u7" {
		t.Errorf("got %+v", r.Event)
	}
}

// A record under an unknown name is found though a byte in it is not Unicode.
func TestLoneMangled(t *testing.T) {
	r := normalize(t, kind(t, "okta"), `{"x":{"uuid":"1","published":"2026-01-02T03:04:05Z","eventType":"user.session.start","displayMessage":"`+"\xff"+`"}}`)
	if r.Event.ID != "1" || r.Event.Section != event.Logins {
		t.Errorf("got %+v", r.Event)
	}
}

// Each event keeps the whole record: a record has a limited number of them, however they
// are put into each other.
func TestTooManyInside(t *testing.T) {
	list := func(one string, n int) string { return "[" + strings.Repeat(one+",", n-1) + one + "]" }
	for name, raw := range map[string]string{
		"a list":        `{"message":` + list(`{"eventType":"a"}`, 1001) + `}`,
		"lists in one":  `{"message":` + list(`{"message":`+list(`{"eventType":"a"}`, 600)+`}`, 2) + `}`,
		"OpenTelemetry": `{"resourceLogs":[{"scopeLogs":[{"logRecords":` + list(`{"body":{"stringValue":`+quoted(t, list(`{"eventType":"a"}`, 600))+`}}`, 2) + `}]}]}`,
	} {
		k := kind(t, "okta")
		if out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received}); err == nil || source.Reason(err) != source.ReasonTooMany {
			t.Errorf("%s: got %d events, %v", name, len(out), err)
		}
	}
}

// The reader in memory cuts as the one of files does.
func FuzzCut(f *testing.F) {
	for _, seed := range []string{"", "[1,2]", "{\"a\":1}\n{\"b\":2}", `{"data":[{"a":1},{"b"`, "x\ny", "\ufeff{}", `[{"a":[}]`, "\xff\xfea", `{"data":{"x":1},"events":[{}]} {}`} {
		f.Add([]byte(seed), 8)
	}
	f.Fuzz(func(t *testing.T, body []byte, limit int) {
		if limit < 1 || sniffs(body) {
			return
		}
		opt := source.RecordsOptions{Wraps: wraps, Limit: limit}
		var got, want []string
		for p, err := range source.Cut(body, opt) {
			if p.Bad != "" && len(p.Raw) <= limit && string(body[p.Offset:p.Offset+int64(len(p.Raw))]) != string(p.Raw) {
				t.Errorf("%q is not at %d", p.Raw, p.Offset)
			}
			got = append(got, fmt.Sprintf("%q %q %d %v", p.Raw, p.Bad, p.Size, err))
		}
		for p, err := range source.Records(strings.NewReader(string(body)), opt) {
			want = append(want, fmt.Sprintf("%q %q %d %v", p.Raw, p.Bad, p.Size, err))
		}
		if len(body) <= 1<<20 && strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// sniffs reports whether Records would uncompress it.
func sniffs(b []byte) bool {
	return len(b) > 1 && b[0] == 0x1f && b[1] == 0x8b || len(b) > 3 && (b[0] == 0x28 || b[0]&0xf0 == 0x50)
}

// No kind crashes on what carriers bring, and what it makes of it keeps what came.
func FuzzCarriers(f *testing.F) {
	for _, text := range carriers(f, `{"action":"a","time":"2023-11-14T22:13:20Z"}`) {
		f.Add([]byte(text))
	}
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{"values":[{"key":"action","value":{"arrayValue":{"values":[{"intValue":"1"}]}}}]}}}]}]}]}`))
	kinds := source.Kinds()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for i := range kinds {
			out, err := kinds[i].Normalize(source.Record{Raw: raw, Received: received})
			if err != nil {
				continue
			}
			for j := range out {
				if out[j].Event.Raw != string(raw) {
					t.Errorf("%s keeps %q of %q", kinds[i].Name, out[j].Event.Raw, raw)
				}
			}
		}
	})
}

// A source that says that its log was switched off ends its coverage.
func TestEnds(t *testing.T) {
	for raw, want := range map[string]bool{
		`{"detail-type":"AuditLogDisabled","source":"aws.partner/scalr.com/x","time":"2026-01-02T03:00:00Z","detail":{}}`:                     true,
		`{"detail-type":"AuditLog","source":"aws.partner/scalr.com/x","time":"2026-01-02T03:00:00Z","detail":{"request":{"action":"login"}}}`: false,
		`{"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","eventTime":"2026-01-02T03:00:00Z"}`:                             true,
		`{"eventSource":"cloudtrail.amazonaws.com","eventName":"StopLogging","eventTime":"2026-01-02T03:00:00Z","errorCode":"AccessDenied"}`:  false,
		`{"eventSource":"cloudtrail.amazonaws.com.cn","eventName":"DeleteTrail","eventTime":"2026-01-02T03:00:00Z"}`:                          true,
		`{"eventSource":"cloudtrail.amazonaws.com","eventName":"UpdateTrail","eventTime":"2026-01-02T03:00:00Z"}`:                             false,
		`{"eventSource":"firehose.amazonaws.com","eventName":"StopLogging","eventTime":"2026-01-02T03:00:00Z"}`:                               false,
		`{"eventSource":"cloudtrail.amazonaws.com","eventName":"StartLogging","eventTime":"2026-01-02T03:00:00Z"}`:                            false,
	} {
		name := "aws-cloudtrail"
		if strings.Contains(raw, "scalr") {
			name = "scalr"
		}
		if r := normalize(t, kind(t, name), raw); r.Ends != want {
			t.Errorf("%s: ends %t", raw, r.Ends)
		}
	}
}

// Records that were exported from a store of logs are read inside of what it made of them.
func TestExports(t *testing.T) {
	const record = `{"uuid":"o1","published":"2026-01-02T03:04:05Z","eventType":"user.session.start","outcome":{"result":"SUCCESS"}}`
	quoted := strings.ReplaceAll(record, `"`, `\"`)
	for _, raw := range []string{
		`{"preview":false,"result":{"_raw":"` + quoted + `","_time":"2026-01-02 03:04:06.000 UTC"}}`,
		`{"_raw":"` + quoted + `"}`,
		`{"_index":"logs","_id":"x","_source":` + record + `}`,
		`{"@timestamp":"2026-01-02T03:04:06Z","event":{"original":"` + quoted + `"},"ecs":{"version":"8"}}`,
		`{"json":` + record + `}`,
	} {
		e := normalize(t, kind(t, "okta"), raw).Event
		if e.ID != "o1" || e.Time.Second() != 5 || e.Raw != raw {
			t.Errorf("%s: got %s at %s", raw, e.ID, e.Time)
		}
	}
}
