package demo

import (
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// SignIns yields the System Log of the same people's Okta organisation, from <=
// time < to, oldest first: they sign in on weekdays, some mistype, administrators
// work on accounts, and on a few nights somebody outside guesses passwords. What
// happens on a day depends on the seed and the day alone.
func (h History) SignIns(from, to time.Time) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		local := from.In(h.zone())
		day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, h.zone())
		for ; day.Before(to); day = day.AddDate(0, 0, 1) {
			d := newOktaDay(h.Seed, day)
			d.tell(weekend(day))
			slices.SortStableFunc(d.told, func(a, b Record) int { return a.Time.Compare(b.Time) })
			for _, r := range d.told {
				if !r.Time.Before(from) && r.Time.Before(to) && !h.quiet(r.Time) && !yield(r) {
					return
				}
			}
		}
	}
}

// The shape of a System Log event.
type (
	oktaEvent struct {
		Actor       oktaParty   `json:"actor"`
		Client      oktaClient  `json:"client"`
		Session     oktaSession `json:"authenticationContext"`
		Message     string      `json:"displayMessage"`
		Type        string      `json:"eventType"`
		Outcome     oktaOutcome `json:"outcome"`
		Published   string      `json:"published"`
		Severity    string      `json:"severity"`
		Debug       struct{}    `json:"debugContext"`
		LegacyType  *string     `json:"legacyEventType"`
		Transaction oktaRequest `json:"transaction"`
		UUID        string      `json:"uuid"`
		Version     string      `json:"version"`
		Target      []oktaParty `json:"target"`
	}
	oktaParty struct {
		ID        string `json:"id"`
		Type      string `json:"type"`
		Alternate string `json:"alternateId"`
		Name      string `json:"displayName"`
	}
	oktaClient struct {
		Agent struct {
			Raw string `json:"rawUserAgent"`
		} `json:"userAgent"`
		Address string `json:"ipAddress"`
	}
	oktaSession struct {
		ID string `json:"externalSessionId"`
	}
	oktaOutcome struct {
		Result string  `json:"result"`
		Reason *string `json:"reason"`
	}
	oktaRequest struct {
		Type string `json:"type"`
		ID   string `json:"id"`
	}
)

var (
	oktaApps   = []string{"HCP Terraform", "AWS IAM Identity Center", "GitHub Enterprise"}
	oktaGroups = []string{"platform", "payments", "data", "security", "aws-production"}
)

// oktaDay tells one day of the log.
type oktaDay struct {
	start  time.Time // local midnight
	rng    *rand.Rand
	people []oktaParty
	told   []Record
}

func newOktaDay(seed uint64, start time.Time) *oktaDay {
	d := &oktaDay{start: start, rng: rand.New(rand.NewPCG(seed^0x0c7a, uint64(start.Unix())))}
	ids := rand.New(rand.NewPCG(seed, 0x0c7a))
	for _, name := range peopleNames {
		d.people = append(d.people, oktaParty{oktaID("00u", ids), "User", strings.ReplaceAll(name, "-", ".") + "@fernhill.example", displayed(name)})
	}
	return d
}

// displayed makes "Amara Okafor" of "amara-okafor".
func displayed(name string) string {
	words := strings.Split(name, "-")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, " ")
}

func oktaID(prefix string, rng *rand.Rand) string {
	return prefix + string(appendID(nil, rng)) + "5d7"
}

func (d *oktaDay) tell(weekend bool) {
	for i := range d.people {
		switch chance := d.rng.Float64(); {
		case weekend && chance < 0.06:
			d.signIn(i, d.at(10+d.rng.IntN(9)))
		case !weekend && chance < 0.92:
			d.signIn(i, d.at(7+d.rng.IntN(3)))
			if d.rng.IntN(5) < 2 {
				d.signIn(i, d.at(13))
			}
		}
	}
	if weekend {
		return
	}
	for range d.rng.IntN(3) {
		d.administer(d.at(9 + d.rng.IntN(8)))
	}
	if d.rng.IntN(24) == 0 {
		d.spray(d.at(2))
	}
}

// at is a moment of an hour by the local clock.
func (d *oktaDay) at(hour int) time.Time {
	y, m, n := d.start.Date()
	return time.Date(y, m, n, hour, d.rng.IntN(60), d.rng.IntN(60), d.rng.IntN(1000)*1e6, d.start.Location())
}

