package views

import (
	"net/url"
	"strings"
	"time"
)

// Schedules is the list of recurring reports.
type Schedules struct {
	Zone    *time.Location
	List    []Schedule
	Failing []Delivery
	Mailbox bool // mails are kept here instead of being sent
	Kept    []KeptMail
}

// A Schedule is a recurring report, with its runs where it has a page of its own.
type Schedule struct {
	ID, Name  string
	Framework string // title; empty: the checkpoint only
	Sources   []string
	Period    string // "last month"
	Every     string // "monthly on day 2 at 07:00"
	At        string // name of its zone
	Targets   []string
	Grace     int // hours
	Attach    bool
	State     string // active, paused
	BuiltIn   bool
	Next      []time.Time
	By        string // who made this version
	Since     time.Time
	Version   int
	Runs      []ScheduleRun // newest first
	Zone      *time.Location
	Problem   string
}

// A ScheduleRun is one period of a schedule.
type ScheduleRun struct {
	Schedule, Key string
	Words         string // "March 2026"
	State         string
	At            time.Time
	Waited        string
	Problem       string
	Subject       string
	Pack          bool
	Deliveries    []Delivery
}

// A Delivery is one sending of a run to one target.
type Delivery struct {
	Schedule, Run string // ids
	Name, Words   string
	Target        string
	State         string
	At            time.Time
	Next          time.Time
	Reply, Note   string
	Attempt       int
	Again         bool // may be sent again
}

// A KeptMail is one in the mailbox of a trial.
type KeptMail struct {
	Name, To, Subject string
	At                time.Time
}

// A Mail is a kept one that is open.
type Mail struct {
	KeptMail
	From, MessageID string
	Text            string
	Files           []MailFile
	Zone            *time.Location
}

// A MailFile is attached to a mail.
type MailFile struct {
	Name string
	Size int64
}

// A ScheduleForm is a schedule as it is written down, with what may be chosen.
type ScheduleForm struct {
	ID, Version                  string
	Name, Framework, Period      string
	Kind, Weekday, Day, Month    string
	Time, Cron, Zone, Recipients string
	Place, Grace                 string // Place: "directory:NAME" or "bucket:NAME" that gets the pack
	Attach                       bool
	Sources                      []string

	Problem    string
	Frameworks []FrameworkChoice
	AllSources []string
	Zones      []string
	Periods    []string
	Kinds      []string
	Places     []string
	Domains    []string
}

// A SchedulePreview is the mail that a schedule would send now.
type SchedulePreview struct {
	ID, Name, Subject, Text string
}

func schedulePath(id string, more ...string) string {
	path := "/schedules/" + url.PathEscape(id)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

func mailPath(id, run string) string {
	return schedulePath(id, "mail") + "?" + url.Values{"run": {run}}.Encode()
}

func keptPath(name string, more ...string) string {
	path := "/mailbox/" + url.PathEscape(name)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

func runTag(state string) string {
	switch state {
	case "sent", "active", "made":
		return "tag h-ok"
	case "deferred", "paused", "broken", "sending":
		return "tag h-backing-off"
	case "failed":
		return "tag h-stopped"
	}
	return "tag"
}

func weekdays() []string {
	return []string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
}

func monthNames() []string {
	var out []string
	for m := time.January; m <= time.December; m++ {
		out = append(out, m.String())
	}
	return out
}

func lines(list []string) string { return strings.Join(list, ", ") }
