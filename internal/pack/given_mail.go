package pack

import (
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// mailed returns the checkpoint that a saved mail tells, or the text as it is when it
// is no mail or tells none.
func mailed(text string) string {
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil || m.Header.Get("Message-Id") == "" && m.Header.Get("Subject") == "" {
		return text
	}
	if found := noteIn(textproto.MIMEHeader(m.Header), m.Body, 0); found != "" {
		return found
	}
	return text
}

// maxDepth bounds parts within parts of a mail.
const maxDepth = 5

// noteIn returns the first signed note in the plain text of a mail or of its parts.
func noteIn(header textproto.MIMEHeader, body io.Reader, depth int) string {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	if !strings.HasPrefix(kind, "multipart/") {
		if kind != "text/plain" {
			return ""
		}
		switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
		case "quoted-printable":
			body = quotedprintable.NewReader(body)
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, body)
		}
		// A part that is damaged at its end may still hold the note.
		b, _ := io.ReadAll(io.LimitReader(body, maxGiven))
		return findNote(string(b))
	}
	if depth == maxDepth {
		return ""
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err != nil {
			return ""
		}
		if found := noteIn(p.Header, p, depth+1); found != "" {
			return found
		}
	}
}

// findNote returns the three lines of a checkpoint with the signatures below them. It
// only looks for what may be one: whoever verifies it checks the signatures.
func findNote(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\u00a0")
	}
	for i := 3; i+1 < len(lines); i++ {
		if lines[i] != "" || !strings.HasPrefix(lines[i+1], "— ") {
			continue
		}
		end := i + 1
		for end < len(lines) && strings.HasPrefix(lines[end], "— ") {
			end++
		}
		return strings.Join(lines[i-3:end], "\n") + "\n"
	}
	return ""
}
