package schedule

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"exhibit/reports/schedule/mailtest"

	"github.com/emersion/go-smtp"
)

// sender is a client of the server, with a pack of the size on the disk.
func sender(t *testing.T, s *mailtest.Server, security string, packSize int) *SMTP {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pack.zip")
	if err := os.WriteFile(path, filled(packSize), 0o600); err != nil {
		t.Fatal(err)
	}
	return &SMTP{Host: s.Host, Port: s.Port, Security: security, User: mailtest.User, Password: mailtest.Password, TLS: &tls.Config{RootCAs: s.Roots()},
		From: Sender{"Exhibit", "exhibit@example.com"}, Hello: "exhibit.example.com", Timeout: 10 * time.Second, MaxSize: 25 << 20,
		Packs: func(string) (*os.File, error) { return os.Open(path) }}
}

func filled(n int) []byte { return bytes.Repeat([]byte("pack "), n/5) }

func letter() *Letter {
	return &Letter{Kind: "evidence", Name: "PCI monthly", Subject: "Evidence for March 2026: 3 h missing on 14 March", Verdict: "Evidence for March 2026: 3 h missing on 14 March",
		Framework: "PCI DSS", Exact: "2026-03-01 to 2026-03-31, both included, in Europe/Berlin", Before: "February 2026", Waited: "The coverage of the period is settled.",
		Needs: []string{"GitHub: no source is connected", "Did anybody change how logs are kept? 2 exceptions to explain"}, Gaps: []string{"hcp-prod: 3 h, 14 March 02:00 to 05:00 CET, lost at the source"},
		Sources: []SourceLn{{"hcp-prod", "99.5 %", "of the required time", false}, {"okta-workforce", "100 %", "", true}},
		Counts:  []CountLn{{"Logins", "4,120", "4,001", "+3 %"}, {"Failed auth", "212", "259", "−18 %"}, {"Admin changes", "389", "276", "+41 %"}, {"Mfa", "", "", "not evidenced: no source logs this"}},
		Signed:  "exhibit.example.com/prod\n8114\nXzwdC+KpTHeE8eCmvTkhxF88HQvizUx3hPHgpr05IcQ=\n\n— exhibit.example.com/prod AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz==\n",
		Records: 8114, Held: time.Date(2026, 4, 2, 4, 58, 11, 0, time.UTC), File: "exhibit-pci-2026-03-01_2026-03-31.zip", Size: 1_840_112, SHA256: strings.Repeat("5f3c1d0be2a94c77", 4),
		PackLink: "https://exhibit.example.com/schedules/k3/packs/2026-03-01_2026-03-31", LinkUntil: time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC),
		Report: "https://exhibit.example.com/reports/pci?from=2026-03-01", Page: "https://exhibit.example.com/schedules/k3", Attach: true}
}

func parcel() Parcel {
	return Parcel{Letter: letter(), To: "ada@example.com", MessageID: "0123456789abcdef@example.com", At: time.Date(2026, 4, 2, 5, 0, 0, 0, time.UTC), Pack: "p1", Attach: true}
}

// read takes a mail apart: its header, text, HTML and attachments by name.
func read(t *testing.T, raw string) (mail.Header, string, string, map[string][]byte) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	text, html, files := "", "", map[string][]byte{}
	var walk func(kind, encoding, disposition string, body io.Reader)
	walk = func(kind, encoding, disposition string, body io.Reader) {
		media, params, err := mime.ParseMediaType(kind)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(media, "multipart/") {
			for parts := multipart.NewReader(body, params["boundary"]); ; {
				p, err := parts.NextRawPart()
				if err == io.EOF {
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				walk(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), p)
			}
		}
		b, err := io.ReadAll(decoded(encoding, body))
		if err != nil {
			t.Fatal(err)
		}
		switch _, d, _ := mime.ParseMediaType(disposition); {
		case d["filename"] != "":
			files[d["filename"]] = b
		case media == "text/html":
			html = string(b)
		default:
			text = string(b)
		}
	}
	walk(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), "", m.Body)
	return m.Header, text, html, files
}

func decoded(encoding string, r io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(r)
	case "base64":
		return base64Reader(r)
	}
	return r
}

func TestSend(t *testing.T) {
	for name, o := range map[string]mailtest.Options{StartTLS: {}, TLS: {Implicit: true}, Plain: {NoTLS: true}} {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, o)
			out := sender(t, server, name, 100_000).Send(t.Context(), parcel())
			if out.State != Sent || !strings.HasPrefix(out.Reply, "250") || !strings.Contains(out.Note, "is attached") {
				t.Fatalf("got %+v", out)
			}
			mails := server.Mails()
			if len(mails) != 1 || mails[0].TLS == (name == Plain) || mails[0].User != mailtest.User || mails[0].To != "ada@example.com" || mails[0].From != "exhibit@example.com" {
				t.Fatalf("got %+v", mails)
			}
			h, text, html, files := read(t, mails[0].Body)
			for key, want := range map[string]string{"Message-Id": "<0123456789abcdef@example.com>", "Auto-Submitted": "auto-generated",
				"List-Unsubscribe": "<https://exhibit.example.com/schedules/k3>", "Subject": "Evidence for March 2026: 3 h missing on 14 March",
				"Date": "Thu, 02 Apr 2026 05:00:00 +0000", "From": `"Exhibit" <exhibit@example.com>`, "To": "<ada@example.com>"} {
				if got := h.Get(key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
			if len(files["exhibit-pci-2026-03-01_2026-03-31.zip"]) != 100_000 {
				t.Errorf("attached %d files", len(files))
			}
			for _, want := range []string{"3 h missing on 14 March", "4,120", "+41 %", "8114\n", "eeps this mail", "hcp-prod"} {
				want = strings.Replace(want, "eeps", "eep", 1)
				if !strings.Contains(strings.ReplaceAll(text, "\r", ""), want) {
					t.Errorf("the text does not say %q:\n%s", want, text)
				}
			}
			if strings.Contains(html, "<img") || strings.Contains(html, "url(") || !strings.Contains(html, "not evidenced") {
				t.Error("the HTML has pictures or lacks a section")
			}
		})
	}
}

// The pack goes along only where the whole mail fits after encoding, and the mail says
// which it is and why.
func TestPackOverTheLimit(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{Size: 130_000})
	for size, attached := range map[int]bool{50_000: true, 100_000: false} { // 100,000 bytes are 137,000 in base64
		s := sender(t, server, StartTLS, size)
		out := s.Send(t.Context(), parcel())
		mails := server.Mails()
		_, text, _, files := read(t, mails[len(mails)-1].Body)
		if out.State != Sent || len(files) == 1 != attached || !strings.Contains(text, out.Note) {
			t.Errorf("%d bytes: %+v, %d files", size, out, len(files))
		}
		if !attached && (!strings.Contains(out.Note, "130.0 kB") || !strings.Contains(out.Note, "not attached")) {
			t.Errorf("%d bytes: the mail says %q", size, out.Note)
		}
	}
	// A server that takes less than it announced.
	refuse := true
	server.Fail(mailtest.Faults{Data: func() error {
		if refuse {
			refuse = false
			return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "too big"}
		}
		return nil
	}})
	out := sender(t, server, StartTLS, 1000).Send(t.Context(), parcel())
	if out.State != Sent || !strings.Contains(out.Note, "refused the mail with the pack") {
		t.Errorf("got %+v", out)
	}
}

