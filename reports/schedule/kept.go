package schedule

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"strings"
	"time"
)

// A Kept mail is one in the mailbox.
type Kept struct {
	Name, To, Subject string
	At                time.Time
}

// An Opened mail is a kept one taken apart.
type Opened struct {
	Kept
	From, MessageID string
	Text, HTML      string
	Files           []Attached
}

// An Attached file is one that a mail has.
type Attached struct {
	Name string
	Size int64
}

// maxBody is more than any text of ours has.
const maxBody = 4 << 20

// Read takes a mail apart.
func (b Mailbox) Read(name string) (Opened, error) {
	var o Opened
	err := b.walk(name, func(h mail.Header) error {
		var err error
		o.Kept, err = kept(name, h)
		o.From, o.MessageID = header(h, "From"), strings.Trim(h.Get("Message-Id"), "<>")
		return err
	}, func(p part) error {
		if p.file != "" {
			n, err := io.Copy(io.Discard, p)
			o.Files = append(o.Files, Attached{p.file, n})
			return err
		}
		text, err := io.ReadAll(io.LimitReader(p, maxBody))
		if p.media == "text/html" {
			o.HTML += string(text)
		} else {
			o.Text += string(text)
		}
		return err
	})
	return o, err
}

// errFound ends a walk.
var errFound = errors.New("found")

// File writes an attached file to what open returns when it is there.
func (b Mailbox) File(name, file string, open func() (io.Writer, error)) error {
	err := b.walk(name, func(mail.Header) error { return nil }, func(p part) error {
		if p.file != file || file == "" {
			return nil
		}
		w, err := open()
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, p); err != nil {
			return err
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return nil
	case err == nil:
		return fs.ErrNotExist
	}
	return err
}

func kept(name string, h mail.Header) (Kept, error) {
	at, err := h.Date()
	return Kept{Name: name, To: strings.Trim(header(h, "To"), "<>"), Subject: header(h, "Subject"), At: at}, err
}

// header returns a field with its encoded words in plain text.
func header(h mail.Header, name string) string {
	text, err := new(mime.WordDecoder).DecodeHeader(h.Get(name))
	if err != nil {
		return h.Get(name) // as it came
	}
	return text
}

// A part is a text or a file of a mail, decoded.
type part struct {
	io.Reader
	media string
	file  string // name; empty: a text
}

// walk shows the header of a mail, then each of its parts.
func (b Mailbox) walk(name string, head func(mail.Header) error, each func(part) error) error {
	f, err := b.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	m, err := mail.ReadMessage(f)
	if err == nil {
		err = head(m.Header)
	}
	if err == nil {
		err = walkPart(textproto.MIMEHeader(m.Header), m.Body, each)
	}
	if err != nil && !errors.Is(err, errFound) {
		return fmt.Errorf("schedule: mailbox: %s: %w", name, err)
	}
	return err
}

func walkPart(h textproto.MIMEHeader, body io.Reader, each func(part) error) error {
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return err
	}
	if strings.HasPrefix(media, "multipart/") {
		for parts := multipart.NewReader(body, params["boundary"]); ; {
			p, err := parts.NextRawPart()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = walkPart(p.Header, p, each)
			}
			if err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(h.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	p := part{Reader: body, media: media}
	if disposition, params, err := mime.ParseMediaType(h.Get("Content-Disposition")); err == nil && disposition == "attachment" {
		p.file = params["filename"]
	}
	return each(p)
}

// Open opens a mail by its name in the list.
func (b Mailbox) Open(name string) (*os.File, error) {
	if name != fileName(name) || strings.HasPrefix(name, ".") || !strings.HasSuffix(name, mailSuffix) {
		return nil, fs.ErrNotExist
	}
	return os.Open(b.path(name))
}