func (d *oktaDay) signIn(person int, at time.Time) {
	who, from, session := d.people[person], fmt.Sprintf("198.51.100.%d", 20+person), oktaID("102", d.rng)
	say := func(kind, result, reason, words string, target ...oktaParty) {
		d.event(at, who, from, session, kind, result, reason, words, target)
		at = at.Add(time.Duration(2+d.rng.IntN(20)) * time.Second)
	}
	for range d.rng.IntN(8) / 6 { // one in four mistypes
		say("user.session.start", "FAILURE", "INVALID_CREDENTIALS", "User login to Okta")
	}
	say("user.session.start", "SUCCESS", "", "User login to Okta")
	if d.rng.IntN(40) == 0 {
		say("user.authentication.auth_via_mfa", "FAILURE", "INVALID_CREDENTIALS", "Authentication of user via MFA", who)
	}
	say("user.authentication.auth_via_mfa", "SUCCESS", "", "Authentication of user via MFA", who)
	for _, app := range oktaApps[:1+d.rng.IntN(len(oktaApps))] {
		say("user.authentication.sso", "SUCCESS", "", "User single sign on to app", oktaApp(app))
	}
}

func oktaApp(name string) oktaParty {
	return oktaParty{"0oa" + strings.ToLower(strings.ReplaceAll(name, " ", "")), "AppInstance", name, name}
}

// administer tells what one of the two administrators did.
func (d *oktaDay) administer(at time.Time) {
	admin := d.rng.IntN(2)
	who, from, session := d.people[admin], fmt.Sprintf("198.51.100.%d", 20+admin), oktaID("102", d.rng)
	user := d.people[2+d.rng.IntN(len(d.people)-2)]
	name := oktaGroups[d.rng.IntN(len(oktaGroups))]
	group := oktaParty{"00g" + name, "UserGroup", "unknown", name}
	say := func(kind, words string, target ...oktaParty) {
		d.event(at, who, from, session, kind, "SUCCESS", "", words, target)
		at = at.Add(time.Duration(1+d.rng.IntN(5)) * time.Second)
	}
	switch d.rng.IntN(6) {
	case 0:
		say("group.user_membership.add", "Add user to group membership", user, group)
	case 1:
		say("group.user_membership.remove", "Remove user from group membership", user, group)
	case 2:
		say("user.mfa.factor.reset_all", "Reset all factors for user", user)
		say("user.account.reset_password", "Fired when the user's Okta password is reset", user)
	case 3:
		say("application.user_membership.add", "Add user to application membership", user, oktaApp(oktaApps[d.rng.IntN(len(oktaApps))]))
	case 4:
		say("policy.rule.update", "Update policy rule", oktaParty{"0pr" + name, "PolicyRule", "unknown", "Second factor at each sign-in"})
	default:
		say("user.lifecycle.suspend", "Suspend Okta user", user)
		say("user.lifecycle.unsuspend", "Unsuspend Okta user", user)
	}
}

// spray tells of somebody who tries one password on many accounts.
func (d *oktaDay) spray(at time.Time) {
	for i := range 2 * len(d.people) {
		who := d.people[i%len(d.people)]
		d.event(at, who, "203.0.113.66", "", "user.session.start", "FAILURE", "INVALID_CREDENTIALS", "User login to Okta", nil)
		at = at.Add(time.Duration(20+d.rng.IntN(40)) * time.Second)
	}
	who := d.people[4]
	d.event(at, who, "203.0.113.66", "", "user.account.lock", "SUCCESS", "", "Max sign-in attempts exceeded", []oktaParty{who})
}

func (d *oktaDay) event(at time.Time, who oktaParty, from, session, kind, result, reason, words string, target []oktaParty) {
	e := oktaEvent{Actor: who, Message: words, Type: kind, Outcome: oktaOutcome{Result: result}, Published: at.UTC().Format(stampLayout),
		Severity: "INFO", UUID: string(appendUUID(nil, d.rng)), Version: "0", Target: target}
	e.Client.Agent.Raw, e.Client.Address, e.Session.ID = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", from, session
	e.Transaction = oktaRequest{"WEB", string(appendID(nil, d.rng))}
	if reason != "" {
		e.Outcome.Reason, e.Severity = &reason, "WARN"
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and structs of them
	}
	d.told = append(d.told, Record{ID: e.UUID, Time: at.UTC().Truncate(time.Millisecond), Raw: raw})
}
