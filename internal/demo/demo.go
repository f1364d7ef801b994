// Package demo holds what the demo is made of besides the product itself: an
// invented organisation with its history of audit events (History), and a local
// server that speaks HCP Terraform's audit trail API (HCP). Tests use both.
//
// Nothing here is evidence of anything: every person, team and workspace is
// invented.
package demo

import "time"

// A Record is one audit event as the vendor sends it: the exact JSON bytes, with
// the two fields that the server sorts and compares by.
type Record struct {
	ID   string
	Time time.Time
	Raw  []byte
}

// stampLayout is how HCP Terraform writes and reads times.
const stampLayout = "2006-01-02T15:04:05.000Z"
