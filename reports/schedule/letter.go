package schedule

import (
	"context"
	"fmt"
	"strings"
	"time"

	"exhibit/reports"
)

// A Letter is what the mails of a run say. It is stored with the run, so that a mail
// that is tried for two days says the same each time. It holds numbers and names of
// sources and sections, never rows and never people's names from events: mails are
// forwarded.
type Letter struct {
	Name      string     `json:"name"` // of the schedule
	Kind      string     `json:"kind"` // evidence, checkpoint or problem
	Subject   string     `json:"subject"`
	Verdict   string     `json:"verdict"` // the most important thing, one sentence
	Good      bool       `json:"good"`
	Framework string     `json:"framework,omitempty"`
	Period    string     `json:"period,omitempty"` // "March 2026"
	Exact     string     `json:"exact,omitempty"`  // "2026-03-01 to 2026-03-31, both included, in Europe/Berlin"
	Before    string     `json:"before,omitempty"` // the period that numbers are compared with
	Waited    string     `json:"waited,omitempty"`
	Sources   []SourceLn `json:"sources,omitempty"`
	Gaps      []string   `json:"gaps,omitempty"`
	Counts    []CountLn  `json:"counts,omitempty"`
	Needs     []string   `json:"needs,omitempty"`
	Deleted   []string   `json:"deleted,omitempty"`
	Failing   []string   `json:"failing,omitempty"` // earlier deliveries that did not arrive
	Signed    string     `json:"signed"`            // the checkpoint, a signed note
	Records   uint64     `json:"records"`
	Held      time.Time  `json:"held"` // of the checkpoint's last record
	File      string     `json:"file,omitempty"`
	Size      int64      `json:"size,omitempty"`
	SHA256    string     `json:"sha256,omitempty"`
	PackLink  string     `json:"pack_link,omitempty"`
	LinkUntil time.Time  `json:"link_until,omitzero"`
	Report    string     `json:"report,omitempty"` // address of the report's page
	Page      string     `json:"page,omitempty"`   // address of the schedule's page
	Attach    bool       `json:"attach"`
}

// A SourceLn is a source in a letter.
type SourceLn struct {
	Name  string `json:"name"`
	Share string `json:"share"`
	Note  string `json:"note,omitempty"`
	Good  bool   `json:"good"`
}

// A CountLn is a section in a letter.
type CountLn struct {
	Section string `json:"section"`
	Now     string `json:"now,omitempty"` // the number; empty where there is none
	Before  string `json:"before,omitempty"`
	Change  string `json:"change,omitempty"` // since then; or why there is no number
}

// A mail has this much room for a subject before clients cut it.
const maxSubject = 120

// subject puts the most important thing first and cannot hold a second line.
func subject(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' }), " ")
	if len(text) > maxSubject {
		text = strings.ToValidUTF8(text[:maxSubject-len("…")], "") + "…"
	}
	return text
}

// problemLetter tells people that there is nothing to send, and why.
func problemLetter(s Schedule, run Run, page string) *Letter {
	return &Letter{Kind: "problem", Subject: subject("Evidence for " + run.Span.Words() + " could not be made"), Page: page, Framework: s.Framework, Period: run.Span.Words(),
		Verdict: "The evidence for " + run.Span.Words() + " could not be made. " + run.Problem,
		Needs:   []string{"Somebody who looks after Exhibit must mend this. Then open the schedule’s page and choose “Run now”."}}
}

// change says how a number moved: "+3 %", "new".
func change(now, before uint64) string {
	switch {
	case now == before:
		return "same"
	case before == 0:
		return "none before"
	}
	percent := (float64(now) - float64(before)) / float64(before) * 100
	switch {
	case percent >= 1000:
		return fmt.Sprintf("×%.0f", float64(now)/float64(before))
	case percent > -1 && percent < 1:
		return "about the same"
	case percent < 0:
		return fmt.Sprintf("−%.0f %%", -percent)
	}
	return fmt.Sprintf("+%.0f %%", percent)
}

