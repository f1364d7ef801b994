package webtest

import (
	"context"
	"time"

	"exhibit/views"
	"exhibit/web"
)

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

// days invents n days of a source up to the day of At.
func (d *Data) days(source string, from time.Time, n int) []views.Day {
	var out []views.Day
	today := dayOf(d.At)
	for i := range n {
		t := from.AddDate(0, 0, i)
		ago := int(today.Sub(t) / day)
		v := views.Day{Day: t, State: views.Read, Share: 1, Events: int64(320 + (i*i*37+i*101)%190)}
		weekend := t.Weekday() == time.Saturday || t.Weekday() == time.Sunday
		if weekend {
			v.Events /= 9
		}
		switch {
		case ago < 0:
			continue
		case source == "hcp-prod":
			d.hcpDay(&v, ago)
		case source == "okta-workforce":
			d.oktaDay(&v, ago)
		case source == "k8s-prod":
			d.kubernetesDay(&v, ago, weekend)
		}
		if v.Share == 0 {
			v.Events = 0
		}
		out = append(out, v)
	}
	return out
}

func (d *Data) hcpDay(v *views.Day, ago int) {
	switch {
	case ago == 0:
		v.State, v.Share, v.Events = views.Pending, 0.32, 112
	case ago == 9:
		v.State, v.Share, v.Until = views.Recoverable, 0.75, d.At.Add(5*day+6*hour)
	case ago == 20 || ago == 21:
		v.State, v.Share = views.Lost, 0
	case ago == 41 || ago == 42:
		v.State, v.Events = views.Silent, 0
	case ago > 119:
		v.State, v.Share = views.Before, 0
	case ago > 13:
		v.State = views.Stated
	}
}

func (d *Data) oktaDay(v *views.Day, ago int) {
	switch {
	case ago == 0:
		v.State, v.Share = views.Recoverable, 0.05
		v.Until = d.At.Add(89 * day)
	case ago == 1:
		v.State, v.Share = views.Recoverable, 0.4
		v.Until = d.At.Add(88*day + 14*hour)
	case ago > 88:
		v.State, v.Share = views.Backfilling, 0
	}
}

func (d *Data) kubernetesDay(v *views.Day, ago int, weekend bool) {
	v.State = views.Heard
	v.Events *= 14
	switch {
	case ago == 0:
		v.State, v.Share = views.Pending, 0.33
	case ago == 33:
		v.State, v.Share = views.Lost, 0.88
	case ago == 70:
		v.State = views.Altered
	case ago > 75:
		v.State, v.Share = views.Before, 0
	case weekend && ago < 12:
		v.State, v.Events = views.Silent, 0
	}
}

func (d *Data) sourceDays(from time.Time, n int, names []string) []views.SourceDays {
	titles := map[string][2]string{"hcp-prod": {"hcp-terraform", "HCP Terraform"}, "okta-workforce": {"okta", "Okta"}, "k8s-prod": {"kubernetes", "Kubernetes"}}
	methods := map[string][]views.MethodShare{
		"hcp-prod":       {{Method: views.Stated, Share: 0.841, By: "Ada Lindqvist"}, {Method: views.Read, Share: 0.132}},
		"okta-workforce": {{Method: views.Read, Share: 0.9876}},
		"k8s-prod":       {{Method: views.Heard, Share: 0.9951}},
	}
	var out []views.SourceDays
	for _, name := range names {
		if _, known := titles[name]; !known {
			continue
		}
		s := views.SourceDays{Source: name, Kind: titles[name][0], Title: titles[name][1], Days: d.days(name, from, n), Methods: methods[name]}
		required := 0
		for _, v := range s.Days {
			s.Events += v.Events
			if v.State != views.Before {
				required++
				s.Share += v.Share
			}
		}
		s.Share /= float64(max(required, 1))
		out = append(out, s)
	}
	return out
}

func (d *Data) gaps(names []string) []views.Gap {
	today := dayOf(d.At)
	all := []views.Gap{
		{Source: "hcp-prod", From: today.Add(-9*day + 9*hour), To: today.Add(-9*day + 15*hour), State: views.Recoverable, Until: d.At.Add(5*day + 6*hour)},
		{Source: "okta-workforce", From: today.Add(-day + 9*hour + 37*time.Minute), To: d.At.Add(-5 * time.Minute), State: views.Recoverable, Until: d.At.Add(88*day + 14*hour)},
		{Source: "hcp-prod", From: today.Add(-21 * day), To: today.Add(-19 * day), State: views.Lost, Note: "Daily file was not exported during the move of the bucket; ticket OPS-2291.", NoteBy: "Rita Okoye"},
		{Source: "k8s-prod", From: today.Add(-33*day + 2*hour), To: today.Add(-33*day + 4*hour + 53*time.Minute), State: views.Lost},
		{Source: "okta-workforce", From: today.Add(-119 * day), To: today.Add(-88 * day), State: views.Backfilling},
	}
	var out []views.Gap
	for _, g := range all {
		for _, n := range names {
			if g.Source == n {
				out = append(out, g)
			}
		}
	}
	return out
}

