package words

// A State is how a state of a day is shown, in packs and on pages.
type State struct {
	Title   string // its name
	Explain string // what it means
	Mark    string // its sign, for those who do not see its colour; empty: it needs nobody
}

// DayState returns how a state of a day is shown. One that is not known is its own name.
func DayState(name string) State {
	switch name {
	case "read":
		return State{"covered, read", "polled to the end; no events means that there were none", ""}
	case "heard":
		return State{"covered, heard", "pushed to us while the path was alive", ""}
	case "stated":
		return State{"covered, stated", "imported from a file that a person stated to be complete", ""}
	case "silent":
		return State{"covered, silent", "collected without an event, though this source usually has some on that weekday: look", "○"}
	case "pending":
		return State{"pending", "too recent to be settled", "…"}
	case "backfilling":
		return State{"backfilling", "first history is still being read", "›"}
	case "recoverable":
		return State{"gap, recoverable", "not collected; the vendor still has it: Exhibit fetches it, or where events are pushed, an import does", "!"}
	case "lost":
		return State{"gap, lost", "not collected and beyond what the source keeps; an import can still fill it", "×"}
	case "before":
		return State{"before onboarding", "older than the start of this source", ""}
	case "expired":
		return State{"expired by policy", "deleted by a retention rule that the ledger recorded", "−"}
	case "altered":
		return State{"altered", "rows no longer match the ledger", "≠"}
	case "not-connected":
		return State{"not connected", "no such source is connected", "–"}
	}
	return State{Title: name}
}