// Text is the letter as plain text. Pack says how the pack comes.
func (l *Letter) Text(pack string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	list := func(title string, items []string) {
		if len(items) == 0 {
			return
		}
		line("\n%s", strings.ToUpper(title))
		for _, item := range items {
			line("- %s", oneLine(item))
		}
	}
	line("%s", oneLine(l.Verdict))
	if todo := l.todo(); todo != "" {
		line("%s", todo)
	}
	if l.Exact != "" {
		line("%s, %s", oneLine(l.Framework), oneLine(l.Exact))
	}
	list("What needs someone", l.Needs)
	list("Missing", l.Gaps)
	if len(l.Sources) > 0 {
		line("\nCOVERAGE")
		for _, s := range l.Sources {
			line("- %s: %s%s", oneLine(s.Name), s.Share, dash(s.Note))
		}
	}
	if len(l.Counts) > 0 {
		line("\nNUMBERS, AGAINST %s", strings.ToUpper(l.Before))
		for _, c := range l.Counts {
			line("- %s: %s", oneLine(c.Section), strings.TrimSpace(c.Now+" "+against(c)))
		}
	}
	if l.Kind == "evidence" {
		list("Deleted by policy", orNone(l.Deleted))
	}
	list("Mails that did not arrive", l.Failing)
	if l.PackLink != "" {
		line("\nEVIDENCE PACK\n%s, %s\n%s\nsha256 %s", oneLine(l.File), reports.Size(l.Size), pack, l.SHA256)
		line("Download (admins and reviewers sign in, until %s): %s", l.LinkUntil.Format("2 January 2006"), l.PackLink)
	}
	if l.Report != "" {
		line("Report: %s", l.Report)
	}
	if l.Signed != "" {
		line("\nCHECKPOINT\n%s\n\n%s", witnessLine(l), l.Signed)
	}
	line("-- \nSent by Exhibit for the schedule “%s”. %s", oneLine(l.Name), l.Waited)
	if l.Page != "" {
		line("Change or stop it: %s", l.Page)
	}
	return b.String()
}

func witnessLine(l *Letter) string {
	return "Keep this mail: it witnesses the ledger. Whoever holds it can prove that none of the " + reports.Number(l.Records) +
		" records up to " + reports.Instant(l.Held) + " was changed since: exhibit-verify PACK --key KEY --since THIS-MAIL.eml"
}

func against(c CountLn) string {
	switch {
	case c.Before != "":
		return "(" + c.Before + " before, " + oneLine(c.Change) + ")"
	case c.Now == "":
		return oneLine(c.Change)
	}
	return ""
}

func dash(s string) string {
	if s == "" {
		return ""
	}
	return " – " + oneLine(s)
}

func orNone(list []string) []string {
	if len(list) == 0 {
		return []string{"nothing"}
	}
	return list
}

// oneLine keeps what comes from elsewhere from making lines of its own.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r == '\u0085' {
			return ' '
		}
		return r
	}, s)
}

// preview is what lists of mails show beside the subject.
func (l *Letter) preview() string {
	if len(l.Needs) > 0 {
		return l.Verdict + " " + l.Needs[0]
	}
	return l.Verdict
}

// todo says at the top whether there is anything to do.
func (l *Letter) todo() string {
	switch n := len(l.Needs); {
	case l.Kind != "evidence":
		return ""
	case n == 0 && len(l.Failing) == 0 && l.Good:
		return "Nothing to do."
	case n == 0 && len(l.Failing) == 0:
		return "What is missing is listed below."
	case n == 0:
		return "An earlier mail did not arrive."
	case n == 1:
		return "1 thing needs someone."
	default:
		return reports.Number(n) + " things need someone."
	}
}

func instant(l *Letter) string { return reports.Instant(l.Held) }

// HTML is the letter for mail programs. Pack says how the pack comes.
func (l *Letter) HTML(ctx context.Context, pack string) (string, error) {
	var b strings.Builder
	if err := mailHTML(l, pack).Render(ctx, &b); err != nil {
		return "", fmt.Errorf("schedule: render mail: %w", err)
	}
	return b.String(), nil
}
