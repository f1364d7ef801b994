package webtest

import (
	"fmt"
	"strings"
	"time"

	"exhibit/views"
)

func (e Events) rows() []views.EventRow {
	if e.Bare || e.Err != nil {
		return nil
	}
	kinds := []views.EventRow{
		{Action: "workspace.create", Section: "change-management", Actor: "amara-okafor", Target: "workspace payments-api-prod", Outcome: "success", Source: "hcp-prod"},
		{Action: "user.session.start", Section: "logins", Actor: "lena.brandt@fernhill.example", Target: "Okta dashboard", Outcome: "success", Source: "okta-workforce"},
		{Action: "run.apply", Section: "change-management", Actor: "api-team_40117", Target: "workspace network-core-prod", Outcome: "success", Source: "hcp-prod"},
		{Action: "user.authentication.auth_via_mfa", Section: "failed-auth", Actor: "ivo.horvat@fernhill.example", Target: "", Outcome: "failure", Source: "okta-workforce"},
		{Action: "team_membership.add", Section: "access-grants", Actor: "greta-holm", Target: "team platform", Outcome: "success", Source: "hcp-prod"},
		{Action: "authentication_token.create", Section: "credentials", Actor: "bjorn-lindgren", Target: "authentication_token at-8fKxP2mQhV7wRtZc", Outcome: "success", Source: "hcp-prod"},
		{Action: "rolebindings.patch", Section: "access-grants", Actor: "system:serviceaccount:argocd:controller", Target: "rolebindings payments/deployers-with-a-name-that-is-long", Outcome: "unknown", Source: "k8s-prod"},
	}
	var out []views.EventRow
	for i := range 250 {
		r := kinds[(i*5+i/7)%len(kinds)]
		r.Time = e.At.Add(-time.Duration(i*i)*time.Second - 7*time.Minute - time.Duration(i*37)*time.Millisecond)
		r.ID = fmt.Sprintf("ae%06x-7f12/%d#1", i*7919, i)
		out = append(out, r)
	}
	return out
}

func (e Events) full(r views.EventRow) views.Event {
	raw := `{"id":"` + r.ID + `","version":"0","type":"Resource","timestamp":"` + r.Time.Format("2006-01-02T15:04:05.000Z") +
		`","auth":{"accessor_id":"user-MaPuLxAXvtq2PWTH","description":"` + r.Actor + `","type":"Client","impersonator_id":null,"organization_id":"org-AGLwRmx1snv34Yts"},` +
		`"request":{"id":"4df584d4-7e2a-01e6-6cc0-4adbefa020e6"},"resource":{"id":"ws-7nDQvbYzsQ5nJHYh","type":"workspace","action":"create","meta":{"markup":"<b>&amp;</b>"}}}`
	return views.Event{
		Source: r.Source, ID: r.ID, Time: r.Time, Section: r.Section, Action: r.Action, Outcome: r.Outcome, Actor: r.Actor, Target: r.Target,
		Summary: []views.Fact{
			{Label: "Id", Value: r.ID, Mono: true}, {Label: "Section", Value: r.Section}, {Label: "Actor", Value: r.Actor, Note: "user-MaPuLxAXvtq2PWTH, user"},
			{Label: "Target", Value: r.Target, Note: "ws-7nDQvbYzsQ5nJHYh"}, {Label: "Organisation", Value: "org-AGLwRmx1snv34Yts"},
			{Label: "Request", Value: "4df584d4-7e2a-01e6-6cc0-4adbefa020e6", Mono: true}, {Label: "Received", Value: r.Time.Add(31 * time.Second).Format(time.RFC3339Nano)},
			{Label: "Address", Value: "not logged by this vendor"}, {Label: "Rules", Value: "version 4"}},
		Changes: []views.Change{{Field: "auto-apply", Before: "false", After: "true"}, {Field: "terraform-version", Before: "1.13.4", After: "1.14.0"}, {Field: "description", After: "Payments, production"}},
		Pretty:  strings.NewReplacer(`{`, "{\n  ", `,"`, ",\n  \"", `}`, "\n}").Replace(raw), Raw: raw, Size: len(raw),
		Proof: views.Proof{Batch: 8_092, At: r.Time.Add(time.Minute), Day: dayOf(r.Time), Section: r.Section, Count: 57,
			Root: strings.Repeat("c41f9a02", 8), Leaf: strings.Repeat("07be55d1", 8), Line: `{"v":1,"salt":"AAECAwQFBgcICQoLDA0ODw==","source":"` + r.Source + `"}`, Checked: e.At.Add(-6 * hour)},
	}
}
