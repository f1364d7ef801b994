package ingest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"exhibit/ingest/source"
)

// A Diary keeps what people and the program itself do in Exhibit, as events of the
// source "exhibit" in the same ledger.
type Diary struct {
	committer *Committer
	kind      source.Kind
	secret    []byte
	now       func() time.Time
}

// NewDiary returns a diary that writes through the committer.
func NewDiary(c *Committer, kind source.Kind, secret []byte, now func() time.Time) *Diary {
	return &Diary{committer: c, kind: kind, secret: secret, now: now}
}

// Write keeps an act; when it returns nil the act is committed.
func (d *Diary) Write(ctx context.Context, act source.Act) error {
	now := d.now().UTC().Round(0)
	if act.Time.IsZero() {
		act.Time = now
	}
	if act.ID == "" {
		act.ID = rand.Text()
	}
	raw, err := clean(act).Raw()
	if err != nil {
		return fmt.Errorf("ingest: write act %s: %w", act.Action, err)
	}
	p := NewPreparer(source.Own, d.kind, d.secret, rand.Reader)
	if err := p.Add(source.Record{Raw: raw, Received: now}); err != nil {
		return err
	}
	parcel := p.Take()
	parcel.Urgent = true
	if _, err := d.committer.Commit(ctx, parcel); err != nil {
		return fmt.Errorf("ingest: write act %s: %w", act.Action, err)
	}
	return nil
}

// clean replaces bytes that are not UTF-8: much of an act is what a client sent,
// and nobody must be able to send what keeps the act from being written.
func clean(a source.Act) source.Act {
	for _, text := range []*string{&a.ID, &a.Action, &a.Outcome, &a.IP, &a.UserAgent, &a.RequestID, &a.SessionID, &a.Reason,
		&a.Actor.Type, &a.Actor.ID, &a.Actor.Name, &a.Actor.Email, &a.Target.Type, &a.Target.ID, &a.Target.Name, &a.Target.Email} {
		*text = strings.ToValidUTF8(*text, "\uFFFD")
	}
	return a
}
