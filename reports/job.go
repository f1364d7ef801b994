package reports

import (
	"time"

	"exhibit/internal/pack"
)

// A JobState says how far a job is.
type JobState string

// The states of a job.
const (
	Queued  JobState = "queued"
	Running JobState = "running"
	Done    JobState = "done"
	Failed  JobState = "failed"
)

// A Job makes one pack in the background. When it is done, it is the pack's entry
// in the list of packs.
type Job struct {
	ID         string      `json:"id"`
	State      JobState    `json:"state"`
	Framework  string      `json:"framework"`
	From       time.Time   `json:"from"` // half-open
	To         time.Time   `json:"to"`
	PeriodText string      `json:"period_text"`
	Zone       string      `json:"zone"`
	Sources    []string    `json:"sources,omitempty"` // asked for; Made has those in the pack
	By         pack.Person `json:"by"`
	Engagement string      `json:"engagement,omitempty"`
	Started    time.Time   `json:"started"`
	Ended      time.Time   `json:"ended,omitzero"`
	Problem    string      `json:"problem,omitempty"`
	File       string      `json:"file,omitempty"` // name that the file should have
	SHA256     string      `json:"sha256,omitempty"`
	Size       int64       `json:"size,omitzero"`
	Content    string      `json:"content,omitempty"`
	Made       []string    `json:"sources_in_pack,omitempty"`
	Records    uint64      `json:"records,omitzero"` // size of the log at the checkpoint
	Events     uint64      `json:"events,omitzero"`

	Written uint64 `json:"-"` // lines, of Total; 0 of 0 before it is known
	Total   uint64 `json:"-"`
}

// period gives the request's period back from what is kept of it.
func (j *Job) period() (Period, error) {
	zone, err := LoadZone(j.Zone)
	if err != nil {
		return Period{}, err
	}
	p := Period{Zone: zone, Text: j.PeriodText}
	p.From, p.To = j.From, j.To
	return p, nil
}
