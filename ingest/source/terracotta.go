package source

import (
	"time"

	"exhibit/internal/event"
)

// terracotta is the audit log of Terracotta, which reviews changes of
// infrastructure. Its vendor publishes what an entry says and not under which
// names, so a mapping looks for the likely ones.
func terracotta() Kind {
	m := mustMapping("terracotta")
	k := mappedKind(m)
	logged := Ability{Grade: Logged}
	k.Name, k.Title, k.Docs = "terracotta", "Terracotta", "https://docs.terracotta.ai"
	k.Keeps = 365 * 24 * time.Hour
	k.Settle = 48 * time.Hour // days are asked for, and nothing is published of how late events come
	k.Shape, k.Piece, k.NewPuller = Window, day, newTerracottaPuller
	k.Settings = []Setting{
		{Name: "token", Required: true, Secret: true, Doc: "API key of the organization, which must be on the Enterprise plan"},
		{Name: "url", Type: URL, Default: "https://api.terracotta.ai", Doc: "where the API is"},
		{Name: "list", Doc: "path of the list of entries in an answer, such as result.entries; without it the usual places are looked at"},
		{Name: "next", Doc: "path of the next page in an answer: a link, a cursor or a number; without it the usual places are looked at"},
		{Name: "next_param", Doc: "query parameter that a cursor or number of the next page belongs to; without it the usual one"},
		{Name: "limit", Doc: "how many entries an answer holds at most, or none, as Terracotta's support says; without it a day of a round number of entries (10, 20, 25, 30, ...) is not taken for complete, unless a longer answer came before"},
		budgetSetting(terracottaPerHour),
	}
	k.Abilities = map[event.Section]Ability{
		event.Logins:           {Partly, "on the Enterprise plan; a sign-in by SSO is checked by the identity provider"},
		event.FailedAuth:       {NotLogged, "failed sign-ins are not among the events that Terracotta promises; connect the identity provider"},
		event.MFA:              {NotLogged, "second factors are not among the events that Terracotta promises; connect the identity provider"},
		event.Credentials:      {Partly, "on the Enterprise plan: API keys created and revoked"},
		event.AccessGrants:     {Partly, "on the Enterprise plan: seats added and removed; roles are not among the events that Terracotta promises"},
		event.AdminChanges:     {Partly, "on the Enterprise plan: integrations and plans; other settings are not among the events that Terracotta promises"},
		event.ChangeManagement: {Partly, "on the Enterprise plan: reviews of changes, guardrails and drift scans; the changes themselves are logged where they are applied"},
		event.DataAccess:       {NotLogged, "reads are not among the events that Terracotta promises"},
		event.AuditLogConfig:   {NotLogged, "Terracotta does not say that its audit log can be switched off"},
		event.Other:            logged,
	}
	return k
}