// Each fault of the conversation has its record.
func TestFaults(t *testing.T) {
	answer := func(code int, text string) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
	}
	once := func(err error) func() error { return func() error { return err } }
	for name, tt := range map[string]struct {
		change func(s *SMTP)
		faults mailtest.Faults
		want   DeliveryState
		reply  string
		lost   bool
	}{
		"connect":            {change: func(s *SMTP) { s.Port = closedPort(t) }, want: Deferred, reply: "connection refused"},
		"unknown authority":  {change: func(s *SMTP) { s.TLS = nil }, want: Deferred, reply: "certificate"},
		"other name":         {change: func(s *SMTP) { s.Host = "localhost" }, want: Deferred, reply: "certificate"},
		"wrong password":     {change: func(s *SMTP) { s.Password = "wrong" }, want: Deferred, reply: "535"},
		"sign-in is down":    {faults: mailtest.Faults{Auth: once(answer(454, "try later"))}, want: Deferred, reply: "454"},
		"no such person":     {faults: mailtest.Faults{Rcpt: func(string) error { return answer(550, "no such user") }}, want: Failed, reply: "RCPT: 550"},
		"greylisting":        {faults: mailtest.Faults{Rcpt: func(string) error { return answer(451, "greylisted") }}, want: Deferred, reply: "RCPT: 451"},
		"mail refused":       {faults: mailtest.Faults{Data: once(answer(554, "looks like spam"))}, want: Failed, reply: "after the mail: 554"},
		"mail not for now":   {faults: mailtest.Faults{Data: once(answer(452, "disk full"))}, want: Deferred, reply: "after the mail: 452"},
		"the answer is lost": {faults: mailtest.Faults{Drop: func() bool { return true }}, want: Deferred, reply: "EOF", lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := mailtest.Start(t, mailtest.Options{})
			server.Fail(tt.faults)
			s := sender(t, server, StartTLS, 1000)
			if tt.change != nil {
				tt.change(s)
			}
			out := s.Send(t.Context(), parcel())
			if out.State != tt.want || !strings.Contains(out.Reply, tt.reply) || out.Lost != tt.lost || strings.Contains(out.Reply, mailtest.Password) {
				t.Errorf("got %+v, want %s %q", out, tt.want, tt.reply)
			}
		})
	}
	t.Run("no encryption offered", func(t *testing.T) {
		server := mailtest.Start(t, mailtest.Options{NoTLS: true})
		out := sender(t, server, StartTLS, 1000).Send(t.Context(), parcel())
		if out.State != Deferred || !strings.Contains(out.Reply, "STARTTLS") || len(server.Mails()) != 0 {
			t.Errorf("got %+v and %d mails", out, len(server.Mails()))
		}
	})
	t.Run("a server that says nothing", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		s := sender(t, &mailtest.Server{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}, StartTLS, 1000)
		s.Timeout = 200 * time.Millisecond
		if out := s.Send(t.Context(), parcel()); out.State != Deferred || !strings.Contains(out.Reply, "timeout") {
			t.Errorf("got %+v", out)
		}
	})
}

func closedPort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// What comes from elsewhere cannot write headers, lines or tags.
func TestInjection(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	p := parcel()
	const nasty = "x\r\nBcc: eve@example.com\r\n\r\n<script>alert(1)</script>\u2028"
	l := p.Letter
	l.Subject, l.Name, l.Verdict, l.Gaps, l.Needs, l.File = nasty, nasty, nasty, []string{nasty}, []string{nasty}, "a\r\nX-Evil: 1\".zip"
	l.Sources, l.Counts = []SourceLn{{nasty, "1 %", nasty, false}}, []CountLn{{nasty, "1", "1", "same"}}
	l.Report, l.PackLink = "javascript:alert(1)", "https://exhibit.example.com/x"
	if out := sender(t, server, StartTLS, 1000).Send(t.Context(), p); out.State != Sent {
		t.Fatalf("got %+v", out)
	}
	h, text, html, files := read(t, server.Mails()[0].Body)
	if h.Get("Bcc") != "" || h.Get("X-Evil") != "" || len(files["a__X-Evil__1_.zip"]) != 1000 {
		t.Errorf("a header was written: %v, %d files", h, len(files))
	}
	if strings.Contains(html, "<script") || strings.Contains(text, "\nBcc:") {
		t.Errorf("a tag or a line was written:\n%s\n%s", text, html)
	}
	onlyOurs(t, h, "Exhibit", subject(nasty))
	for _, to := range []string{"eve@example.com\r\nRCPT TO:<x@example.com>", "Eve <eve@example.com>", "eve@evil.example", "a@example.com,b@example.com", "", "ëve@example.com", "eve@example.com "} {
		if err := CheckAddress(to, []string{"example.com"}); err == nil {
			t.Errorf("the address %q is taken", to)
		}
	}
	if err := CheckAddress("ada@EXAMPLE.com", []string{"example.com"}); err != nil {
		t.Error(err)
	}
}

