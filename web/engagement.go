package web

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"exhibit/views"
)

// An Engagement is one audit: what its people may see, and until when.
type Engagement struct {
	Name      string
	Framework string
	// From and To are dates (midnight UTC of the day), both included, in Zone.
	From, To time.Time
	Zone     *time.Location
	// Sources are the sources that may be seen. An engagement lists them one by
	// one, so that a source added later is not open to it by itself.
	Sources []string
	// People are addresses or subjects, Groups are groups of the provider. Either
	// invites; the role auditor is needed besides.
	People, Groups []string
	Expires        time.Time
}

// Check says what is missing or wrong.
func (e Engagement) Check() error {
	wrong := func(what string) error { return fmt.Errorf("engagement %q: %s", e.Name, what) }
	var errs []error
	if e.Name == "" {
		errs = append(errs, wrong("give it a name"))
	}
	if e.Framework == "" {
		errs = append(errs, wrong("name its framework"))
	}
	if e.Zone == nil || e.From.IsZero() || e.To.Before(e.From) {
		errs = append(errs, wrong("give a period, from and to, and a zone"))
	}
	if len(e.Sources) == 0 {
		errs = append(errs, wrong("list the sources that its people may see"))
	}
	if len(e.People)+len(e.Groups) == 0 {
		errs = append(errs, wrong("invite people or groups"))
	}
	if e.Expires.IsZero() {
		errs = append(errs, wrong("say when it expires"))
	}
	return errors.Join(errs...)
}

func (e Engagement) invites(who Identity) bool {
	for _, p := range e.People {
		if p != "" && (p == who.Subject || sameAddress(p, who.Email)) {
			return true
		}
	}
	return slices.ContainsFunc(e.Groups, func(g string) bool { return g != "" && slices.Contains(who.Groups, g) })
}

// sameAddress compares addresses as people do, but for letters that only look or
// fold alike (a Kelvin sign is no k): those have other lengths.
func sameAddress(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// holds reports whether a query stays inside the engagement: same framework and
// zone, not a day more, not a source more.
func (e Engagement) holds(q ReportQuery) bool {
	if q.Framework != e.Framework || q.Zone.String() != e.Zone.String() || len(q.Sources) == 0 {
		return false
	}
	if q.From.Before(e.From) || q.To.After(e.To) {
		return false
	}
	return !slices.ContainsFunc(q.Sources, func(name string) bool { return !slices.Contains(e.Sources, name) })
}

// engagementsOf lists what somebody is invited to and has not expired.
func (s *server) engagementsOf(who Identity) []Engagement {
	var open []Engagement
	for _, e := range s.Engagements {
		if e.invites(who) && s.Now().Before(e.Expires) {
			open = append(open, e)
		}
	}
	return open
}

// narrow limits a query to what the person may see. For auditors it fills in an
// engagement's sources where the query names none, and reports whether an
// engagement holds the query. Others may ask for anything.
func (s *server) narrow(who Identity, q ReportQuery) (ReportQuery, bool) {
	if who.Role == Admin || who.Role == Reviewer {
		q.Engagement = ""
		return q, true
	}
	for _, e := range s.engagementsOf(who) {
		if q.Engagement != "" && q.Engagement != e.Name {
			continue
		}
		within := q
		if len(within.Sources) == 0 {
			within.Sources = e.Sources
		}
		if e.holds(within) {
			within.Engagement = e.Name
			return within, true
		}
	}
	return q, false
}

// maySee reports whether a person may see a pack or job with these facts.
func (s *server) maySee(who Identity, framework string, p views.Period, sources []string) bool {
	_, ok := s.narrow(who, ReportQuery{Framework: framework, From: p.From, To: p.To, Zone: p.Zone, Sources: sources})
	// A pack of unknown sources is one that narrow would have filled in.
	return ok && (who.Role != Auditor || len(sources) > 0)
}

// seen keeps the packs that the person may see.
func (s *server) seen(who Identity, packs []views.Pack) []views.Pack {
	var out []views.Pack
	for _, p := range packs {
		if s.maySee(who, p.Framework.ID, p.Period, p.Sources) {
			out = append(out, p)
		}
	}
	return out
}

func (e Engagement) view(frameworks []views.FrameworkChoice) views.Engagement {
	q := url.Values{"from": {e.From.Format(time.DateOnly)}, "to": {e.To.Format(time.DateOnly)}, "zone": {e.Zone.String()}, "engagement": {e.Name}}
	return views.Engagement{Name: e.Name, Framework: choiceOf(frameworks, e.Framework),
		Period: views.Period{From: e.From, To: e.To, Zone: e.Zone}, Sources: e.Sources, Expires: e.Expires,
		Report: "/reports/" + url.PathEscape(e.Framework) + "?" + q.Encode()}
}

func choiceOf(frameworks []views.FrameworkChoice, id string) views.FrameworkChoice {
	for _, f := range frameworks {
		if f.ID == id {
			return f
		}
	}
	return views.FrameworkChoice{ID: id, Title: id}
}
