package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"exhibit/internal/event"
	"exhibit/internal/ledger"
	"exhibit/internal/pack"
)

// A zero is what no events of a section would mean, whether there are some or not.
type zero struct {
	meaning Meaning
	until   time.Time
	text    string
	missing []Gap
	by      []string
	able    []string // sources that log it, wholly or partly
	unable  []string // "hcp-prod: not logged by this vendor: ..."
	partly  []string // "hcp-prod: refused sign-ins only"
	share   float64  // of the time of all able sources that was collected
}

// zeroOf works out what no events of a section mean.
func (r *Report) zeroOf(section event.Section) zero {
	var z zero
	var able []SourceCoverage
	logs := false
	for _, s := range r.Coverage.Sources {
		if s.Source.Name == pack.Own {
			continue
		}
		a := abilityOf(recordsOf(&r.Head.State, s.Source.Name), section, r.Period.From, r.Period.To)
		switch a.grade {
		case unable:
			z.unable = append(z.unable, s.Source.Name+": "+a.words)
			continue
		case partly:
			z.partly = append(z.partly, s.Source.Name+": "+a.words)
		case logged:
			logs = true
		}
		able = append(able, s)
		z.able = append(z.able, s.Source.Name)
	}
	if len(able) == 0 {
		z.meaning = NotEvidenced
		z.text = "not evidenced: no source logs this; " + connect(section)
		return z
	}
	z.collected(r, able)
	if !logs && z.meaning != NotCollected {
		z.meaning = Part
		z.text = "none found of what " + and(z.able) + " " + verb(z.able, "logs", "log") + " of it; the rest is not evidenced: " + connect(section)
	}
	z.unread(r)
	return z
}

// unread makes a zero unknown that records which could not be read may hide.
func (z *zero) unread(r *Report) {
	var n uint64
	for _, name := range z.able {
		n += r.Unread[name]
	}
	if n == 0 {
		return
	}
	text := "unknown: " + Plural(n, "record", "records") + " received since the period began could not be read; " + z.text
	switch z.meaning {
	case NoneProven, NoneHeard, NoneStated:
		z.meaning, z.text = Unread, text+" among the others"
	case Part:
		z.meaning, z.text = Unread, text
	}
}

func verb(words []string, one, many string) string {
	if len(words) == 1 {
		return one
	}
	return many
}

// connect says what would evidence a section.
func connect(section event.Section) string {
	switch section {
	case event.Logins, event.FailedAuth, event.MFA, event.Credentials:
		return "connect an identity provider"
	}
	return "connect a source that does"
}

// collected sets meaning and text from how the sources were collected: as good as
// the weakest of them is.
func (z *zero) collected(r *Report, able []SourceCoverage) {
	weakest := ledger.Read
	for _, s := range able {
		z.share += s.Share / float64(len(able))
		var pending time.Time
		covered := false
		for _, span := range s.Spans {
			switch span.State {
			case ledger.Covered:
				covered = true
				if span.Method == ledger.Stated || span.Method == ledger.Heard && weakest == ledger.Read {
					weakest = span.Method
				}
			case ledger.Pending:
				if pending.IsZero() {
					pending = span.From
				}
			default:
				z.missing = append(z.missing, Gap{Source: s.Source.Name, Span: span})
			}
		}
		if !covered && !pending.IsZero() {
			// Nothing of the window has settled yet: there is nothing to rest on.
			z.missing = append(z.missing, Gap{Source: s.Source.Name, Span: s.Spans[0]})
		}
		if !pending.IsZero() && (z.until.IsZero() || pending.Before(z.until)) {
			z.until = pending
		}
		for _, by := range s.By {
			if !slices.Contains(z.by, by) {
				z.by = append(z.by, by)
			}
		}
	}
	if z.until.IsZero() && !r.Period.Cut.IsZero() {
		z.until = r.Period.Cut
	}
	upTo := ""
	if !z.until.IsZero() {
		upTo = " up to " + Instant(z.until)
	}
	switch {
	case len(z.missing) > 0:
		z.meaning, z.text = NotCollected, "unknown: not collected "+intervals(z.missing)
	case weakest == ledger.Stated:
		z.meaning = NoneStated
		z.text = "none in the files that " + and(z.by) + " " + verb(z.by, "states", "state") + " to be complete"
		if read := methodShare(able, ledger.Read); read > 0 {
			z.text += ", none found in the " + Share(read) + " of the time that was read" + upTo
		} else {
			z.text += upTo
		}
	case weakest == ledger.Heard:
		z.meaning, z.text = NoneHeard, "none received, stream up"+upTo
	default:
		z.meaning, z.text = NoneProven, "none found, collection proven"+upTo
	}
}

func methodShare(sources []SourceCoverage, method string) float64 {
	var sum float64
	for _, s := range sources {
		sum += s.Methods[method] / float64(len(sources))
	}
	return sum
}

// intervals lists where something is missing. Long lists are cut in the text, with
// their number; the coverage part of a report has all.
func intervals(missing []Gap) string {
	const most = 3
	var parts []string
	for i, g := range missing {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more (see coverage)", len(missing)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %s to %s", g.Source, minute(g.From), minute(g.To)))
	}
	return "(" + strings.Join(parts, "; ") + ")"
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }
