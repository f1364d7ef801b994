package schedule

import (
	"fmt"
	"slices"
	"time"

	"exhibit/internal/ledger"
	"exhibit/reports"
)

// altered says that the last audit found rows that are not those of the ledger: in a few
// words, nothing when it found none, and as the first that needs somebody.
func (l *Letter) altered(r *reports.Report, outside reports.Outside) string {
	if outside.Audit == nil || len(outside.Altered) == 0 && outside.Audit.Altered == 0 {
		return ""
	}
	days, what, where := r.Coverage.Days, "stored rows of another period or source no longer match the ledger", ""
	for _, ref := range outside.Altered {
		day, err := time.Parse(ledger.DayFormat, ref.Day)
		if err != nil || !slices.Contains(r.Sources, ref.Source) || !days.Contains(day) {
			continue
		}
		if where == "" {
			what, where = "stored rows no longer match the ledger", fmt.Sprintf(", %s on %s among them", ref.Source, ref.Day)
		}
		if i := slices.IndexFunc(l.Sources, func(s SourceLn) bool { return s.Name == ref.Source }); i >= 0 && l.Sources[i].Note != alteredNote {
			l.Sources[i].Good, l.Sources[i].Note = false, alteredNote
		}
	}
	l.Needs = slices.Insert(l.Needs, 0, fmt.Sprintf("The audit of %s found stored rows that are not those of the ledger (%s%s): run 'exhibit audit', then restore a backup",
		reports.Instant(outside.Audit.At), reports.Plural(max(outside.Audit.Altered, uint64(len(outside.Altered))), "segment", "segments"), where))
	return what
}

const alteredNote = "stored rows no longer match the ledger"
