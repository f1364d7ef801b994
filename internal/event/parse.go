package event

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrNotCanonical is returned for a line that AppendLine would not have written.
var ErrNotCanonical = errors.New("event: line is not in canonical form")

// Parse reads a canonical line into e and refuses every other text: what it
// accepts is what AppendLine gives back, byte for byte. The texts of e share
// memory with line.
func (e *Event) Parse(line string) error {
	return e.parse(reader{s: line})
}

// ParseFields is Parse but for Raw, which is checked and stays empty: who only
// checks lines needs no copy of the record.
func (e *Event) ParseFields(line string) error {
	return e.parse(reader{s: line, noRaw: true})
}

func (e *Event) parse(r reader) error {
	line := r.s
	*e = Event{}
	r.literal(`{"v":1,"salt":"`)
	salt := r.upTo('"')
	if len(salt) != 2*len(e.Salt) || strings.ContainsAny(salt, "ABCDEF") {
		r.fail()
	} else if _, err := hex.Decode(e.Salt[:], []byte(salt)); err != nil {
		r.fail()
	}
	r.more = true
	r.text(`,"source":`, &e.Source)
	r.text(`,"id":`, &e.ID)
	r.time(`,"time":`, &e.Time)
	r.text(`,"time_basis":`, &e.TimeBasis)
	r.text(`,"claimed":`, &e.Claimed)
	r.time(`,"received":`, &e.Received)
	r.text(`,"section":`, (*string)(&e.Section))
	r.text(`,"ocsf":`, &e.OCSF)
	r.number(`,"class":`, &e.Class)
	r.number(`,"activity":`, &e.Activity)
	r.text(`,"action":`, &e.Action)
	r.text(`,"outcome":`, &e.Outcome)
	if r.open(`,"actor":`) {
		r.text(`,"id":`, &e.Actor.ID)
		r.text(`,"name":`, &e.Actor.Name)
		r.text(`,"email":`, &e.Actor.Email)
		r.text(`,"type":`, &e.Actor.Type)
		r.text(`,"impersonator":`, &e.Actor.Impersonator)
		r.close()
	}
	if r.open(`,"target":`) {
		r.text(`,"type":`, &e.Target.Type)
		r.text(`,"id":`, &e.Target.ID)
		r.text(`,"name":`, &e.Target.Name)
		r.close()
	}
	r.text(`,"ip":`, &e.IP)
	r.text(`,"user_agent":`, &e.UserAgent)
	r.text(`,"request_id":`, &e.RequestID)
	r.text(`,"session_id":`, &e.SessionID)
	r.text(`,"organisation":`, &e.Organisation)
	if r.open(`,"scope":`) {
		r.text(`,"workspace":`, &e.Scope.Workspace)
		r.text(`,"project":`, &e.Scope.Project)
		r.text(`,"account":`, &e.Scope.Account)
		r.close()
	}
	r.text(`,"changes":`, &e.Changes)
	r.number(`,"mapping":`, &e.Mapping)
	r.text(`,"masked":`, &e.Masked)
	r.raw(&e.Raw)
	r.literal("}")
	if r.bad || r.pos != len(line) {
		return fmt.Errorf("%w: near byte %d", ErrNotCanonical, r.pos)
	}
	return nil
}
