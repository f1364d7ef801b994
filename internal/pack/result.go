package pack

import (
	"time"
)

// A Finding is one thing that is wrong with a pack.
type Finding struct {
	File string `json:"file,omitempty"` // empty: the zip itself, or the pack as a whole
	What string `json:"what"`
	Do   string `json:"do"`
}

// What to do about a finding.
const (
	doAskAgain   = "Ask for the pack again, over another way. If the new one says the same, take the evidence as altered and ask who made it."
	doNotUnpack  = "Do not unpack it. Ask for the pack again, over another way."
	doNotRely    = "Do not rely on this file. Ask for the pack again; if the new one says the same, ask for the output of `exhibit audit`."
	doCheckKey   = "Compare the key with the one that you were given when the audit began. If it is right, this pack was not made by the holder of that key."
	doNewer      = "Get the exhibit-verify of the version that made the pack, and check with that."
	doRewritten  = "Keep your checkpoint and this pack. Ask the operator which restore or rebuild happened and when; what was collected before your checkpoint is not proven by this pack."
	doOlderPack  = "If the pack was made before your checkpoint, check it with an older one or ask for a pack made today. If it was made after, the log has lost records: ask the operator about a restored backup."
	doAskHistory = "Ask for a pack made today: the writer adds what is missing. If that says the same, the log breaks its own rules; ask for the output of `exhibit audit`."
)

// A Result is what Verify found out. The pack is good when Findings is empty.
type Result struct {
	OK        bool      `json:"ok"`
	Title     string    `json:"title,omitempty"`
	Framework string    `json:"framework,omitempty"`
	Period    string    `json:"period,omitempty"`
	Sources   []string  `json:"sources,omitempty"`
	Origin    string    `json:"origin,omitempty"`
	Key       string    `json:"key,omitempty"` // NAME+HASH of the key that the checks rest on
	Records   uint64    `json:"records"`       // size of the log
	Root      string    `json:"root,omitempty"`
	At        time.Time `json:"at,omitzero"`
	Content   string    `json:"content,omitempty"` // digest, as computed
	Counts    Counts    `json:"counts"`            // as counted, not as stated
	Gaps      int       `json:"gaps"`              // stretches of the period that are not covered
	NotDue    int       `json:"not_due"`           // further ones that the ledger calls not due yet, or before onboarding
	Findings  []Finding `json:"findings"`
	More      int       `json:"more_findings,omitzero"` // beyond those listed
	Notes     []string  `json:"notes,omitempty"`

	Proven      []string `json:"proven,omitempty"`
	Conditional []string `json:"proven_if_key_or_checkpoint_reached_you_another_way,omitempty"`
	NotProvable []string `json:"not_provable,omitempty"`
}
