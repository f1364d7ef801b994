package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"exhibit/internal/event"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ErrNotCanonical is returned for a record line that Line would not have written:
// two readers of JSON could understand it differently.
var ErrNotCanonical = errors.New("ledger: record line is not in canonical form")

// ErrUnknownKind is returned by ParseRecord together with what every record has
// when a newer version wrote it.
var ErrUnknownKind = errors.New("ledger: unknown kind of record")

var errHead = fmt.Errorf("%w: it does not begin with seq, at and kind", ErrNotCanonical)

// Line returns the record as the one JSON line that is hashed.
func (r Record) Line() ([]byte, error) {
	b, err := json.Marshal(r.utc(), json.Deterministic(true), jsontext.EscapeForHTML(false))
	if err != nil {
		return nil, fmt.Errorf("ledger: encode record %d: %w", r.Seq, err)
	}
	return b, nil
}

// utc returns the record with all its times in UTC, and leaves r as it is.
func (r Record) utc() Record {
	r.At = r.At.UTC()
	r.Batch = slices.Clone(r.Batch)
	for i := range r.Batch {
		b := &r.Batch[i]
		b.Covers = slices.Clone(b.Covers)
		for j := range b.Covers {
			inUTC(&b.Covers[j].From, &b.Covers[j].To)
		}
		if b.Told != nil {
			told := *b.Told
			inUTC(&told.Since)
			b.Told = &told
		}
	}
	if r.Source != nil {
		source := *r.Source
		inUTC(&source.Since)
		r.Source = &source
	}
	if r.Gap != nil {
		gap := *r.Gap
		inUTC(&gap.From, &gap.To)
		r.Gap = &gap
	}
	if r.Hold != nil {
		hold := *r.Hold
		inUTC(&hold.From, &hold.To)
		r.Hold = &hold
	}
	if r.Rollback != nil {
		rollback := *r.Rollback
		rollback.Covers = slices.Clone(rollback.Covers)
		for i := range rollback.Covers {
			inUTC(&rollback.Covers[i].From, &rollback.Covers[i].To)
		}
		r.Rollback = &rollback
	}
	return r
}

func inUTC(times ...*time.Time) {
	for _, t := range times {
		*t = t.UTC()
	}
}

// ParseHead reads what every record line begins with, and nothing behind it: of
// most earlier records a reader needs no more. The record has no member.
func ParseHead(line []byte) (Record, error) {
	var r Record
	rest, ok := bytes.CutPrefix(line, []byte(`{"seq":`))
	if !ok {
		return r, errHead
	}
	if r.Seq, rest, ok = digits(rest); !ok {
		return r, errHead
	}
	if rest, ok = bytes.CutPrefix(rest, []byte(`,"at":"`)); !ok || len(rest) < len(event.TimeFormat) {
		return r, errHead
	}
	at, err := event.ParseTime(string(rest[:len(event.TimeFormat)]))
	if err != nil {
		return r, errHead
	}
	r.At = at
	rest, ok = bytes.CutPrefix(rest[len(event.TimeFormat):], []byte(`","kind":"`))
	end := bytes.IndexByte(rest, '"')
	if !ok || end < 1 || bytes.ContainsFunc(rest[:end], func(c rune) bool { return (c < 'a' || c > 'z') && c != '-' }) {
		return r, errHead
	}
	r.Kind, rest = string(rest[:end]), rest[end+1:]
	if after, standing := bytes.CutPrefix(rest, []byte(`,"standing":`)); standing {
		if r.Standing, rest, ok = digits(after); !ok || r.Standing == 0 {
			return r, errHead
		}
	}
	if len(rest) == 0 || rest[0] != ',' && rest[0] != '}' {
		return r, errHead
	}
	return r, nil
}

// digits takes a number in its only form from the start of b.
func digits(b []byte) (n uint64, rest []byte, ok bool) {
	end := 0
	for end < len(b) && b[end] >= '0' && b[end] <= '9' {
		end++
	}
	n, err := strconv.ParseUint(string(b[:end]), 10, 63)
	return n, b[end:], err == nil && (b[0] != '0' || end == 1)
}

// ParseRecord reads a record line and refuses every other text than Line writes. A
// member that this version does not know is an error in a known kind; in an unknown
// kind everything is let pass that is JSON.
func ParseRecord(line []byte) (Record, error) {
	head, err := ParseHead(line)
	if err != nil {
		return Record{}, err
	}
	switch head.Kind {
	case KindBatch, KindVoid, KindSource, KindGap, KindExpire, KindErase, KindRefile, KindHold, KindKey, KindRollback:
	default:
		if !jsontext.Value(line).IsValid() {
			return Record{}, fmt.Errorf("%w: record %d is not JSON", ErrNotCanonical, head.Seq)
		}
		return head, fmt.Errorf("%w %q at %d", ErrUnknownKind, head.Kind, head.Seq)
	}
	var r Record
	if err := json.Unmarshal(line, &r, json.RejectUnknownMembers(true)); err != nil {
		return Record{}, fmt.Errorf("ledger: parse record %d: %w", head.Seq, err)
	}
	if again, err := r.Line(); err != nil || !bytes.Equal(again, line) {
		return Record{}, fmt.Errorf("%w: record %d", ErrNotCanonical, head.Seq)
	}
	return r, nil
}
