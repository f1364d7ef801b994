package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"exhibit/ingest"
	"exhibit/ingest/source"
	"exhibit/views"
	"exhibit/web"
	"exhibit/web/site"
)

// health tells the pages how the workers are doing.
type health []interface{ Status() ingest.Status }

// Health makes health a site.Health.
func (h health) Health(context.Context) []site.SourceHealth {
	states := map[string]views.Health{ingest.Idle: views.OK, ingest.Reading: views.Reading, ingest.Backoff: views.BackingOff,
		ingest.Rejected: views.TokenRejected, ingest.Stopped: views.Stopped, ingest.Unheard: views.Unheard, ingest.Alarm: views.Alarm}
	var list []site.SourceHealth
	for _, w := range h {
		s := w.Status()
		if s.Name == "" {
			continue // nothing ever came
		}
		list = append(list, site.SourceHealth{Source: s.Name, State: states[s.State], Problem: s.Problem, Advice: s.Note, LastRead: s.Read, NextRead: s.Next, Uncommitted: s.Uncommitted, Method: s.Method, Heartbeat: s.Heartbeat})
	}
	return list
}

// acts keeps what people do on pages in the diary.
type acts struct{ diary *ingest.Diary }

// Record makes acts a web.Audit.
func (a acts) Record(ctx context.Context, x web.Action) error {
	var details []string
	for _, name := range slices.Sorted(maps.Keys(x.Details)) {
		details = append(details, name+": "+x.Details[name])
	}
	return a.diary.Write(ctx, source.Act{Action: x.Name, Outcome: x.Outcome, IP: x.IP, UserAgent: x.UserAgent, RequestID: x.RequestID,
		Actor:  source.Party{Type: x.Actor.Type, ID: x.Actor.ID, Name: x.Actor.Name, Email: x.Actor.Email},
		Target: source.Party{Type: x.Target.Type, ID: x.Target.ID, Name: x.Target.Name}, Reason: strings.Join(details, "; ")})
}
