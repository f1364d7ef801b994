package views

import (
	"net/url"
	"time"
)

// Tokens is the page of what other systems send events with.
type Tokens struct {
	Sources []string // to choose from
	Source  string   // whose tokens are shown; empty: all
	Tokens  []Token  // newest first
	Made    *Token   // that was made just now,
	Text    string   // and its text, which nothing shows again
	Expires string   // last day of a new one, as it was typed
	Problem string   // what is wrong with the form
	Base    string   // address of Exhibit, without a path
	Now     time.Time
	Zone    *time.Location
}

// Token is one token. Zero times have not come, or never will.
type Token struct {
	ID, Source string
	Created    time.Time
	By         string
	Used       time.Time // for the first time
	Expires    time.Time
	Revoked    time.Time
	RevokedBy  string
}

// state says whether a token works.
func (t Token) state(now time.Time) string {
	switch {
	case !t.Revoked.IsZero():
		return "revoked"
	case !t.Expires.IsZero() && !now.Before(t.Expires):
		return "expired"
	}
	return "works"
}

// A Door is an address that senders of one kind are given.
type Door struct {
	For     string // who sends there
	Address string
	Header  string // how the token comes
}

// doors are the addresses that events of a source can be sent to.
func doors(base, source string) []Door {
	return []Door{
		{"curl, webhooks, Amazon EventBridge", base + "/ingest/" + url.PathEscape(source), "Authorization: Bearer TOKEN, or X-API-Key: TOKEN"},
		{"Splunk HTTP Event Collector", base + "/services/collector/event", "Authorization: Splunk TOKEN"},
		{"OpenTelemetry, OTLP over HTTP", base + "/v1/logs", "Authorization: Bearer TOKEN"},
		{"Datadog agents and forwarders", base + "/api/v2/logs", "DD-API-KEY: TOKEN"},
	}
}

// curl is what sends a file of JSON lines. It asks for the token: what is typed as a part
// of a command stays in the shell's history.
func curl(base, source string) string {
	return "read -rsp 'Token: ' TOKEN\ncurl --fail-with-body -H \"Authorization: Bearer $TOKEN\" \\\n     --data-binary @events.jsonl " + base + "/ingest/" + url.PathEscape(source)
}

// tokensPath is the page of tokens, of one source if one is named.
func tokensPath(source string) string {
	if source == "" {
		return "/tokens"
	}
	return "/tokens?source=" + url.QueryEscape(source)
}

func revokePath(t Token) string { return "/tokens/" + url.PathEscape(t.ID) + "/revoke" }
