package pack

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/coverage"
	"exhibit/internal/event"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Format is the name of the form that this package writes and reads.
const Format = "exhibit-pack/1"

// A Manifest says what a pack is. manifest.sig signs it.
type Manifest struct {
	Format      string `json:"format"`
	Origin      string `json:"origin"`
	Key         string `json:"key"` // for information: a key from inside a pack proves nothing
	Sheet       `json:",inline"`
	Period      span      `json:"period"` // half-open
	Zone        zone      `json:"zone"`
	QuerySHA256 string    `json:"query_sha256"`
	Root        string    `json:"root"` // of the log of Counts.Size records
	At          time.Time `json:"at"`   // of its last record
	Counts      Counts    `json:"counts"`
	Truncated   bool      `json:"truncated"` // never: a pack is whole or it is not made
	Content     string    `json:"content"`   // digest over the files that do not say who and when
	Files       []File    `json:"files"`     // all but manifest.json, manifest.sig and SHA256SUMS, by name
}

type span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

func (s span) interval() coverage.Interval { return coverage.Interval{From: s.From, To: s.To} }

// periodText says the period in words, from its instants: the words of the sheet
// are only what somebody wrote. It says it in local time only when the zone is what
// its name promises.
func (m *Manifest) periodText(zoneHolds bool) string {
	if !zoneHolds {
		return instant(m.Period.From) + " up to " + instant(m.Period.To)
	}
	from, to := string(m.Zone.append(nil, m.Period.From)), string(m.Zone.append(nil, m.Period.To))
	const midnight = "T00:00:00.000000000"
	if strings.Contains(from, midnight) && strings.Contains(to, midnight) {
		last, err := time.Parse(time.DateOnly, to[:len(time.DateOnly)])
		if err == nil {
			return from[:len(time.DateOnly)] + " to " + last.AddDate(0, 0, -1).Format(time.DateOnly) + ", both included (" + m.Zone.Name + ")"
		}
	}
	return from + " up to " + to + " (" + m.Zone.Name + ")"
}

// Limits of what is read as a manifest and as SHA256SUMS.
const (
	maxManifest = 16 << 20
	maxSums     = 4 << 20
)

func (m *Manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, fmt.Errorf("pack: encode manifest: %w", err)
	}
	return append(b, '\n'), nil
}

// parseManifest reads a manifest and refuses what encode would not have written.
func parseManifest(b []byte) (*Manifest, error) {
	var format struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(b, &format); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if format.Format != Format {
		return nil, fmt.Errorf("its format is %q; this version reads %s", format.Format, Format)
	}
	m := new(Manifest)
	if err := json.Unmarshal(b, m, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("it is not a manifest: %w", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	period := m.Period.interval()
	switch {
	case period.Empty() || !event.InRange(period.From) || !event.InRange(period.To):
		return errors.New("its period is empty or not within 1970 and 2199")
	case period.From.Location() != time.UTC || period.To.Location() != time.UTC:
		return errors.New("its period is not in UTC")
	case !wholeSeconds(period):
		return errors.New("its period does not begin and end at whole seconds")
	case len(m.Sources) == 0 || !slices.IsSorted(m.Sources) || len(slices.Compact(slices.Clone(m.Sources))) != len(m.Sources):
		return errors.New("its sources are not a sorted list")
	case len(m.Sources) > maxSources || m.Sources[0] == "":
		return fmt.Errorf("it names %d sources, or one without a name; a pack has at most %d", len(m.Sources), maxSources)
	case dayRows(period, m.Sources) > maxDayRows:
		return fmt.Errorf("its period has too many days for its sources: %d rows of day and source; at most %d", dayRows(period, m.Sources), maxDayRows)
	case m.Truncated:
		return errors.New("it says that the pack is truncated")
	}
	if !slices.IsSortedFunc(m.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) {
		return errors.New("its files are not sorted by name")
	}
	for i, f := range m.Files {
		if i > 0 && m.Files[i-1].Name == f.Name {
			return fmt.Errorf("it lists %s twice", f.Name)
		}
		if !isSum(f.SHA256) {
			return fmt.Errorf("its SHA-256 of %q is not 64 hex digits", f.Name)
		}
	}
	return m.Zone.check()
}

// wholeSeconds keeps the period in a form that every reader of JSON understands.
func wholeSeconds(i coverage.Interval) bool {
	return i.From.Nanosecond() == 0 && i.To.Nanosecond() == 0
}

// maxSources keeps the index of a source in two bytes; maxDayRows keeps
// coverage/days.csv, which is made in memory, small: ten years of 280 sources.
const (
	maxSources = 1 << 16
	maxDayRows = 1 << 20
)

func dayRows(period coverage.Interval, sources []string) int {
	return int(coverage.Touched(period).Length()/(24*time.Hour)) * len(sources)
}

func isSum(s string) bool {
	if len(s) != 2*sha256.Size || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

// counted reports whether a file is part of the content digest: those that say
// who made the pack and when are not.
func counted(name string) bool {
	switch name {
	case "README.html", "report.pdf", "workbook.xlsx", "SHA256SUMS", "manifest.json", "manifest.sig":
		return false
	}
	return true
}

// contentDigest returns the digest over names and contents: the SHA-256 of the
// lines of SHA256SUMS of the files that count, by name.
func contentDigest(files []File) string {
	sum := sha256.Sum256(sums(slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !counted(f.Name) })))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// sums returns the lines of SHA256SUMS, by name.
func sums(files []File) []byte {
	var b []byte
	for _, f := range slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Name, b.Name) }) {
		b = fmt.Appendf(b, "%s  %s\n", f.SHA256, f.Name)
	}
	return b
}

// parseSums reads SHA256SUMS as sums wrote it.
func parseSums(b []byte) (map[string]string, error) {
	out := map[string]string{}
	before := ""
	for line := range bytes.Lines(b) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), "  ")
		switch {
		case !ok || !isSum(sum) || name == "" || line[len(line)-1] != '\n':
			return out, fmt.Errorf("line %d is not a SHA-256, two spaces and a name", len(out)+1)
		case name <= before:
			return out, fmt.Errorf("line %d: %q is there twice or not in order", len(out)+1, name)
		}
		out[name], before = sum, name
	}
	return out, nil
}

// signedText is what manifest.sig signs. Its first line has spaces, so it can be
// no checkpoint: those begin with an origin.
func signedText(origin string, manifest []byte) string {
	sum := sha256.Sum256(manifest)
	return "exhibit pack manifest\n" + origin + "\nsha256:" + hex.EncodeToString(sum[:]) + "\n"
}
