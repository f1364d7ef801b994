package source

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"exhibit/internal/event"
)

// compileWords completes and checks the words for outcomes and actors.
func (m *Mapping) compileWords(text []byte) error {
	var errs []error
	standard, err := standardWords(text)
	errs = append(errs, err)
	outcome := &m.file.Outcome
	if len(outcome.Success) == 0 && len(outcome.Failure) == 0 {
		outcome.Success, outcome.Failure = standard["outcome"][event.Success], standard["outcome"][event.Failure]
	}
	if outcome.Default = cmp.Or(outcome.Default, event.Unknown); !isOutcome(outcome.Default) {
		errs = append(errs, fmt.Errorf("outcome: default: %q is not success, failure or unknown", outcome.Default))
	}
	if len(m.file.ActorTypes) == 0 {
		m.file.ActorTypes = standard["actor_types"]
	}
	for _, name := range slices.Sorted(maps.Keys(m.file.ActorTypes)) {
		if name != event.User && name != event.Service && name != event.System {
			errs = append(errs, fmt.Errorf("actor_types: %q is not user, service or system", name))
		}
	}
	for _, words := range [][]string{outcome.Success, outcome.Failure, m.file.ActorTypes[event.User], m.file.ActorTypes[event.Service], m.file.ActorTypes[event.System], m.file.Skip} {
		for i := range words {
			words[i] = strings.ToLower(words[i])
		}
	}
	return errors.Join(errs...)
}

// standardWords reads the words for outcomes and actors that hold for mappings with
// none of their own, by member and meaning.
func standardWords(text []byte) (map[string]map[string][]string, error) {
	rows, err := table("words", string(text), 3)
	words := map[string]map[string][]string{}
	for _, row := range rows {
		if words[row[0]] == nil {
			words[row[0]] = map[string][]string{}
		}
		words[row[0]][row[1]] = strings.Split(row[2], ",")
	}
	return words, err
}

// compileRules makes the rules of the mapping, or takes the standard ones.
func (m *Mapping) compileRules(text []byte, standard string) (err error) {
	if len(m.file.Rules) == 0 {
		m.rules, err = readRules(standard)
	} else {
		var lines [][]string
		for i, r := range m.file.Rules {
			line, err := r.line()
			if err != nil {
				return fmt.Errorf("rules: %d: %w", i+1, err)
			}
			lines = append(lines, line)
		}
		if last := lines[len(lines)-1]; last[0] != "*" {
			lines = append(lines, []string{"*", "6003", "Other", string(unmapped), string(unmapped), statedOutcome})
		}
		m.rules, err = newRules("of the mapping", lines, text)
	}
	if err == nil {
		m.rules.fold = true
	}
	return err
}

// statedOutcome is what rules say of outcomes that records state themselves.
const statedOutcome = "success:success,failure:failure"

// line writes a rule as in a rules file, with what is usual in its section where
// it does not say.
func (r *mappingRule) line() ([]string, error) {
	section := event.Section(r.Section)
	if r.Action == "" || section == "" {
		return nil, errors.New("a rule needs an action and a section")
	}
	usual := map[event.Section]struct {
		class    string
		activity string
	}{
		event.Logins: {"3002", "Logon"}, event.FailedAuth: {"3002", "Logon"}, event.MFA: {"3002", "Preauth"},
		event.Credentials: {"3004", byVerb}, event.AccessGrants: {"3005", byVerb}, event.AdminChanges: {"3004", byVerb},
		event.ChangeManagement: {"6003", byVerb}, event.DataAccess: {"6003", "Read"}, event.AuditLogConfig: {"3004", byVerb},
		event.Other: {"6003", "Other"},
	}[section]
	class, activity, failure := usual.class, cmp.Or(r.Activity, usual.activity), event.Section(cmp.Or(r.Failure, r.Section))
	if r.Class != 0 {
		class, activity = strconv.FormatUint(uint64(r.Class), 10), cmp.Or(r.Activity, byVerb)
	}
	if !section.Known() || !failure.Known() {
		return nil, fmt.Errorf("%s: there is no section %q; the sections are %v", r.Action, cmp.Or(r.Failure, r.Section), event.Sections())
	}
	if r.Failure == "" && section == event.Logins {
		failure = event.FailedAuth
	}
	if r.Outcome != "" && !isOutcome(r.Outcome) {
		return nil, fmt.Errorf("%s: outcome: %q is not success, failure or unknown", r.Action, r.Outcome)
	}
	return []string{strings.ToLower(r.Action), class, activity, string(section), string(failure), cmp.Or(r.Outcome, statedOutcome)}, nil
}
