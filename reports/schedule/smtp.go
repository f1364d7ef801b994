package schedule

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	"exhibit/reports"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// Ways to encrypt the connection to a mail server.
const (
	StartTLS = "starttls" // required: without it nothing is sent
	TLS      = "tls"      // from the first byte
	Plain    = "none"     // not encrypted, for loopback only
)

// An SMTP server takes mails. It is safe for use by several goroutines.
type SMTP struct {
	Host     string
	Port     int
	Security string // StartTLS, TLS or Plain
	User     string // empty: no AUTH
	Password string
	TLS      *tls.Config // nil: the system's authorities
	From     Sender
	Hello    string        // our name in the conversation; empty: the machine's
	Timeout  time.Duration // of one conversation up to DATA, and of DATA again
	MaxSize  int64         // of a mail with its attachment, where the server announces no smaller one
	// Packs opens a pack by its id.
	Packs func(id string) (*os.File, error)
}

// Send implements Post. What the server refuses for good is Failed; all else is
// Deferred: a network, a certificate or a password can be mended while it waits.
func (s *SMTP) Send(ctx context.Context, p Parcel) Outcome {
	out, code := s.try(ctx, p, p.Attach)
	if p.Attach && code == 552 { // it is larger than the server takes, whatever it announced
		note := "The server refused the mail with the pack (" + out.Reply + "), so it went without. "
		out, _ = s.try(ctx, p, false)
		out.Note = strings.TrimSpace(note + out.Note)
	}
	return out
}

// Try connects, signs in and leaves again: the configuration works if it returns nil.
func (s *SMTP) Try(ctx context.Context) error {
	c, done, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer done()
	return c.Quit()
}

// try has one conversation. The code is the server's answer to a refused mail.
func (s *SMTP) try(ctx context.Context, p Parcel, attach bool) (Outcome, int) {
	c, done, err := s.connect(ctx)
	if err != nil {
		return Outcome{State: Deferred, Reply: oneLine(err.Error())}, 0
	}
	defer done()
	m, how, end, err := s.pack(ctx, c, p, attach)
	if err != nil {
		return Outcome{State: Failed, Reply: oneLine(err.Error())}, 0
	}
	defer end()
	// The client writes paths as they are, and a path has brackets: RFC 5321, 4.1.2.
	if err := c.Mail("<" + s.From.Address + ">"); err != nil {
		return refused("MAIL", err, how)
	}
	if err := c.Rcpt("<" + p.To + ">"); err != nil {
		return refused("RCPT", err, how)
	}
	w, err := c.Data()
	if err != nil {
		return refused("DATA", err, how)
	}
	if err := c.UpdateDeadline(s.Timeout); err != nil {
		return refused("DATA", err, how)
	}
	if _, err := m.WriteTo(w); err != nil { // without its last line the server drops the mail
		return refused("sending the mail", err, how)
	}
	if err := w.Close(); err != nil {
		out, code := refused("after the mail", err, how)
		out.Lost = code == 0
		return out, code
	}
	reply := "250"
	if closer, ok := w.(*smtp.DataCloser); ok {
		reply += " " + oneLine(closer.ServerResponse())
	}
	_ = c.Quit() // the mail is taken; how the server says goodbye changes nothing
	return Outcome{State: Sent, Reply: reply, Note: how}, 0
}

func refused(step string, err error, how string) (Outcome, int) {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return Outcome{State: Deferred, Reply: oneLine(step + ": " + err.Error())}, 0
	}
	out := Outcome{State: Deferred, Reply: oneLine(fmt.Sprintf("%s: %d %s", step, answer.Code, answer.Msg))}
	if answer.Code >= 500 {
		out.State, out.Note = Failed, ""
	}
	return out, answer.Code
}

// connect returns a connection over which mail may be sent, and what closes it.
func (s *SMTP) connect(ctx context.Context) (*smtp.Client, func(), error) {
	var conn net.Conn
	policy := mail.TLSMandatory
	if s.Security != StartTLS {
		policy = mail.NoTLS
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		config = s.TLS.Clone()
	}
	config.ServerName = s.Host
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(s.Timeout), mail.WithTLSPolicy(policy), mail.WithTLSConfig(config),
		mail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			conn = raw
			if s.Security != TLS {
				return raw, nil
			}
			secure := tls.Client(raw, config)
			return secure, secure.HandshakeContext(ctx)
		})}
	if s.Hello != "" {
		options = append(options, mail.WithHELO(s.Hello))
	}
	if s.User != "" {
		auth := []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin}
		if s.Security == Plain { // on loopback nobody listens
			auth = []mail.SMTPAuthType{mail.SMTPAuthPlainNoEnc, mail.SMTPAuthLoginNoEnc}
		}
		options = append(options, mail.WithOpportunisticSMTPAuth(auth...), mail.WithUsername(s.User), mail.WithPassword(s.Password))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("mail server %s: %w", s.Host, err)
	}
	c, err := client.DialToSMTPClientWithContext(ctx)
	hangUp := func() {
		if conn != nil {
			_ = conn.Close() // nothing that matters is left to be written
		}
	}
	stop := context.AfterFunc(ctx, hangUp)
	done := func() { stop(); hangUp() }
	if err != nil {
		done()
		return nil, nil, fmt.Errorf("mail server %s: %w", net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), err)
	}
	return c, done, nil
}

// pack makes the mail, with the pack where it fits, and says how the pack comes. End
// must be called when the mail was written.
func (s *SMTP) pack(ctx context.Context, c *smtp.Client, p Parcel, attach bool) (m *mail.Msg, how string, end func(), err error) {
	limit, whose := s.limit(c)
	var file *os.File
	end = func() {
		if file != nil {
			_ = file.Close() // only read
		}
	}
	if p.Pack == "" {
		m, err = s.From.message(ctx, p, nil, "")
		return m, "", end, err
	}
	without := func(why string) (*mail.Msg, string, func(), error) {
		how := "The pack is not attached: " + why + " Download it with the link."
		m, err := s.From.message(ctx, p, nil, how)
		return m, how, end, err
	}
	switch {
	case !p.Attach:
		return without("the schedule says so.")
	case !attach:
		return without("the mail server refused it as too large.")
	}
	if file, err = s.Packs(p.Pack); err != nil {
		return without("its file is not there any more.")
	}
	how = "The pack is attached, and can be downloaded too."
	if m, err = s.From.message(ctx, p, file, how); err != nil {
		return nil, "", end, err
	}
	n, err := length(m)
	if err != nil {
		return nil, "", end, err
	}
	if n > limit {
		return without(fmt.Sprintf("with it this mail would have %s, and %s %s.", reports.Size(n), whose, reports.Size(limit)))
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, "", end, fmt.Errorf("schedule: read pack: %w", err)
	}
	return m, how, end, nil
}

// limit is how large a mail may be, and who says so.
func (s *SMTP) limit(c *smtp.Client) (int64, string) {
	if ok, text := c.Extension("SIZE"); ok {
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n > 0 && (s.MaxSize <= 0 || n < s.MaxSize) {
			return n, "the mail server takes up to"
		}
	}
	return s.MaxSize, "the configuration allows"
}