// Overview implements web.Overviews.
func (d *Data) Overview(context.Context) (views.Overview, error) {
	o := views.Overview{Zone: d.Zone, At: d.At}
	if d.Bare || d.Err != nil {
		return o, d.Err
	}
	slack := map[string]*views.Slack{"hcp-prod": {Left: 5*day + 6*hour, Keeps: 14 * day}, "okta-workforce": {Left: 88*day + 14*hour, Keeps: 90 * day}}
	health := map[string]views.Health{"hcp-prod": views.OK, "okta-workforce": views.TokenRejected, "k8s-prod": views.Reading}
	for _, s := range d.sourceDays(dayOf(d.At).AddDate(0, 0, -29), 30, Names()) {
		v := views.OverviewSource{SourceDays: s, Slack: slack[s.Source], Health: health[s.Source]}
		if v.Health == views.TokenRejected {
			v.Advice = "Make a new API token and set OKTA_TOKEN."
		}
		o.Sources = append(o.Sources, v)
	}
	o.Tasks = []views.Task{
		{Severity: views.Act, Title: "okta-workforce: the token was rejected", Detail: "Nothing is read since yesterday. Make a new API token at Okta, set OKTA_TOKEN and restart.", Deadline: d.At.Add(88*day + 14*hour), Link: &views.Link{Path: "/sources/okta-workforce"}},
		{Severity: views.Act, Title: "hcp-prod: 6 h can still be fetched", Detail: "HCP Terraform gives them for 14 days. The worker tries again each minute.", Deadline: d.At.Add(5*day + 6*hour), Link: &views.Link{Path: "/coverage?source=hcp-prod"}},
		{Severity: views.Look, Title: "hcp-prod: 2 d are lost", Detail: "Beyond what the source keeps. An import can still fill it; a note tells the auditor why.", Link: &views.Link{Path: "/coverage?source=hcp-prod"}},
		{Severity: views.Look, Title: "hcp-prod: 3 event types that no rule knows", Detail: "41 events are kept under “other”.", Link: &views.Link{Path: "/sources/hcp-prod"}},
		{Severity: views.Know, Title: "2 rejects", Detail: "Records that could not be normalised are kept with their bytes.", Link: &views.Link{Path: "/sources/hcp-prod"}},
	}
	o.Audit = views.AuditResult{At: d.At.Add(-6 * hour), Segments: 3_412, Events: 612_904}
	o.Checkpoint = d.checkpoint()
	o.Events = 612_904
	return o, nil
}

func (d *Data) checkpoint() views.Checkpoint {
	return views.Checkpoint{Origin: "exhibit.example.com/ledger", Size: 8_114, Root: "5f3c1d0be2a94c7784f1e0a6bd3921c45f3c1d0be2a94c7784f1e0a6bd3921c4",
		At: d.At.Add(-9 * time.Minute), Witness: "s3://evidence-lock.example (object lock)", WitnessAt: d.At.Add(-7 * hour), Held: 8_098}
}

// Coverage implements web.Coverages.
func (d *Data) Coverage(_ context.Context, q web.CoverageQuery) (views.Coverage, error) {
	v := views.Coverage{Period: views.Period{From: q.From, To: q.To, Zone: time.UTC}, Zone: q.Zone, At: d.At}
	if d.Bare || d.Err != nil {
		return v, d.Err
	}
	names := Names()
	if q.Source != "" {
		names = []string{q.Source}
	}
	v.Sources = d.sourceDays(q.From, int(q.To.Sub(q.From)/day)+1, names)
	v.Gaps = d.gaps(names)
	v.Abilities = abilities()
	return v, nil
}

