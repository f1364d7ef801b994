package source_test

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"exhibit/ingest/source"
	"exhibit/internal/event"
)

// referenceRules returns the reference's rules for a kind as pattern, section on
// success and section on failure, in their order.
func referenceRules(t *testing.T, kind string) (rows [][3]string) {
	for line := range strings.Lines(string(reference(t, "classification/classification.tsv"))) {
		if col := strings.Split(strings.TrimRight(line, "\r\n"), "\t"); col[0] == kind {
			rows = append(rows, [3]string{col[1], col[5], col[6]})
		}
	}
	return rows
}

// For an example of each of the reference's patterns, our rules say what the
// reference's say.
func TestReferenceRules(t *testing.T) {
	letters := regexp.MustCompile(`\[(.).\]`)
	for name, record := range map[string]func(example, outcome string) string{
		"entra-id": func(example, outcome string) string {
			code := map[string]string{event.Success: "0", event.Failure: "1"}[outcome]
			category, operation, _ := strings.Cut(example, "|")
			switch {
			case category != "z":
			case operation == "User Risk Detection":
				category = "UserRiskEvents"
			case operation == "Microsoft Graph Activity":
				category = "MicrosoftGraphActivityLogs"
			case operation == "signIn", operation == "Sign-in activity":
				category = ""
			default:
				return fmt.Sprintf(`{"activityDisplayName":%q,"result":%q}`, operation, outcome)
			}
			return fmt.Sprintf(`{"category":%q,"operationName":%q,"resultType":%q}`, category, operation, code)
		},
		"hcp-platform": func(example, outcome string) string {
			code := map[string]string{event.Success: "OK", event.Failure: "DENIED"}[outcome]
			return fmt.Sprintf(`{"description":%q,"status_code":%q}`, example, code)
		},
	} {
		k := kind(t, name)
		rules := referenceRules(t, name)
		if len(rules) < 15 {
			t.Errorf("%s: got %d rules of the reference", name, len(rules))
		}
		for _, rule := range rules {
			example := strings.ReplaceAll(letters.ReplaceAllString(rule[0], "$1"), "*", "z")
			at := slices.IndexFunc(rules, func(r [3]string) bool { ok, _ := path.Match(r[0], example); return ok })
			for i, outcome := range []string{event.Success, event.Failure} {
				raw := record(example, outcome)
				if got, want := normalize(t, k, raw).Event.Section, rules[at][1+i]; string(got) != want {
					t.Errorf("%s: %s: got %s, the reference says %s for %q", name, raw, got, want, rules[at][0])
				}
			}
		}
	}
}

// Interrupts are neither success nor failure, and a reason beside code 0 is none.
func TestEntraCodes(t *testing.T) {
	k := kind(t, "entra-id")
	for code, want := range map[string]string{
		"0": event.Success, "50126": event.Failure, "50053": event.Failure, "53003": event.Failure, "50158": event.Failure, "7000215": event.Failure, "-1": event.Failure,
		"50140": event.Unknown, "50072": event.Unknown, "50074": event.Unknown, "50076": event.Unknown, "50125": event.Unknown, "50129": event.Unknown,
		"50203": event.Unknown, "50058": event.Unknown, "65001": event.Unknown, "16000": event.Unknown, "null": event.Unknown,
	} {
		section := event.Logins
		if want == event.Failure {
			section = event.FailedAuth
		}
		for _, raw := range []string{
			fmt.Sprintf(`{"id":"1","createdDateTime":"2026-01-02T03:04:05Z","status":{"errorCode":%s,"failureReason":"Test failure reason"}}`, code),
			fmt.Sprintf(`{"category":"SignInLogs","operationName":"Sign-in activity","resultType":%q,"properties":{"id":"1"}}`, strings.Replace(code, "null", "", 1)),
			fmt.Sprintf(`{"category":"NonInteractiveUserSignInLogs","properties":{"id":"1","status":{"errorCode":%s}}}`, code),
		} {
			if e := normalize(t, k, raw).Event; e.Outcome != want || e.Section != section {
				t.Errorf("%s: got %s in %s, want %s in %s", raw, e.Outcome, e.Section, want, section)
			}
		}
	}
}

// Files as the vendors' APIs, streams and exports have them are cut into records.
func TestPages(t *testing.T) {
	okta, entra, hcp := `{"uuid":"%d","eventType":"user.session.start"}`, `{"id":"%d","activityDisplayName":"Add user"}`, `{"id":"%d","description":"Deleted project"}`
	tests := []struct{ name, kind, file, record string }{
		{"API", "okta", "[%s,%s]", okta},
		{"event hook", "okta", `{"eventType":"com.okta.event_hook","eventId":"h","data":{"events":[%s,%s]},"eventTime":"2026-01-02T03:04:05Z"}`, okta},
		{"event hooks, line by line", "okta", `{"eventType":"com.okta.event_hook","data":{"events":[%s]}}` + "\n" + `{"eventType":"com.okta.event_hook","data":{"events":[%s]}}`, okta},
		{"lines", "okta", "%s\n%s\n", okta},
		{"Graph", "entra-id", `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#auditLogs/directoryAudits","@odata.nextLink":"https://x","value":[%s,%s]}`, entra},
		{"Event Hubs", "entra-id", `{"records":[%s,%s]}`, entra},
		{"lines", "entra-id", "%s\n%s\n", entra},
		{"CloudWatch", "hcp-platform", `{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[%s,%s]}`, hcp},
		{"objects side by side", "hcp-platform", "%s%s", hcp},
		{"search v2", "datadog", `{"data":[%s,%s],"meta":{"status":"done"}}`, `{"id":"%d","type":"log","attributes":{"message":"x"}}`},
		{"search v1", "datadog", `{"logs":[%s,%s],"nextLogId":null,"status":"done"}`, `{"id":"%d","content":{"message":"x"}}`},
		{"archive", "datadog", "%s\n%s\n", `{"_id":"%d","message":"x"}`},
	}
	for _, tt := range tests {
		k := kind(t, tt.kind)
		file := fmt.Sprintf(tt.file, fmt.Sprintf(tt.record, 1), fmt.Sprintf(tt.record, 2))
		var got []string
		for p, err := range source.Records(bytes.NewReader([]byte(file)), source.RecordsOptions{Wraps: k.Wraps}) {
			if err != nil || p.Bad != "" {
				t.Errorf("%s %s: %s %v", tt.kind, tt.name, p.Bad, err)
				continue
			}
			got = append(got, normalize(t, k, string(p.Raw)).Event.ID)
		}
		if strings.Join(got, " ") != "1 2" {
			t.Errorf("%s %s: got events %q, want 1 and 2", tt.kind, tt.name, got)
		}
	}
}

// What the directory holds was created at some time, too, and is no sign-in.
func TestEntraNoSignIns(t *testing.T) {
	k := kind(t, "entra-id")
	for _, raw := range []string{
		`{"id":"i1","createdDateTime":"2026-01-02T03:04:05Z","status":"PendingAcceptance","invitedUserEmailAddress":"ada@example.com"}`,
		`{"id":"s1","appId":"a1","appDisplayName":"Payroll","createdDateTime":"2026-01-02T03:04:05Z","servicePrincipalType":"Application"}`,
		`{"id":"g1","createdDateTime":"2026-01-02T03:04:05Z","principalDisplayName":"Ada","resourceDisplayName":"Microsoft Graph"}`,
	} {
		if out, err := k.Normalize(source.Record{Raw: []byte(raw), Received: received}); err == nil || source.Reason(err) != source.ReasonNoType {
			t.Errorf("%s: got %d events, %v", raw, len(out), err)
		}
	}
}
