package schedule

import (
	"context"
	"fmt"
	"io"
	netmail "net/mail"
	"strings"

	"github.com/wneessen/go-mail"
)

// A Sender is who mails come from.
type Sender struct {
	Name    string // shown; may be empty
	Address string
}

// Domain is the part of the address that ids of mails end with.
func (s Sender) Domain() string { return s.Address[strings.LastIndexByte(s.Address, '@')+1:] }

// message makes the mail of a parcel. A nil pack is not attached; how says how the pack
// comes, in a sentence.
func (s Sender) message(ctx context.Context, p Parcel, pack io.ReadSeeker, how string) (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	// FromFormat puts quotes around the name as it is; this one encodes it.
	if err := m.From((&netmail.Address{Name: s.Name, Address: s.Address}).String()); err != nil {
		return nil, fmt.Errorf("schedule: sender %q: %w", s.Address, err)
	}
	if err := m.To(p.To); err != nil {
		return nil, fmt.Errorf("schedule: recipient %q: %w", p.To, err)
	}
	m.Subject(subject(p.Letter.Subject))
	m.SetMessageIDWithValue(p.MessageID)
	m.SetDateWithValue(p.At)
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	if p.Letter.Page != "" {
		m.SetListUnsubscribe(p.Letter.Page)
	}
	html, err := p.Letter.HTML(ctx, how)
	if err != nil {
		return nil, err
	}
	m.SetBodyString(mail.TypeTextPlain, p.Letter.Text(how))
	m.AddAlternativeString(mail.TypeTextHTML, html)
	if pack != nil {
		m.AttachReadSeeker(fileName(p.Letter.File), pack, mail.WithFileContentType("application/zip"))
	}
	return m, nil
}

// length returns how many bytes the mail has as it is sent.
func length(m *mail.Msg) (int64, error) {
	n, err := m.WriteTo(io.Discard)
	if err != nil {
		return 0, fmt.Errorf("schedule: measure mail: %w", err)
	}
	return n, nil
}

// fileName keeps what is safe in a name of a file, and in a header.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-", r):
			return r
		}
		return '_'
	}, name)
}