func abilities() views.Abilities {
	seen := func(n int64) views.AbilityCell { return views.AbilityCell{State: views.Seen, Events: n} }
	empty := views.AbilityCell{State: views.ProvenEmpty}
	never := views.AbilityCell{State: views.NeverSeen}
	cannot := func(note string) views.AbilityCell { return views.AbilityCell{State: views.CannotEmit, Note: note} }
	return views.Abilities{
		Sections: []string{"logins", "failed-auth", "mfa", "admin-changes", "access-grants", "credentials", "change-management", "data-access", "audit-log-config"},
		Rows: []views.AbilityRow{
			{Source: "hcp-prod", Title: "HCP Terraform", Cells: []views.AbilityCell{cannot(""), cannot(""), cannot(""), seen(2_204), seen(318), seen(96), seen(28_411), seen(1_502), empty}},
			{Source: "okta-workforce", Title: "Okta", Cells: []views.AbilityCell{seen(41_209), seen(812), seen(90), seen(121), seen(410), seen(77), cannot(""), never, never}},
			{Source: "k8s-prod", Title: "Kubernetes", Cells: []views.AbilityCell{cannot(""), seen(19), cannot(""), seen(8_805), seen(202), never, seen(51_377), cannot("needs audit level Metadata"), never}},
		},
	}
}

// List implements web.Sources.
func (s Sources) List(context.Context) ([]views.Source, error) {
	if s.Bare || s.Err != nil {
		return nil, s.Err
	}
	d := s.Data
	base := views.Source{Zone: d.Zone, Told: -1, Mapping: 4}
	hcp, okta, kube := base, base, base
	hcp.Name, hcp.Kind, hcp.Title, hcp.Docs = "hcp-prod", "hcp-terraform", "HCP Terraform", "https://developer.hashicorp.com/terraform/cloud-docs/api-docs/audit-trails"
	hcp.Tenant, hcp.Health, hcp.LastRead, hcp.NextRead = "fernhill-parcel at app.terraform.io", views.OK, d.At.Add(-40*time.Second), d.At.Add(20*time.Second)
	hcp.LastEvent, hcp.Since, hcp.Keeps, hcp.Settle, hcp.Covered = d.At.Add(-8*time.Minute), dayOf(d.At).Add(-119*day), 14*day, 10*time.Minute, d.At.Add(-10*time.Minute)
	hcp.Counts = views.Counts{Fetched: 41_466, Events: 41_208, Duplicates: 256, Rejects: 2, Late: 3, ClockAhead: 1}
	hcp.Told = 41_464
	hcp.Unmapped = []views.Tally{{Name: "stack.deployment_group_approve", Count: 28, First: d.At.Add(-30 * day), Last: d.At.Add(-2 * day)}, {Name: "no_code_module.read", Count: 11, First: d.At.Add(-12 * day), Last: d.At.Add(-11 * day)}, {Name: "agent_pool.observe", Count: 2, First: d.At.Add(-4 * day), Last: d.At.Add(-4 * day)}}
	hcp.Rejects = []views.Tally{{Name: "not-json", Count: 1, First: d.At.Add(-77 * day), Last: d.At.Add(-77 * day)}, {Name: "conflict", Count: 1, First: d.At.Add(-5 * day), Last: d.At.Add(-5 * day)}}
	okta.Name, okta.Kind, okta.Title, okta.Tenant = "okta-workforce", "okta", "Okta", "fernhill.okta.example"
	okta.Health, okta.Problem, okta.Advice = views.TokenRejected, "401 from /api/v1/logs: Invalid token provided", "Make a new API token at Okta, set OKTA_TOKEN and restart. What was missed is fetched by itself: Okta keeps 90 days."
	okta.LastRead, okta.LastEvent, okta.Since, okta.Keeps, okta.Settle, okta.Covered = d.At.Add(-22*hour), d.At.Add(-23*hour), dayOf(d.At).Add(-119*day), 90*day, 5*time.Minute, d.At.Add(-22*hour)
	okta.Cursor = "https://fernhill.okta.example/api/v1/logs?after=1764150293021_1"
	okta.Counts = views.Counts{Fetched: 43_011, Events: 42_719, Duplicates: 292}
	kube.Name, kube.Kind, kube.Title, kube.Tenant = "k8s-prod", "kubernetes", "Kubernetes", "cluster prod-eu-1"
	kube.Health, kube.LastRead, kube.LastEvent, kube.Since, kube.Covered = views.Reading, d.At.Add(-3*time.Second), d.At.Add(-3*time.Second), dayOf(d.At).Add(-75*day), d.At.Add(-time.Minute)
	hcp.Way, okta.Way = views.Polled, views.Polled
	kube.Way, kube.Heard, kube.Heartbeat, kube.Spool = views.Pushed, true, time.Hour, &views.Spool{Used: 3 << 20, Max: 4 << 30, Waiting: 812, Lasts: 31 * time.Hour}
	kube.Counts = views.Counts{Fetched: 530_112, Extra: 12, Events: 528_977, Duplicates: 40, Skipped: 1_107}
	return []views.Source{hcp, okta, kube}, nil
}
