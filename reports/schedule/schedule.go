// Package schedule sends reports that people asked for once and from then on get by
// themselves. What is due follows from the history of a schedule, the clock and the
// runs that there are, never from a timer: a restart, a machine that slept or a
// change of the schedule neither skips a period nor sends it twice.
//
// A schedule's occurrences each stand for a period in words ("last month"). A period
// has one run; a run has one letter, and one delivery for each of its recipients.
// Everything is kept as rows that are only added: versions of schedules, states of
// runs, states of deliveries.
package schedule

import (
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"exhibit/reports"
)

// Checkpoint is the id of the built-in schedule that mails the checkpoint of each day.
const Checkpoint = "checkpoint"

// A State says whether a schedule runs.
type State string

// The states of a schedule.
const (
	Active  State = "active"
	Paused  State = "paused"  // what becomes due meanwhile is left out
	Removed State = "removed" // for good
)

// A Schedule is one version of a recurring report.
type Schedule struct {
	ID         string     `json:"id"`
	Version    int        `json:"version"` // from 1
	Name       string     `json:"name"`
	State      State      `json:"state"`
	Framework  string     `json:"framework"`         // id; empty: only the checkpoint
	Sources    []string   `json:"sources,omitempty"` // empty: all
	Period     string     `json:"period"`            // in words: "last month"
	Every      Recurrence `json:"every"`
	Zone       string     `json:"zone"`
	Recipients []string   `json:"recipients,omitempty"` // addresses
	Directory  string     `json:"directory,omitempty"`  // name of a configured directory that gets the pack
	Bucket     string     `json:"bucket,omitempty"`     // name of a configured bucket that gets it
	Attach     bool       `json:"attach"`               // attach the pack where it is small enough
	Grace      int        `json:"grace"`                // hours that a run waits for coverage at the most
	By         string     `json:"by"`                   // who made this version
	At         time.Time  `json:"at"`                   // since when it holds
}

// Limits of a schedule.
const (
	maxName       = 120
	maxRecipients = 50
	maxGrace      = 14 * 24
)

// Check returns all that is wrong with a schedule, in sentences for the person who
// wrote it. Domains are those that mail may go to.
func (s *Schedule) Check(domains []string) error {
	var errs []error
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case strings.TrimSpace(s.Name) == "":
		add(errors.New("give it a name"))
	case len(s.Name) > maxName || strings.ContainsFunc(s.Name, unicode.IsControl):
		add(fmt.Errorf("the name must be one line of up to %d bytes", maxName))
	}
	if _, err := reports.LoadZone(s.Zone); err != nil {
		add(err)
	}
	add(s.Every.check())
	_, err := parseWords(s.Period)
	add(err)
	if s.Grace < 0 || s.Grace > maxGrace {
		add(fmt.Errorf("a run may wait for coverage for 0 to %d hours, not %d", maxGrace, s.Grace))
	}
	if len(s.Recipients) == 0 && s.Directory == "" && s.Bucket == "" {
		add(errors.New("name at least one address that the mail goes to"))
	}
	if len(s.Recipients) > maxRecipients {
		add(fmt.Errorf("%d addresses are too many: %d at the most, a list address is one", len(s.Recipients), maxRecipients))
	}
	for i, to := range s.Recipients {
		add(CheckAddress(to, domains))
		if slices.Contains(s.Recipients[:i], to) {
			add(fmt.Errorf("the address %q is there twice", to))
		}
	}
	return errors.Join(errs...)
}

// CheckAddress returns what is wrong with an address, or that mail may not go there.
// No domains means that mail may go anywhere.
func CheckAddress(to string, domains []string) error {
	parsed, err := mail.ParseAddress(to)
	ascii := !strings.ContainsFunc(to, func(r rune) bool { return r <= ' ' || r > '~' })
	if err != nil || parsed.Address != to || !ascii || len(to) > 254 {
		return fmt.Errorf("%q is not a mail address: write it like person@example.com, without a name", to)
	}
	_, domain, _ := strings.Cut(to[strings.LastIndexByte(to, '@'):], "@")
	if len(domains) > 0 && !slices.ContainsFunc(domains, func(d string) bool { return strings.EqualFold(d, domain) }) {
		return fmt.Errorf("mail may not go to %q: the configuration allows %s (mail.domains)", to, strings.Join(domains, ", "))
	}
	return nil
}

// Targets lists what a run of the schedule delivers to.
func (s *Schedule) Targets() []string {
	out := slices.Clone(s.Recipients)
	if s.Directory != "" {
		out = append(out, directoryPrefix+s.Directory)
	}
	if s.Bucket != "" {
		out = append(out, bucketPrefix+s.Bucket)
	}
	return out
}

// Prefixes mark targets that are directories and buckets. No address has a colon there.
const (
	directoryPrefix = "directory:"
	bucketPrefix    = "bucket:"
)