// onlyOurs checks that a mail has the fields that all mails have and no others, each
// once, and that they say what they are to say.
func onlyOurs(t *testing.T, h mail.Header, name, subject string) {
	t.Helper()
	want := []string{"Auto-Submitted", "Content-Type", "Date", "From", "List-Unsubscribe", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress"}
	if got := slices.Sorted(maps.Keys(h)); !slices.Equal(got, want) {
		t.Errorf("the mail has the fields %q, want %q", got, want)
	}
	for field, values := range h {
		if len(values) != 1 {
			t.Errorf("%s is there %d times: %q", field, len(values), values)
		}
	}
	from, err := h.AddressList("From")
	if err != nil || len(from) != 1 || from[0].Address != "exhibit@example.com" || from[0].Name != name {
		t.Errorf("from %q: %v, %v; want the name %q", h.Get("From"), from, err, name)
	}
	if got := header(h, "Subject"); got != subject {
		t.Errorf("subject %q, want %q", got, subject)
	}
}

// Whatever the sender is called, the mail is his and has no field more.
func TestSenderName(t *testing.T) {
	for _, name := range []string{"Exhibit\r\nBcc: eve@example.com", "Exhibit\nX-Evil: 1", `Eve" <eve@example.com>, "x`, `<eve@example.com>`, `a, eve@example.com`, `\`, "Größe „Q“", strings.Repeat("long ", 40) + "end"} {
		p, raw := parcel(), new(bytes.Buffer)
		p.Letter.Subject = name
		m, err := Sender{name, "exhibit@example.com"}.message(t.Context(), p, nil, "")
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if _, err := m.WriteTo(raw); err != nil {
			t.Fatal(err)
		}
		h, _, _, _ := read(t, raw.String())
		onlyOurs(t, h, name, subject(name))
	}
}

// One recipient of three is refused, the others get theirs.
func TestOneOfThree(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	server.Fail(mailtest.Faults{Rcpt: func(to string) error {
		if strings.HasPrefix(to, "b@") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}})
	m, now := &memory{schedules: []Schedule{monthly("one", "UTC", 2, 7, 0, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))}}, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	s := sender(t, server, StartTLS, 1000)
	r, entries := newRunner(t, m, &invented{}, nil, &now)
	r.Post = s
	if err := r.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, d := range deliveriesOf(t, m) {
		got += fmt.Sprintln(d.Target, d.State, d.Reply)
	}
	if len(server.Mails()) != 2 || strings.Count(got, " sent 250") != 2 || !strings.Contains(got, "b@example.com failed RCPT: 550 5.1.1 no such user") {
		t.Errorf("%d mails\n%s", len(server.Mails()), got)
	}
	if len(*entries) != 4 { // the run and three deliveries
		t.Errorf("diary: %+v", *entries)
	}
}

func TestStopInTheMiddle(t *testing.T) {
	server := mailtest.Start(t, mailtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	server.Fail(mailtest.Faults{Data: func() error { cancel(); return nil }})
	out := sender(t, server, StartTLS, 1000).Send(ctx, parcel())
	if out.State == Failed {
		t.Errorf("got %+v: being stopped is no failure", out)
	}
}

func base64Reader(r io.Reader) io.Reader { return base64.NewDecoder(base64.StdEncoding, r) }
