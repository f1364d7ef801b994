package source_test

import (
	"testing"

	"exhibit/internal/event"
)

// A byte that is not Unicode, at whatever place, takes nothing else from an event: a
// record with one is read twice.
func TestMangled(t *testing.T) {
	e := normalize(t, kind(t, "entra-id"), `{"activityDisplayName":"Add user","activityDateTime":"2026-01-02T03:04:05Z","targetResources":[{"type":"User","displayName":"`+"\xff"+`","id":"u1"},{"id":"u2"}]}`).Event
	if want := (event.Target{Type: "User", ID: "u1", Name: "\uFFFD"}); e.Target != want {
		t.Errorf("Entra ID: got %+v", e.Target)
	}
	e = normalize(t, kind(t, "okta"), `{"eventId":"1","published":"2026-01-02T03:04:05Z","action":{"objectType":"app.auth.sso"},"actors":[{"id":"u1","displayName":"`+"\xff"+`","login":"ada@example.com","objectType":"User"}]}`).Event
	if want := (event.Actor{ID: "u1", Name: "\uFFFD", Email: "ada@example.com", Type: event.User}); e.Actor != want {
		t.Errorf("Okta: got %+v", e.Actor)
	}
	e = normalize(t, kind(t, "aws-cloudtrail"), `{"eventName":"GetObject","eventSource":"s3.amazonaws.com","eventTime":"2026-01-02T03:04:05Z","resources":[{"ARN":"arn:1","accountId":"`+"\xff"+`","type":"AWS::S3::Object"}]}`).Event
	if want := (event.Target{Type: "AWS::S3::Object", ID: "arn:1"}); e.Target != want {
		t.Errorf("CloudTrail: got %+v", e.Target)
	}
}
